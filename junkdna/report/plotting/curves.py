"""Curves in small multiples: one panel per model and condition, x the amount of compression, color the level."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import Series, natural
from junkdna.errors import UserError
from junkdna.report.plotting import palette, series, text, ticks, views
from junkdna.report.plotting.conditions import Conditions, Key, conditions, difficulty, two_lines
from junkdna.report.plotting.dodge import dodge
from junkdna.report.plotting.drawing import Axis, Drawing, Mark, Panel
from junkdna.report.plotting.drawing import Key as LegendKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from junkdna.report.plotting.axes import Amount

DODGE_PT = 2.6  # between the points of two series at the same level
COLUMNS = {1: 1, 2: 2, 4: 2}
GHOST = "easiest condition"
DENSE_KEY = LegendKey(label="dense", color="ink", line="solid")
BASELINE_KEY = LegendKey(label="baseline", color="muted", line="dashed")


def drawing(drops: pl.DataFrame, experiment: str, amount: Amount, view: str) -> Drawing:
    """Every condition of `experiment` without fine-tuning against `amount`, one panel per model and condition.

    A line joins the levels of one `Series`, starting at dense. Conditions are ordered from easy to hard; the panels of
    the others repeat the easiest one as a dotted line. The caption names compressions that the axis cannot show. Raises
    UserError if it can show none.
    """
    rows, remarks = select(drops, experiment, amount)
    named, several = conditions(drops, experiment), series.present(rows)
    groups = split(rows, named)
    marks = [mark for at, group in enumerate(groups.values()) for mark in _panel(at, group, view, amount, several)]
    marks += _ghosts(groups, view, amount, several)
    levels = series.level_keys(set(rows["compression"]) - {"dense"}) if amount.falling else []  # else x says it
    keys = (levels, [*_series_keys(several, rows, amount), *other_keys(rows)])
    ghost = (
        [f"Dotted: {GHOST} ({named.of[next(iter(groups))[1]]})."]
        if any(m.series == GHOST and m.y is not None for m in marks)
        else []
    )
    caption = [text.facts(rows, "Bars"), *series_remarks(several), *ghost, *amount.explanation, *remarks]
    return Drawing(
        title=f"{views.VIEWS[view].title} against {amount.title}: {text.spaced(experiment)}",
        panels=panels(groups, named, amount.axis(rows), view),
        marks=tuple(marks),
        columns=COLUMNS.get(len(groups), 3),
        keys=tuple(map(tuple, keys)),
        caption=" ".join([*caption, *hidden_remarks(rows, view, named)]),
    )


def select(drops: pl.DataFrame, experiment: str, amount: Amount) -> tuple[pl.DataFrame, list[str]]:
    """Rows of `experiment` without fine-tuning that the axis can show, and caption sentences on the others.

    Bands of |w| differ in position, not in amount. A falling axis is logarithmic and cannot show 0.
    """
    rows = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
    present = series.present(rows)
    rows = series.select(rows, [None, *(item for item in present if item.kind in amount.levels)])
    positive = pl.col(amount.column) > 0 if amount.falling else pl.lit(True)
    unknown = sorted(map(series.compression_label, set(rows.filter(pl.col(amount.column).is_null())["compression"])))
    zeros, rows = rows.filter(~positive), rows.filter(positive)
    if not series.present(rows):
        has = ", ".join(series.labels(present).values()) or "dense rows"
        raise UserError(
            f"experiment {experiment!r}: nothing to draw against {amount.title}, because without fine-tuning it has "
            f"only {has}. Add transfer: [none] and {amount.example} to the experiment."
        )
    omitted = series.labels(item for item in present if item.kind not in amount.levels)
    plain = [label for item, label in omitted.items() if item.kind != "band"]
    zero = sorted(map(series.compression_label, set(zeros["compression"])))
    why = "they have no sparsity (see effective bits)" if amount.title == "sparsity" else f"they have no {amount.title}"
    remarks = [f"Not shown because {why}: {'; '.join(plain)}."] if plain else []
    remarks += ["Not shown: bands of |w| (see their own figure)."] if len(omitted) > len(plain) else []
    remarks += [f"Not shown because their {amount.title} are unknown: {'; '.join(unknown)}."] if unknown else []
    return rows, remarks + ([f"Not shown because no weight is kept (0 bits): {'; '.join(zero)}."] if zero else [])


def split(rows: pl.DataFrame, named: Conditions) -> dict[tuple[str, Key], pl.DataFrame]:
    """Rows of each panel: by model, then by condition from easy to hard."""
    order = named.split(rows)
    return {
        (model, key): group
        for model in sorted(rows["model"].unique(), key=natural)
        for key, condition in order.items()
        if not (group := condition.filter(pl.col("model") == model)).is_empty()
    }


def panels(
    groups: dict[tuple, pl.DataFrame], named: Conditions, x: Axis, view: str, names: Sequence[str] = ()
) -> tuple[Panel, ...]:
    """The panels of all groups, whose keys start with model and condition, with equal limits within a metric.

    `names` are additions to the titles.
    """
    every = pl.concat(groups.values())
    several = len({model for model, *_ in groups}) > 1
    found, columns = [], COLUMNS.get(len(groups), 3)
    for at, ((model, key, *_), group) in enumerate(groups.items()):
        same = every.filter(pl.col("metric") == group["metric"][0]) if view == "score" else every
        low, high = views.limits(same, view)
        label = views.axis_label(view, group) if at % columns == 0 or every["metric"].n_unique() > 1 else ""
        y = Axis(label=label, limits=(low, high), ticks=ticks.round_ticks(low, high))
        known = [f"difficulty {ticks.number(hard)}" if (hard := difficulty(group)) is not None else ""]
        known += [f"n = {text.span(group['n_examples'])}"] if every["n_examples"].n_unique() > 1 else []
        label = two_lines(named.of[key]) if columns == 3 else named.of[key]
        words = [label, model if several else "", names[at] if names else ""]
        title = "\n".join(filter(None, (", ".join(filter(None, words)), ", ".join(filter(None, known)))))
        message = "" if group[views.VIEWS[view].column].drop_nulls().len() else UNDEFINED[view]
        height = 2.3 if len(groups) <= 2 else 1.75
        found.append(Panel(title=title, x=x, y=y, message=message, height_in=height))
    return tuple(found)


UNDEFINED = {
    "retention": "no retention: the dense model\nis not above its baseline",
    "percent": "no percentage: the dense score\nis not above 0",
    "score": "",
}


def _panel(at: int, group: pl.DataFrame, view: str, amount: Amount, several: Sequence[Series]) -> list[Mark]:
    """Reference lines and one curve per series."""
    marker, line = series.markers(several), series.lines(several)
    marks = references(at, group, view)
    dense = series.select(group, [None])
    marks += dense_point(at, dense, amount.x(dense), view)
    own = [item for item in several if not series.select(group, [item]).is_empty()]
    shifts = dodge([amount.x(series.select(group, [item])) for item in own], DODGE_PT)
    for item, shift in zip(own, shifts, strict=True):
        rows = amount.curve(dense, series.select(group, [item]))
        marks += curve(at, rows, amount.x(rows), view, item.key, marker[item], line[item], shift)
    return marks


def references(at: int, group: pl.DataFrame, view: str) -> list[Mark]:
    """Rules at dense and at the baseline of a condition."""
    row = group.row(0, named=True)
    places = {
        "dense": (views.dense(row, view), "ink", "solid"),
        "baseline": (views.baseline(row, view), "muted", "dashed"),
    }
    return [
        Mark(panel=at, kind="rule", series=name, y=y, label=name, color=color, line=line)
        for name, (y, color, line) in places.items()
        if y is not None
    ]


def curve(
    at: int, rows: pl.DataFrame, x: Sequence[float], view: str, name: str, marker: str, line: str, shift: float = 0.0
) -> list[Mark]:
    """Points of one series in order, joined by a line, each in the color of its level; single seeds as dots.

    The line starts at dense, whose point, interval and seeds are those of `dense_point`.
    """
    marks, runs = [], []
    for place, row in zip(x, rows.iter_rows(named=True), strict=True):
        start = row["method"] == "dense"
        style = {"color": palette.level_color(row["compression"]), "shift": 0.0 if start else shift}
        y, low, high = views.value(row, view)
        low, high, dots = (None, None, []) if start else (low, high, views.seeds(row, view))
        own = {"marker": "" if start else marker, "line": line}
        runs += [Mark(panel=at, kind="run", series=name, x=place, y=seed, **style) for seed in dots]
        share = row["collapsed"] / max(row["n_seeds"], 1)
        words = described(row, view)
        kind = {"panel": at, "kind": "point", "series": name, "label": words, "collapsed": share}
        marks.append(Mark(**kind, x=place, y=y, low=low, high=high, **style, **own))
    return marks + runs


def dense_point(at: int, rows: pl.DataFrame, x: Sequence[float], view: str) -> list[Mark]:
    """The score of the dense model with its interval and seeds; nothing in views that compare with it."""
    if view != "score":
        return []
    marks = []
    for place, row in zip(x, rows.iter_rows(named=True), strict=True):
        y, low, high = views.value(row, view)
        where = {"panel": at, "series": "dense", "x": place}
        marks.append(Mark(**where, kind="point", y=y, low=low, high=high, marker="circle", label=described(row, view)))
        marks += [Mark(**where, kind="run", y=seed) for seed in views.seeds(row, view)]
    return marks


def described(row: dict, view: str) -> str:
    """One row in words: `SciQ, magnitude 30 %, sparse: retention 0.98 (0.94 to 1.02), n = 650`."""
    unit, digits = (" %", 1) if view == "percent" else ("", 3 if view == "score" else 2)
    name = "of the dense score" if view == "percent" else views.VIEWS[view].title.lower()
    value = ticks.measured(*views.value(row, view), digits, unit)
    words = f"{value} {name}" if view == "percent" else f"{name} {value}"
    return f"{what(row)}: {words}, n = {row['n_examples']:,}"


def what(row: dict) -> str:
    """Condition, compression and transfer mode of a row in words: `SciQ, magnitude 30 %, sparse`."""
    mode = [] if row["transfer"] == "none" else [row["transfer"].replace("_", " ")]
    return ", ".join([row["label"], series.compression_label(row["compression"]), *mode])


def _ghosts(
    groups: dict[tuple[str, Key], pl.DataFrame], view: str, amount: Amount, several: Sequence[Series]
) -> list[Mark]:
    """The curve of a model's easiest condition, dotted, in the panels of its other conditions.

    None for scores, whose baselines differ, and none between the curves of several methods.
    """
    marks, easiest = [], {}
    if view == "score" or len(several) > 1:
        return marks
    for at, ((model, _), group) in enumerate(groups.items()):
        if model not in easiest:
            easiest[model] = amount.curve(series.select(group, [None]), series.select(group, several[:1]))
            continue
        rows = easiest[model]
        for x, row in zip(amount.x(rows), rows.iter_rows(named=True), strict=True):
            style = {"color": "muted", "line": "dotted", "label": described(row, view)}
            marks.append(Mark(panel=at, kind="point", series=GHOST, x=x, y=views.value(row, view)[0], **style))
    return marks


# ---- legends and caption ---------------------------------------------------------------------------------------------


def _series_keys(several: Sequence[Series], rows: pl.DataFrame, amount: Amount) -> list[LegendKey]:
    """Entries of the legend for the series; those of a single level are not joined with anything on a falling axis."""
    counts = [series.select(rows, [item])["compression"].n_unique() for item in several]
    keys = series.series_keys(several)
    return [
        replace(key, line="" if amount.falling and count == 1 else key.line)
        for key, count in zip(keys, counts, strict=False)
    ]


def other_keys(rows: pl.DataFrame) -> list[LegendKey]:
    """Entries of the legend for the reference lines and for collapsed runs."""
    return [DENSE_KEY, BASELINE_KEY, *collapsed_keys(rows)]


def collapsed_keys(rows: pl.DataFrame) -> list[LegendKey]:
    """Entries of the legend for hollow and half filled markers, if there are any."""
    shares = {row["collapsed"] / max(row["n_seeds"], 1) for row in rows.iter_rows(named=True)}
    keys = [LegendKey(label="collapsed: every run gives one answer", marker="circle", collapsed=1.0)] * (1.0 in shares)
    some = any(0 < share < 1 for share in shares)
    return keys + [LegendKey(label="half: some runs collapsed", marker="circle", collapsed=0.5)] * some


def series_remarks(several: Sequence[Series]) -> list[str]:
    """Caption sentences: the method if there is only one, and the options that the legend does not show."""
    method = [f"Compression: {label}." for label in series.labels(several).values()] if len(several) == 1 else []
    return method + series.shared_options(several)


def hidden_remarks(rows: pl.DataFrame, view: str, named: Conditions) -> list[str]:
    """Caption sentence on the conditions for which the view is undefined, if any."""
    hidden = rows.filter(pl.col(views.VIEWS[view].column).is_null())
    labels = "; ".join(sorted({named[row] for row in hidden.iter_rows(named=True)}))
    why = {"retention": "dense is not above its baseline", "percent": "the dense score is not above 0"}.get(view)
    return [f"Undefined because {why}: {labels}."] if labels and why else []
