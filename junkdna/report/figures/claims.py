"""The claims as a forest plot: the effect of every test with its interval, the margin and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import quantiles
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.report.catalog import Figure
from junkdna.report.plotting import claim_rows, text, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel, ends

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from junkdna.report.plotting.claim_rows import Choice, Row

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
ROW_IN = 0.2
REACH = (-0.6, 1.4)  # effects beyond are drawn unless they are outliers, intervals beyond are cut
ARROW_PT = 3.0  # half of an arrow at the edge
FAR_OUT = 3.0  # interquartile ranges from the quartiles, beyond which an effect is an outlier


@dataclass(frozen=True)
class Group:
    """The tests of one claim: its name, what an effect must exceed, how many tests there are, and the rows drawn."""

    name: str
    bound: float
    tests: int
    rows: list[Row]


def marks(claims: pl.DataFrame) -> Drawing:
    """The effects of the primary rows of the table of claims, one panel per claim in the order of the claims; of many
    rows those that `claim_rows.choose` chooses."""
    tests = claim_rows.named(claims.filter(pl.col("primary")))
    choice = claim_rows.choose(tests)
    groups = _groups(tests, choice)
    drawn = [mark for at, group in enumerate(groups) for mark in _marks(at, group)]
    limits = _limits(drawn, groups)
    panels = [_panel(group, limits, group is groups[-1]) for group in groups]
    beyond = [mark for mark in drawn if mark.kind == "point" and panels[mark.panel].edge(mark) is not None]
    drawn += [_value(mark, limits) for mark in beyond]
    drawn += [_verdict(at, row, limits) for at, group in enumerate(groups) for row in group.rows if row.test]
    if not panels:
        bare = Axis(label="", limits=(0.0, 1.0), ticks=())
        panels = [Panel(title="", x=bare, y=bare, message="Nothing to show: no claim has a row", height_in=1.2)]
    keys = [Key(label=name, color=color, marker=marker) for name, (color, marker) in VERDICTS.items()]
    return Drawing(
        title=FIGURE.label,
        panels=tuple(panels),
        marks=tuple(drawn),
        keys=((*keys, Key(label="margin", line="dashed")),),
        caption=" ".join([_caption(tests), *_left_out(choice), *_beyond(len(beyond))]),
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


def _groups(tests: pl.DataFrame, choice: Choice) -> list[Group]:
    """The claims that have tests, in their order."""
    several = tests["model"].n_unique() > 1
    found = []
    for name in CLAIMS:
        own, drawn = (rows.filter(pl.col("claim") == name) for rows in (tests, choice.tests))
        if len(own):
            found.append(Group(name, bound(name, own["margin"][0]), len(own), claim_rows.rows(drawn, several)))
    return found


def _marks(at: int, group: Group) -> Iterator[Mark]:
    """The margin, no effect, and the effects of one claim."""
    if not group.rows:
        return
    yield Mark(panel=at, kind="rule", series="no effect", x=0.0, label="no effect", color="faint", line="solid")
    yield Mark(panel=at, kind="rule", series="margin", x=group.bound, label="margin", color="muted", line="dashed")
    for row in group.rows:
        if row.test:
            yield _effect(at, group.name, row)


def _effect(at: int, name: str, row: Row) -> Mark:
    """The effect of a test with its interval, or a cross."""
    color, marker = VERDICTS[row.test["verdict"]]
    effect, low, high = turned(name, row.test)
    where = {"panel": at, "series": row.test["verdict"], "y": row.y, "color": color, "label": _words(row.test)}
    if effect is None:
        return Mark(**where, kind="missing")
    low, high = (low, high) if None not in (low, high) else (None, None)
    return Mark(**where, kind="point", x=effect, low=low, high=high, marker=marker)


def _words(row: dict) -> str:
    """One row in words."""
    if row["estimate"] is None:
        return f"{row['unit']}: untestable, {row['reason']}"
    return f"{row['unit']}: effect {ticks.measured(row['estimate'], row['low'], row['high'])}, {row['verdict']}"


def _limits(drawn: Sequence[Mark], groups: Sequence[Group]) -> tuple[float, float]:
    """The same limits for all claims: the margins, every effect but outliers, and intervals as far as `REACH`."""
    effects = [mark.x for mark in drawn if mark.kind == "point"]
    must = [0.0, *_bulk(effects), *(group.bound for group in groups)]
    inside = [min(max(end, REACH[0]), REACH[1]) for end in ends(drawn, "x")]
    low, high = min([*must, *inside]), max([*must, *inside])
    pad = 0.04 * (high - low) or 0.5
    return low - pad, high + pad


def _bulk(effects: Sequence[float]) -> list[float]:
    """The effects without outliers: those beyond `REACH` that are also `FAR_OUT`."""
    if len(effects) < 2:
        return list(effects)
    first, _, third = quantiles(effects, n=4, method="inclusive")
    room = FAR_OUT * (third - first)
    low, high = min(REACH[0], first - room), max(REACH[1], third + room)
    return [effect for effect in effects if low <= effect <= high]


def _panel(group: Group, limits: tuple[float, float], last: bool) -> Panel:
    tall = sum(row.height for row in group.rows) or 1.0
    axis = "effect, share of skill (1: all of it)" if last else ""
    return Panel(
        title=CLAIMS[group.name].label,
        x=Axis(label=axis, limits=limits, ticks=ticks.round_ticks(*limits, 8)),
        y=Axis(label="", limits=(tall - 0.4, -0.6), ticks=tuple((row.y, row.name) for row in group.rows)),
        values="x",
        dividers=tuple(row.y - 0.5 for row in group.rows[1:] if not row.test),
        message="" if group.rows else f"Untestable: {group.tests} test{'s' * (group.tests > 1)}",
        height_in=max(ROW_IN * tall, ROW_IN + 0.05),
    )


def _value(mark: Mark, limits: tuple[float, float]) -> Mark:
    """The value of an effect beyond the axis, next to its arrow."""
    low = mark.x < limits[0]
    words = ticks.number(mark.x)
    where = {"x": limits[0 if low else 1], "y": mark.y, "anchor": "start" if low else "end"}
    where["shift"] = ARROW_PT if low else -ARROW_PT
    return Mark(panel=mark.panel, kind="label", series=mark.series, label=words, color=mark.color, **where)


def _verdict(at: int, row: Row, limits: tuple[float, float]) -> Mark:
    """The verdict and the size of a test, right of its row."""
    test = row.test
    runs = f" × {test['n_seeds']} seeds" if test["n_seeds"] > 1 else ""
    several = test["estimate"] is None and (test["n_tasks"] or 0) > 1  # then the tasks are the units
    size = f"{test['n_tasks']} tasks" if several else f"n = {test['n_examples']:,}{runs}"
    words = f"{test['verdict']}, {size}"
    color = VERDICTS[test["verdict"]][0]
    return Mark(panel=at, kind="label", series=test["verdict"], x=limits[1], y=row.y, label=words, color=color)


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


def _left_out(choice: Choice) -> Iterator[str]:
    """Which tests are not drawn, and where they are."""
    reasons = {
        "untestable": choice.untestable,
        "of single conditions, where a test over several conditions or tasks is drawn": choice.single,
        "with wide intervals (of every claim and experiment, the narrowest are drawn first)": choice.wide,
    }
    if count := sum(reasons.values()):
        parts = "; ".join(f"{number} {reason}" for reason, number in reasons.items() if number)
        yield f"{len(choice.tests)} tests are drawn, {count} are not: {parts}. All are in tables/claims.csv."


def _beyond(count: int) -> Iterator[str]:
    if count:
        effects = "1 effect is" if count == 1 else f"{count} effects are"
        yield f"{effects} beyond the axis: an arrow at its edge, with its value."
