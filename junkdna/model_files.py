"""The files of a model folder against its manifest: a damaged or exchanged file must not make a result."""

import json
from pathlib import Path

from junkdna.errors import UserError
from junkdna.files import sha256_file

MANIFEST = "model.json"
ALWAYS_HASHED_BYTES = 1 << 30  # in about 0.7 s; what is larger would cost each cell of a 7B model about 10 s


def facts_of(path: Path) -> dict:
    """What a manifest says of a file."""
    found = path.stat()
    return {"sha256": sha256_file(path), "size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}


def check_model(folder: Path) -> dict:
    """The manifest of a model folder, after a look at each file that it names; UserError for the first wrong one.

    Files up to ALWAYS_HASHED_BYTES are hashed every time, larger ones when their size or time of change is not what the
    manifest says: a bit that flips in a large file on the disk, its time unchanged, is not seen.
    """
    manifest = _read(folder / MANIFEST)
    for name, told in manifest["files"].items():
        path = folder / name
        try:
            found = path.stat()
            kept = (found.st_size, found.st_mtime_ns) == (told["size_bytes"], told["mtime_ns"])
            hashed = not kept or found.st_size <= ALWAYS_HASHED_BYTES
            problem = "has other bytes than" if hashed and sha256_file(path) != told["sha256"] else ""
        except OSError as error:
            problem = f"cannot be read ({error.strerror}), as it could"
        if problem:
            raise UserError(
                f"{path} {problem} when the model folder was made. If you did not change it, it is damaged: bring it "
                f"again. Then delete {folder / MANIFEST} and run again: model and cells are made anew."
            )
    return manifest


def _read(path: Path) -> dict:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not all({"sha256", "size_bytes", "mtime_ns"} <= told.keys() for told in manifest["files"].values()):
            raise ValueError("a file without hash, size or time")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a whole manifest of a model folder ({error}); delete it and run again: it is made anew."
        ) from None
    return manifest
