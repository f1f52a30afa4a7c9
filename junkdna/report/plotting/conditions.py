"""Label of each condition (task x knobs), the same in every figure of a study, and the order of conditions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from statistics import fmean
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural
from junkdna.report.plotting import knobs

if TYPE_CHECKING:
    import polars as pl

Key = tuple[str, str, str]


@dataclass
class Conditions:
    """Labels of all conditions of a drops table.

    A condition's key includes the protocol only if several protocols share a task, knobs, model and transfer mode.
    """

    of: dict[Key, str] = field(default_factory=dict)
    ambiguous: set[tuple[str, str]] = field(default_factory=set)

    def key(self, row: dict) -> Key:
        """Key of a row's condition: task, knobs, and the protocol if several would share a curve."""
        pair = (row["task"], row["knobs"])
        return (*pair, row["protocol"] if pair in self.ambiguous else "")

    def __getitem__(self, row: dict) -> str:
        """Label of the condition that `row` belongs to."""
        return self.of[self.key(row)]

    def split(self, rows: pl.DataFrame) -> dict[Key, pl.DataFrame]:
        """Rows of each condition, from easy to hard: a knob in numeric order, else by measured difficulty."""
        at: dict[Key, list[int]] = {}
        for number, row in enumerate(rows.iter_rows(named=True)):
            at.setdefault(self.key(row), []).append(number)
        groups = {key: rows[at[key]] for key in sorted(at, key=_natural)}
        order = _order(groups, rows)
        return {key: groups[key] for key in sorted(groups, key=order.__getitem__)}


def conditions(drops: pl.DataFrame, experiment: str | None = None) -> Conditions:
    """Choose a label for every condition of `drops`, independent of the order of its rows.

    If a condition has several labels, that of `experiment` is used. If two conditions share a label, their knobs or
    protocol follow it.
    """
    same = ["model", "task", "knobs", "transfer"]
    protocols = drops.select([*same, "protocol"]).unique().group_by(same).len()
    shared = protocols.filter(protocols["len"] > 1)
    found = Conditions(ambiguous=set(shared.select("task", "knobs").iter_rows()))
    labels: dict[Key, str] = {}
    for row in drops.sort([drops["experiment"] != (experiment or ""), "experiment", "label"]).iter_rows(named=True):
        labels.setdefault(found.key(row), plain_label(row))
    found.of = {key: _full_label(key, labels) for key in labels}
    return found


def plain_label(row: dict) -> str:
    """Label of a row without the model, which figures show separately."""
    return " ".join(row["label"].removesuffix(f" ({row['model']})").split()) or row["task"]


def two_lines(label: str) -> str:
    """A label with the task in the first line and the rest, if any, in the second."""
    task, _, rest = label.partition(" · ")
    return f"{task}\n{rest}" if rest else label


def difficulty(rows: pl.DataFrame) -> float | None:
    """Measured difficulty of the rows of a condition: the mean over its models; None if it is undefined."""
    known = rows["difficulty"].drop_nulls().unique()
    return fmean(sorted(known)) if len(known) else None


def _order(groups: dict[Key, pl.DataFrame], rows: pl.DataFrame) -> dict[Key, tuple]:
    """Sort key of each condition; unknown difficulty comes last."""
    hard = {key: inf if (each := difficulty(group)) is None else each for key, group in groups.items()}
    knob = knobs.shared_knob(rows)
    if not knob or len({key[0] for key in groups}) > 1:
        return {key: (hard[key], _natural(key)) for key in groups}
    value = {key: knobs.knob_values(group.row(0, named=True))[knob] for key, group in groups.items()}
    means = {each: fmean(hard[key] for key in groups if value[key] == each) for each in value.values()}
    places = knobs.ordered(means)
    return {key: (places.index(value[key]), hard[key], _natural(key)) for key in groups}


def _natural(key: Iterable[str]) -> tuple:
    return tuple(map(natural, key))


def _full_label(key: Key, labels: dict[Key, str]) -> str:
    """Label of a condition, followed by its knobs or protocol if conditions that share the label differ in them."""
    alike = [other for other, label in labels.items() if label == labels[key]]
    differs = [at for at in (1, 2) if len({other[at] for other in alike}) > 1]
    if len(alike) == 1:
        return labels[key]
    return f"{labels[key]} · {', '.join(filter(None, (key[at] for at in differs))) or key[0]}"
