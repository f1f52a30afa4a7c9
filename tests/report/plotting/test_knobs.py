import polars as pl
import pytest
from figure_tables import Condition, drops_table

from junkdna.report.plotting import knobs


def table(*tasks: tuple[str, str], **more) -> pl.DataFrame:
    """Rows of conditions given as (task, knob values)."""
    return drops_table([Condition(t, k, f"{t} {k}", 0.25, 0.8, 0.5, levels=(0.5,), **more) for t, k in tasks])


@pytest.mark.parametrize(
    ("conditions", "knob"),
    [
        ([("a", "options=2,shots=0"), ("a", "options=3,shots=0")], "options"),
        ([("a", f"options={n},shots={k}") for n in (2, 3) for k in (0, 1, 5)], "shots"),
        ([("a", f"answer_span={s},context={c}") for s in ("kept", "masked") for c in (8, 64)], "context"),
        ([("a", f"answer_span={s},context=64") for s in ("kept", "masked")], "answer_span"),
        ([("a", "options=3"), ("b", "options=4")], None),
        ([("a", "options=3"), ("a", "options=4"), ("b", "")], None),
        ([(t, f"data_fraction={p}") for t in "ab" for p in (10, 100)], "data_fraction"),
        ([("a", "options=2"), ("a", "options=3"), ("b", "shots=0"), ("b", "shots=5")], None),
    ],
)
def test_the_axis_is_the_knob_that_varies_within_every_task(conditions, knob):
    assert knobs.shared_knob(table(*conditions)) == knob


def test_a_knob_that_differs_only_between_tasks_is_no_variant():
    rows = table(*[(t, f"data_fraction={p},options={n}") for t, n in (("a", 4), ("b", 5)) for p in (10, 100)])
    assert knobs.shared_knob(rows) == "data_fraction"
    assert knobs.other_knobs(rows, "data_fraction") == ()


def test_variants_are_named_by_their_knobs():
    rows = table(*[("a", f"answer_span={s},context={c}") for s in ("kept", "masked") for c in (8, 64)])
    others = knobs.other_knobs(rows, "context")
    found = {knobs.variant(row, others) for row in rows.iter_rows(named=True)}
    assert found == {"answer span kept", "answer span masked"}
    assert knobs.variant(rows.row(0, named=True), ()) == ""


@pytest.mark.parametrize(
    ("measured", "order"),
    [
        ({"4": 0.6, "2": 0.4, "3": 0.5}, ["2", "3", "4"]),
        ({"4": 0.4, "2": 0.6, "3": 0.7}, ["4", "3", "2"]),
        ({"10": 0.5, "9": 0.5}, ["9", "10"]),
        ({"passage": 0.2, "none": 0.9, "64": 0.3, "8": 0.5}, ["8", "64", "passage", "none"]),
        ({"passage": 0.9, "none": 0.2, "64": 0.5}, ["none", "passage", "64"]),
        ({"2": None, "3": 0.4}, ["2", "3"]),
        ({"0.5": 0.3, "1": 0.1}, ["1", "0.5"]),
    ],
)
def test_values_are_in_numeric_order_with_the_harder_end_last(measured, order):
    assert knobs.ordered(measured) == order


@pytest.mark.parametrize(
    ("measured", "rises"), [([0.1, 0.2], True), ([0.2, 0.1], False), ([0.1, 0.3, 0.2], False), ([None, 0.2], False)]
)
def test_an_arrow_needs_difficulty_to_rise_with_every_step(measured, rises):
    assert knobs.rises(measured) is rises
