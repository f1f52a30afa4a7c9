"""The figure of published curves: the points of both sources, and only where there are published ones."""

import pytest
from figure_pages import footer, legend, lines, outside
from figure_tables import Condition, drops_table

from junkdna.errors import UserError
from junkdna.report import catalog
from junkdna.report.figures import published

RTE = [94.218, 92.291, 83.084, 62.527, 62.527, 62.527, 62.527, 62.527, 62.527]  # percent of dense, 10 to 90 %
LARGE, VICUNA = "FacebookAI/roberta-large", "lmsys/vicuna-7b-v1.3"
MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")


def tuned(task: str, **more) -> Condition:
    settings = {"experiment": "x", "hub": LARGE, "model": "big", "transfers": MODES, "levels": (0.3, 0.8)} | more
    return Condition(task, settings.pop("knobs", ""), task.upper(), 0.5, 0.9, 0.5, **settings)


def test_a_panel_contains_the_published_points_and_those_of_the_study():
    table = drops_table([tuned("rte"), tuned("mrpc")])
    fig = published.draw(table, "x")
    (ax,) = fig.axes
    found = lines(ax)
    assert list(found["sparse|published"].get_xdata()) == pytest.approx([10 * at for at in range(1, 10)])
    assert list(found["sparse|published"].get_ydata()) == pytest.approx(RTE)
    assert list(found["sparse|line"].get_ydata()) == pytest.approx(RTE)
    assert found["sparse|published"].get_markerfacecolor() == "none"
    own = table.filter(task="rte", transfer="sparse").sort("sparsity")
    assert list(found["sparse|magnitude"].get_xdata()) == pytest.approx([30, 80])
    assert list(found["sparse|magnitude"].get_ydata()) == pytest.approx(own["relative_score"].to_list())
    ends = [own["relative_score_low"][1], own["relative_score_high"][1]]
    assert list(found["sparse|magnitude|bar"].get_ydata()) == pytest.approx(ends)
    low, high = ax.get_ylim()
    assert low < min(RTE)
    assert high > max(RTE)
    assert "published (arXiv 2310.02277)" in legend(fig)


def test_the_heading_has_the_rmse_by_hand():
    table = drops_table([tuned("rte")])
    own = table.filter(transfer="sparse").sort("sparsity")["relative_score"].to_list()
    rmse = (((own[0] - RTE[2]) ** 2 + (own[1] - RTE[7]) ** 2) / 2) ** 0.5
    heading = published.draw(table, "x").axes[0].get_title(loc="left")
    assert heading == f"RTE, magnitude\nRMSE: {rmse:.1f}"


def test_doubtful_points_are_crosses_with_their_reason():
    fig = published.draw(drops_table([tuned("mnli")]), "x")
    found = lines(fig.axes[0])
    cross = found["sparse|doubtful"]
    assert cross.get_marker() == "x"
    assert list(cross.get_xdata()) == pytest.approx([80, 90])
    assert not {80, 90} & {round(x) for x in found["sparse|published"].get_xdata()}
    assert "May be wrong: A whole number off the grid of its neighbors" in footer(fig)
    assert "published, may be wrong" in legend(fig)


def test_a_figure_without_doubts_does_not_name_them():
    fig = published.draw(drops_table([tuned("rte")]), "x")
    assert "wrong" not in footer(fig)
    assert not [entry for entry in legend(fig) if "wrong" in entry]


def test_a_panel_for_each_condition_method_and_family():
    own = {"experiment": "x", "hub": VICUNA, "model": "chat", "levels": (0.5,), "methods": ("wanda", "magnitude_layer")}
    own["compressions"] = ("wanda-keep4of8", "wanda-keep2of4")
    books = [Condition("trivia_qa", knobs, label, 0.0, 0.6, 0.5, **own) for knobs, label in
             (("", "TriviaQA"), ("context=passage", "TriviaQA with passage"))]  # fmt: skip
    fig = published.draw(drops_table([*books, tuned("cola"), tuned("qqp"), tuned("rte")]), "x")
    headings = [ax.get_title(loc="left").split("\n")[0] for ax in fig.axes if ax.get_visible()]
    assert len(headings) == len(set(headings)) == 9
    assert [*lines(fig.axes[0])]
    assert not outside(fig)


def test_only_experiments_with_published_curves_have_it():
    table = drops_table([tuned("rte"), tuned("mrpc", experiment="other"), tuned("rte", hub="", experiment="local")])
    names = [name for name in catalog.figure_names(catalog.outlines(table)) if name.startswith("published")]
    assert names == ["published_x"]
    with pytest.raises(UserError, match="'other': no published curve"):
        published.draw(table, "other")


@pytest.mark.parametrize(
    ("tags", "drawn"),
    [
        (("nm-keep4of8", "nm-keep2of4"), ["sparse|nm of 8"]),
        (("nm-keep2of4",), ["sparse|nm of 4"]),
    ],
)
def test_two_of_four_is_not_mistaken_for_four_of_eight(tags, drawn):
    table = drops_table([tuned("rte", transfers=("dense", "sparse"), methods=(), compressions=tags)])
    (ax,) = published.draw(table, "x").axes
    found = [label for label in lines(ax) if label.startswith("sparse|nm") and not label.endswith("bar")]
    assert found == drawn
    if len(tags) == 1:
        assert "RMSE: no common level" in ax.get_title(loc="left")
