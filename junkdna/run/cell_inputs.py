"""Reads the input files of a cell and compares each with the settings of the cell."""

import json
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from junkdna.data.tokens_file import read_tokens
from junkdna.errors import UserError
from junkdna.models.manifest import MANIFEST, read_manifest
from junkdna.storage.checksums import stored_checksum
from junkdna.storage.file_errors import check_made_from, check_same_bytes, corrupt_file
from junkdna.study.cell import Cell
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import EXAMPLES, FOOTER_KEY


class Inputs(NamedTuple):
    """By role, the columns of the tokens file ({column: values}) and its SHA-256; manifest of the model folder."""

    rows: dict[str, dict[str, list]]
    manifest: dict
    tokens_sha256: dict[str, str]


def read_inputs(settings: CellSettings, key: Cell) -> Inputs:
    """Encoded examples and manifest of a cell. Does not read the files of the model.

    Raises UserError, with the command that rebuilds the file, for a file that is missing or corrupt, or that was
    computed with other settings, another model folder or other examples than the present ones.
    """
    manifest = read_manifest(key.model_folder)
    check_made_from(f"{key.model_folder}/{MANIFEST}", manifest["settings_fingerprint"], settings.inputs["model"])
    rows = {role: _read_rows(settings, key, role, manifest) for role in key.roles}
    return Inputs(rows, manifest, {role: stored_checksum(key.tokens_path(role)) for role in key.roles})


def _read_rows(settings: CellSettings, key: Cell, role: str, manifest: dict) -> dict[str, list]:
    path = Path(key.tokens_path(role))
    table = read_tokens(path)
    try:
        record = json.loads(table.schema.metadata[FOOTER_KEY])
        examples = table.filter(pc.equal(table["split"], role))
    except (TypeError, KeyError, pa.ArrowException) as error:
        raise corrupt_file(path, "tokens file", f"its metadata is incomplete: {error}") from None
    check_made_from(path, record["settings_fingerprint"], settings.inputs[f"tokens_{role}"])
    check_same_bytes(path, record["model_digest"], f"{key.model_folder}/{MANIFEST}", manifest["digest"])
    for name, sha256 in record["examples_sha256"].items():
        file = f"{EXAMPLES}/{key.task}/{name}.parquet"
        check_same_bytes(path, sha256, file, stored_checksum(file))
    rows = {name: examples[name].to_pylist() for name in examples.column_names if name != "split"}
    if not rows["id"]:
        raise UserError(f"{path} contains no {role} rows; delete it and rerun.")
    return rows
