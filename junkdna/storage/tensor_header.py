"""Read the metadata of this package's safetensors files without torch and without the tensors."""

import json
from pathlib import Path

METADATA_KEY = "junkdna"
MAX_HEADER_BYTES = 100_000_000  # the limit of safetensors


def contents_digest(path: Path | str) -> str | None:
    """The checksum of all contents in the header of a file from `tensors.write_tensors`, not verified.

    None if the file is missing, "" if it has no checksum.
    """
    try:
        return _metadata(path)["digest"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def recorded_fingerprint(path: Path | str) -> str:
    """The fingerprint of the settings from which compressed weights were computed.

    Raises OSError, ValueError, KeyError or TypeError if the file is missing or does not record it.
    """
    return _metadata(path)["facts"]["facts"]["digest"]


def recorded_facts(path: Path | str) -> dict:
    """The facts in the header of a file from `tensors.write_tensors`, not verified.

    Raises OSError, ValueError, KeyError or TypeError if the file is missing or has none.
    """
    return _metadata(path)["facts"]


def file_kind(path: Path | str, kind: str) -> dict:
    """The facts of a file from `tensors.write_tensors` if it is of this kind, not verified; {} for any other file."""
    try:
        metadata = _metadata(path)
        return metadata["facts"] if metadata["kind"] == kind else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _metadata(path: Path | str) -> dict:
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
    return json.loads(header["__metadata__"][METADATA_KEY])
