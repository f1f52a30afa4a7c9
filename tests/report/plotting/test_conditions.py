import polars as pl
import pytest
from figure_tables import Condition, drops_table, study

from junkdna.report.plotting.conditions import conditions, plain_label, two_lines


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def test_labels_and_order_do_not_depend_on_the_order_of_rows(drops):
    shuffled = drops.sample(fraction=1, shuffle=True, seed=3)
    assert conditions(drops).of == conditions(shuffled).of
    for name in drops["experiment"].unique():
        one, other = (table.filter(experiment=name) for table in (drops, shuffled))
        assert [*conditions(drops).split(one)] == [*conditions(drops).split(other)]


def test_conditions_go_from_easy_to_hard(drops):
    rows = drops.filter(experiment="context")
    hard = [group["difficulty"][0] for group in conditions(drops).split(rows).values()]
    assert hard == sorted(hard)


def test_a_shared_label_gets_only_what_differs():
    table = drops_table([Condition("t", "context=passage", "T · with passage", 0.25, 0.9, 0.5, n_examples=2000)])
    both = pl.concat([table.with_columns(protocol=pl.lit(name)) for name in ("short", "long")])
    assert {*conditions(both).of.values()} == {"T · with passage · short", "T · with passage · long"}
    assert {*conditions(table).of.values()} == {"T · with passage"}


def test_values_of_a_knob_keep_their_numeric_order_although_difficulty_does_not_rise():
    given = {2: 0.9, 3: 0.6, 4: 0.8}
    table = drops_table(
        [Condition("t", f"options={n}", f"{n}", 0.25, d, 0.5, n_examples=2000) for n, d in given.items()]
    )
    assert [key[1] for key in conditions(table).split(table)] == ["options=2", "options=3", "options=4"]


def test_one_label_for_two_conditions_is_told_apart_by_knobs():
    found = conditions(drops_table([Condition("t", knob, "Same", 0.25, 0.8, 0.5) for knob in ("k=1", "k=2")]))
    assert set(found.of.values()) == {"Same · k=1", "Same · k=2"}


def test_two_protocols_never_share_a_curve():
    table = drops_table([Condition("t", "", "Same", 0.25, 0.8, 0.5, protocol=p) for p in ("short", "long")])
    assert {key[2] for key in conditions(table).of} == {"short", "long"}


def test_the_model_in_a_label_is_left_to_the_figure():
    row = {"label": "SciQ (big)", "model": "big", "task": "sciq"}
    assert plain_label(row) == "SciQ"


def test_a_label_has_the_task_in_its_first_line():
    assert two_lines("SciQ · no passage, 2 options") == "SciQ\nno passage, 2 options"
    assert two_lines("ARC-Easy") == "ARC-Easy"
