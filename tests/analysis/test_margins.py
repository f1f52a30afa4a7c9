"""The table of margins: which examples and levels it has, and what happened to each answer."""

import numpy as np
import polars as pl
import pytest
from made_cells import fact
from made_studies import CONTEXT, study

from junkdna.analysis import margins as module
from junkdna.analysis.margins import EXAMPLES, SCHEMA, margins
from junkdna.analysis.result_columns import check_columns
from junkdna.seeds import hash_key
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells, reference
from junkdna.study.load import resolve

N = 300


@pytest.fixture
def made(monkeypatch, tmp_path):
    """(Table of cells, drops, answers by cell) of a study, whose cell files are empty and answers made up."""
    monkeypatch.chdir(tmp_path)

    def build(data: dict, **columns: object) -> tuple[pl.DataFrame, pl.DataFrame, dict[Cell, pl.DataFrame]]:
        resolved, answers = resolve(data, "test"), {}
        for at, cell in enumerate(all_cells(resolved)):
            margin = np.random.default_rng(at).normal(size=N)
            known = {"id": [f"q{i}" for i in range(N)], "margin": margin, "correct": (margin > 0).astype(float)}
            answers[cell] = pl.DataFrame(known).with_columns(**columns)
            path = tmp_path / cell.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        monkeypatch.setattr(module, "examples_of", lambda cell, names: answers[cell].select(names))
        facts = pl.DataFrame([fact(cell, resolved, 0.5, N) for cell in answers])
        return facts, facts.with_columns(label=pl.col("task") + " " + pl.col("knobs"), difficulty=pl.lit(0.5)), answers

    return build


def test_examples_are_the_first_in_the_order_of_the_hash_and_the_same_at_every_level(made):
    facts, drops, _ = made(study(("sciq",), only=CONTEXT))
    table = margins(facts, drops)
    assert table.schema == pl.Schema(SCHEMA | {"label": pl.String, "difficulty": pl.Float64})
    check_columns("margins", table)
    expected = sorted((f"q{i}" for i in range(N)), key=lambda name: hash_key("browser", "sciq", name))[:EXAMPLES]
    groups = table.partition_by("knobs", "compression", maintain_order=True)
    assert len(groups) == 2 * 2
    assert set(table["compression"]) == {"magnitude-0.5", "magnitude-0.7"}  # a quarter to three quarters of the four
    assert all(group["id"].to_list() == expected for group in groups)


def test_margins_changes_and_counts_are_those_of_both_models(made):
    facts, drops, answers = made(study(("sciq",), only=CONTEXT))
    table = margins(facts, drops)
    for cell, own in answers.items():
        rows = table.filter(compression=cell.compression.tag, knobs=",".join(f"{k}={v}" for k, v in cell.knobs))
        if not cell.compression.level or rows.is_empty():
            continue
        dense = answers[reference(cell)]
        before, after = (dict(zip(each["id"], each["margin"], strict=True)) for each in (dense, own))
        for row in rows.iter_rows(named=True):
            assert (row["dense_margin"], row["margin"]) == (before[row["id"]], after[row["id"]])
            name = {(True, True): "right", (True, False): "broken", (False, True): "fixed", (False, False): "wrong"}
            assert row["change"] == name[row["dense_margin"] > 0, row["margin"] > 0]
        broken = int(((dense["margin"] > 0) & (own["margin"] <= 0)).sum())
        assert rows.filter(change="broken")["n_change"][0] == broken
        assert rows.group_by("change").agg(pl.col("n_change").first())["n_change"].sum() == N


def test_the_lowest_seed_of_the_first_method_is_taken(made):
    several = [{"method": "random", "sparsity": [0.5]}, {"method": "magnitude", "sparsity": [0.5]}]
    facts, drops, _ = made(study(("sciq",), only={"compressions": several, "seeds": [3, 1]}))
    table = margins(facts, drops)
    assert set(table["compression"]) == {"magnitude-0.5"}
    only = margins(facts.filter(pl.col("method") != "magnitude"), drops)
    assert set(only.select("compression", "seed").rows()) == {("random-0.5", 1)}


@pytest.mark.parametrize("columns", [{"margin": pl.lit(None, pl.Float64)}, {"correct": pl.lit(0.5)}])
def test_answers_without_a_margin_or_with_part_credit_have_no_rows(made, columns):
    facts, drops, _ = made(study(("sciq",)), **columns)
    assert margins(facts, drops).is_empty()


def test_without_the_dense_cell_there_are_no_rows(made):
    facts, drops, _ = made(study(("sciq",)))
    assert margins(facts.filter(pl.col("method") != "dense"), drops).is_empty()
