import polars as pl
from figure_pages import of_kind, points
from figure_tables import Condition, drops_table
from other_tables import margins as margins_of

from junkdna.report.figures import margins


def table(*more: Condition) -> pl.DataFrame:
    easy = Condition("a", "", "Easy", 0.3, 0.9, 0.5, "x", levels=(0.3, 0.5, 0.7))
    hard = Condition("b", "", "Hard", 0.3, 0.6, 0.5, "x", levels=(0.3, 0.5, 0.7))
    return margins_of(drops_table([hard, easy, *more]))


def test_conditions_from_easy_to_hard_at_the_middle_level():
    rows = table()
    drawing = margins.marks(rows)
    assert [panel.title.split("\n")[0] for panel in drawing.panels] == ["Easy", "Hard"]
    assert "magnitude 50 %" in drawing.caption
    own = rows.filter(pl.col("task") == "a", pl.col("compression") == "magnitude-0.5")
    for kind, changes in (("run", ("right", "wrong")), ("point", ("broken", "fixed"))):
        found = [(mark.x, mark.y) for mark in of_kind(drawing, 0, kind) if mark.series in changes]
        wanted = own.filter(pl.col("change").is_in(changes)).select("dense_margin", "margin").rows()
        assert sorted(found) == sorted(wanted)


def test_changed_answers_have_their_id_and_no_text():
    label = next(mark.label for mark in points(margins.marks(table()), 0) if mark.series == "broken")
    assert label.startswith("q")
    assert "broken: margin dense" in label


def test_both_axes_have_the_same_limits():
    for panel in margins.marks(table()).panels:
        assert panel.x.limits == panel.y.limits


def test_conditions_without_the_level_are_counted():
    other = Condition("c", "", "Other", 0.3, 0.6, 0.5, "x", levels=(0.2,))
    assert "1 conditions do not have this level" in margins.marks(table(other)).caption


def test_no_margin_is_a_message():
    assert "no compressed answer has a margin" in margins.marks(table().clear()).panels[0].message
