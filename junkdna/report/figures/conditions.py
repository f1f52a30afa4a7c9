"""Conditions (task x knobs) of a study: how each is named and drawn, the same in every figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from junkdna.report.figures.style import CONDITION_COLORS, CONDITION_MARKERS
from junkdna.report.figures.text import natural

if TYPE_CHECKING:
    import polars as pl

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Look:
    """How one condition (task x knobs) is named and drawn, the same in every figure of a study."""

    label: str
    color: str
    marker: str


@dataclass
class Looks:
    """Looks of all conditions of a drops table; a protocol is part of a condition only where two share its place."""

    of: dict[Key, Look] = field(default_factory=dict)
    ambiguous: set[tuple[str, str]] = field(default_factory=set)

    def key(self, row: dict) -> Key:
        """Name the condition of `row`: task, knobs, and the protocol where several would share a curve."""
        pair = (row["task"], row["knobs"])
        return (*pair, row["protocol"] if pair in self.ambiguous else "")

    def __getitem__(self, row: dict) -> Look:
        """Look of the condition that `row` belongs to."""
        return self.of[self.key(row)]


def looks(drops: pl.DataFrame, experiment: str | None = None) -> Looks:
    """Give every condition of `drops` a label (where two differ, that of `experiment`), a color and a marker.

    Conditions of one experiment get different colors while there are enough of them, and always another pair of color
    and marker. The same table gives the same looks, in whatever order its rows stand.
    """
    place = ["model", "task", "knobs", "transfer"]
    protocols = drops.select([*place, "protocol"]).unique().group_by(place).len()
    found = Looks(ambiguous={(r["task"], r["knobs"]) for r in protocols.iter_rows(named=True) if r["len"] > 1})
    homes: dict[Key, set[str]] = {}
    labels: dict[Key, str] = {}
    ordered = drops.sort([drops["experiment"] != (experiment or ""), "experiment", "label"])
    for row in ordered.iter_rows(named=True):
        key = found.key(row)
        homes.setdefault(key, set()).add(row["experiment"])
        labels.setdefault(key, plain_label(row))
    taken: dict[Key, tuple[str, str]] = {}
    for key in sorted(homes, key=lambda k: tuple(map(natural, k))):
        near = [look for other, look in taken.items() if homes[other] & homes[key]]
        color = min(CONDITION_COLORS, key=lambda c: (_count(near, 0, c), _count(taken.values(), 0, c)))
        marker = min(CONDITION_MARKERS, key=lambda m: ((color, m) in near, _count(near, 1, m)))
        taken[key] = (color, marker)
        found.of[key] = Look(_full_label(key, labels), color, marker)
    return found


def plain_label(row: dict) -> str:
    """Label of a row without the model, which the figures name themselves."""
    return row["label"].removesuffix(f" ({row['model']})") or row["task"]


def _count(looks_so_far: Iterable[tuple[str, str]], part: int, value: str) -> int:
    return sum(look[part] == value for look in looks_so_far)


def _full_label(key: Key, labels: dict[Key, str]) -> str:
    """Label of a condition, with its knobs (or task) and protocol where the label alone would name two conditions."""
    label = labels[key]
    if sum(other == label for other in labels.values()) > 1:
        label = f"{label} [{', '.join(part for part in key if part)}]"
    return label
