import re
from itertools import pairwise

import polars as pl
import pytest
from figure_pages import drawn, expected, of_kind, outside, points, titles
from other_tables import claims as simulated
from other_tables import filled

from junkdna.analysis import result_columns
from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.report.figures import claims
from junkdna.report.page import svg_panel
from junkdna.report.plotting import claim_rows, render
from junkdna.report.plotting.drawing import Drawing

BASE = {"experiment": "e", "model": "m", "unit": "u", "margin": 0.05, "primary": True, "n_seeds": 1, "n_examples": 650}


def table(*rows: dict) -> pl.DataFrame:
    return filled(result_columns.CLAIMS, [BASE | row for row in rows])


def test_a_panel_for_each_claim_in_their_order_with_the_effects_of_the_table():
    rows = simulated()
    drawing = claims.marks(rows)
    assert titles(drawing) == [claim.label for claim in CLAIMS.values()]
    for at, name in enumerate(CLAIMS):
        own = rows.filter(claim=name).drop_nulls("estimate")
        found = points(drawing, at)
        if name not in claims.TURNED:
            assert [(mark.x, mark.low, mark.high) for mark in found] == own.select("estimate", "low", "high").rows()
        assert {mark.y for mark in of_kind(drawing, at, "missing")} == {
            float(y) for y, value in enumerate(rows.filter(claim=name)["estimate"]) if value is None
        }


def test_right_of_the_margin_always_supports_the_claim():
    """By the rule of each claim: `irreversible` if the retention is below 1 - margin, quantization if above 0."""
    drawing = claims.marks(table(
        {"claim": "monotone", "verdict": "supported", "estimate": 0.5, "low": 0.4, "high": 0.6},
        {"claim": "irreversible", "verdict": "supported", "estimate": 0.6, "low": 0.4, "high": 0.7},
        {"claim": "not_in_quantization", "verdict": "supported", "estimate": 0.03, "low": 0.01, "high": 0.04},
    ))  # fmt: skip
    margins = [next(mark.x for mark in of_kind(drawing, at, "rule") if mark.series == "margin") for at in range(3)]
    assert margins == [0.05, 0.05, 0.0]
    for at, margin in enumerate(margins):
        (mark,) = points(drawing, at)
        assert margin < mark.low < mark.x < mark.high
    (turned,) = points(drawing, 1)
    assert (turned.x, turned.low, turned.high) == pytest.approx((0.4, 0.3, 0.6))


def test_verdicts_differ_by_color_marker_and_word():
    rows = [
        {"claim": "monotone", "verdict": each, "estimate": None if each == "untestable" else 0.5, "reason": "few"}
        for each in claims.VERDICTS
    ]
    drawing = claims.marks(table(*rows))
    assert [mark.marker for mark in points(drawing, 0)] == ["circle", "square", "ring"]
    assert [mark.label for mark in of_kind(drawing, 0, "label")] == [
        f"{verdict}, n = 650" for verdict in claims.VERDICTS
    ]
    assert len({mark.color for mark in of_kind(drawing, 0, "label")}) == 4
    (missing,) = of_kind(drawing, 0, "missing")
    assert missing.label == "u: untestable, few"


def test_very_wide_intervals_do_not_squeeze_the_effects():
    drawing = claims.marks(
        table({"claim": "monotone", "verdict": "undecided", "estimate": 0.3, "low": -90.0, "high": 80.0})
    )
    low, high = drawing.panels[0].x.limits
    assert high - low < 3
    assert low < 0.3 < high


def test_only_rows_of_the_correction_are_drawn_and_none_is_no_failure():
    row = {"claim": "monotone", "verdict": "undecided", "estimate": 0.3, "primary": False}
    drawing = claims.marks(table(row))
    assert drawing.marks == ()
    assert "no claim has a row" in drawing.panels[0].message


def test_caption_counts_tests_and_states_size_and_margin():
    caption = claims.marks(simulated()).caption
    for words in ("Model: m.", "10 tests: 3 supported", "Margin: 0.05", "n = 400", "1 to 3 seeds", "95 % intervals"):
        assert words in caption


def test_the_size_of_a_test_across_tasks_is_in_tasks_and_no_label_says_a_thing_twice():
    claim = {"claim": "steeper_when_harder"}
    untested = {"unit": "across tasks, by dense error", "experiment": "transfer_modes", "n_tasks": 3}
    found = {"experiment": "context", "unit": "context of sciq", "n_tasks": 1, "n_seeds": 3, "n_examples": 400}
    drawing = claims.marks(
        table(
            claim | untested | {"estimate": None, "verdict": "untestable"},
            claim | found | {"estimate": 0.2, "verdict": "supported"},
        )
    )
    sizes = [mark.label for mark in drawing.marks if mark.kind == "label"]
    assert sizes == ["untestable, 3 tasks", "supported, n = 400 × 3 seeds"]
    names = [name for _, name in drawing.panels[0].y.ticks]
    assert names == ["transfer modes: across tasks, by dense error", "context of sciq"]


LONG = "a task with a name that is much longer than one line of the figure, and goes on for quite a while"


def known(estimate: float, wide: float = 0.1, **more: object) -> dict:
    return {"estimate": estimate, "low": estimate - wide, "high": estimate + wide, "verdict": "undecided"} | more


def untestable(**more: object) -> dict:
    return {"claim": "monotone", "verdict": "untestable", "reason": "few"} | more


def large(models: tuple[str, ...] = ("m",)) -> pl.DataFrame:
    """Of each model two experiments of ten conditions; in the second their mean is untestable."""
    rows = []
    for model in models:
        for experiment in ("first", "second"):
            own = {"claim": "monotone", "experiment": experiment, "model": model, "setting": "pruned"}
            suffix = f" ({model})" if len(models) > 1 else ""
            rows += [own | known(0.05 * at, unit=f"Task {at}{suffix}") for at in range(9)]
            rows += [own | untestable(unit=f"Task 9{suffix}")]
            mean = known(0.2) if experiment == "first" else untestable()
            rows += [own | mean | {"unit": "mean of 10 conditions", "n_tasks": 10}]
    return table(*rows)


def names(drawing: Drawing, panel: int = 0) -> list[str]:
    return [name for _, name in drawing.panels[panel].y.ticks]


def test_up_to_forty_tests_are_all_drawn():
    rows = large().head(claim_rows.MANY)
    drawing = claims.marks(rows)
    assert len(names(drawing)) == len(rows)
    assert "drawn" not in drawing.caption


def test_of_many_tests_those_over_several_conditions_are_drawn_where_they_are_testable():
    drawing = claims.marks(large(("a", "b")))
    second = [f"second: Task {at}" for at in range(9)]
    own = ["first: mean of 10 conditions", *second]
    assert names(drawing) == ["Model a", *own, "Model b", *own]
    assert not of_kind(drawing, 0, "missing")
    assert "44 tests: 0 supported, 0 contradicted, 38 undecided, 6 untestable." in drawing.caption
    assert (
        "20 tests are drawn, 24 are not: 6 untestable; 18 of single conditions, where a test over several conditions "
        "or tasks is drawn. All are in tables/claims.csv."
    ) in drawing.caption


@pytest.mark.parametrize("unit", ["mean of 5 pairs", "across tasks, by dense error", "mean of 2 pairs, against RTN"])
def test_a_mean_replaces_only_tests_of_the_same_claim_experiment_model_and_setting(unit):
    own = {"claim": "monotone", "experiment": "e", "model": "m", "setting": "s"}
    others = [own | {name: other} for name, other in
              (("claim", "irreversible"), ("experiment", "f"), ("model", "n"), ("setting", "t"))]  # fmt: skip
    rows = [own | known(0.2, unit=unit), *(each | known(0.2, unit="u") for each in (own, *others))]
    chosen = claim_rows.choose(table(*rows, *[untestable()] * claim_rows.MANY))
    assert chosen.tests["unit"].to_list() == [unit, *["u"] * 4]
    assert (chosen.untestable, chosen.single, chosen.wide) == (claim_rows.MANY, 1, 0)


def test_of_too_many_the_narrowest_of_each_claim_and_experiment_are_drawn_first():
    rows = [
        {"claim": "monotone", "experiment": experiment} | known(0.2, wide=0.1 + 0.01 * at, unit=f"{at}")
        for experiment in ("big", "small")
        for at in range(80 if experiment == "big" else 5)
    ]
    rows += [{"claim": "irreversible", "experiment": "big"} | known(0.2, wide=5.0, unit=f"{at}") for at in range(3)]
    drawing = claims.marks(table(*rows))
    first, second = names(drawing), names(drawing, 1)
    assert len(first) + len(second) == claim_rows.MOST
    assert second == ["big: 0", "big: 1", "big: 2"]
    assert first == [f"big: {at}" for at in range(52)] + [f"small: {at}" for at in range(5)]
    assert "60 tests are drawn, 28 are not: 28 with wide intervals" in drawing.caption


def test_a_claim_whose_many_tests_are_all_untestable_says_so():
    rows = [untestable(unit=f"{at}") for at in range(41)]
    drawing = claims.marks(table({"claim": "irreversible"} | known(0.2), *rows))
    assert titles(drawing) == [CLAIMS[name].label for name in ("monotone", "irreversible")]
    assert [panel.message for panel in drawing.panels] == ["Untestable: 41 tests", ""]
    assert drawing.of_panel(0) == []
    alone = claims.marks(table(*rows))
    assert alone.panels[0].message == "Untestable: 41 tests"
    assert outside(render.draw(alone)) == []


def test_rows_stand_below_the_name_of_their_model_which_they_do_not_repeat():
    own = {"claim": "monotone", "experiment": "runs"}
    rows = [
        own | known(0.2, model=model, unit=f"{task} ({model})") for task in ("SST-2", "PIQA") for model in ("b", "a")
    ]
    drawing = claims.marks(table(*rows, own | known(0.2, model="a", unit="mean of 2 conditions")))
    assert names(drawing) == [
        "Model a", "runs: SST-2", "runs: PIQA", "runs: mean of 2 conditions", "Model b", "runs: SST-2", "runs: PIQA",
    ]  # fmt: skip
    assert drawing.panels[0].dividers == (3.5,)
    assert [mark.y for mark in points(drawing, 0)] == [1, 2, 3, 5, 6]
    assert len(of_kind(drawing, 0, "label")) == 5


def test_equal_names_get_what_differs_in_their_settings():
    own = {"claim": "monotone", "unit": "mean of 5 pairs"}
    settings = ("small weights, sparse, protocol p", "N:M sparsity, N of 8 kept, sparse, protocol p")
    other = own | known(0.2, unit="mean of 2 pairs", setting=settings[0])
    drawing = claims.marks(table(*(own | known(0.2, setting=each) for each in settings), other))
    assert names(drawing) == [
        "e: mean of 5 pairs (small weights)", "e: mean of 5 pairs (N:M sparsity, N of 8 kept)", "e: mean of 2 pairs",
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "words"), [(10.0, "10.00"), (-7.0, "−7.00")])
def test_an_outlier_is_an_arrow_at_the_edge_with_its_value(value, words):
    usual = [known(0.1 * at, unit=f"{at}") for at in range(10)]
    rows = [{"claim": "monotone"} | each for each in (*usual, known(value, wide=0.5, unit="far"))]
    drawing = claims.marks(table(*rows))
    low, high = drawing.panels[0].x.limits
    assert high - low < 2.2
    assert low < 0 < 0.9 < high
    *_, far = points(drawing, 0)
    assert far.x == value  # the table of marks has the number itself
    (label,) = [mark for mark in of_kind(drawing, 0, "label") if mark.label == words]
    assert (label.x, label.y) == (high if value > 0 else low, 10)
    assert "1 effect is beyond the axis: an arrow at its edge, with its value." in drawing.caption
    fig = render.draw(drawing)
    assert drawn(fig) == expected(drawing)
    (arrow,) = [line for line in fig.axes[0].get_lines() if line.get_label().startswith("cut|")]
    assert (arrow.get_marker(), *arrow.get_xdata()) == ((">", high) if value > 0 else ("<", low))


@pytest.mark.parametrize("effects", [(0.2, 10.0), (9.0, 9.5, 10.0, 10.5, 11.0), (-0.5, 0.0, 0.1, 0.2, 1.3)])
def test_few_or_spread_effects_have_no_outlier(effects):
    drawing = claims.marks(table(*({"claim": "monotone"} | known(each) for each in effects)))
    low, high = drawing.panels[0].x.limits
    assert low < min(0.0, *effects) <= max(effects) < high
    assert "beyond the axis" not in drawing.caption


def labels_apart() -> Drawing:
    units = [LONG if at % 3 else "short" for at in range(12)]
    rows = [{"claim": "monotone", "model": model} | known(0.2, unit=unit) for model in ("a", "b") for unit in units]
    return claims.marks(table(*rows))


def test_names_of_rows_do_not_overlap():
    drawing = labels_apart()
    fig = render.draw(drawing)
    fig.draw_without_rendering()
    boxes = [text.get_window_extent() for text in fig.axes[0].get_yticklabels()]
    assert len(boxes) == 26
    assert all(upper.y0 >= lower.y1 for upper, lower in pairwise(boxes))
    assert outside(fig) == []


@pytest.mark.parametrize("wide", [358.0, 660.0])
def test_names_of_rows_do_not_overlap_on_the_page(wide):
    drawing = labels_apart()
    svg, _ = svg_panel.panel_svg(drawing.panels[0], drawing.of_panel(0), wide, "")
    assert svg.count("Model ") == 2
    lines = [float(y) for y in re.findall(r'<text class="t" x="[-\d.]+" y="([\d.]+)" text-anchor="end"', svg)]
    assert len(lines) > 50
    assert all(lower - upper >= svg_panel.LINE - 1 for upper, lower in pairwise(lines))


def test_the_figure_of_many_models_has_sixty_tests():
    drawing = claims.marks(large(tuple("abcdefg")))
    assert len(points(drawing, 0)) == claim_rows.MOST
    assert sum(name.startswith("Model ") for name in names(drawing)) == 7
