import polars as pl
import pytest
from figure_tables import Condition, drops_table

from junkdna.report.plotting import difficulty_axes as scale


def table(*tasks: tuple[str, str], **more) -> pl.DataFrame:
    """Rows of conditions given as (task, knob values)."""
    return drops_table([Condition(t, k, f"{t} {k}", 0.25, 0.8, 0.5, levels=(0.5,), **more) for t, k in tasks])


def one(values: list, knob: str = "context") -> pl.DataFrame:
    return table(*[("a", f"answer_span=kept,{knob}={value}") for value in values])


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
    assert scale.shared_knob(table(*conditions)) == knob


def test_a_knob_that_differs_only_between_tasks_is_no_variant():
    rows = table(*[(t, f"data_fraction={p},options={n}") for t, n in (("a", 4), ("b", 5)) for p in (10, 100)])
    assert scale.shared_knob(rows) == "data_fraction"
    assert scale.other_knobs(rows, "data_fraction") == ()


def test_variants_are_named_by_their_knobs():
    rows = table(*[("a", f"answer_span={s},context={c}") for s in ("kept", "masked") for c in (8, 64)])
    others = scale.other_knobs(rows, "context")
    found = {scale.variant(row, others) for row in rows.iter_rows(named=True)}
    assert found == {"answer span kept", "answer span masked"}
    assert scale.variant(rows.row(0, named=True), ()) == ""


def test_context_goes_in_equal_steps_with_none_divided_off():
    axis = scale.of_knob(one(["passage", 256, "none", 16, 1024]), "context")
    assert axis.ticks == ((0.0, "none"), (1.0, "16"), (2.0, "256"), (3.0, "1024"), (4.0, "passage"))
    assert axis.dividers == (0.5,)
    assert axis.at[("a", "answer_span=kept,context=256")] == 2
    assert "evenly spaced" in axis.label
    assert scale.of_knob(one([16, 256]), "context").dividers == ()


@pytest.mark.parametrize(
    ("knob", "values", "at", "even"),
    [
        ("data_fraction", [100, 10, 70, 25, 50], [10, 25, 50, 70, 100], False),
        ("data_fraction", [1, 2, 5, 10, 100], [0, 1, 2, 3, 4], True),
        ("options", [10, 2, 4], [2, 4, 10], False),
        ("shots", [0, 1, 5], [0, 1, 5], False),
    ],
)
def test_numbers_are_drawn_at_their_value_unless_labels_would_touch(knob, values, at, even):
    axis = scale.of_knob(one(values, knob), knob)
    assert [x for x, _ in axis.ticks] == at
    assert [text for _, text in axis.ticks] == [str(value) for value in sorted(values)]
    assert ("evenly spaced" in axis.label) == even
    assert axis.limits[0] < at[0]
    assert axis.limits[1] > at[-1]


@pytest.mark.parametrize(
    ("knob", "values", "way"),
    [
        ("data_fraction", [10, 100], "← harder"),
        ("shots", [0, 5], "← harder"),
        ("options", [2, 4], "harder →"),
        ("context", ["none", 64], "harder →"),
    ],
)
def test_the_axis_says_which_way_is_harder(knob, values, way):
    assert scale.of_knob(one(values, knob), knob).label.endswith(way)


def test_dense_error_by_its_formula():
    rows = table(("a", ""), ("b", ""))
    axis = scale.of_measure(rows, scale.DENSE_ERROR)
    for row in rows.iter_rows(named=True):
        expected = (1 - row["dense_score"]) / (1 - row["chance"])
        assert axis.at[(row["task"], "")] == pytest.approx(expected)
    assert axis.label.startswith("chance-corrected dense error\n= 1 −")


def test_the_human_gap_omits_conditions_without_a_human_score_or_retention():
    rows = table(("a", ""), ("b", ""), ("c", ""), human=0.9)
    rows = rows.with_columns(
        human_gap_by_dense=pl.when(pl.col("task") != "b").then("human_gap_by_dense"),
        retention=pl.when(pl.col("task") != "c").then("retention"),
    )
    axis = scale.of_measure(rows, "human_gap_by_dense")
    assert set(axis.at) == {("a", "")}
    dense = rows.filter(pl.col("task") == "a")["dense_score"][0]
    assert axis.at[("a", "")] == pytest.approx((0.9 - dense) / dense)
    assert set(scale.of_measure(rows, scale.DENSE_ERROR).at) == {("a", ""), ("b", ""), ("c", "")}


def test_kinds_are_grouped_with_easier_tasks_first_and_free_answers_last():
    given = [("open", "generate", 0.3), ("hard", "choice", 0.4), ("easy", "choice", 0.9), ("cls", "classify", 0.7)]
    rows = drops_table([Condition(t, "", t, 0.0, d, 0.5, kind=k, levels=(0.5,)) for t, k, d in given])
    axis = scale.of_kinds(rows)
    assert sorted(axis.at, key=axis.at.get) == [(name, "") for name in ("easy", "hard", "cls", "open")]
    assert [text.replace("\n", " ") for _, text in axis.ticks] == ["multiple choice", "single text", "free answer"]
    assert [x for x, _ in axis.ticks] == [0.5, 2, 3]
    assert axis.dividers == (1.5, 2.5)
    assert scale.kinds_differ(rows)
    assert not scale.kinds_differ(rows.filter(pl.col("task") != "open"))


@pytest.mark.parametrize("value", [4, "none"])
def test_one_value_that_is_left_of_an_incomplete_study_has_an_axis(value):
    knob = "context" if value == "none" else "options"
    axis = scale.of_knob(one([value], knob), knob)
    assert axis.ticks == ((4.0 if value == 4 else 0.0, str(value)),)
    assert axis.limits[1] - axis.limits[0] == 1
