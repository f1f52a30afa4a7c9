"""Read and check the manifest of a model folder, so that no result comes from a corrupt or replaced file."""

import json
from functools import lru_cache
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.file_errors import not_there
from junkdna.storage.local_file_hashes import sha256_unless_known

MANIFEST = "model.json"
ALWAYS_HASHED_BYTES = 1 << 30  # hashed in about 0.7 s; a 7B model would take about 10 s in every cell


def file_facts(path: Path) -> dict:
    """A file's entry in a manifest."""
    return {"sha256": sha256_file(path), "size_bytes": path.stat().st_size}


def read_manifest(folder: Path | str) -> dict:
    """The manifest of a model folder. Raises UserError if it is missing or corrupt. Other files are not checked."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not {"source", "settings_fingerprint", "digest", "files"} <= manifest.keys():
            raise ValueError("an older version wrote it")
        if not all({"sha256", "size_bytes"} <= entry.keys() for entry in manifest["files"].values()):
            raise ValueError("a file has no hash or size")
    except FileNotFoundError:
        raise not_there(path, "manifest of a model folder") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a valid manifest of a model folder ({error}). Delete it and rerun to rebuild it."
        ) from None
    return manifest


def model_digest(folder: Path | str) -> str | None:
    """The digest of a model folder's files in its manifest; None without a manifest, "" if it is corrupt.

    The manifest is read again only if its size or modification time has changed.
    """
    path = Path(folder) / MANIFEST
    try:
        status = path.stat()
    except OSError:
        return None
    return _model_digest(path, status.st_size, status.st_mtime_ns)


@lru_cache
def _model_digest(path: Path, _size: int, _mtime_ns: int) -> str:
    try:
        return read_manifest(path.parent)["digest"]
    except UserError:
        return ""


def check_model(folder: Path) -> dict:
    """The manifest of a model folder, after checking the bytes of all its files. Raises UserError for the first
    mismatch.

    Files up to ALWAYS_HASHED_BYTES are hashed every time, larger ones only if their size or times have changed since
    they were last hashed. A flipped bit in a large file with unchanged times is therefore not detected.
    """
    manifest = read_manifest(folder)
    for name, entry in manifest["files"].items():
        path = folder / name
        try:
            small = path.stat().st_size <= ALWAYS_HASHED_BYTES
            sha256 = sha256_file(path) if small else sha256_unless_known(path)
            problem = "" if sha256 == entry["sha256"] else "has changed since the model folder was built"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
            if path.is_symlink() and not path.exists():
                problem = f"links to {path.readlink()}, which no longer exists"
        if problem:
            raise UserError(
                f"{path} {problem}. If you did not change it, it is corrupt: restore or download it. Then delete "
                f"{folder / MANIFEST} and rerun to rebuild model and cells."
            )
    return manifest
