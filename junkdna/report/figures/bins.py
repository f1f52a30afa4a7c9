"""Retention against a published difficulty of the questions: bins of one task, from rated easy to rated hard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import natural
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, strands, text, theme, ticks, views
from junkdna.report.plotting.conditions import plain_label
from junkdna.report.plotting.drawing import Axis, Drawing, Mark, Panel
from junkdna.report.plotting.spread import spread

if TYPE_CHECKING:
    from collections.abc import Sequence

FIGURE = Figure(
    label="Retention against question difficulty",
    caption="Questions of one task in bins of a published difficulty, from rated easy (left) to rated hard "
    "(right); below each bin is the measured difficulty for the dense model, which may disagree. One panel per "
    "condition, transfer mode and method. Color shows the level. Bars are 95 % intervals; an arrow marks a bar "
    "that goes on. Crosses mark bins in which the dense model is not above its baseline. If difficulty made no "
    "difference, points of one color would have the same height.",
    order=1.5,
    modes="compressed",
    levels=("sparsity", "keep_of", "bits", "format", "rank", "external"),
    rated=True,
    table="difficulty",
)
OFFSET_PT, HEIGHT_IN, LABEL_IN = 3.2, 1.9, 0.15


def marks(difficulty: pl.DataFrame, experiment: str) -> Drawing:
    """Retention of each bin of the rated tasks of `experiment`, at up to four levels of each method.

    Raises UserError if no task of the experiment has a published difficulty, or nothing is compressed.
    """
    rows = difficulty.filter(pl.col("experiment") == experiment)
    several = [item for item in series.present(rows) if item.kind != "band"]
    groups = _groups(rows, several)
    if not groups:
        raise UserError(
            f"experiment {experiment!r}: no figure of questions, because no compressed row of it has a task with "
            f"a published difficulty (key `difficulty` of a task file)."
        )
    drawn = pl.concat([group for _, group in groups])
    limits = _limits(drawn)
    columns = curves.COLUMNS.get(len(groups), 2)
    panels = [_panel(title, group, limits, at % columns == 0) for at, (title, group) in enumerate(groups)]
    found = [mark for at, (_, group) in enumerate(groups) for mark in _marks(at, group, panels[at])]
    cross = [curves.LegendKey(label="no retention: dense is not above its baseline", marker="cross")]
    cross = cross if any(mark.kind == "missing" for mark in found) else []
    names = " / ".join(sorted(set(drawn["difficulty_title"])))
    facts = text.facts(drawn.with_columns(truncated=pl.lit(None, dtype=pl.Float64)), "Bars")
    return Drawing(
        title=f"{FIGURE.label}: {text.spaced(experiment)}",
        panels=tuple(panels),
        marks=tuple(found),
        columns=columns,
        keys=(
            tuple(series.level_keys(set(drawn["compression"]) - {"dense"})),
            (curves.DENSE_KEY, curves.BASELINE_KEY, *cross),
        ),
        caption=f"{facts} Published difficulty: {names}. {' '.join(curves.series_remarks(several))}".strip(),
    )


def _groups(rows: pl.DataFrame, several: Sequence[series.Series]) -> list[tuple[str, pl.DataFrame]]:
    """Title and rows of each panel: one condition, transfer mode and method."""
    labels = series.labels(several)
    names = ("model", "task", "knobs", "transfer", "protocol")
    found = []
    for key in sorted(rows.filter(pl.col("method") != "dense").select(names).unique().rows(), key=_order):
        own = rows.filter(*(pl.col(name) == value for name, value in zip(names, key, strict=True)))
        for item in several:
            part = series.select(own, [item])
            part = part.filter(pl.col("compression").is_in(series.pick(part["compression"])))
            if len(part):
                words = [
                    plain_label(row := part.row(0, named=True)),
                    row["model"] if rows["model"].n_unique() > 1 else "",
                ]
                words += [theme.mode_style(key[3])[2] if key[3] != "none" else ""]
                words += [labels[item]] if len(several) > 1 else []
                found.append((", ".join(filter(None, words)), part))
    return found


def _order(key: tuple[str, ...]) -> tuple:
    return tuple(map(natural, key))


def _limits(rows: pl.DataFrame) -> tuple[float, float]:
    must = [0.0, 1.0, *rows["retention"].drop_nulls()]
    ends = [end for name in ("retention_low", "retention_high") for end in rows[name].drop_nulls()]
    return ticks.within(must, ends, 0.25)


def _bins(rows: pl.DataFrame) -> list[tuple[str, float | None]]:
    """Name and measured difficulty of each bin, in the published order."""
    unique = rows.sort("bin_rank").unique("bin", keep="first", maintain_order=True)
    known = unique.select("bin", "dense_known_share").rows()
    return [(name, None if share is None else 1 - share) for name, share in known]


def _panel(title: str, rows: pl.DataFrame, limits: tuple[float, float], first: bool) -> Panel:
    bins = _bins(rows)
    texts = [name if hard is None else f"{name}\n{ticks.number(hard)}" for name, hard in bins]
    return Panel(
        title=title,
        x=Axis(
            label=f"{rows['difficulty_title'][0]}, rated harder →\n(below: measured difficulty)",
            limits=(-0.5, len(bins) - 0.5),
            ticks=tuple((float(at), words) for at, words in enumerate(texts)),
        ),
        y=Axis(label=views.VIEWS["retention"].label if first else "", limits=limits, ticks=ticks.round_ticks(*limits)),
        height_in=HEIGHT_IN,
    )


def _marks(at: int, rows: pl.DataFrame, panel: Panel) -> list[Mark]:
    """Reference lines, a strand per level with its name, and crosses."""
    places = {name: float(place) for place, (name, _) in enumerate(_bins(rows))}
    rules = (("dense", 1.0, "ink", "solid"), ("baseline", 0.0, "muted", "dashed"))
    found = [Mark(panel=at, kind="rule", series=n, y=y, label=n, color=c, line=line) for n, y, c, line in rules]
    tags = strands.tags(rows)[1:]
    marker = series.markers(series.present(rows))
    for place, tag in enumerate(tags):
        shift = (place - (len(tags) - 1) / 2) * OFFSET_PT
        for row in rows.filter(pl.col("compression") == tag).sort("bin_rank").iter_rows(named=True):
            y, low, high = views.value(row, "retention")
            words = f"{row['bin']}: {curves.described(row, 'retention')}"
            style = {"color": palette.level_color(tag), "marker": marker[series.series_of(tag)], "line": "solid"}
            style |= {"x": places[row["bin"]], "shift": shift, "label": words}
            found.append(Mark(panel=at, kind="point", series=tag, y=y, low=low, high=high, **style))
    hidden = sorted({places[name] for name in rows.filter(pl.col("retention").is_null())["bin"]})
    why = "dense is not above its baseline"
    found += [Mark(panel=at, kind="missing", series="undefined", x=x, label=why, color="muted") for x in hidden]
    return found + _names(at, found, panel)


def _names(at: int, found: Sequence[Mark], panel: Panel) -> list[Mark]:
    """The level of each strand, right of its last point."""
    last = {mark.series: mark for mark in found if mark.kind == "point" and mark.y is not None}
    low, high = panel.y.limits
    step = LABEL_IN / HEIGHT_IN * (high - low)
    heights = spread([min(max(mark.y, low), high) for mark in last.values()], step, low, high)
    return [
        Mark(
            panel=at,
            kind="label",
            series=tag,
            x=panel.x.limits[1],
            y=y,
            label=series.level_label(tag),
            color=mark.color,
        )
        for (tag, mark), y in zip(last.items(), heights, strict=True)
    ]
