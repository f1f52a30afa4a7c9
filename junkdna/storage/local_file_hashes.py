"""Digests of the local files that a study reads: results are stale if the contents of a file change, not its date.

Each record in `results/sources/local` contains the SHA-256 of every file of one source, with the size, mtime and ctime
that the file had when it was hashed. Tools such as tar, rsync and cp set the mtime; they cannot set the ctime. Large
files are hashed again only if one of the three has changed. A record is rewritten only if its contents change.
"""

import hashlib
import json
import os
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write
from junkdna.storage.checksums import sha256_file
from junkdna.storage.globs import local_folder, matching

RESULTS = Path("results")
RECORDS = RESULTS / "sources/local"
ALWAYS_HASHED_BYTES = 1 << 20  # takes under a millisecond; larger files are hashed only if their size or times differ

Stats = tuple[tuple[str, int, int, int], ...]  # name below the folder, size in bytes, mtime and ctime in ns


def files_digest(name: str, patterns: tuple[str, ...], without: tuple[str, ...] = ()) -> str | None:
    """Hex SHA-256 over the names and contents of the files below the local folder `name` that match `patterns`.

    A matching folder includes all its files except hidden ones. Files that match `without` are left out. If no file
    exists (the folder may be on another machine), the last recorded digest is returned, or None without a record.
    Raises UserError if a file cannot be read.
    """
    folder = local_folder(name)
    record = _record(folder, patterns)
    try:
        stats = _stats(folder, patterns, without)
        if stats:
            return _digest(_hashed(record, folder, stats))
    except OSError as error:
        raise UserError(
            f"local {name!r}: {error.filename or folder} cannot be read ({error.strerror}). The contents of "
            "these files decide whether results are stale: make them readable."
        ) from None
    return _read(record).get("digest")


def sha256_unless_known(path: Path) -> str:
    """Hex SHA-256 of a file, taken from its record if its size and times are unchanged. OSError passes through."""
    record = _record(path.parent, (path.name,))
    stats = (_times(path.name, path.stat()),)
    return _hashed(record, path.parent, stats)[path.name]


def _stats(folder: Path, patterns: tuple[str, ...], without: tuple[str, ...]) -> Stats:
    left_out = {path for pattern in without for path in matching(folder, pattern)}
    paths = {path for pattern in patterns for path in matching(folder, pattern)} - left_out
    files = {file for path in paths for file in (_inside(path) if path.is_dir() else [path])}
    stats = ((path.relative_to(folder).as_posix(), path.stat()) for path in files)
    return tuple(sorted(_times(name, facts) for name, facts in stats))


def _times(name: str, facts: os.stat_result) -> tuple[str, int, int, int]:
    return name, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _inside(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _hashed(record: Path, folder: Path, stats: Stats) -> dict[str, str]:
    """Name -> hex SHA-256 of each file. Updates the record if the folder `results` exists."""
    files = _facts(record.absolute(), folder.absolute(), stats)
    hashes = {name: facts["sha256"] for name, facts in files.items()}
    if RESULTS.is_dir() and files != _read(record).get("files"):
        content = {"folder": str(folder), "digest": _digest(hashes), "files": files}
        with suppress(UserError, OSError), atomic_write(record) as temporary:  # without it, files are hashed again
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return hashes


@lru_cache
def _facts(record: Path, folder: Path, stats: Stats) -> dict[str, dict]:
    """Name -> size, times and hash of each file. Takes absolute paths, because the process caches it."""
    known = _read(record).get("files", {})
    files = {}
    for name, size, mtime_ns, ctime_ns in stats:
        facts = {"size_bytes": size, "mtime_ns": mtime_ns, "ctime_ns": ctime_ns}
        recorded = known.get(name, {})
        unchanged = size > ALWAYS_HASHED_BYTES and facts.items() <= recorded.items()
        files[name] = facts | {"sha256": recorded["sha256"] if unchanged else sha256_file(folder / name)}
    return files


def _digest(hashes: dict[str, str]) -> str:
    return _sha256("".join(f"{name} {sha256}\n" for name, sha256 in hashes.items()))


def _sha256(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()  # names may contain invalid UTF-8


def _record(folder: Path, patterns: tuple[str, ...]) -> Path:
    key = _sha256("\n".join([str(folder), *patterns]))[:16]
    return RECORDS / f"{key}.json"


def _read(record: Path) -> dict:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return content if {"digest", "files"} <= content.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}
