"""Digests of local files that a study reads: what a file holds decides whether results are stale, not its date.

Each record in `results/sources/local` holds the SHA-256 of every file of one source, with the size and times that the
file had when it was hashed: of its contents' change (mtime), which tar, rsync and cp set to any value, and of its
entry's (ctime), which nobody sets. Large files are hashed again only when one of the three has changed; a record is
rewritten only when it says something new.
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
ALWAYS_HASHED_BYTES = 1 << 20  # in under a millisecond; a large file is hashed again when its size or time differs

Stats = tuple[tuple[str, int, int, int], ...]  # name below the folder, size in bytes, mtime and ctime in ns


def files_digest(given: str, patterns: tuple[str, ...], without: tuple[str, ...] = ()) -> str | None:
    """Hex SHA-256 over the names and contents of the files that `patterns` name below the local folder `given`.

    A folder stands for all files in it, hidden ones apart; files that one of the patterns `without` names are left
    out. Where nothing is there (the folder lies on another machine), the digest that was recorded last; None where
    there is none. Raises UserError for a file that cannot be read.
    """
    folder = local_folder(given)
    record = _record(folder, patterns)
    try:
        stats = _stats(folder, patterns, without)
        if stats:
            return _digest(_hashed(record, folder, stats))
    except OSError as error:
        raise UserError(
            f"local {given!r}: {error.filename or folder} cannot be read ({error.strerror}). Results are compared with "
            "what these files hold: make them readable."
        ) from None
    return _read(record).get("digest")


def sha256_unless_known(path: Path) -> str:
    """Hex SHA-256 of a file, from its record where its size and times are those of the last time it was hashed.

    OSError passes through.
    """
    record = _record(path.parent, (path.name,))
    stats = (_times(path.name, path.stat()),)
    return _hashed(record, path.parent, stats)[path.name]


def _stats(folder: Path, patterns: tuple[str, ...], without: tuple[str, ...]) -> Stats:
    left_out = {path for pattern in without for path in matching(folder, pattern)}
    found = {path for pattern in patterns for path in matching(folder, pattern)} - left_out
    files = {file for path in found for file in (_inside(path) if path.is_dir() else [path])}
    stats = ((path.relative_to(folder).as_posix(), path.stat()) for path in files)
    return tuple(sorted(_times(name, facts) for name, facts in stats))


def _times(name: str, facts: os.stat_result) -> tuple[str, int, int, int]:
    return name, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _inside(folder: Path) -> list[Path]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [path for path in paths if not any(part.startswith(".") for part in path.relative_to(folder).parts)]


def _hashed(record: Path, folder: Path, stats: Stats) -> dict[str, str]:
    """Name -> hex SHA-256 of each file; what is new goes into the record, once there are results."""
    files = _facts(record.absolute(), folder.absolute(), stats)
    hashes = {name: facts["sha256"] for name, facts in files.items()}
    if RESULTS.is_dir() and files != _read(record).get("files"):
        content = {"folder": str(folder), "digest": _digest(hashes), "files": files}
        with suppress(UserError, OSError), atomic_write(record) as temporary:  # without it files are hashed again
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return hashes


@lru_cache
def _facts(record: Path, folder: Path, stats: Stats) -> dict[str, dict]:
    """Name -> size, time of change and hash of each file. Absolute paths: kept for the life of the process."""
    known = _read(record).get("files", {})
    files = {}
    for name, size, mtime_ns, ctime_ns in stats:
        facts = {"size_bytes": size, "mtime_ns": mtime_ns, "ctime_ns": ctime_ns}
        before = known.get(name, {})
        same = size > ALWAYS_HASHED_BYTES and facts.items() <= before.items()
        files[name] = facts | {"sha256": before["sha256"] if same else sha256_file(folder / name)}
    return files


def _digest(hashes: dict[str, str]) -> str:
    return _sha256("".join(f"{name} {sha256}\n" for name, sha256 in hashes.items()))


def _sha256(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()  # a name may hold bytes that are no text


def _record(folder: Path, patterns: tuple[str, ...]) -> Path:
    key = _sha256("\n".join([str(folder), *patterns]))[:16]
    return RECORDS / f"{key}.json"


def _read(record: Path) -> dict:
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        return content if {"digest", "files"} <= content.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}
