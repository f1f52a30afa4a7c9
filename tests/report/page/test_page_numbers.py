"""The numbers of the page: every row, undefined values, human scores, links to rows."""

import re

import figure_tables as tables
import polars as pl
import pytest
from written_page import Page, hostile, small, write


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Page, str, pl.DataFrame]:
    return hostile(tmp_path_factory.mktemp("report"))


def test_the_table_has_every_number(written):
    page, _, drops = written
    for row in drops.iter_rows(named=True):
        assert f"{row['score']:.3f} [{row['score_low']:.3f}, {row['score_high']:.3f}]" in page.text
    rows = [name for name in page.ids() if name.startswith("row-")]
    assert len(rows) == drops.height
    assert "6 of 8 kept" in page.text
    assert "3 of 8 kept" in page.text


def test_a_link_to_a_row_stays_the_same_when_rows_are_added(tmp_path):
    one = {*write(tmp_path / "a", [small()]).ids()}
    more = {*write(tmp_path / "b", [small(), small(task="z", label="Z")]).ids()}
    assert {name for name in one if name.startswith("row-")} < more


def test_undefined_and_unbounded_values(tmp_path):
    drops = tables.drops_table([small()])
    compressed = pl.col("method") != "dense"
    nothing = [
        pl.when(compressed).then(None).otherwise(pl.col(n)).alias(n)
        for n in ("retention", "retention_low", "retention_high")
    ]
    assert "dense is not above its baseline" in write(tmp_path, drops.with_columns(nothing)).text
    assert "share lost is unbounded" in write(tmp_path, drops.with_columns(nothing[1:])).text


def test_where_nothing_can_be_lost_the_finding_says_why(tmp_path):
    drops = tables.drops_table([small()]).with_columns(
        pl.lit(None, pl.Float64).alias(name) for name in ("retention", "retention_low", "retention_high")
    )
    assert "A share of skill lost is undefined: the dense model is nowhere above" in write(tmp_path, drops).text


def test_metric_human_scores_and_the_order_of_conditions(tmp_path):
    known = small(task="cola", label="CoLA", chance=0.0, dense=0.5, metric="matthews", human=0.664)
    page = write(tmp_path, [known, *(small(knobs=f"shots={k}", label=f"{k} shots") for k in (10, 2))])
    assert "Gap by human" in page.text
    assert "0.664" in page.text
    assert "Matthews correlation" in page.text
    assert "Human scores: " in page.text
    assert re.findall(r"(\d+) shots #", page.text)[::2] == ["2", "10"]


def test_changed_answers_are_ordered_from_easy_to_hard(tmp_path):
    skills = {"a": ("Hard", 0.5), "b": ("Easy", 0.9), "c": ("Middle", 0.7)}
    conditions = [small(task=task, label=label, dense=dense) for task, (label, dense) in skills.items()]
    page = write(tmp_path, conditions).text.partition("Which answers changed?")[2]
    rows = page.partition("Net, points")[2]
    assert rows.index("Easy") < rows.index("Middle") < rows.index("Hard")


def test_one_row_is_no_rows(tmp_path):
    text = write(tmp_path, [small(methods=(), levels=())]).text
    assert "1 row. " in text
    assert "Numbers of this experiment (1 row)" in text
