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
    file = Path(file)
    try:
        if file.name == MANIFEST:
            recorded = read_manifest(file.parent)["settings_fingerprint"]
        elif file.suffix == ".safetensors":
            recorded = recorded_fingerprint(file)
        else:
            facts = recorded_facts_of(file)
            recorded = facts.get("settings_fingerprint") or settings_fingerprint(facts["settings"])
    except (UserError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return recorded == settings_fingerprint(settings)


def recorded_facts_of(file: Path) -> dict:
    """What this package wrote into the metadata of a Parquet or Arrow file. Raises OSError, ValueError, KeyError or
    TypeError if it is missing or records nothing."""
    return json.loads(_metadata(file)[FOOTER_KEY])


def _metadata(file: Path) -> dict:
    import pyarrow as pa
    from pyarrow import parquet

    if file.suffix != ".arrow":
        return parquet.read_metadata(file).metadata
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).schema.metadata
