"""The banner in the report of an incomplete study: the missing cells, by state and reason."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from junkdna.analysis.gaps import NO_RATING
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
    rows += "".join(f"<li><strong>{NO_RATING}</strong>: {escape(each.reason)}</li>" for each in missing.unrated)
    figures = "".join(f"<li>{escape(line)}</li>" for line in skipped)
    counts = ", ".join("{} of {} of {}".format(*missing.of(name), name) for name in missing.experiments)
    return (
        f'<section class="incomplete" id="missing" role="alert"><h2>{escape(missing.headline())}</h2>'
        f"<p>Tables, figures and text below cover only the finished cells: {escape(counts)}. They may change when the "
        "study is complete. tables/missing.csv lists every missing cell.</p>"
        f"<ul>{rows}</ul>" + (f"<p>Figures not drawn:</p><ul>{figures}</ul>" if figures else "") + "</section>"
    )


def _group(gaps: list[Gap]) -> str:
    names = "".join(f"<br><code>{escape(gap.cell.key)}</code>" for gap in gaps[:CELLS])
    more = f"<br>and {len(gaps) - CELLS} more" if gaps[CELLS:] else ""
    return f"<li><strong>{escape(gaps[0].state)}</strong> ({len(gaps)}): {escape(gaps[0].reason)}{names}{more}</li>"
