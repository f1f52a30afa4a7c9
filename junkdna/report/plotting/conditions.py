"""Label, color and marker of each condition (task x knobs), the same in every figure of a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural
from junkdna.report.plotting.theme import CONDITION_COLORS, CONDITION_MARKERS

if TYPE_CHECKING:
    import polars as pl

Key = tuple[str, str, str]


@dataclass(frozen=True)
class ConditionStyle:
    """Label, color and marker of one condition."""

    label: str
    color: str
    marker: str


@dataclass
class ConditionStyles:
    """Styles of all conditions of a drops table.

    A condition's key includes the protocol only if several protocols share a task, knobs, model and transfer mode.
    """

    of: dict[Key, ConditionStyle] = field(default_factory=dict)
    ambiguous: set[tuple[str, str]] = field(default_factory=set)

    def key(self, row: dict) -> Key:
        """Key of a row's condition: task, knobs, and the protocol if several would share a curve."""
        pair = (row["task"], row["knobs"])
        return (*pair, row["protocol"] if pair in self.ambiguous else "")

    def __getitem__(self, row: dict) -> ConditionStyle:
        """Style of the condition that `row` belongs to."""
        return self.of[self.key(row)]

    def split(self, rows: pl.DataFrame) -> dict[Key, pl.DataFrame]:
        """Rows of each condition, in the order of the legend."""
        at: dict[Key, list[int]] = {}
        for number, row in enumerate(rows.iter_rows(named=True)):
            at.setdefault(self.key(row), []).append(number)
        return {key: rows[at[key]] for key in sorted(at, key=_order)}


def condition_styles(drops: pl.DataFrame, experiment: str | None = None) -> ConditionStyles:
    """Choose a label, color and marker for every condition of `drops`, independent of the order of its rows.

    If a condition has several labels, that of `experiment` is used. Conditions of an experiment get different colors as
    long as there are enough, and always different pairs of color and marker.
    """
    same = ["model", "task", "knobs", "transfer"]
    protocols = drops.select([*same, "protocol"]).unique().group_by(same).len()
    shared = protocols.filter(protocols["len"] > 1)
    styles = ConditionStyles(ambiguous=set(shared.select("task", "knobs").iter_rows()))
    experiments: dict[Key, set[str]] = {}
    labels: dict[Key, str] = {}
    ordered = drops.sort([drops["experiment"] != (experiment or ""), "experiment", "label"])
    for row in ordered.iter_rows(named=True):
        key = styles.key(row)
        experiments.setdefault(key, set()).add(row["experiment"])
        labels.setdefault(key, plain_label(row))
    taken: dict[Key, tuple[str, str]] = {}
    for key in sorted(experiments, key=_order):
        near = [pair for other, pair in taken.items() if experiments[other] & experiments[key]]
        color = min(CONDITION_COLORS, key=lambda c: (_count(near, 0, c), _count(taken.values(), 0, c)))
        marker = min(CONDITION_MARKERS, key=lambda m: ((color, m) in near, _count(near, 1, m)))
        taken[key] = (color, marker)
        styles.of[key] = ConditionStyle(_full_label(key, labels), color, marker)
    return styles


def plain_label(row: dict) -> str:
    """Label of a row without the model, which figures show separately."""
    return row["label"].removesuffix(f" ({row['model']})") or row["task"]


def _order(key: Key) -> tuple:
    return tuple(map(natural, key))


def _count(pairs: Iterable[tuple[str, str]], index: int, value: str) -> int:
    return sum(pair[index] == value for pair in pairs)


def _full_label(key: Key, labels: dict[Key, str]) -> str:
    """Label of a condition, followed by its task, knobs and protocol if two conditions share the label."""
    label = labels[key]
    if sum(other == label for other in labels.values()) > 1:
        label = f"{label} [{', '.join(filter(None, key))}]"
    return label
