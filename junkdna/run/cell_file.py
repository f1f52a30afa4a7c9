"""The columns of a cell file, and functions that write and read it."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from junkdna.storage.checksums import read_verified
from junkdna.storage.file_errors import corrupt_file
from junkdna.storage.fingerprint import canonical_json
from junkdna.storage.tables import write_parquet
from junkdna.study.cell import Cell, knob_text
from junkdna.study.paths import FOOTER_KEY, REPORT

if TYPE_CHECKING:
    from junkdna.evaluate.answers import Answers
    from junkdna.study.cell_settings import CellSettings

FLOAT_LIST = pa.list_(pa.float32())
EXAMPLE = {
    "id": pa.string(),
    "gold": pa.float64(),
    "prediction": pa.float64(),
    "margin": pa.float32(),
    "correct": pa.float32(),
    "scores": FLOAT_LIST,
    "scores_per_token": FLOAT_LIST,
    "scores_per_character": FLOAT_LIST,
    "option_bytes": pa.list_(pa.int32()),
    "blind": pa.float64(),
    "bytes": pa.int64(),
    "tokens": pa.int64(),
    "text": pa.string(),
    "reference": pa.string(),
    "truncated": pa.bool_(),
    "cluster": pa.string(),
}
METRICS = pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())]))
FLOATS = (
    "sparsity", "score", "chance", "majority", "truncated", "achieved_sparsity", "effective_bits_per_weight",
    "first_loss", "last_loss",
)  # fmt: skip
INTEGERS = ("seed", "n_examples", "n_train", "steps")


def metrics_row(settings: CellSettings, key: Cell, answers: Answers, trained: object, n_train: int) -> dict:
    """The columns of a cell's row; `trained` is the report of fine-tuning, None without training."""
    n = len(answers.examples["id"])
    return {
        "cell": key.key,
        "model": key.model,
        "task": key.task,
        "knobs": knob_text(key.knobs) if key.knobs else "",
        "compression": key.compression.tag,
        "method": key.compression.method,
        "sparsity": key.compression.nominal_sparsity,
        "transfer": key.transfer,
        "protocol": key.protocol,
        "seed": key.seed,
        "metric": settings.metric,
        "kind": settings.kind,
        "score": answers.values[settings.metric],
        "chance": answers.chance,
        "majority": answers.majority,
        "collapsed": answers.collapsed,
        "n_examples": n,
        "n_train": n_train,
        "truncated": sum(answers.examples["truncated"]) / n,
        "steps": trained.steps if trained else 0,
        "first_loss": trained.first_loss if trained else None,
        "last_loss": trained.last_loss if trained else None,
        "metrics": [{"name": name, "value": value} for name, value in sorted(answers.values.items())],
        "examples": examples_array(answers.examples),
    }


def examples_array(columns: dict[str, list]) -> pa.StructArray:
    """Per-example columns as one array of structs; columns that the kind of task does not have are null."""
    n = len(columns["id"])
    arrays = [pa.array(columns[name], kind) if name in columns else pa.nulls(n, kind) for name, kind in EXAMPLE.items()]
    return pa.StructArray.from_arrays(arrays, fields=[pa.field(name, kind) for name, kind in EXAMPLE.items()])


def cell_table(row: dict, footer: dict) -> pa.Table:
    """The one-row table of a cell with its provenance in the footer.

    The report on every matrix is a JSON column, because Parquet compresses columns but not the footer.
    """
    kinds = dict.fromkeys(FLOATS, pa.float64()) | dict.fromkeys(INTEGERS, pa.int64())
    kinds |= {"collapsed": pa.bool_(), "metrics": METRICS}
    examples = row["examples"]
    arrays = {name: pa.array([v], kinds.get(name, pa.string())) for name, v in row.items() if name != "examples"}
    arrays[REPORT] = pa.array([canonical_json(footer.get("compression"))])
    arrays["examples"] = pa.ListArray.from_arrays([0, len(examples)], examples)
    metadata = {name: value for name, value in footer.items() if name != "compression"}
    return pa.table(arrays).replace_schema_metadata({FOOTER_KEY: canonical_json(metadata).encode()})


def write_cell(table: pa.Table, destination: Path) -> None:
    """Write a cell's table atomically with its checksum. One row needs no statistics and no dictionaries."""
    small = {"compression": "zstd", "write_statistics": False, "use_dictionary": False, "store_schema": False}
    write_parquet(table, destination, **small)


KIND = "cell file"
ANSWERED = ("id", "gold", "prediction", "correct")


def read_cell_file(path: Path) -> tuple[bytes, dict]:
    """The bytes of a cell's file, checksum verified, and its footer: the cell's provenance.

    Raises UserError for a corrupt or missing file.
    """
    data = read_verified(path, KIND)
    try:
        footer = json.loads(pl.read_parquet_metadata(BytesIO(data))[FOOTER_KEY.decode()])
        if not {"settings_fingerprint", "tokens_sha256", "model", "compressed_digest", "wall_s"} <= footer.keys():
            raise ValueError("its footer is incomplete")
    except (pl.exceptions.PolarsError, AttributeError, KeyError, ValueError) as error:
        raise corrupt_file(path, KIND, error) from None
    return data, footer


def examples_of(cell: Cell, columns: tuple[str, ...] = ANSWERED) -> pl.DataFrame:
    """Per-example rows of a finished cell: `columns` (names in `EXAMPLE`), in that order.

    Raises UserError if the file is corrupt or lacks a column.
    """
    path = Path(cell.path)
    data = read_verified(path, KIND)
    try:
        examples = pl.read_parquet(data, columns=["examples"]).explode("examples").unnest("examples")
        return examples.select(columns)
    except pl.exceptions.PolarsError as error:
        raise corrupt_file(path, KIND, error) from None
