"""The first screen of a study like the default one fits a window of 1280 x 800, in Debian's chromium.

Its conditions and tests have the names and numbers of the default study's. Skipped without chromium or playwright.
"""

from pathlib import Path

import polars as pl
import pytest
from figure_tables import Condition, drops_table
from page_tables import claims_table, write_inputs

from junkdna.report.page.write import write_report

pytestmark = pytest.mark.long
FEW = {"n_seeds": 1, "model": "minilm", "protocol": "default"}
SCIQ, MODES = FEW | {"n_examples": 650}, ("dense", "sparse", "sparse_to_dense", "dense_freeze")
PASSAGE = ("sciq", "context=passage", "SciQ · with passage", 0.25, 0.82, 0.9)
PLAIN = ("sciq", "", "SciQ · no passage", 0.25, 0.56, 0.8)
CONTROLS = {"experiment": "controls", "methods": ("magnitude", "random", "largest"), "levels": (0.3, 0.7)}
CONDITIONS = [
    Condition(*PASSAGE, **SCIQ),
    Condition(*PLAIN, **SCIQ),
    Condition("arc_easy", "", "ARC-Easy", 0.25, 0.516, 0.75, "tasks", levels=(0.5, 0.7, 0.9), **FEW),
    Condition("csqa", "", "CommonsenseQA", 0.2, 0.432, 0.7, "tasks", levels=(0.5, 0.7, 0.9), **FEW),
    *[
        Condition("sciq", f"options={n}", f"SciQ · no passage, {n} options", 1 / n, dense, 0.8, "options",
                  levels=(0.7, 0.9), **SCIQ)
        for n, dense in ((2, 0.762), (3, 0.64))
    ],
    Condition(*PASSAGE, **CONTROLS, **SCIQ),
    Condition(*PLAIN, **CONTROLS, **SCIQ),
    Condition("mmlu_area", "", "MMLU subject area", 0.25, 0.566, 0.5, "transfer_modes", transfers=MODES,
              levels=(0.3, 0.6, 0.9), **FEW | {"n_seeds": 2}),
]  # fmt: skip
NONE = dict.fromkeys(("estimate", "low", "high", "p", "q", "detectable", "examples_needed"))
ONE_SEED = "one seed: the spread between seeds is unknown"
UNITS = ("SciQ · no passage", "SciQ · with passage", "mean of 2 conditions")
CLAIMS = [
    *({"claim": "monotone", "unit": unit, "estimate": 0.6, "low": 0.5, "high": 0.7} for unit in UNITS),
    {"claim": "monotone", "experiment": "tasks", "unit": "mean of 3 conditions", "estimate": 0.74,
     "low": 0.67, "high": 0.82},
    {"claim": "monotone", "experiment": "transfer_modes", "unit": "MMLU subject area", "verdict": "undecided",
     "estimate": 1.0, "low": 0.83, "high": 1.2, "n_seeds": 2},
    {"unit": "context of sciq", "estimate": 0.17, "low": 0.09, "high": 0.25, "scale_free": "against the claim",
     "details": "d': -0.18 [-0.32, -0.04]"},
    {"experiment": "tasks", "unit": "across tasks, by dense error", "verdict": "untestable", "n_tasks": 3,
     "reason": "3 tasks; at least 5 are needed", **NONE},
    {"experiment": "options", "unit": "options of sciq", "verdict": "undecided", "estimate": 0.16, "low": 0.06,
     "high": 0.26, "examples_needed": 1500},
    {"claim": "irreversible", "experiment": "transfer_modes", "unit": "MMLU subject area", "verdict": "undecided",
     "estimate": 0.64, "low": -1.22, "high": 2.5, "detectable": -1.04, "examples_needed": None, "n_seeds": 2},
    *({"claim": "small_weights_specific", "experiment": "controls", "verdict": "undecided", "estimate": 0.09,
       "low": -0.03, "high": 0.2, "unit": f"context of sciq, against {method} weights pruned", "reason": reason,
       "examples_needed": 2000} for method, reason in (("random", ONE_SEED), ("largest", ""))),
]  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("first")
    claims = claims_table(*({"model": "minilm", "n_seeds": 1, "n_examples": 650, **row} for row in CLAIMS))
    drops = drops_table(CONDITIONS).with_columns(
        truncated=pl.when(pl.col("knobs") == "context=passage").then(0.68).otherwise(0.01),
        collapsed=pl.when((pl.col("task") == "mmlu_area") & (pl.col("sparsity") == 0.9)).then(1).otherwise(0),
    )
    write_report(*write_inputs(folder, drops, claims), folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_first_screen_fits_a_window_of_1280_by_800(opened, scheme):
    page = opened(1280, color_scheme=scheme)
    page.evaluate("document.fonts.ready")
    assert page.locator(".strip > li").count() == 5
    assert page.locator(".strip .tests > div").count() >= 9
    for selector in ("h1", ".lede", ".strip", "#figure-headline", ".trust"):
        box = page.locator(selector).first.bounding_box()
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 800, selector


def test_nothing_on_it_is_too_small_to_read(opened):
    page = opened(1280)
    small = page.evaluate(
        """() => [...document.querySelectorAll('header *, .first *, .trust')].filter(e => e.getClientRects().length
          && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && !e.closest('.vh')).map(e => {
            const svg = e.closest('svg'), box = svg && svg.viewBox.baseVal;
            const scale = box && box.width ? svg.getBoundingClientRect().width / box.width : 1;
            return {text: e.textContent, size: parseFloat(getComputedStyle(e).fontSize) * scale}; })"""
    )
    assert len(small) > 60
    assert [each for each in small if each["size"] < 10.5] == []


def test_the_label_of_the_axis_stands_beside_the_names_of_conditions(opened):
    for width in (390, 768, 1280):
        overlaps = opened(width).evaluate(
            """() => [...document.querySelectorAll('.view svg.fig')].filter(s => s.getClientRects().length)
              .flatMap(svg => [...svg.querySelectorAll('text.al')].flatMap(label => {
                const r = label.getBoundingClientRect();
                return [...svg.querySelectorAll('text.halo')].filter(name => { const s = name.getBoundingClientRect();
                  return r.left < s.right && s.left < r.right && r.top < s.bottom - 3 && s.top < r.bottom - 3; })
                  .map(name => label.textContent + ' | ' + name.textContent); }))"""
        )
        assert overlaps == [], width
