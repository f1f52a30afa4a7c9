"""Bins of external difficulty: parts of a task's examples, ordered from easy to hard by a published difficulty."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from junkdna.analysis.cell_answers import Bins, CellAnswers, Group
from junkdna.analysis.curves import Curve
from junkdna.analysis.gaps import Unrated
from junkdna.data.examples_file import read_examples_file
from junkdna.errors import UserError
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.grid import rating_files
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved


def read_bins(resolved: Resolved, partial: bool = False) -> dict[str, Bins]:
    """The bins of each task of the study that has a published difficulty, from its file of difficulties.

    Raises UserError if a file is missing or corrupt, or was built from other data or another pattern than those of the
    task. With `partial`, such tasks are left out instead; `unusable_ratings` names them.
    """
    found = {}
    for task, path in rating_files(resolved).items():
        try:
            found[task] = _bins_of(task, path, resolved)
        except UserError:
            if not partial:
                raise
    return found


def unusable_ratings(resolved: Resolved) -> list[Unrated]:
    """The tasks whose file of difficulties `read_bins` rejects."""
    wrong = []
    for task, path in rating_files(resolved).items():
        try:
            _bins_of(task, path, resolved)
        except UserError as error:
            wrong.append(Unrated(task, str(path), str(error)))
    return wrong


def _bins_of(task: str, path: Path, resolved: Resolved) -> Bins:
    made_from = settings_fingerprint(example_settings(task, "difficulty", resolved))
    rows = read_examples_file(path, made_from).select(["id", "difficulty"]).to_pylist()
    difficulty = resolved.tasks[task].difficulty
    bins = {row["id"]: difficulty.bin_of(row["difficulty"]) for row in rows}
    return Bins(tuple(difficulty.bins), {each: name for each, name in bins.items() if name is not None})


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
