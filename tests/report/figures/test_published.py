"""The figure of published curves: the points of both sources, and only where there are published ones."""

from types import SimpleNamespace

import pytest
from figure_pages import legend, points, titles
from figure_tables import Condition, drops_table

from junkdna.analysis.published_overlay import stand_in
from junkdna.errors import UserError
from junkdna.report import catalog
from junkdna.report.figures import published
from junkdna.report.findings.published_blocks import BLOCKS

RTE = [94.218, 92.291, 83.084, 62.527, 62.527, 62.527, 62.527, 62.527, 62.527]  # percent of dense, 10 to 90 %
LARGE, VICUNA = "FacebookAI/roberta-large", "lmsys/vicuna-7b-v1.3"
MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")


def tuned(task: str, **more) -> Condition:
    settings = {"experiment": "x", "hub": LARGE, "model": "big", "transfers": MODES, "levels": (0.3, 0.8)} | more
    return Condition(task, settings.pop("knobs", ""), task.upper(), 0.5, 0.9, 0.5, **settings)


def test_a_panel_contains_the_published_points_and_those_of_the_study():
    table = drops_table([tuned("rte"), tuned("mrpc")])
    drawing = published.marks(table, "x")
    at = titles(drawing).index("RTE, magnitude, sparse") if len(drawing.panels) > 1 else 0
    theirs = points(drawing, at, series="published")
    assert [mark.x for mark in theirs] == pytest.approx([10 * at for at in range(1, 10)])
    assert [mark.y for mark in theirs] == pytest.approx(RTE)
    assert {(mark.line, mark.marker, mark.low) for mark in theirs} == {("dashed", "bar", None)}
    own = table.filter(task="rte", transfer="sparse").sort("sparsity")
    ours = points(drawing, at, series="this study, magnitude")
    assert [mark.x for mark in ours] == pytest.approx([30, 80])
    assert [mark.y for mark in ours] == pytest.approx(own["relative_score"].to_list())
    assert [mark.low for mark in ours] == pytest.approx(own["relative_score_low"].to_list())
    assert {(mark.line, mark.marker) for mark in ours} == {("solid", "diamond")}
    low, high = drawing.panels[at].y.limits
    assert low < min(RTE)
    assert high > max(RTE)
    assert "published (arXiv 2310.02277)" in legend(drawing)


def test_the_heading_has_the_rmse_by_hand():
    table = drops_table([tuned("rte", transfers=("dense", "sparse"))])
    own = table.filter(transfer="sparse").sort("sparsity")["relative_score"].to_list()
    rmse = (((own[0] - RTE[2]) ** 2 + (own[1] - RTE[7]) ** 2) / 2) ** 0.5
    (panel,) = published.marks(table, "x").panels
    assert panel.title == f"RTE, magnitude\nRMSE: {rmse:.1f} points"


def test_doubtful_points_are_crosses_with_their_reason():
    drawing = published.marks(drops_table([tuned("mnli", transfers=("dense", "sparse"))]), "x")
    theirs = points(drawing, 0, series="published")
    assert [mark.x for mark in theirs if mark.marker == "cross"] == pytest.approx([80, 90])
    assert "May be wrong: A whole number off the grid of its neighbors" in drawing.caption
    assert "published, may be wrong" in legend(drawing)


def test_a_figure_without_doubts_does_not_name_them():
    drawing = published.marks(drops_table([tuned("rte")]), "x")
    assert "wrong" not in drawing.caption
    assert not [entry for entry in legend(drawing) if "wrong" in entry]


def test_a_panel_for_each_condition_method_family_and_mode():
    own = {"experiment": "x", "hub": VICUNA, "model": "chat", "levels": (0.5,), "methods": ("wanda", "magnitude_layer")}
    own["compressions"] = ("wanda-keep4of8", "wanda-keep2of4")
    books = [Condition("trivia_qa", knobs, label, 0.0, 0.6, 0.5, **own) for knobs, label in
             (("", "TriviaQA"), ("context=passage", "TriviaQA with passage"))]  # fmt: skip
    drawing = published.marks(drops_table([*books, tuned("cola"), tuned("qqp"), tuned("rte")]), "x")
    assert len(titles(drawing)) == len(set(titles(drawing))) >= 9
    assert all(points(drawing, at, series="published") for at in range(len(drawing.panels)))


def test_only_experiments_with_published_curves_have_it():
    table = drops_table([tuned("rte"), tuned("mrpc", experiment="other"), tuned("rte", hub="", experiment="local")])
    names = [name for name in catalog.figure_names(catalog.outlines(table)) if name.startswith("published")]
    assert names == ["published_x"]
    with pytest.raises(UserError, match="'other': no published curve"):
        published.marks(table, "other")


@pytest.mark.parametrize(
    ("tags", "drawn"),
    [
        (("nm-keep4of8", "nm-keep2of4"), {"this study, nm of 8"}),
        (("nm-keep2of4",), {"this study, nm of 4"}),
    ],
)
def test_two_of_four_is_not_mistaken_for_four_of_eight(tags, drawn):
    table = drops_table([tuned("rte", transfers=("dense", "sparse"), methods=(), compressions=tags)])
    drawing = published.marks(table, "x")
    assert {mark.series for mark in points(drawing, 0)} - {"published"} == drawn
    if len(tags) == 1:
        assert "RMSE: no common level" in drawing.panels[0].title


def test_models_that_stand_for_the_published_one_are_said_to_be_others():
    table = drops_table([tuned("rte", hub="me/other", model="mine", transfers=("dense", "sparse"))])
    drawing = published.marks(stand_in(table, LARGE), "x")
    assert [mark.y for mark in points(drawing, 0, series="published")] == pytest.approx(RTE)
    assert drawing.title.startswith("This study and the published curves of roberta-large: ")
    assert "published (arXiv 2310.02277) of roberta-large" in legend(drawing)
    assert "Published curves: another model (roberta-large), same task" in drawing.caption


@pytest.mark.parametrize("block", ["published", "published_curves"])
def test_blocks_of_findings_have_the_published_numbers_of_another_model(block):
    table = drops_table([tuned("rte", hub="me/other", model="mine", transfers=("dense", "sparse"))])
    inputs = SimpleNamespace(drops=table)
    own = table.filter(transfer="sparse").sort("sparsity")["relative_score"].to_list()
    assert BLOCKS[block](inputs, {}).startswith("No curve of this study was published")
    text = BLOCKS[block](inputs, {"like": [LARGE]} | ({"level": ["0.3", "0.8"]} if block == "published_curves" else {}))
    row = text.splitlines()[2]
    if block == "published":
        rmse = (((own[0] - RTE[2]) ** 2 + (own[1] - RTE[7]) ** 2) / 2) ** 0.5
        assert f"| across_tasks_unstructured | 2 | {rmse:.1f} |" in row
    else:
        assert row.startswith(f"| RTE | mine | sparse | {own[0]:.1f} (")
        assert "/ 83.1 |" in row
        assert row.endswith("/ 62.5 |")


def test_a_published_model_without_curves_is_refused():
    with pytest.raises(UserError, match=r"'FacebookAI/roberta-larg'.*FacebookAI/roberta-large"):
        stand_in(drops_table([tuned("rte")]), "FacebookAI/roberta-larg")
