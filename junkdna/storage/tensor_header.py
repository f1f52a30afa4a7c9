"""What a safetensors file of this package says about itself, read without torch and without its tensors."""

import json
from pathlib import Path

METADATA_KEY = "junkdna"
MAX_HEADER_BYTES = 100_000_000  # as safetensors has it


def contents_digest(path: Path | str) -> str | None:
    """The digest of all contents that `tensors.write_tensors` put into a file's header, unchecked; None where the
    file is missing, "" where it has none."""
    try:
        return _about(path)["digest"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def recorded_fingerprint(path: Path | str) -> str:
    """The digest of the settings that made a stored compression. OSError, ValueError, KeyError and TypeError for a
    file that is missing or does not say."""
    return _about(path)["facts"]["facts"]["digest"]


def _about(path: Path | str) -> dict:
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(min(length, MAX_HEADER_BYTES)))
    return json.loads(header["__metadata__"][METADATA_KEY])
