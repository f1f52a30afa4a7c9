"""Recovery against training length: retention after training for several multiples of the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from junkdna.analysis.series import Series, natural, strength
from junkdna.errors import UserError
from junkdna.report.catalog import Figure
from junkdna.report.plotting import curves, palette, series, text, theme, ticks, views
from junkdna.report.plotting.conditions import conditions
from junkdna.report.plotting.drawing import Axis, Drawing, Mark, Panel
from junkdna.study.recovery import base_protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

FIGURE = Figure(
    label="Recovery against training length",
    caption="Retention of compressed and fine-tuned models against the length of their training, as a multiple "
    "of the protocol's steps (log scale). Each length is compared with the dense model trained as long. One panel "
    "per condition, method and base protocol; color shows the level, marker and line the transfer mode. Bars are "
    "95 % intervals; small dots are single seeds. A curve that reaches the solid line has recovered.",
    order=5.5,
    modes="tuned",
    levels=("sparsity", "keep_of", "bits", "format", "rank", "external"),
    lengths=2,
)
DODGE_PT = 2.2  # between two curves
Key = tuple[str, str, str, str, Series]  # model, task, knobs, base protocol, series


def marks(drops: pl.DataFrame, experiment: str) -> Drawing:
    """Retention against the multiple of training steps, one curve per transfer mode and level.

    Raises UserError if no condition of the experiment was trained for two lengths.
    """
    groups = _groups(drops, experiment)
    if not groups:
        raise UserError(
            f"experiment {experiment!r}: no figure of recovery, because no condition was trained for two lengths. Add "
            f"a key such as recovery: [1, 3, 10] to the experiment."
        )
    rows = pl.concat(groups.values())
    named = conditions(drops, experiment)
    several = series.present(rows)
    limits = views.limits(rows, "retention")
    drawn = [mark for at, (key, group) in enumerate(groups.items()) for mark in _marks(at, key, group)]
    columns = curves.COLUMNS.get(len(groups), 3)
    panels = [
        _panel(key, group, rows, named, limits, at % columns == 0) for at, (key, group) in enumerate(groups.items())
    ]
    modes = [theme.mode_style(mode) for mode in theme.tuned_modes(set(rows["transfer"]))]
    keys = [curves.LegendKey(label=label, marker=marker, line=line) for marker, line, label in modes]
    levels = series.level_keys(set(rows["compression"]))
    return Drawing(
        title=f"{FIGURE.label}: {text.spaced(experiment)}",
        panels=tuple(panels),
        marks=tuple(drawn),
        columns=columns,
        keys=(tuple(levels), (*keys, *curves.other_keys(rows))),
        caption=" ".join([text.facts(rows, "Bars"), *curves.series_remarks(several)]),
    )


def _groups(drops: pl.DataFrame, experiment: str) -> dict[Key, pl.DataFrame]:
    """Rows of each panel, which have two or more lengths."""
    rows = drops.filter((pl.col("experiment") == experiment) & ~pl.col("transfer").is_in(["none", "dense"]))
    rows = series.select(rows, [item for item in series.present(rows) if item.kind != "band"])
    found: dict[tuple, list[int]] = {}
    for at, row in enumerate(rows.iter_rows(named=True)):
        base, _ = base_protocol(row["protocol"])
        key = (row["model"], row["task"], row["knobs"], base, series.series_of(row["compression"]))
        found.setdefault(key, []).append(at)
    groups = {key: rows[at] for key, at in found.items()}
    groups = {key: group for key, group in groups.items() if group["protocol"].n_unique() > 1}
    return {key: groups[key] for key in sorted(groups, key=lambda key: (*map(natural, key[:4]), key[4].order))}


def _curves(rows: pl.DataFrame) -> Iterator[tuple[str, str, list[tuple[int, dict]]]]:
    """Transfer mode, compression, and (length, row) in order of each curve."""
    tags = sorted(rows["compression"].unique(), key=strength)
    for mode in theme.tuned_modes(set(rows["transfer"])):
        for tag in tags:
            own = rows.filter((pl.col("transfer") == mode) & (pl.col("compression") == tag))
            yield (
                mode,
                tag,
                sorted(((base_protocol(row["protocol"])[1], row) for row in own.iter_rows(named=True)), key=_first),
            )


def _first(pair: tuple) -> int:
    return pair[0]


def _marks(at: int, key: Key, rows: pl.DataFrame) -> list[Mark]:
    """Reference lines and a curve per transfer mode and level."""
    found = curves.references(at, rows, "retention")
    every = list(_curves(rows))
    for place, (mode, tag, own) in enumerate(every):
        marker, line, _ = theme.mode_style(mode)
        shift = (place - (len(every) - 1) / 2) * DODGE_PT
        style = {"panel": at, "series": f"{mode} {tag}", "color": palette.level_color(tag), "shift": shift}
        for length, row in own:
            y, low, high = views.value(row, "retention")
            words = f"{length} × steps, {curves.described(row, 'retention')}"
            share = row["collapsed"] / row["n_seeds"]
            face = {"marker": marker, "line": line, "collapsed": share, "label": words}
            found.append(Mark(**style, kind="point", x=float(length), y=y, low=low, high=high, **face))
            found += [Mark(**style, kind="run", x=float(length), y=seed) for seed in views.seeds(row, "retention")]
    return found


def _panel(
    key: Key,
    group: pl.DataFrame,
    rows: pl.DataFrame,
    named: curves.Conditions,
    limits: tuple[float, float],
    first: bool,
) -> Panel:
    """A panel with the lengths of all panels on its axis."""
    lengths = sorted({base_protocol(name)[1] for name in rows["protocol"]})
    label = named[group.row(0, named=True)].removesuffix(f" · {group['protocol'][0]}")
    words = [label, key[0] if rows["model"].n_unique() > 1 else "", key[3] if len(_bases(rows)) > 1 else ""]
    words += [series.labels(series.present(rows))[key[4]] if len(series.present(rows)) > 1 else ""]
    return Panel(
        title=", ".join(filter(None, words)),
        x=Axis(
            label="training length, × the protocol's steps (log scale)",
            limits=(lengths[0] / 1.35, lengths[-1] * 1.35),
            ticks=tuple((float(length), str(length)) for length in lengths),
            log=True,
        ),
        y=Axis(
            label=views.axis_label("retention", group) if first else "", limits=limits, ticks=ticks.round_ticks(*limits)
        ),
        height_in=1.9,
    )


def _bases(rows: pl.DataFrame) -> set[str]:
    return {base_protocol(name)[0] for name in rows["protocol"]}
