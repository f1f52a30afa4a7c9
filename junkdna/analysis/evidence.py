"""What the claims of one experiment rest on: its curves, their scores, and the study's settings."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from junkdna.analysis import power, retention
from junkdna.analysis.cell_answers import Group
from junkdna.analysis.curves import Condition, Curve
from junkdna.analysis.findings import Finding
from junkdna.analysis.intervals import Fit, Panel
from junkdna.analysis.scores import Blind, Scores, blind_model
from junkdna.study.cell import Cell
from junkdna.study.claim_settings import ClaimSettings
from junkdna.study.metrics import perfect_score

Array = np.ndarray
CONTROLS = ("random", "largest")  # methods that do not prune the small weights
PRUNED_MODES = ("none", "sparse")  # transfer modes in which pruned weights stay 0
INFORMATIVE = (0.1, 0.9)  # mean loss at which a level can show that conditions differ
ONE_SEED = "one seed: the spread between seeds is unknown"
LEAST_EXAMPLES = 30  # independent ones of every condition: with fewer, bootstrap limits are too narrow


@dataclass(frozen=True)
class Evidence:
    """The evidence of one experiment.

    - `curves`: its curves; those of bins of external difficulty have a condition with a bin.
    - `baseline`: the kind of baseline (`Curve.baseline_kind`).
    - `collapsed`: cells whose model gives the same answer for every example.
    - `widest`: the same curve with its levels from all experiments of the study, by `Curve.name`.
    - `rated`: tasks with a published difficulty.
    - `human`: human performance on a condition, in the metric of its task.
    - `condition_label`, `setting_label`: a condition, and what a curve has besides it, in words.
    """

    experiment: str
    curves: tuple[Curve, ...]
    scores: Scores
    settings: ClaimSettings
    baseline: str
    collapsed: frozenset[Cell]
    widest: Mapping[tuple, Curve] = field(default_factory=dict)
    rated: frozenset[str] = frozenset()
    human: Mapping[Condition, float] = field(default_factory=dict)
    condition_label: Mapping[tuple[str, Condition], str] = field(default_factory=dict)
    setting_label: Callable[[Curve], str] = lambda curve: ""

    def label(self, curve: Curve) -> str:
        """The condition of a curve in words."""
        return self.condition_label.get((curve.model, curve.condition), curve.condition.name)

    def pruned(self, bins: bool = False) -> list[list[Curve]]:
        """The curves whose small weights stay pruned, one list for each model, series, transfer mode and protocol.

        They are curves of all examples or, with `bins`, of bins of external difficulty.
        """
        small = (curve for curve in self.curves if prunes_small_weights(curve))
        curves = [curve for curve in small if curve.transfer in PRUNED_MODES]
        return list(grouped([curve for curve in curves if bool(curve.condition.bin) == bins]).values())


def prunes_small_weights(curve: Curve) -> bool:
    """Whether the series prunes small weights, by itself or among others; random and largest weights are controls."""
    return curve.prunes and curve.series.method not in CONTROLS


def grouped(curves: Iterable[Curve]) -> dict[tuple, list[Curve]]:
    """Curves by model, series, transfer mode and protocol: they differ only in their condition."""
    found: dict[tuple, list[Curve]] = defaultdict(list)
    for curve in curves:
        found[curve.model, curve.series, curve.transfer, curve.protocol].append(curve)
    return found


class Block:
    """Some curves at the levels that all of them have, with the statistics that claims are made of.

    Functions of scores take an array (c, r) of the rows of `panel` and return (..., r) values, NaN where undefined.
    `size` is the number of these rows: a score of each group, then the drawn baselines.
    """

    def __init__(self, evidence: Evidence, curves: Sequence[Curve]) -> None:
        tags = set.intersection(*({level.tag for level in curve.levels} for curve in curves))
        self.evidence = evidence
        self.curves = [curve.at(tags) for curve in curves]
        self.baselines = np.array([curve.baseline(evidence.baseline) for curve in curves])
        blind = {at: blind_model(curve.dense, curve.metric) for at, curve in enumerate(curves)}
        self._blind: dict[int, Blind] = {at: models[0] for at, models in blind.items() if models}  # by curve
        self.size = len(self.groups) + len(self._blind)
        self.perfect = np.array([perfect_score(curve.metric) for curve in curves])

    @property
    def tags(self) -> tuple[str, ...]:
        """The shared levels, weakest first."""
        return tuple(level.tag for level in self.curves[0].levels)

    @property
    def groups(self) -> list[Group]:
        """The groups of every curve, dense first."""
        return [group for curve in self.curves for group in curve.groups]

    def panel(self, *others: "Block") -> Panel:
        """The scores of the groups and the drawn baselines, followed by those of other blocks."""
        rows = [row for block in (self, *others) for row in (*block.groups, *block._blind.values())]
        return self.evidence.scores.panel(rows)

    def scores(self, m: Array) -> Array:
        """Scores as (k, 1 + l, r)."""
        return m[: len(self.groups)].reshape(len(self.curves), 1 + len(self.tags), -1)

    def drawn_baselines(self, m: Array) -> Array:
        """Baselines (k, r or 1): those of likelihoods are rows of `m`, the others are fixed."""
        if not self._blind:
            return self.baselines[:, None]
        found = np.repeat(self.baselines[:, None], m.shape[1], axis=1)
        found[list(self._blind)] = m[len(self.groups) :]
        return found

    def retention(self, m: Array) -> Array:
        """Retention as (k, l, r)."""
        return retention.retention(self.scores(m), self.drawn_baselines(m))

    def from_dense(self, m: Array) -> Array:
        """Retention as (k, 1 + l, r), with the 1 of the dense model first."""
        kept = self.retention(m)
        return np.concatenate([np.ones_like(kept[:, :1]), kept], axis=1)

    def known(self) -> Array:
        """Known share (k, 1 + l) of every model, from the point estimates."""
        scores = self.scores(self.panel().value[:, None])[..., 0]
        return retention.known_share(scores, self.baselines[:, None], self.perfect[:, None])

    def losses(self) -> Array:
        """1 - retention (k, l), from the point estimates."""
        return 1 - self.retention(self.panel().value[:, None])[..., 0]

    def informative(self) -> list[int]:
        """Levels at which the mean loss over the curves is in 0.1 to 0.9, from the point estimates."""
        mean = self.losses().mean(axis=0)
        return [at for at, loss in enumerate(mean) if INFORMATIVE[0] <= loss <= INFORMATIVE[1]]

    def d_loss(self, m: Array) -> Array:
        """d' of dense minus d' of the level, as (k, l, r)."""
        each = zip(self.curves, self.scores(m), self.drawn_baselines(m), strict=True)
        d = np.stack([self.d_prime(curve, scores, baseline) for curve, scores, baseline in each])
        return d[:, :1] - d[:, 1:]

    def d_prime(self, curve: Curve, scores: Array, baseline: Array) -> Array:
        """d' of scores of one of the curves (`retention.d_prime`)."""
        guessed = curve.metric == "accuracy" and curve.baseline_kind(self.evidence.baseline) == "chance"
        options = 1 / curve.chance if guessed else None
        return retention.d_prime(scores, options, baseline, perfect_score(curve.metric))

    def comparable(self) -> list[int]:
        """Levels at which every dense and every compressed model has a known share of at least 0.08."""
        known = self.known()
        enough = known >= retention.COMPARABLE_SHARE
        return [at for at in range(len(self.tags)) if enough[:, 0].all() and enough[:, 1 + at].all()]

    # ---- what every finding says -------------------------------------------------------------------------------------

    def facts(self, levels: Sequence[int] | None = None, others: Sequence["Block"] = ()) -> dict:
        """The fields of a finding that describe its evidence. Counts are those of this block and of `others`."""
        shown = range(len(self.tags)) if levels is None else levels
        curves = [curve for block in (self, *others) for curve in block.curves]
        cells = {cell for curve in curves for group in curve.groups for cell in group.cells}
        return {
            "about": tuple(curve.name for curve in self.curves),
            "model": self.curves[0].model,
            "setting": self.evidence.setting_label(self.curves[0]),
            "levels": tuple(self.tags[at] for at in shown),
            "losses": self._losses_text(shown),
            "seeds": frozenset().union(*(curve.seeds for curve in curves)),
            "n_seeds": min((curve.n_seeds for curve in curves if curve.levels), default=0),
            "n_examples": min(self.evidence.scores.n_examples(curve.dense) for curve in curves),
            "n_tasks": len({curve.condition.task for curve in curves}),
            "collapsed": len(self.evidence.collapsed.intersection(cells)),
        }

    def _losses_text(self, levels: Sequence[int]) -> str:
        losses = self.losses()
        return "; ".join(
            f"{self.evidence.label(curve)}: {' '.join(f'{losses[row, at]:.3f}' for at in levels)}"
            for row, curve in enumerate(self.curves)
        )

    def problem(self) -> str:
        """Why the curves cannot be tested: "" if they can."""
        known = self.known()[:, 0]
        if not self.tags:
            return "the conditions have no level in common"
        if few := self._few_examples():
            return few
        if (low := np.flatnonzero(~(known >= retention.KNOWN_SHARE))).size:
            at = int(low[0])
            return (
                f"dense {self.evidence.label(self.curves[at])} is {known[at]:.3f} of the way from its baseline to a "
                f"perfect score; at least {retention.KNOWN_SHARE} is needed"
            )
        if all(
            cell in self.evidence.collapsed
            for curve in self.curves
            for level in curve.levels
            for cell in level.group.cells
        ):
            return "every run has collapsed"
        return ""

    def _few_examples(self) -> str:
        counts = [self.evidence.scores.n_independent(curve.dense) for curve in self.curves]
        if min(counts) >= LEAST_EXAMPLES:
            return ""
        label = self.evidence.label(self.curves[counts.index(min(counts))])
        return f"{label} has {min(counts)} independent examples; at least {LEAST_EXAMPLES} are needed"

    def doubt(self) -> str:
        """Why a test of the curves may not be decided: "" if it may."""
        if any(curve.seeded and curve.n_seeds < 2 for curve in self.curves):
            return ONE_SEED
        return ""


def decision(
    block: Block, fit: Fit, at: int, levels: Sequence[int] | None, others: Sequence[Block] = (),
    bound: float | None = None, **fields: object,
) -> Finding:  # fmt: skip
    """A finding about value `at` of a fit, with its interval, power and the facts of the block and of `others`.

    `bound` is what the effect must be above: the margin unless given.
    """
    low, high = (float(limit[at]) for limit in fit.limits())
    margin = block.evidence.settings.margin
    doubt = next(filter(None, (each.doubt() for each in (block, *others))), "")
    facts = block.facts(levels, others)
    given = (
        {"reason": doubt, "decidable": not doubt}
        | facts
        | {
            "estimate": float(fit.estimate[at]),
            "low": low,
            "high": high,
            "detectable": power.detectable(fit, at, margin if bound is None else bound),
            "seeds_needed": power.seeds_needed(fit, at, margin),
            "examples_needed": power.examples_needed(fit, at, margin, facts["n_examples"]),
        }
    )
    return Finding(**given | fields)


def untestable(block: Block, reason: str, **fields: object) -> Finding:
    """A finding that cannot be tested, for the reason."""
    return Finding(**block.facts() | {"reason": reason} | fields)
