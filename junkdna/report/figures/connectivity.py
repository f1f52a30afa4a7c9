"""Linear mode connectivity: metric and loss of the models on the line from dense to sparse transfer (figure 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from junkdna.analysis.series import natural, strength
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Key, Mark, Panel
from junkdna.report.plotting.theme import INTERVAL

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURE = Figure(
    label="Between dense and sparse transfer",
    caption="Models whose weights lie on the straight line from dense transfer (a = 0) to sparse transfer of the same "
    "seed (a = 1): metric at the left, mean loss on the evaluated examples at the right, one row per condition. Color "
    "shows the level. Dotted: the control, a line between two seeds of dense transfer. Dashed: the curve of the paper, "
    "where it has one of the same model, task and level. Bands are 95 % intervals, which two lines do not have; small "
    "dots are single lines. The barrier is the largest excess over the straight line between the two ends; numbers at "
    "curves are barriers whose interval is above 0. Hollow markers: the model gives one answer to all examples.",
    order=5.2,
    modes="tuned",
    connected=True,
    table="connectivity",
)
QUANTITIES = ("score", "loss")
CONTROL = "control"
MOST_IN_CAPTION = 4  # lines whose barriers the caption lists with their intervals
X = Axis(
    label="a: from dense transfer (0) to the other end (1)",
    limits=(-0.03, 1.03),
    ticks=((0.0, "0"), (0.25, "0.25"), (0.5, "0.5"), (0.75, "0.75"), (1.0, "1")),
)


class Condition(NamedTuple):
    """What the two panels of a row have in common."""

    model: str
    task: str
    knobs: str
    protocol: str


def marks(table: pl.DataFrame, experiment: str) -> Drawing:
    """Metric and loss against the point of the line, two panels per condition.

    Raises UserError if the table has no row of the experiment.
    """
    rows = table.filter(pl.col("experiment") == experiment)
    if rows.is_empty():
        raise UserError(
            f"experiment {experiment!r}: no model between trained cells was scored. Add `connectivity: {{points: 21}}` "
            "to the experiment."
        )
    found, drawn = [], []
    for condition, own in _conditions(rows).items():
        for name in QUANTITIES:
            drawn += _marks(len(found), own, name)
            found.append(_panel(condition, own, rows, name))
    return Drawing(
        title=f"{FIGURE.label}: {text.spaced(experiment)}",
        panels=tuple(found),
        marks=tuple(drawn),
        columns=2,
        keys=(tuple(series.level_keys(set(rows["compression"]) - {"dense"})), tuple(_keys(rows))),
        caption=_caption(rows),
    )


def _conditions(rows: pl.DataFrame) -> dict[Condition, pl.DataFrame]:
    """The rows of each condition, in natural order."""
    keys = sorted({*rows.select(Condition._fields).iter_rows()}, key=lambda key: tuple(map(natural, key)))
    return {
        Condition(*key): rows.filter(*(pl.col(name) == each for name, each in zip(Condition._fields, key, strict=True)))
        for key in keys
    }


def _lines(rows: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """The name and the rows of each line of a condition: the control, then the levels from weak to strong."""
    control = rows.filter(pl.col("transfer") == "dense")
    if not control.is_empty():
        yield CONTROL, control.sort("alpha")
    joined = rows.filter(pl.col("transfer") != "dense")
    for tag in sorted(joined["compression"].unique(), key=strength):
        yield tag, joined.filter(pl.col("compression") == tag).sort("alpha")


# ---- marks -----------------------------------------------------------------------------------------------------------


def _marks(at: int, rows: pl.DataFrame, name: str) -> list[Mark]:
    found: list[Mark] = []
    for line, own in _lines(rows):
        color = "muted" if line == CONTROL else palette.level_color(line)
        style = {"panel": at, "series": line, "color": color}
        found += [*_band(own, name, style), *_curve(own, name, style), *_runs(own, name, style)]
        found += [*_published(own, name, style), *_peak(own, name, style)]
    return found


def _curve(rows: pl.DataFrame, name: str, style: dict) -> Iterator[Mark]:
    marker, line = ("circle", "dotted") if style["series"] == CONTROL else (theme.mode_style("sparse")[0], "solid")
    for row in rows.iter_rows(named=True):
        share = row["collapsed"] / row["n_seeds"]
        words = _described(row, name)
        yield Mark(
            **style, kind="point", x=row["alpha"], y=row[name], marker=marker, line=line, collapsed=share, label=words
        )


def _band(rows: pl.DataFrame, name: str, style: dict) -> Iterator[Mark]:
    """The intervals; none over two lines, which say nothing."""
    for row in rows.iter_rows(named=True):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        if row["n_seeds"] != text.FEW_SEEDS and None not in (low, high):
            yield Mark(**style, kind="band", x=row["alpha"], low=low, high=high)


def _runs(rows: pl.DataFrame, name: str, style: dict) -> Iterator[Mark]:
    for row in rows.iter_rows(named=True):
        for seed in row[f"{name}_seeds"] if row["n_seeds"] > 1 else ():
            yield Mark(**style, kind="run", x=row["alpha"], y=seed)


def _published(rows: pl.DataFrame, name: str, style: dict) -> Iterator[Mark]:
    for row in rows.drop_nulls(f"published_{name}").iter_rows(named=True):
        value = row[f"published_{name}"]
        own = style | {"series": f"published {style['series']}", "marker": "bar", "line": "dashed"}
        yield Mark(**own, kind="point", x=row["alpha"], y=value, label=f"published: {name} {ticks.number(value, 3)}")


def _peak(rows: pl.DataFrame, name: str, style: dict) -> Iterator[Mark]:
    """The barrier as a number at its place, if it is above 0."""
    low, place = rows[f"{name}_barrier_low"][0], rows[f"{name}_barrier_at"][0]
    if rows["n_seeds"][0] == text.FEW_SEEDS or low is None or low <= 0:
        return
    row = rows.filter(pl.col("alpha") == place).row(0, named=True)
    sign = "+" if name == "loss" else "−"
    yield Mark(**style, kind="label", x=place, y=row[name], label=f"{sign}{_rounded(row[f'{name}_barrier'])}")


def _described(row: dict, name: str) -> str:
    what = CONTROL if row["transfer"] == "dense" else series.compression_label(row["compression"])
    value = f"{name} {ticks.number(row[name], 3)}" if row[name] is not None else f"{name} undefined"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    interval = f" ({ticks.number(low, 3)} to {ticks.number(high, 3)})" if None not in (low, high) else ""
    return f"{row['label']}, {what}, a = {row['alpha']:.3g}: {value}{interval}, n = {row['n_examples']:,}"


# ---- panels, legends, caption ----------------------------------------------------------------------------------------


def _panel(condition: Condition, rows: pl.DataFrame, every: pl.DataFrame, name: str) -> Panel:
    """A panel with the barriers in its title."""
    label = rows["label"][0].removesuffix(f" ({condition.model})")
    words = [label, condition.model if every["model"].n_unique() > 1 else ""]
    words += [condition.protocol if every["protocol"].n_unique() > 1 else ""]
    heights = [f"{_short(line, every)} {_rounded(own[f'{name}_barrier'][0])}" for line, own in _lines(rows)]
    axis = text.metric_label(rows["metric"][0]) if name == "score" else f"loss, {rows['loss_unit'][0]}"
    same = every.filter(pl.col("metric" if name == "score" else "loss_unit") == rows[_unit(name)][0])
    limits = _limits(same, name)
    return Panel(
        title=f"{', '.join(filter(None, words))}\nbarrier: {', '.join(heights)}",
        x=X,
        y=Axis(label=axis, limits=limits, ticks=ticks.round_ticks(*limits)),
        height_in=2.1,
    )


def _unit(name: str) -> str:
    return "metric" if name == "score" else "loss_unit"


def _limits(rows: pl.DataFrame, name: str) -> tuple[float, float]:
    must = [*rows[name].drop_nulls(), *rows[f"published_{name}"].drop_nulls()] or [0.0, 1.0]
    drawn = rows.filter(pl.col("n_seeds") != text.FEW_SEEDS)
    ends = [each for end in ("low", "high") for each in drawn[f"{name}_{end}"].drop_nulls()]
    return ticks.within(must, [*ends, *rows[f"{name}_seeds"].explode().drop_nulls()])


def _short(line: str, every: pl.DataFrame) -> str:
    """The level of a line, with its method if there are several."""
    several = every.filter(pl.col("transfer") != "dense")["method"].n_unique() > 1
    return line if line == CONTROL else series.compression_label(line) if several else series.level_label(line)


def _rounded(height: float | None) -> str:
    return "undefined" if height is None else ticks.number(height, 2 if height else 0)


def _keys(rows: pl.DataFrame) -> list[Key]:
    keys = [Key(label="dense to sparse transfer", marker=theme.mode_style("sparse")[0], line="solid")]
    if (rows["transfer"] == "dense").any():
        keys.append(Key(label="control: two seeds of dense transfer", marker="circle", line="dotted"))
    if rows["published_score"].count() or rows["published_loss"].count():
        keys.append(Key(label="published (first version)", marker="bar", line="dashed"))
    return keys + curves.collapsed_keys(rows)


def _caption(rows: pl.DataFrame) -> str:
    joined = rows.filter(pl.col("transfer") != "dense")
    control, lines = rows.filter(pl.col("transfer") == "dense")["n_seeds"], joined["n_seeds"]
    facts = [
        f"Model{'s' if rows['model'].n_unique() > 1 else ''}: {', '.join(sorted(rows['model'].unique()))}.",
        f"Metric: {', '.join(sorted(map(text.metric_label, rows['metric'].unique())))}.",
        f"n = {text.span(rows['n_examples'])} examples; lines per level: {text.span(lines)}"
        + (f"; lines of the control: {text.span(control)}." if len(control) else "; no control (one seed)."),
        f"{rows['alpha'].n_unique()} models on each line.",
        f"Bands: {INTERVAL} over lines and examples, over examples only for a single line; none, and no number at the "
        "curve, for two lines.",
    ]
    found = [*text.amounts(joined), *curves.series_remarks(series.present(joined))]
    return " ".join([*facts, *found, *_barriers(rows)])


def _barriers(rows: pl.DataFrame) -> list[str]:
    """The barriers of the loss with their intervals, if they are few."""
    found = [each for own in _conditions(rows).values() for each in _lines(own)]
    if len(found) > MOST_IN_CAPTION:
        return ["The table `connectivity` has the intervals of all barriers."]
    words = [f"{_short(line, rows)} {_with_limits(own)}" for line, own in found]
    return [f"Barriers of the loss: {'; '.join(words)}."]


def _with_limits(rows: pl.DataFrame) -> str:
    height, low, high = (rows[f"loss_barrier{end}"][0] for end in ("", "_low", "_high"))
    few = rows["n_seeds"][0] == text.FEW_SEEDS or None in (low, high)
    return _rounded(height) + ("" if few else f" ({_rounded(low)} to {_rounded(high)})")
