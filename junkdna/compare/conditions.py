"""Pairs of matched cells with all that a comparison needs, and why some cannot be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from junkdna.compare.answers import AnswersOfBoth, Group
from junkdna.compare.keys import Pair, Run
from junkdna.compare.side import Side
from junkdna.evaluate.metrics import METRICS
from junkdna.grade.cells import OTHER_LABELS


@dataclass(frozen=True)
class Half:
    """One study's half of a pair: its cells and their dense references, the row of drops that contains them, and the
    rows of the table of cells of the first cell and the first reference."""

    side: Side
    runs: tuple[Run, ...]
    dense: tuple[Run, ...]
    drop: dict
    facts: dict
    dense_facts: dict

    @property
    def metric(self) -> str:
        """The metric."""
        return self.facts["metric"]

    @property
    def baseline(self) -> float:
        """The baseline of the share lost: the dense model's chance or majority."""
        return self.dense_facts[self.drop["baseline"]]

    @property
    def complete(self) -> bool:
        """Whether the pair has all seeds of the row of drops."""
        return len(self.runs) == self.drop["n_seeds"]

    def group(self) -> Group:
        """The cells as a group of answers."""
        return Group(self.metric, self._files(self.runs))

    def reference(self) -> Group:
        """The dense references as a group of answers."""
        return Group(self.metric, self._files(self.dense))

    def has_files(self) -> bool:
        """Whether all cell files are there."""
        return all(self.side.file(run).is_file() for run in (*self.runs, *self.dense))

    def _files(self, runs: Sequence[Run]) -> tuple:
        return tuple((run.seed, self.side.file(run)) for run in runs)


@dataclass(frozen=True)
class Both:
    """The halves of a pair in A and in B. `paired`: both answered the same examples, which their files show."""

    a: Half
    b: Half
    pair: Pair
    paired: bool

    @property
    def halves(self) -> tuple[Half, Half]:
        """A, then B."""
        return self.a, self.b


@dataclass(frozen=True)
class LeftOut:
    """A pair that is not compared, and the reason."""

    pair: Pair
    reason: str


def half(side: Side, runs: tuple[Run, ...]) -> Half | str:
    """One half of a pair; without a dense reference or a row of drops, the reason why there is none."""
    dense, drop = side.references(runs), side.drop(runs[0])
    if not dense or drop is None:
        return f"{side.letter} has no dense cell to compare with"
    return Half(side, runs, dense, drop, side.facts[runs[0].cell], side.facts[dense[0].cell])


def both(a: Side, b: Side, pair: Pair, answers: AnswersOfBoth, unpaired: bool) -> Both | LeftOut:
    """A pair ready for comparison, or why it is left out. With `unpaired`, other examples are no reason."""
    one, two = half(a, pair.a), half(b, pair.b)
    if isinstance(one, str) or isinstance(two, str):
        return LeftOut(pair, one if isinstance(one, str) else two)
    if reason := next(_other_measure(one, two), ""):
        return LeftOut(pair, reason)
    same = one.has_files() and two.has_files()
    if same and not answers.same_examples((one.group(), one.reference(), two.group(), two.reference())):
        if not unpaired:
            return LeftOut(pair, _other_examples(one, two, answers))
        same = False
    elif same and (reason := next(_other_questions(one, two, answers), "")):
        return LeftOut(pair, reason)
    elif not same and not unpaired and one.facts["n_examples"] != two.facts["n_examples"]:
        return LeftOut(pair, _numbers("other examples", one.facts["n_examples"], two.facts["n_examples"]))
    return Both(one, two, pair, same)


def _other_measure(a: Half, b: Half) -> Iterator[str]:
    """Why scores do not measure the same, whatever the examples."""
    for what, name in (("other metric", "metric"), ("other kind of task", "kind")):
        if a.facts[name] != b.facts[name]:
            yield f"{what}: {a.facts[name]} against {b.facts[name]}"
    modes = {each.runs[0].transfer for each in (a, b)}
    if a.facts["n_train"] != b.facts["n_train"] and not (len(modes) > 1 and "none" in modes):
        yield _numbers("trained on different numbers of rows", a.facts["n_train"], b.facts["n_train"])


def _other_examples(a: Half, b: Half, answers: AnswersOfBoth) -> str:
    one, two = ({*answers.cell(each.metric, each.side.file(each.runs[0])).ids} for each in (a, b))
    return f"{_numbers('other examples', len(one), len(two))}, {len(one & two):,} of them common"


def _numbers(what: str, one: float, two: float) -> str:
    return f"{what}: {one:,} against {two:,}"


def _other_questions(a: Half, b: Half, answers: AnswersOfBoth) -> Iterator[str]:
    """Why examples with the same ids are other questions: different right answers, or different numbers of options."""
    metric = METRICS[a.metric]
    if metric.column != "prediction" or metric.gold_column != "gold":
        return
    one, two = (answers.cell(each.metric, each.side.file(each.runs[0])).gold_n for each in (a, b))
    known = np.isfinite(one) & np.isfinite(two) & (np.maximum(one, two) < OTHER_LABELS)  # labels of logs have no order
    if differ := int((one != two)[known].sum()):
        yield f"different right answers to {differ:,} of {len(one):,} examples"
    if abs(a.facts["chance"] - b.facts["chance"]) > 1e-9:
        yield f"different numbers of options: chance {a.facts['chance']:.3g} against {b.facts['chance']:.3g}"
