"""The table of margins: how sure the dense and the compressed model are of the right answer, example by example."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from junkdna.analysis.series import natural, series_of, strength
from junkdna.run.cell_file import examples_of
from junkdna.seeds import hash_key
from junkdna.study.cell import Cell, knob_text, parse_cell_path
from junkdna.study.grid import reference

EXAMPLES, SHARES = 200, (0.25, 0.5, 0.75)
NEEDED = ("id", "margin", "correct")
CHANGES = {(1, 1): "right", (1, 0): "broken", (0, 1): "fixed", (0, 0): "wrong"}  # dense and compressed verdict
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("model", "task", "knobs", "transfer", "protocol", "method", "compression"), pl.String),
    "sparsity": pl.Float64, "seed": pl.Int64, "id": pl.String, "dense_margin": pl.Float64, "margin": pl.Float64,
    "change": pl.String, "n_change": pl.Int64, "n_examples": pl.Int64,
}  # fmt: skip
SAME = ("model", "task", "knobs", "transfer", "protocol")
DESCRIBED = ("label", "difficulty")  # columns of the table of drops


def margins(cells: pl.DataFrame, drops: pl.DataFrame) -> pl.DataFrame:
    """Rows of every condition (model, task, knobs, transfer mode, protocol) whose answers have margins.

    Of each condition: its lowest seed; of its first series of compressions (`Series.order`: magnitude first) the levels
    at a quarter, half and three quarters of those it has, so at most three; and the first `EXAMPLES` examples in the
    order of a hash of task and id, which the page's browser of examples uses too. `cells` are rows of finished cells;
    cells whose dense reference is not among them or has other
    examples, or whose file is gone, are left out. `drops` describes the
    conditions. Raises UserError for a corrupt file.
    """
    if drops.is_empty():  # then it has no columns either
        return pl.DataFrame(schema=SCHEMA | {"label": pl.String, "difficulty": pl.Float64})
    finished = {*cells["cell"]}
    rows: list[dict] = []
    for group in _conditions(cells, finished):
        dense = _examples(reference(group[0]))
        order = [] if dense is None else _order(group[0].task, dense["id"].to_list())
        for cell in group if order else ():
            rows += _rows(cell, dense, _examples(cell), order)
    described = drops.select(*SAME, *DESCRIBED).unique(SAME, keep="first", maintain_order=True)
    return pl.DataFrame(rows, schema=SCHEMA).join(described, on=SAME, how="left", maintain_order="left")


def _conditions(cells: pl.DataFrame, finished: set[str]) -> Iterator[list[Cell]]:
    """The compressed cells to show of each condition, weak to strong."""
    found: dict[tuple, list[Cell]] = {}
    for key in cells["cell"]:
        cell = parse_cell_path(key)
        if cell.compression.level and reference(cell).key in finished and Path(cell.path).is_file():
            found.setdefault((cell.model, cell.task, cell.knobs, cell.transfer, cell.protocol), []).append(cell)
    for key in sorted(found, key=lambda key: tuple(natural(str(part)) for part in key)):
        first = min(cell.seed for cell in found[key])
        yield _levels([cell for cell in found[key] if cell.seed == first])


def _levels(cells: Sequence[Cell]) -> list[Cell]:
    """At most three levels of the first series."""
    first = min((series_of(cell.compression.tag) for cell in cells), key=lambda series: series.order)
    own = [cell for cell in cells if series_of(cell.compression.tag) == first]
    own.sort(key=lambda cell: strength(cell.compression.tag))
    return [own[at] for at in sorted({round(share * (len(own) - 1)) for share in SHARES})]


def _examples(cell: Cell) -> pl.DataFrame | None:
    """The verdicts and margins of a cell; None if an answer has no finite margin or is neither right nor wrong."""
    if not Path(cell.path).is_file():
        return None
    table = examples_of(cell, NEEDED)
    decided = table.filter(pl.col("margin").is_finite() & ((pl.col("correct") == 0) | (pl.col("correct") == 1)))
    return table if decided.height == table.height > 0 else None


def _order(task: str, ids: Sequence[str]) -> list[int]:
    return sorted(range(len(ids)), key=lambda at: hash_key("browser", task, ids[at]))[:EXAMPLES]


def _rows(cell: Cell, dense: pl.DataFrame, other: pl.DataFrame | None, order: Sequence[int]) -> Iterator[dict]:
    """One row per example in `order`."""
    if other is None or not other["id"].equals(dense["id"]):
        return
    pairs = zip(dense["correct"], other["correct"], strict=True)
    changes = [CHANGES[int(before), int(after)] for before, after in pairs]
    counts = Counter(changes)
    named = {
        "model": cell.model,
        "task": cell.task,
        "knobs": knob_text(cell.knobs) if cell.knobs else "",
        "transfer": cell.transfer,
        "protocol": cell.protocol,
        "method": cell.compression.method,
        "compression": cell.compression.tag,
        "sparsity": cell.compression.nominal_sparsity,
        "seed": cell.seed,
    }
    for at in order:
        yield {
            **named,
            "id": dense["id"][at],
            "dense_margin": dense["margin"][at],
            "margin": other["margin"][at],
            "change": changes[at],
            "n_change": counts[changes[at]],
            "n_examples": len(changes),
        }
