"""Fingerprints of settings that files of the workflow record. Imports no torch."""

import json
from pathlib import Path

from junkdna.errors import UserError
from junkdna.models.manifest import MANIFEST, read_manifest
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.storage.tensor_header import recorded_fingerprint
from junkdna.study.paths import FOOTER_KEY
from junkdna.study.settings_base import Settings


def is_current(file: Path | str, settings: Settings | dict) -> bool:
    """Whether a model manifest, examples file, tokens file, calibration file or stored compression exists and was
    written with these settings. Reads only its metadata."""
    return recorded_digest(Path(file)) == settings_fingerprint(settings)


def recorded_digest(file: Path) -> str | None:
    """The fingerprint of the settings that a file records; None if the file or the record is missing."""
    try:
        if file.name == MANIFEST:
            return read_manifest(file.parent)["settings_fingerprint"]
        if file.suffix == ".safetensors":
            return recorded_fingerprint(file)
        facts = json.loads(_metadata(file)[FOOTER_KEY])
        return (
            facts["settings_fingerprint"]
            if "settings_fingerprint" in facts
            else settings_fingerprint(facts["settings"])
        )
    except (UserError, OSError, ValueError, KeyError, TypeError):
        return None


def _metadata(file: Path) -> dict:
    import pyarrow as pa
    from pyarrow import parquet

    if file.suffix != ".arrow":
        return parquet.read_metadata(file).metadata
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).schema.metadata
