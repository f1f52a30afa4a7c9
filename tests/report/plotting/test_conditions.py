import polars as pl
import pytest
from figure_tables import Condition, drops_table, study

from junkdna.report.plotting.conditions import condition_styles, plain_label


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def test_styles_do_not_depend_on_row_order_and_differ_inside_an_experiment(drops):
    styles, shuffled = condition_styles(drops), condition_styles(drops.sample(fraction=1, shuffle=True, seed=3))
    assert styles.of == shuffled.of
    for _, rows in drops.group_by("experiment"):
        used = {styles.key(row): styles[row] for row in rows.iter_rows(named=True)}
        assert len({style.color for style in used.values()}) == len(used)


def test_ten_conditions_have_ten_pairs_of_color_and_marker():
    styles = condition_styles(drops_table([Condition("t", f"k={i}", f"C{i}", 0.25, 0.8, 0.5) for i in range(10)]))
    assert len({(style.color, style.marker) for style in styles.of.values()}) == 10
    assert [key[1] for key in styles.of] == [f"k={i}" for i in range(10)]


def test_one_label_for_two_conditions_is_told_apart_by_knobs():
    styles = condition_styles(drops_table([Condition("t", knob, "Same", 0.25, 0.8, 0.5) for knob in ("k=1", "k=2")]))
    assert {style.label for style in styles.of.values()} == {"Same [t, k=1]", "Same [t, k=2]"}


def test_two_protocols_never_share_a_curve():
    styles = condition_styles(
        drops_table([Condition("t", "", "Same", 0.25, 0.8, 0.5, protocol=p) for p in ("short", "long")])
    )
    assert {key[2] for key in styles.of} == {"short", "long"}


def test_the_model_in_a_label_is_left_to_the_figure():
    row = {"label": "SciQ (big)", "model": "big", "task": "sciq"}
    assert plain_label(row) == "SciQ"
