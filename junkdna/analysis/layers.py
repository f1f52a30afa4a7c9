"""The table of layers: what each compression did to each matrix, from the reports that cell files contain."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from junkdna.analysis.series import natural
from junkdna.compress.effective_bits import DENSE_BITS
from junkdna.run.cell_file import KIND
from junkdna.storage.checksums import read_verified
from junkdna.study.cell import Cell, parse_cell_path
from junkdna.study.grid import reference
from junkdna.study.paths import REPORT
from junkdna.study.study import Resolved

MEASURES = ("rows", "inputs", "sparsity", "rank", "bits", "effective_bits", "weight_error", "output_error")
SCHEMA: dict[str, pl.DataType] = {
    "model": pl.String, "method": pl.String, "compression": pl.String, "seed": pl.Int64, "head": pl.String,
    "matrix": pl.String, "position": pl.Int64, "block": pl.Int64, "kind": pl.String, "left_dense": pl.Boolean,
    "rows": pl.Int64, "inputs": pl.Int64, "sparsity": pl.Float64, "rank": pl.Int64, "bits": pl.Int64,
    "effective_bits": pl.Float64, "weight_error": pl.Float64, "output_error": pl.Float64,
}  # fmt: skip
UNCHANGED = {"effective_bits": float(DENSE_BITS), "weight_error": 0.0}


class Compressed(NamedTuple):
    """What determines a report: model, compression, its seed (None if it depends on none), and the task whose head is
    compressed too ("" without `prune_head`)."""

    model: str
    tag: str
    seed: int | None
    head: str


def layers(resolved: Resolved, cells: pl.DataFrame) -> pl.DataFrame:
    """One row per model, compression, seed and matrix in its scope, in the order of the model.

    Cells of one compressed model have the same report, which is read from the first of them. With `prune_head` it
    depends on the head too, so there is one for each task and seed. `cells` are rows of finished cells; cells without a
    report (graded logs) have no rows. Raises UserError for a corrupt file.
    """
    first: dict[Compressed, Cell] = {}
    finished = {key: parse_cell_path(key) for key in cells["cell"]}
    for cell in finished.values():
        if cell.compression.level:
            first.setdefault(_compressed(cell, resolved), cell)
    orders: dict[Cell, list[str]] = {}
    rows: list[dict] = []
    for each, cell in sorted(first.items(), key=lambda item: _order(item[0])):
        if report := _report(cell):
            dense = reference(cell)
            if dense not in orders:
                orders[dense] = _model_order(dense if dense.key in finished else None)
            rows += _rows(each, cell, report, orders[dense])
    return pl.DataFrame(rows, schema=SCHEMA)


def _compressed(cell: Cell, resolved: Resolved) -> Compressed:
    head = cell.task if cell.transfer != "none" and _prunes_head(cell, resolved) else ""
    seed = cell.seed if head or cell.compression.seeded else None
    return Compressed(cell.model, cell.compression.tag, seed, head)


def _prunes_head(cell: Cell, resolved: Resolved) -> bool:
    return resolved.study.protocol(cell.protocol, resolved.tasks[cell.task]).prune_head


def _order(each: Compressed) -> tuple:
    return (natural(each.model), natural(each.tag), each.head, -1 if each.seed is None else each.seed)


def _report(cell: Cell) -> dict | None:
    """The report on every matrix in a cell's file; None if it has none."""
    data = read_verified(Path(cell.path), KIND)
    return json.loads(pl.read_parquet(data, columns=[REPORT])[REPORT][0])


def _model_order(dense: Cell | None) -> list[str]:
    """The matrices in the scope of a dense cell in the order of its model: only its list keeps the order."""
    report = None if dense is None else _report(dense)
    return report["left_dense"] if report else []


def _rows(each: Compressed, cell: Cell, report: Mapping, order: Sequence[str]) -> Iterator[dict]:
    names = [*report["layers"], *report["left_dense"]]
    known = {name: at for at, name in enumerate(order)}
    names.sort(key=lambda name: (known.get(name, len(known)), natural(name)))
    paths = {name: block_path(name) for name in names}
    several = len({stack for stack, block, _ in paths.values() if block is not None}) > 1
    for position, name in enumerate(names):
        stack, block, kind = paths[name]
        facts = report["layers"].get(name)
        yield {
            "model": each.model,
            "method": cell.compression.method,
            "compression": each.tag,
            "seed": each.seed,
            "head": each.head,
            "matrix": name,
            "position": position,
            "block": block,
            "kind": f"{stack}.{kind}" if several and block is not None else kind,
            "left_dense": facts is None,
            **dict.fromkeys(MEASURES),
            **({"sparsity": 0.0, **UNCHANGED} if facts is None else facts),
        }


def block_path(name: str) -> tuple[str, int | None, str]:
    """Path of the list of blocks, number of the block and path of the layer in it, from the name of a weight:
    `encoder.layer.3.output.dense.weight` is in `encoder.layer`, 3, at `output.dense`. Outside the blocks the number is
    None."""
    parts = name.removesuffix(".weight").split(".")
    at = next((place for place, part in enumerate(parts) if part.isdigit()), None)
    if at is None:
        return "", None, ".".join(parts)
    return ".".join(parts[:at]), int(parts[at]), ".".join(parts[at + 1 :])
