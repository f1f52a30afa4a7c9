"""Wheels with files of a test in them."""

import base64
import hashlib
import zipfile
from io import BytesIO
from itertools import count, takewhile
from pathlib import Path

from junkdna.storage.checksums import sha256_file
from junkdna.study.sources import WheelPart, WheelPin

FILENAME = "toy_data-1.0-py3-none-any.whl"


def make_wheel(path: Path, top: str, folder: Path) -> Path:
    """A wheel at `path` that holds the files of `folder` under `top`, with their hashes in its RECORD."""
    record = ["toy-1.0.dist-info/RECORD,,"]
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            code = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode().rstrip("=")
            record.append(f"{top}/{file.name},sha256={code},{file.stat().st_size}")
            archive.write(file, f"{top}/{file.name}")
        archive.writestr("toy-1.0.dist-info/RECORD", "\n".join(record))
    return path


def make_pinned_wheel(path: Path, members: dict[str, bytes], wrong=(), unlisted=()) -> WheelPin:
    """A wheel with RECORD; members in `wrong` get another's hash there, those in `unlisted` none at all."""
    project = path.name.partition("-")[0]
    info = f"{project}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project.replace('_', '-')}\nVersion: 1.0\n".encode()
    wheel = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {**members, f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    lines = [f"{info}/RECORD,,"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            digest = hashlib.sha256(content + b"x" if name in wrong else content).digest()
            if name not in unlisted:
                lines.append(f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},{len(content)}")
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "\n".join(lines))
    return WheelPin(version="1.0", sha256=sha256_file(path), filename=path.name)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip archive of files."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return archive.getvalue()


def make_parts(folder: Path, archive: bytes, size: int, **changes) -> WheelPin:
    """An archive cut after every `size` bytes, each part in a wheel toy-part-00N in `folder`; its pin."""
    parts = []
    for number in takewhile(lambda number: number * size < len(archive), count()):
        member = f"toy_part/input/toy.zip.00{number + 1}"
        path = folder / f"toy_part_00{number + 1}-1.0-py3-none-any.whl"
        pin = make_pinned_wheel(path, {member: archive[number * size : (number + 1) * size]}, **changes)
        name = f"toy-part-00{number + 1}"
        parts.append(WheelPart(name=name, member=member, **pin.model_dump(include={"version", "filename", "sha256"})))
    return WheelPin(sha256=hashlib.sha256(archive).hexdigest(), size_bytes=len(archive), parts=parts)
