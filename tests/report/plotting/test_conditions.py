import polars as pl
import pytest
from figure_tables import Condition, drops_table, study

from junkdna.report.figures import conditions


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def test_looks_do_not_depend_on_row_order_and_differ_inside_an_experiment(drops):
    looks, shuffled = conditions.looks(drops), conditions.looks(drops.sample(fraction=1, shuffle=True, seed=3))
    assert looks.of == shuffled.of
    for _, rows in drops.group_by("experiment"):
        used = {looks.key(row): looks[row] for row in rows.iter_rows(named=True)}
        assert len({look.color for look in used.values()}) == len(used)


def test_ten_conditions_have_ten_pairs_of_color_and_marker():
    looks = conditions.looks(drops_table([Condition("t", f"k={i}", f"C{i}", 0.25, 0.8, 0.5) for i in range(10)]))
    assert len({(look.color, look.marker) for look in looks.of.values()}) == 10
    assert [key[1] for key in looks.of] == [f"k={i}" for i in range(10)]


def test_one_label_for_two_conditions_is_told_apart_by_knobs():
    looks = conditions.looks(drops_table([Condition("t", knob, "Same", 0.25, 0.8, 0.5) for knob in ("k=1", "k=2")]))
    assert {look.label for look in looks.of.values()} == {"Same [t, k=1]", "Same [t, k=2]"}


def test_two_protocols_never_share_a_curve():
    looks = conditions.looks(
        drops_table([Condition("t", "", "Same", 0.25, 0.8, 0.5, protocol=p) for p in ("short", "long")])
    )
    assert {key[2] for key in looks.of} == {"short", "long"}


def test_the_model_in_a_label_is_left_to_the_figure():
    row = {"label": "SciQ (big)", "model": "big", "task": "sciq"}
    assert conditions.plain_label(row) == "SciQ"
