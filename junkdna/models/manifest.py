"""The files of a model folder against its manifest: a damaged or exchanged file must not make a result."""

import json
from functools import lru_cache
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.file_errors import not_there
from junkdna.storage.local_file_hashes import sha256_unless_known

MANIFEST = "model.json"
ALWAYS_HASHED_BYTES = 1 << 30  # in about 0.7 s; what is larger would cost each cell of a 7B model about 10 s


def facts_of(path: Path) -> dict:
    """What a manifest says of a file."""
    return {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}


def read_manifest(folder: Path | str) -> dict:
    """The manifest of a model folder; UserError where it is missing or damaged. Looks at no other file."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not {"source", "settings_fingerprint", "digest", "files"} <= manifest.keys():
            raise ValueError("an older version wrote it")
        if not all({"sha256", "size_bytes"} <= told.keys() for told in manifest["files"].values()):
            raise ValueError("a file without hash or size")
    except FileNotFoundError:
        raise not_there(path, "manifest of a model folder") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a whole manifest of a model folder ({error}); delete it and run again: it is made anew."
        ) from None
    return manifest


def model_digest(folder: Path | str) -> str | None:
    """The digest of a model folder's files by its manifest, which is read again only when its size or time has
    changed; None where there is no manifest, "" where it is damaged."""
    path = Path(folder) / MANIFEST
    try:
        facts = path.stat()
    except OSError:
        return None
    return _model_digest(path, facts.st_size, facts.st_mtime_ns)


@lru_cache
def _model_digest(path: Path, _size: int, _mtime_ns: int) -> str:
    try:
        return read_manifest(path.parent)["digest"]
    except UserError:
        return ""


def check_model(folder: Path) -> dict:
    """The manifest of a model folder, after a look at each file that it names; UserError for the first wrong one.

    Files up to ALWAYS_HASHED_BYTES are hashed every time, larger ones when their size or times differ from when they
    were last hashed: a bit that flips in a large file on the disk, its times unchanged, is not seen.
    """
    manifest = read_manifest(folder)
    for name, told in manifest["files"].items():
        path = folder / name
        try:
            small = path.stat().st_size <= ALWAYS_HASHED_BYTES
            found = sha256_file(path) if small else sha256_unless_known(path)
            problem = "" if found == told["sha256"] else "has other bytes than"
        except OSError as error:
            problem = f"cannot be read ({error.strerror}), as it could"
            if path.is_symlink() and not path.exists():
                problem = f"links to {path.readlink()}, which is not there any more, as it was"
        if problem:
            raise UserError(
                f"{path} {problem} when the model folder was made. If you did not change it, it is damaged: bring it "
                f"again. Then delete {folder / MANIFEST} and run again: model and cells are made anew."
            )
    return manifest
