"""Answers that compression broke or fixed, per condition and level, from the table of behavior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural, series_of, strength
from junkdna.report.page.words import condition, mode, number, probability
from junkdna.report.plotting.series import compression_label, pick

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs

MOST = 60  # bars; the table of behavior has the others
JOINED = ("model", "task", "knobs", "protocol")


@dataclass(frozen=True)
class Flips:
    """One bar: the broken and fixed shares of a condition at one level, in percent."""

    condition: str
    compression: str
    broken: float
    fixed: float
    p: str
    first: bool = False

    @property
    def net(self) -> str:
        """Fixed minus broken, in percentage points: the change of accuracy."""
        return number(self.fixed - self.broken, 1, sign=True)


def flips(inputs: Inputs) -> tuple[list[Flips], int]:
    """At most `MOST` bars, from easy to hard conditions, and the number of rows that are left out."""
    labels = {tuple(row[n] for n in JOINED): row for row in inputs.drops.iter_rows(named=True)}
    rows: dict[tuple, dict] = {}
    for row in inputs.behavior.iter_rows(named=True):
        key = tuple(row[n] for n in JOINED)
        if row["broken"] is not None and key in labels:
            rows.setdefault((*key, row["transfer"], row["compression"]), row | {"label": labels[key]["label"]})
    groups: dict[tuple, list[dict]] = {}
    for (*key, transfer, _), row in rows.items():
        groups.setdefault((*key, transfer), []).append(row)
    bars: list[Flips] = []
    several = inputs.drops["protocol"].n_unique() > 1
    for key in sorted(groups, key=lambda key: (inputs.order(*key[:3]), *map(natural, key))):
        bars += _bars(groups[key], several) if len(bars) < MOST else []
    return bars, len(rows) - len(bars)


def _bars(group: list[dict], protocols: bool) -> list[Flips]:
    """The bars of one condition and transfer mode: at most four levels of each series."""
    by_series: dict[object, list[str]] = {}
    for row in group:
        by_series.setdefault(series_of(row["compression"]), []).append(row["compression"])
    chosen = {tag for tags in by_series.values() for tag in pick(tags)}
    shown = sorted((row for row in group if row["compression"] in chosen), key=_order)
    return [_bar(row, at == 0, protocols) for at, row in enumerate(shown)]


def _order(row: dict) -> tuple:
    return (series_of(row["compression"]).order, strength(row["compression"]))


def _bar(row: dict, first: bool, protocols: bool) -> Flips:
    trained = "" if row["transfer"] == "none" else f", {mode(row['transfer'])}"
    words = (f"{condition(row, protocols)}{trained}", compression_label(row["compression"]))
    return Flips(*words, 100 * row["broken"], 100 * row["fixed"], probability(row["mcnemar_p"]), first)
