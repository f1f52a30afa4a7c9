"""The effect of difficulty over the study's pairs of an easy and a hard task."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from junkdna.analysis.curves import Condition
from junkdna.analysis.evidence import Block, Evidence, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.ordering import Ladder
from junkdna.analysis.scale_free import ScaleFree, scale_free, shared_levels
from junkdna.study.claim_settings import PairedCondition

LEAST_PAIRS = 5


def pair_ladders(evidence: Evidence) -> list[list[Ladder]]:
    """For each model, series, transfer mode and protocol: the ladders of the study's pairs that it has."""
    found = []
    for curves in evidence.pruned():
        conditions = {(curve.condition.task, curve.condition.knobs): curve for curve in curves}
        sides = [(_side(pair.easy), _side(pair.hard)) for pair in evidence.settings.pairs]
        some = [(conditions[easy], conditions[hard]) for easy, hard in sides if {easy, hard} <= conditions.keys()]
        if some:
            found.append(
                [Ladder(f"{hard.condition.name} against {easy.condition.name}", (easy, hard)) for easy, hard in some]
            )
    return found


def missing_pairs(evidence: Evidence) -> Iterator[Finding]:
    """One finding, untestable, for each of the study's pairs that no series of the study has."""
    series = [{(curve.condition.task, curve.condition.knobs) for curve in curves} for curves in evidence.pruned()]
    for pair in evidence.settings.pairs:
        easy, hard = _side(pair.easy), _side(pair.hard)
        if not any({easy, hard} <= conditions for conditions in series):
            unit = f"{Condition(*hard).name} against {Condition(*easy).name}"
            yield Finding(
                about=(easy, hard), unit=unit, setting="", model="", primary=False, n_seeds=0, n_tasks=0,
                reason="no pruning curves of both with the same model, method, transfer mode and protocol",
            )  # fmt: skip


def _side(side: PairedCondition) -> tuple:
    return side.task, tuple(sorted(side.knobs.items()))


def mean_finding(evidence: Evidence, pairs: Sequence[Ladder]) -> Finding:
    """The mean over pairs of what the hard task loses more, with a t interval over the pairs.

    The pair is the unit: the uncertainty of each is part of the spread. Each pair has its own informative levels.
    """
    from scipy.stats import t

    named = {"unit": f"mean of {len(pairs)} pair{'s' * (len(pairs) > 1)}", "kind": "mean of pairs"}
    blocks = [Block(evidence, ladder.curves) for ladder in pairs]
    gap_of = {ladder.unit: _gap(block) for ladder, block in zip(pairs, blocks, strict=True)}
    gaps = [gap for gap in gap_of.values() if gap is not None]
    if len(gaps) < LEAST_PAIRS:
        return untestable(blocks[0], f"{len(gaps)} testable pairs; at least {LEAST_PAIRS} are needed", **named)
    if shared := _shared_task(pairs):
        return untestable(blocks[0], f"{shared} is in two pairs, which are then not independent", **named)
    estimate, low, high, error = _t_interval(gaps)
    above = float(t.sf((estimate - evidence.settings.margin) / error, len(gaps) - 1))
    doubt = next(filter(None, (block.doubt() for block in blocks)), "")
    check = _in_d(blocks)
    return Finding(
        **blocks[0].facts([], blocks[1:]) | named, estimate=estimate, low=low, high=high, reason=doubt,
        decidable=not doubt, p_supported=min(2 * above, 1), p_contradicted=min(2 * (1 - above), 1),
        scale_free=check.verdict,
        details="; ".join([check.words, *(f"{unit} {gap:.3f}" for unit, gap in gap_of.items() if gap is not None)]),
    )  # fmt: skip


def _t_interval(gaps: Sequence[float]) -> tuple[float, float, float, float]:
    """Mean, 95 % limits of Student's t, and standard error of the mean."""
    from scipy.stats import t

    mean = float(np.mean(gaps))
    error = max(float(np.std(gaps, ddof=1) / np.sqrt(len(gaps))), 1e-12)  # above 0 where all agree exactly
    half = float(t.ppf(0.975, len(gaps) - 1)) * error
    return mean, mean - half, mean + half, error


def _shared_task(pairs: Sequence[Ladder]) -> str:
    """A task that occurs in two pairs: "" if there is none."""
    tasks = Counter(task for ladder in pairs for task in {curve.condition.task for curve in ladder.curves})
    return next((task for task, count in tasks.items() if count > 1), "")


def _gap(block: Block) -> float | None:
    """What the hard task of a pair loses more; None if the pair cannot be tested."""
    levels = block.informative() if not block.problem() else []
    if not levels:
        return None
    easy, hard = block.losses()[:, levels].mean(axis=1)
    return float(hard - easy)


def _in_d(blocks: Sequence[Block]) -> ScaleFree:
    """Whether the mean over pairs is above 0 in d' too, if enough pairs can be compared there."""
    gaps = []
    for block in blocks:
        levels = shared_levels(block, block.informative()) if not block.problem() else []
        if levels:
            easy, hard = block.d_loss(block.panel().value[:, None])[:, levels, 0].mean(axis=1)
            gaps.append(float(hard - easy))
    if len(gaps) < LEAST_PAIRS:
        return ScaleFree("", f"{len(gaps)} pairs know enough to compare d'")
    return scale_free(*_t_interval(gaps)[:3])
