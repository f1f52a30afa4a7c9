"""Bins of external difficulty: parts of a task's examples, ordered from easy to hard by a published difficulty."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from junkdna.analysis.cell_answers import Bins, CellAnswers, Group
from junkdna.analysis.curves import Curve


def bin_curves(curves: Iterable[Curve], bins: Mapping[str, Bins], answers: CellAnswers) -> Iterator[Curve]:
    """For each curve of a task with bins: one curve for each bin, with the baselines of the bin's examples."""
    for curve in curves:
        for rank, name in enumerate(bins[curve.condition.task].order if curve.condition.task in bins else ()):
            dense = Group(curve.dense.cells, f"bin {name}")
            if answers(dense).n_examples:
                chance, majority = answers.baselines(dense)
                yield replace(
                    curve, condition=replace(curve.condition, bin=name), bin_rank=rank, dense=dense, chance=chance,
                    majority=majority,
                    levels=tuple(replace(each, group=Group(each.group.cells, dense.subset)) for each in curve.levels),
                )  # fmt: skip
