"""The banner in the report of an incomplete study: the missing cells and lines, by state and reason."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from junkdna.analysis.gaps import NO_RATING, LineGap
from junkdna.run.failure_causes import by_cause

if TYPE_CHECKING:
    from junkdna.analysis.gaps import Gap, Missing

REASONS = 30  # most reasons to list
CELLS = 8  # most cells to list per reason


def banner(missing: Missing, skipped: Iterable[str]) -> str:
    """HTML section for the top of the page: joined cells, missing cells by state and reason, and missing figures."""
    groups = by_cause(missing.gaps, lambda gap: (gap.state, gap.reason))
    rows = "".join(map(_group, groups[:REASONS]))
    more = sum(map(len, groups[REASONS:]))
    rows += f"<li>and {more} more cells for other reasons: see tables/missing.csv</li>" if more else ""
    lines = by_cause(missing.lines, lambda gap: (gap.state, gap.reason))
    rows += "".join(_group(each, "lines between cells, ") for each in lines[:REASONS])
    rows += "".join(f"<li><strong>{NO_RATING}</strong>: {escape(each.reason)}</li>" for each in missing.unrated)
    figures = "".join(f"<li>{escape(line)}</li>" for line in skipped)
    counts = ", ".join(
        "{} of {} of {}".format(*missing.of(name), name) + _lines_of(missing, name) for name in missing.experiments
    )
    return (
        f'<section class="incomplete" id="missing" role="alert"><h2>{escape(missing.headline())}</h2>'
        f"<p>Tables, figures and text below cover only the finished cells: {escape(counts)}. They may change when the "
        "study is complete. tables/missing.csv lists all that is missing.</p>"
        f"<ul>{rows}</ul>" + (f"<p>Figures not drawn:</p><ul>{figures}</ul>" if figures else "") + "</section>"
    )


def _lines_of(missing: Missing, experiment: str) -> str:
    used, total = missing.of_lines(experiment)
    return f" with {used} of {total} lines" if used < total else ""


def _group(gaps: list[Gap] | list[LineGap], what: str = "") -> str:
    names = "".join(f"<br><code>{escape(_name(gap))}</code>" for gap in gaps[:CELLS])
    more = f"<br>and {len(gaps) - CELLS} more" if gaps[CELLS:] else ""
    state = f"<strong>{escape(gaps[0].state)}</strong> ({what}{len(gaps)})"
    return f"<li>{state}: {escape(gaps[0].reason)}{names}{more}</li>"


def _name(gap: Gap | LineGap) -> str:
    return gap.connection.path if isinstance(gap, LineGap) else gap.cell.key
