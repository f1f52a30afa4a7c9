"""The table of layers: from the reports that cells of a toy study store, and by hand."""

from pathlib import Path

import polars as pl
import pytest
import toy

from junkdna.analysis.layers import SCHEMA, block_path, layers
from junkdna.analysis.result_columns import check_columns
from junkdna.errors import UserError
from junkdna.run.cell_file import cell_table, examples_array, write_cell
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve
from junkdna.study.study import Resolved

NAMES = [f"layers.{block}.{kind}.weight" for block in (0, 1, 10) for kind in ("self_attn.q", "mlp.up")]
STUDY = {
    **toy.STUDY,
    "experiments": {
        "plain": {"title": "", "models": ["tiny"], "tasks": ["colours"], "seeds": [0, 1],
                  "compressions": [{"method": "magnitude", "sparsity": [0.5]}, {"method": "random", "sparsity": 0.5}]},
    },
}  # fmt: skip


def write(cell: Cell, report: dict | None) -> None:
    row = {"cell": cell.key, "examples": examples_array({"id": ["a"]})}
    write_cell(cell_table(row, {"compression": report}), Path(cell.path))


def facts(cell: Cell, name: str) -> dict:
    error = 0.125 + cell.seed if cell.compression.method == "random" else 0.25
    return {"rows": 4, "inputs": 8, "sparsity": 0.5, "effective_bits": 9.0, "weight_error": error}


def report_of(cell: Cell, left_dense: tuple[str, ...] = ("layers.10.mlp.up.weight", "lm_head.weight")) -> dict:
    if not cell.compression.level:
        return {"layers": {}, "left_dense": [*NAMES, "lm_head.weight"]}
    names = [name for name in NAMES if name not in left_dense]
    return {"layers": {name: facts(cell, name) for name in names}, "left_dense": [*left_dense]}


def cells_of(resolved: Resolved) -> pl.DataFrame:
    return pl.DataFrame({"cell": [cell.key for cell in all_cells(resolved)]})


def written(data: dict) -> Resolved:
    """The study, and a file for each of its cells."""
    found = resolve(data, "test")
    for cell in all_cells(found):
        write(cell, report_of(cell))
    return found


@pytest.fixture
def resolved(world: Path) -> Resolved:
    return written(STUDY)


def test_one_row_per_matrix_in_the_order_of_the_model(resolved):
    table = layers(resolved, cells_of(resolved))
    assert table.schema == pl.Schema(SCHEMA)
    check_columns("layers", table)
    assert dict(table["compression"].value_counts().iter_rows()) == {"magnitude-0.5": 7, "random-0.5": 14}
    own = table.filter(compression="magnitude-0.5")
    assert own["matrix"].to_list() == [*NAMES, "lm_head.weight"]
    assert own["block"].to_list() == [0, 0, 1, 1, 10, 10, None]
    assert own["kind"].to_list() == ["self_attn.q", "mlp.up"] * 3 + ["lm_head"]
    assert own["seed"].to_list() == [None] * 7


def test_random_masks_have_rows_for_each_seed(resolved):
    own = layers(resolved, cells_of(resolved)).filter(compression="random-0.5", matrix=NAMES[0])
    assert own.select("seed", "weight_error").rows() == [(0, 0.125), (1, 1.125)]


@pytest.mark.usefixtures("world")
def test_a_compressed_head_has_rows_for_each_task_and_seed():
    """Magnitude pruning has one threshold over all matrices, so with a head every matrix depends on the head."""
    trained = {"title": "", "models": ["tiny"], "tasks": ["mood", "alike"], "transfer": ["sparse"], "seeds": [0, 1],
               "compressions": [{"method": "magnitude", "sparsity": 0.5}]}  # fmt: skip
    data = STUDY | {"tasks": toy.SETTINGS["tasks"], "experiments": {"trained": trained | {"protocol": "authors"}}}
    resolved = written(data | {"protocols": {"authors": {"prune_head": True}}})
    table = layers(resolved, cells_of(resolved)).filter(matrix=NAMES[0])
    assert table.select("head", "seed").rows() == [("alike", 0), ("alike", 1), ("mood", 0), ("mood", 1)]


def test_a_matrix_left_dense_has_no_error(resolved):
    row = layers(resolved, cells_of(resolved)).filter(compression="magnitude-0.5", matrix=NAMES[-1]).row(0, named=True)
    assert row["left_dense"]
    assert (row["sparsity"], row["effective_bits"], row["weight_error"], row["output_error"]) == (0, 16, 0, None)


def test_without_the_dense_cell_blocks_keep_their_numeric_order(resolved):
    compressed = cells_of(resolved).filter(~pl.col("cell").str.contains("/dense/"))
    own = layers(resolved, compressed).filter(compression="magnitude-0.5")
    assert own["block"].to_list() == [0, 0, 1, 1, 10, 10, None]


def test_cells_of_graded_logs_have_no_rows(resolved):
    for cell in all_cells(resolved):
        write(cell, None)
    assert layers(resolved, cells_of(resolved)).is_empty()


def test_a_corrupt_cell_is_named(resolved):
    cell = next(cell for cell in all_cells(resolved) if cell.compression.level)
    Path(cell.path).write_bytes(Path(cell.path).read_bytes()[:-40])
    with pytest.raises(UserError, match=cell.path.replace(".", r"\.")):
        layers(resolved, cells_of(resolved))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("encoder.layer.3.attention.self.query.weight", ("encoder.layer", 3, "attention.self.query")),
        ("h.11.mlp.c_fc.weight", ("h", 11, "mlp.c_fc")),
        ("lm_head.weight", ("", None, "lm_head")),
    ],
)
def test_the_block_of_a_name(name, expected):
    assert block_path(name) == expected
