import os

import polars as pl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tables import Condition, drops_table, study

from junkdna.figures import style


@pytest.fixture(scope="module")
def drops() -> pl.DataFrame:
    return drops_table(study())


def small_figure() -> Figure:
    fig = Figure(figsize=(2, 1))
    FigureCanvasAgg(fig)
    fig.subplots().plot([0, 1], [1, 0])
    return fig


def test_save_writes_three_formats_and_leaves_no_unfinished_file(tmp_path):
    written = style.save(small_figure(), tmp_path / "deep" / "a.b")
    assert [path.name for path in written] == ["a.b.pdf", "a.b.svg", "a.b.png"]
    assert sorted(os.listdir(tmp_path / "deep")) == ["a.b.pdf", "a.b.png", "a.b.svg"]


def test_a_failing_save_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "savefig", lambda self, path, **_: (path.write_text("half"), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        style.save(small_figure(), tmp_path / "a")
    assert os.listdir(tmp_path) == []


def test_same_figure_same_bytes_in_all_formats(tmp_path):
    one, two = (style.save(small_figure(), tmp_path / name / "fig") for name in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_looks_do_not_depend_on_row_order_and_differ_inside_an_experiment(drops):
    looks, shuffled = style.looks(drops), style.looks(drops.sample(fraction=1, shuffle=True, seed=3))
    assert looks.of == shuffled.of
    for _, rows in drops.group_by("experiment"):
        used = {looks.key(row): looks[row] for row in rows.iter_rows(named=True)}
        assert len({look.colour for look in used.values()}) == len(used)


def test_ten_conditions_have_ten_pairs_of_colour_and_marker():
    looks = style.looks(drops_table([Condition("t", f"k={i}", f"C{i}", 0.25, 0.8, 0.5) for i in range(10)]))
    assert len({(look.colour, look.marker) for look in looks.of.values()}) == 10
    assert [key[1] for key in looks.of] == [f"k={i}" for i in range(10)]


def test_one_label_for_two_conditions_is_told_apart_by_knobs():
    looks = style.looks(drops_table([Condition("t", knob, "Same", 0.25, 0.8, 0.5) for knob in ("k=1", "k=2")]))
    assert {look.label for look in looks.of.values()} == {"Same [t, k=1]", "Same [t, k=2]"}


def test_two_protocols_never_share_a_curve():
    looks = style.looks(
        drops_table([Condition("t", "", "Same", 0.25, 0.8, 0.5, protocol=p) for p in ("short", "long")])
    )
    assert {key[2] for key in looks.of} == {"short", "long"}


def test_the_model_in_a_label_is_left_to_the_figure():
    row = {"label": "SciQ (big)", "model": "big", "task": "sciq"}
    assert style.plain_label(row) == "SciQ"


def test_shorten_keeps_short_labels_and_never_hides_one():
    assert style.shorten("SciQ") == "SciQ"
    assert len(style.shorten("x" * 99)) == 44
    assert not style.shorten("_hidden").startswith("_")
    assert style.shorten("  ") == "(no label)"


def test_natural_order_of_knobs():
    assert sorted(["options=10", "options=2", "a"], key=style.natural) == ["a", "options=2", "options=10"]
