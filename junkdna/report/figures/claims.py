"""The claims as a forest plot: the effect of every test with its interval, the margin and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.report.catalog import Figure
from junkdna.report.plotting import text, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel, ends

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURE = Figure(
    label="The claims and their verdicts",
    caption="One panel per claim, one row per test. Each effect is turned so that the part right of the dashed "
    "line (the margin; 0 for quantization) supports the claim. Bars are 95 % intervals, before correction for "
    "multiple testing; an arrow marks a bar that goes on. A verdict also needs the side conditions of its claim "
    "and the correction over all tests of the study, so an interval alone does not decide it. Crosses: untestable.",
    order=0.5,
    per="study",
    table="claims",
)
VERDICTS = {  # verdict -> color and marker
    "supported": ("good", "circle"),
    "contradicted": ("bad", "square"),
    "undecided": ("ink", "ring"),
    "untestable": ("unknown", "cross"),
}
TURNED = ("irreversible",)  # whose effect supports the claim if it is below 1 - margin
AGAINST_ZERO = ("not_in_quantization",)  # whose effect supports the claim if it is above 0
ROW_IN, WIDE = 0.2, 50
REACH = (-0.6, 1.4)  # effects beyond are drawn, intervals beyond are cut


def marks(claims: pl.DataFrame) -> Drawing:
    """The effect of every primary row of the table of claims, one panel per claim in the order of the claims."""
    rows = claims.filter(pl.col("primary"))
    groups = [(name, rows.filter(pl.col("claim") == name)) for name in CLAIMS]
    groups = [(name, group) for name, group in groups if len(group)]
    several = rows["model"].n_unique() > 1
    drawn = [mark for at, (name, group) in enumerate(groups) for mark in _marks(at, name, group)]
    limits = _limits(drawn, groups)
    panels = [_panel(name, group, limits, several, at == len(groups) - 1) for at, (name, group) in enumerate(groups)]
    drawn += [_verdict(at, y, row, limits) for at, (_, group) in enumerate(groups) for y, row in _numbered(group)]
    if not panels:
        bare = Axis(label="", limits=(0.0, 1.0), ticks=())
        panels = [Panel(title="", x=bare, y=bare, message="Nothing to show: no claim has a row", height_in=1.2)]
    keys = [Key(label=name, color=color, marker=marker) for name, (color, marker) in VERDICTS.items()]
    return Drawing(
        title=FIGURE.label,
        panels=tuple(panels),
        marks=tuple(drawn),
        keys=((*keys, Key(label="margin", line="dashed")),),
        caption=_caption(rows),
    )


def bound(name: str, margin: float) -> float:
    """What the turned effect of a claim must exceed to support it."""
    return 0.0 if name in AGAINST_ZERO else margin


def turned(name: str, row: dict) -> tuple[float | None, float | None, float | None]:
    """Effect and interval of a row, so that larger supports the claim."""
    values = (row["estimate"], row["low"], row["high"])
    if name not in TURNED:
        return values
    effect, low, high = (None if value is None else 1 - value for value in values)
    return effect, high, low


def _numbered(rows: pl.DataFrame) -> list[tuple[float, dict]]:
    return [(float(y), row) for y, row in enumerate(rows.iter_rows(named=True))]


def _marks(at: int, name: str, rows: pl.DataFrame) -> list[Mark]:
    """The margin, no effect, and the effects of one claim."""
    margin = bound(name, rows["margin"][0])
    found = [Mark(panel=at, kind="rule", series="no effect", x=0.0, label="no effect", color="faint", line="solid")]
    found.append(Mark(panel=at, kind="rule", series="margin", x=margin, label="margin", color="muted", line="dashed"))
    for y, row in _numbered(rows):
        color, marker = VERDICTS[row["verdict"]]
        effect, low, high = turned(name, row)
        where = {"panel": at, "series": row["verdict"], "y": y, "color": color, "label": _words(row)}
        if effect is None:
            found.append(Mark(**where, kind="missing"))
        else:
            low, high = (low, high) if None not in (low, high) else (None, None)
            found.append(Mark(**where, kind="point", x=effect, low=low, high=high, marker=marker))
    return found


def _words(row: dict) -> str:
    """One row in words."""
    if row["estimate"] is None:
        return f"{row['unit']}: untestable, {row['reason']}"
    known = None not in (row["low"], row["high"])
    interval = f" ({ticks.number(row['low'])} to {ticks.number(row['high'])})" if known else ""
    return f"{row['unit']}: effect {ticks.number(row['estimate'])}{interval}, {row['verdict']}"


def _limits(drawn: Sequence[Mark], groups: Sequence[tuple[str, pl.DataFrame]]) -> tuple[float, float]:
    """The same limits for all claims: every effect, the margins, and intervals as far as `REACH`."""
    effects = [mark.x for mark in drawn if mark.kind == "point"]
    must = [0.0, *effects, *(bound(name, rows["margin"][0]) for name, rows in groups)]
    inside = [min(max(end, REACH[0]), REACH[1]) for end in ends(drawn, "x")]
    low, high = min([*must, *inside], default=0.0), max([*must, *inside], default=1.0)
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad


def _panel(name: str, rows: pl.DataFrame, limits: tuple[float, float], several: bool, last: bool) -> Panel:
    names = []
    for y, row in _numbered(rows):
        where = text.spaced(row["experiment"])
        where = "" if row["unit"].startswith(where) else f"{where}: "  # "context: context of sciq" says it twice
        words = where + row["unit"] + (f", {row['model']}" if several else "")
        names.append((y, _broken(words)))
    lines = sum(max(label.count("\n") + 1, 1) for _, label in names)
    axis = "effect, share of skill (1: all of it)" if last else ""
    return Panel(
        title=f"{CLAIMS[name].label}",
        x=Axis(label=axis, limits=limits, ticks=ticks.round_ticks(*limits, 8)),
        y=Axis(label="", limits=(len(rows) - 0.4, -0.6), ticks=tuple(names)),
        values="x",
        height_in=max(ROW_IN * len(rows), 0.15 * lines + 0.1),
    )


def _broken(words: str) -> str:
    """Words in lines of at most `WIDE` characters."""
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > WIDE:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines)


def _verdict(at: int, y: float, row: dict, limits: tuple[float, float]) -> Mark:
    """The verdict and the size of a test, right of its row."""
    runs = f" × {row['n_seeds']} seeds" if row["n_seeds"] > 1 else ""
    several = row["estimate"] is None and (row["n_tasks"] or 0) > 1  # then the tasks are the units
    size = f"{row['n_tasks']} tasks" if several else f"n = {row['n_examples']:,}{runs}"
    words = f"{row['verdict']}, {size}"
    color = VERDICTS[row["verdict"]][0]
    return Mark(panel=at, kind="label", series=row["verdict"], x=limits[1], y=y, label=words, color=color)


def _caption(rows: pl.DataFrame) -> str:
    """What the rows rest on."""
    if rows.is_empty():
        return "No experiment tests a claim."
    models = ", ".join(sorted(rows["model"].unique()))
    counts = [f"{int((rows['verdict'] == verdict).sum())} {verdict}" for verdict in VERDICTS]
    return (
        f"Model{'s' if rows['model'].n_unique() > 1 else ''}: {models}. {len(rows)} tests: {', '.join(counts)}. "
        "Effects are shares of skill lost (1 − retention) or differences of them. "
        f"Margin: {text.span(rows['margin'], '{:g}')}. n = {text.span(rows['n_examples'])} examples; "
        f"{text.span(rows['n_seeds'])} seed{'s' if rows['n_seeds'].max() > 1 else ''}. Bars: 95 % intervals; "
        f"verdicts also use the correction over all tests (false discovery rate 5 %)."
    )
