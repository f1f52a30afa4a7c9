"""Published points that belong to the curves of a study, and the score of their reproduction."""

import numpy as np
import polars as pl
import pytest

from junkdna.analysis.published_overlay import SCHEMA, SHOWN, is_covered, overlay, reproduction
from junkdna.analysis.result_columns import DROPS, check_columns

HUBS = {"big": "FacebookAI/roberta-large", "small": "FacebookAI/roberta-base", "chat": "lmsys/vicuna-7b-v1.3"}
RTE = [94.218, 92.291, 83.084, 62.527, 62.527, 62.527, 62.527, 62.527, 62.527]  # percent of dense, 10 to 90 %
DENSE = 0.85  # of the study


def row(compression: str, relative: float = 90, **values: object) -> dict:
    """A row of drops; only what the functions read."""
    method = compression.split("-")[0]
    hub = HUBS.get(values.get("model", "big"), "")
    return {
        "experiment": "main", "model": "big", "task": "rte", "knobs": "", "method": method,
        "compression": compression, "transfer": "sparse", "protocol": "default", "score": relative / 100 * DENSE,
        "dense_score": DENSE, "relative_score": relative, "relative_score_low": relative - 2,
        "relative_score_high": relative + 2, "hub": hub, "label": "A", "baseline": "majority",
        "retention": 0.5, "sparsity": 0.5,
    } | values  # fmt: skip


def rte(shifts: list[float], **values: object) -> list[dict]:
    """The curve of RTE, dense included, with each level shifted by percent points."""
    rows = [row(f"magnitude-0.{at + 1}", RTE[at] + shift, **values) for at, shift in enumerate(shifts)]
    return [row("dense", 100, **values), *rows]


# ---- overlay ---------------------------------------------------------------------------------------------------------


def test_overlay_has_all_points_of_a_covered_curve():
    points = overlay(pl.DataFrame(rte([0, 1])))
    assert points["sparsity"].to_list() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    assert points["percent_of_dense"].to_list() == RTE
    assert points["retention"].to_list()[3:] == pytest.approx([0] * 6, abs=5e-5)
    assert set(points["figure"]) == {"across_tasks_unstructured"}
    assert set(points["model"]) == {"big"}
    assert set(points["doubt"]) == {""}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "small"}, {"model": "local copy"}, {"task": "mrpc"}, {"knobs": "data_fraction=10"},
        {"transfer": "dense_freeze"}, {"transfer": "none"}, {"compression": "magnitude-0.1,embeddings=true"},
        {"compression": "magnitude_layer-0.1", "method": "magnitude_layer"},
        {"compression": "magnitude-0.1,layers=11"}, {"compression": "dense", "method": "dense"},
    ],
)  # fmt: skip
def test_other_conditions_have_no_overlay(change):
    drops = pl.DataFrame([row(**{"compression": "magnitude-0.1"} | change)])
    assert overlay(drops).is_empty()
    assert reproduction(drops).is_empty()
    assert not is_covered(drops.select(SHOWN).rows())


def test_overlay_of_each_kind_of_curve():
    rows = [
        row("magnitude-0.1", experiment="x", task="mnli", transfer="sparse_to_dense"),
        row("nm-keep4of8", experiment="x", task="mnli"),
        row("magnitude-0.1", experiment="x", model="small", task="qnli", knobs="data_fraction=25"),
        row("nm-keep2of4", experiment="x", model="small", task="sst2", transfer="dense_freeze"),
        row("wanda-keep4of8,calibration=c4", experiment="x", model="chat", task="trivia_qa", transfer="none"),
        row("magnitude_layer-0.5", experiment="x", model="chat", task="trivia_qa", knobs="context=passage",
            transfer="none"),
    ]  # fmt: skip
    points = overlay(pl.DataFrame(rows))
    assert all(is_covered([tuple(each[name] for name in SHOWN)]) for each in rows)
    counts = dict(points.group_by("task", "figure", "series").len().select("figure", "len").iter_rows())
    assert counts == {
        "transfer_modes_tasks_unstructured": 9, "transfer_modes_tasks_nm": 7, "data_fraction_unstructured": 9,
        "transfer_modes_data_nm": 7, "open_closed_nm": 7, "open_closed_fine_unstructured": 16,
    }  # fmt: skip
    assert (points.filter(figure="data_fraction_unstructured")["doubt"] != "").all()
    assert set(points.filter(task="trivia_qa")["method"]) == {"wanda", "magnitude_layer"}


def test_two_protocols_are_two_curves():
    drops = pl.DataFrame(rte([0]) + rte([0], protocol="long"))
    points = overlay(drops)
    assert points.group_by("protocol", maintain_order=True).len().rows() == [("default", 9), ("long", 9)]


def test_the_functions_read_columns_of_drops():
    names = {column.name for column in DROPS.columns}
    assert {*row("dense")} <= names


# ---- reproduction ----------------------------------------------------------------------------------------------------


def test_reproduction_by_hand():
    """Shifts of 1, -1 and -3 points: two of three published values are inside intervals of 2 points each side."""
    (result,) = reproduction(pl.DataFrame(rte([1, -1, -3]))).to_dicts()
    assert (result["levels"], result["published_levels"], result["doubtful"]) == (3, 9, 0)
    assert (result["figure"], result["hub"]) == ("across_tasks_unstructured", HUBS["big"])
    assert result["rmse_relative_score"] == pytest.approx(np.sqrt(11 / 3))
    assert result["share_inside"] == pytest.approx(2 / 3)
    baseline, dense = 146 / 277, 467 / 554
    ours = (np.array([95.218, 91.291, 80.084]) / 100 * DENSE - baseline) / (DENSE - baseline)
    theirs = (np.array(RTE[:3]) / 100 * dense - baseline) / (dense - baseline)
    assert result["rmse_retention"] == pytest.approx(np.sqrt(((ours - theirs) ** 2).mean()))


def test_levels_that_are_not_published_do_not_count():
    rows = [*rte([2]), row("magnitude-0.15", 10), row("magnitude-0.95", 10)]
    (result,) = reproduction(pl.DataFrame(rows)).to_dicts()
    assert result["levels"] == 1
    assert result["rmse_relative_score"] == pytest.approx(2)
    assert result["share_inside"] == 1


def test_curve_without_a_published_level():
    (result,) = reproduction(pl.DataFrame([row("nm-keep2of4")])).to_dicts()
    assert result["levels"] == 0
    assert (result["rmse_relative_score"], result["rmse_retention"], result["share_inside"]) == (None, None, None)


def test_levels_without_an_interval():
    nothing = {"relative_score": None, "relative_score_low": None, "relative_score_high": None}
    rows = [*rte([1]), row("magnitude-0.2", 50) | nothing]
    (result,) = reproduction(pl.DataFrame(rows)).to_dicts()
    assert (result["levels"], result["share_inside"]) == (2, 1)
    assert result["rmse_relative_score"] == pytest.approx(1)


def test_dense_at_the_baseline_has_no_retention():
    rows = [row("magnitude-0.1", dense_score=0.5, score=0.5)]
    (result,) = reproduction(pl.DataFrame(rows)).to_dicts()
    assert result["rmse_retention"] is None
    assert result["rmse_relative_score"] == pytest.approx(94.218 - 90)


def test_one_row_per_curve_and_doubts_are_counted():
    rows = [*rte([0, 0]), *rte([0], protocol="long"),
            row("nm-keep2of8", 95, task="winogrande"), row("nm-keep1of8", 80, task="winogrande")]  # fmt: skip
    result = reproduction(pl.DataFrame(rows))
    assert result.select("task", "protocol", "levels", "doubtful").rows() == [
        ("rte", "default", 2, 0), ("rte", "long", 1, 0), ("winogrande", "default", 2, 1),
    ]  # fmt: skip


def test_nothing_covered_is_a_valid_table():
    for drops in (pl.DataFrame([row("magnitude-0.1", model="local")]), pl.DataFrame()):
        result = reproduction(drops)
        assert result.is_empty()
        check_columns("reproduction", result)
    check_columns("reproduction", reproduction(pl.DataFrame(rte([1]))))
    assert result.schema == SCHEMA
