"""Scores of groups of cells with the bootstrap replicates and left-out seeds that intervals need, each computed once.

It reads no files: `answers_of` gives the answers of a group (`cell_answers.py` reads them from cell files).
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from junkdna.analysis.draws import Draws
from junkdna.analysis.intervals import Panel
from junkdna.evaluate.metrics import METRICS

Array = np.ndarray
MEANS_AT_ONCE = 2000  # groups whose replicates are computed in one matrix product


@dataclass(frozen=True)
class Answers:
    """The answers of one group: cells that differ only in their seed and are scored on the same examples.

    - `ids`, `cluster` (n,): the examples, and the cluster of each or None (`draws.clusters`). Groups with equal ids
      share their bootstrap draws.
    - `gold` (n,) and `given` (s, n): what `Metric.value` takes; `given` has one row for each of `seeds`.
    - `subset` (n,): the examples that count, as booleans; None for all.
    """

    metric: str
    ids: tuple[str, ...]
    gold: Array
    given: Array
    seeds: tuple[int, ...]
    cluster: Array | None = None
    subset: Array | None = None

    @property
    def kept(self) -> Array | slice:
        """Index of the examples that count."""
        return slice(None) if self.subset is None else self.subset

    @property
    def n_examples(self) -> int:
        """Number of examples that count."""
        return len(self.ids) if self.subset is None else int(self.subset.sum())

    @property
    def evaluation_set(self) -> tuple:
        """What groups with the same bootstrap draws share."""
        return self.ids, None if self.cluster is None else self.cluster.tobytes()

    @property
    def n_independent(self) -> int:
        """Number of clusters with examples that count; without clusters, of these examples."""
        return self.n_examples if self.cluster is None else len(np.unique(self.cluster[self.kept]))


@dataclass(frozen=True)
class Blind:
    """The input-blind model of a dense group, as a group of one cell: its mean is the baseline of likelihoods.

    It is the dense model of the first seed without the question. Only models that were not trained answer this kind, so
    it depends on no seed.
    """

    dense: Hashable


def blind_model(dense: Hashable, metric: str) -> list[Blind]:
    """The input-blind model of a dense group if its mean is the baseline of the metric; else none.

    This baseline is a mean over the evaluated examples and correlates with the scores, so it is drawn with them. Chance
    and majority are fixed numbers.
    """
    return [Blind(dense)] if METRICS[metric].gold_column == "blind" else []


class Scores:
    """Scores of groups of cells, and of `Blind` models. Memory: 4 bytes for each group and replicate."""

    def __init__(self, answers_of: Callable[[Hashable], Answers], replicates: int) -> None:
        self.answers_of = answers_of
        self.replicates = replicates
        self._by_seed: dict[Hashable, dict[int, float]] = {}
        self._replicates: dict[Hashable, Array] = {}

    def by_seed(self, group: Hashable) -> dict[int, float]:
        """Score of a group's cells by seed; NaN if no example counts."""
        if group not in self._by_seed:
            self._by_seed[group] = _seed_scores(self._answers(group))
        return self._by_seed[group]

    def n_examples(self, group: Hashable) -> int:
        """Number of examples of a group that count."""
        return self.answers_of(group).n_examples

    def n_independent(self, group: Hashable) -> int:
        """Number of clusters of a group's examples that count; without clusters, of these examples."""
        return self.answers_of(group).n_independent

    def panel(self, groups: Sequence[Hashable]) -> Panel:
        """The panel of some groups, in their order.

        The seeds are those of all groups with more than one cell. A seed that a group does not have is left out of it
        without effect. So is the only seed of a group: a deterministic cell counts for every seed. (Whether a single
        run of a trained group may be tested is for the claims to say: `Block.doubt`.)
        """
        self.add(groups)
        scores = [self.by_seed(group) for group in groups]
        repeated = [by_seed for by_seed in scores if len(by_seed) > 1]
        seeds = sorted({seed for by_seed in repeated for seed in by_seed})
        left_out = [[_without(by_seed, seed) for seed in seeds] for by_seed in scores]
        return Panel(
            np.array([_mean([*by_seed.values()]) for by_seed in scores]),
            np.stack([self._replicates[group] for group in groups]),
            np.array(left_out, float).reshape(len(groups), len(seeds)),
            min(map(len, repeated), default=1),
        )

    def add(self, groups: Iterable[Hashable]) -> None:
        """Compute the replicates of new groups, one evaluation set at a time. Many at once are faster."""
        sets: dict[tuple, dict[Hashable, Answers]] = defaultdict(dict)
        for group in dict.fromkeys(groups):
            if group not in self._replicates:
                answers = self._answers(group)
                sets[answers.evaluation_set][group] = answers
        for members in sets.values():
            names = list(members)
            for start in range(0, len(names), MEANS_AT_ONCE):
                self._add_set({name: members[name] for name in names[start : start + MEANS_AT_ONCE]})

    def _answers(self, group: Hashable) -> Answers:
        if not isinstance(group, Blind):
            return self.answers_of(group)
        dense = self.answers_of(group.dense)
        return replace(dense, given=dense.gold[None], seeds=dense.seeds[:1])

    def _add_set(self, members: dict[Hashable, Answers]) -> None:
        first = next(iter(members.values()))
        means = {group: answers for group, answers in members.items() if METRICS[answers.metric].credit is not None}
        credit = np.stack([_credit(answers) for answers in means.values()]) if means else None
        seeds = np.array([[len(answers.given)] for answers in means.values()], np.float32)
        counted = np.stack([_counted(answers) for answers in means.values()]) if means else None
        same = counted is not None and (counted == counted[0]).all()
        rows = {group: np.empty(self.replicates, np.float32) for group in members}
        for part, counts in Draws(first.ids, self.replicates, first.cluster).blocks():
            if means:
                totals = counted[:1] @ counts.T if same else counted @ counts.T
                with np.errstate(invalid="ignore", divide="ignore"):
                    values = (credit @ counts.T) / (seeds * totals)
                for group, row in zip(means, values, strict=True):
                    rows[group][part] = row
            for group, answers in members.items():
                if group not in means:
                    rows[group][part] = _resampled(answers, counts)
        for group, answers in members.items():
            self._by_seed.setdefault(group, _seed_scores(answers))
            self._replicates[group] = rows[group]


def _without(by_seed: dict[int, float], seed: int) -> float:
    rest = [score for other, score in by_seed.items() if other != seed]
    return _mean(rest or [*by_seed.values()])  # a group with a single cell keeps it


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)  # of a few numbers, 20 times as fast as NumPy's


def _counted(answers: Answers) -> Array:
    return np.ones(len(answers.ids), np.float32) if answers.subset is None else answers.subset.astype(np.float32)


def _credit(answers: Answers) -> Array:
    """Credit (n,) of each example, sum over the seeds; 0 where an example does not count.

    Credits of 0 and 1 have whole sums, which 32 bits hold exactly. So replicates that are equal are equal on every
    machine, in whatever order it adds, and no interval hangs on a last bit.
    """
    credit = METRICS[answers.metric].credit(answers.gold, answers.given).sum(axis=0)
    return (np.where(answers.subset, credit, 0) if answers.subset is not None else credit).astype(np.float32)


def _resampled(answers: Answers, counts: Array) -> Array:
    """Replicates of a metric that is no mean over examples, averaged over the seeds."""
    metric, kept = METRICS[answers.metric], answers.kept
    counts = counts[:, kept].astype(float)
    values = [metric.resampled(answers.gold[kept], given[kept], counts) for given in answers.given]
    return np.mean(values, axis=0)


def _seed_scores(answers: Answers) -> dict[int, float]:
    metric, kept = METRICS[answers.metric], answers.kept
    if not answers.n_examples:
        return dict.fromkeys(answers.seeds, float("nan"))
    values = [float(metric.value(answers.gold[kept], given[kept])) for given in answers.given]
    return dict(zip(answers.seeds, values, strict=True))
