import polars as pl
import pytest
from figure_pages import of_kind, points, titles
from other_tables import claims as simulated
from other_tables import filled

from junkdna.analysis import result_columns
from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.report.figures import claims

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
