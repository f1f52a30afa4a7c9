"""The page of a comparison: one HTML file from the templates, style, script and figures of the report."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.compare import page_numbers, page_text
from junkdna.compare.dumbbells import CAPTION as CONDITIONS_CAPTION
from junkdna.compare.dumbbells import dumbbells
from junkdna.compare.page_provenance import both_provenances
from junkdna.compare.scatter import CAPTION as OVERVIEW_CAPTION
from junkdna.compare.scatter import scatter
from junkdna.compare.verdicts import headlines_of_both
from junkdna.compare.words import MEASURES
from junkdna.report.page import numbers
from junkdna.report.page.package_files import environment, script, style
from junkdna.report.page.page_figures import PageFigure, color_rules, page_view
from junkdna.report.page.words import MODES, interval, number
from junkdna.report.plotting.text import spaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from junkdna.compare.tables import Comparison
    from junkdna.report.plotting.drawing import Drawing

TESTS, SETTINGS, REASONS = 60, 60, 30  # rows on the page; the tables have all


@dataclass(frozen=True)
class Plot:
    """A figure of the comparison: the name of its files, its title, its caption, and the function that draws it."""

    name: str
    title: str
    caption: str
    draw: Callable


PLOTS = (
    Plot("overview", "What compression costs: A against B", OVERVIEW_CAPTION, scatter),
    Plot("conditions", "A and B in each condition", CONDITIONS_CAPTION, dumbbells),
)


def drawings(found: Comparison) -> dict[str, Drawing]:
    """The drawing of every figure in every view, by the name of its files."""
    return {_stem(plot, at): plot.draw(found, measure) for plot in PLOTS for at, measure in enumerate(MEASURES)}


def _stem(plot: Plot, at: int) -> str:
    return f"{plot.name}-{MEASURES[at].view}" if at else plot.name


def page_html(found: Comparison, drawn: dict[str, Drawing], command: str, files: list[str]) -> str:
    """The text of the page. `drawn` are the drawings by name, `command` makes the page again, and `files` are the
    tables next to it."""
    figures = {plot.name: _figure(plot, drawn) for plot in PLOTS}
    a, b = found.sides
    context = {
        "a": a, "b": b, "name": f"{a.name} against {b.name}", "script": script(), "command": command, "files": files,
        "style": style() + color_rules(figures.values()), **figures, **page_text.texts(found), "heads": _heads(found),
        **_tests(found), **_numbers(found), **_left_out(found), **_settings(found), **both_provenances(found),
    }  # fmt: skip
    return environment().get_template("compare.html.j2").render(context)


def _figure(plot: Plot, drawn: dict[str, Drawing]) -> PageFigure:
    views = []
    for at, measure in enumerate(MEASURES):
        drawing = drawn[_stem(plot, at)]
        columns = max(1, min(drawing.columns, len(drawing.panels)))
        views.append(page_view(measure.view, measure.title, _stem(plot, at), drawing, columns))
    columns = len(views[0].panels) if plot.draw is scatter else 1
    return PageFigure(f"figure-{plot.name}", plot.title, plot.caption, min(columns, 2), views)


def _heads(found: Comparison) -> list[tuple[str, str, str]]:
    """Claim, with the model if there are several, and both verdicts."""
    return [
        (f"{CLAIMS[claim].label}{f', {model}' if model else ''}", one, two)
        for claim, model, one, two in headlines_of_both(*found.sides)
    ]


def _tests(found: Comparison) -> dict:
    table = found.tables["verdicts"]
    rows = sorted(table.iter_rows(named=True), key=lambda row: row["same"] is not False)  # other verdicts first
    shown = [
        {
            "claim": CLAIMS[row["claim"]].label if row["claim"] in CLAIMS else row["claim"],
            "unit": " · ".join(filter(None, (row["unit"], spaced(row["experiment"])))),
            "verdicts": [row[f"verdict_{part}"] for part in "ab"],
            "effects": [_effect(row, part) for part in "ab"],
        }
        for row in rows[:TESTS]
    ]
    return {"verdict_rows": shown, "more_verdicts": len(rows) - len(shown)}


def _effect(row: dict, part: str) -> str:
    value, low, high = (row[f"{name}_{part}"] for name in ("estimate", "low", "high"))
    return "–" if value is None else f"{number(value)} ({interval(low, high)})"


def _numbers(found: Comparison) -> dict:
    shown, columns = page_numbers.rows(found), page_numbers.columns(found)
    bars, more = page_numbers.bars(found)
    most = max([10.0, *(max(bar.broken, bar.fixed) for bar in bars)])
    table = numbers.data(shown, columns, page_numbers.FIELDS, page_numbers.TEXT)
    data = {"study": f"{found.a.file_name}-vs-{found.b.file_name}", "table": table, "browse": [], "modes": MODES}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return {
        "columns": columns, "rows": shown[: numbers.STATIC], "n_rows": len(shown), "cell": numbers.cell, "bars": bars,
        "more_bars": more, "most_flips": most, "data": text.replace("<", "\\u003c"),
    }  # fmt: skip


def _left_out(found: Comparison) -> dict:
    """Reasons with the number of cells and some of them."""
    groups: dict[tuple[str, str], list[str]] = {}
    for row in found.tables["not_compared"].iter_rows(named=True):
        why = row["reason"].partition("; the nearest has ")[0]
        groups.setdefault((row["study"], why), []).append(row["cell"])
    reasons = [
        {"study": study, "why": why, "count": f"{len(cells):,} cell{'s' * (len(cells) > 1)}", "cells": cells[:3]}
        for (study, why), cells in groups.items()
    ]
    return {"reasons": reasons[:REASONS], "more_reasons": max(0, len(reasons) - REASONS)}


def _settings(found: Comparison) -> dict:
    rows = found.tables["settings"].to_dicts()
    shown = [{name: _short(value) for name, value in row.items()} for row in rows[:SETTINGS]]
    return {"settings": shown, "more_settings": len(rows) - len(shown)}


def _short(value: object) -> object:
    return value if not isinstance(value, str) or len(value) <= 80 else f"{value[:77]}..."
