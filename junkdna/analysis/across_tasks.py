"""The effect of difficulty across tasks, with the task as the unit."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import permutations

import numpy as np

from junkdna.analysis import difficulty, retention
from junkdna.analysis.cell_answers import HALVES, Group
from junkdna.analysis.curves import Curve
from junkdna.analysis.evidence import Block, Evidence, untestable
from junkdna.analysis.findings import Finding
from junkdna.analysis.scale_free import NOT_COMPARABLE, ScaleFree, scale_free, shared_levels
from junkdna.seeds import seed_for
from junkdna.study.metrics import perfect_score

Array = np.ndarray
LEAST_TASKS = 5
ALL_PERMUTATIONS = 7  # up to this many tasks every permutation is tried; beyond, this many random ones:
PERMUTATIONS = 5000
MEASURES = ("dense error", "human gap by human", "human gap by dense")


def findings(evidence: Evidence) -> Iterator[Finding]:
    """For each series of an experiment with several tasks: one finding by the dense model's error and, where human
    performance is known for enough tasks, one by each human gap.

    Only the first is primary: the gaps contain the same error.
    """
    for curves in evidence.pruned():
        if len(_tasks(curves)) > 1:
            yield _finding(evidence, curves, MEASURES[0])
        known = [curve for curve in curves if curve.condition in evidence.human]
        if len(_tasks(known)) >= LEAST_TASKS:
            yield from (_finding(evidence, known, measure) for measure in MEASURES[1:])


def _finding(evidence: Evidence, curves: Sequence[Curve], measure: str) -> Finding:
    block = Block(evidence, curves)
    tasks = _tasks(curves)
    named = {"unit": f"across tasks, by {measure}", "kind": measure, "primary": measure == MEASURES[0]}
    if problem := block.problem():
        return untestable(block, problem, **named)
    if not (levels := block.informative()):
        return untestable(block, "no level has a mean loss in 0.1 to 0.9", **named)
    if len(tasks) < LEAST_TASKS:
        return untestable(block, f"{len(tasks)} tasks; at least {LEAST_TASKS} are needed", **named)
    hard, lost = zip(*(_sides(block, tasks, levels, measure, half) for half in (0, 1)), strict=True)
    if problem := _undefined(tasks, hard, lost):
        return untestable(block, problem, **named)
    margin = evidence.settings.margin
    above, below = permutation_p(hard, lost, margin, seed_for("permutation", evidence.experiment, measure))
    estimate, low, high = fitted_difference(hard, lost)
    doubt, check = block.doubt(), _in_d(block, tasks, levels, hard)
    return Finding(
        **block.facts(levels) | named, estimate=estimate, low=low, high=high, p_supported=min(2 * above, 1),
        p_contradicted=min(2 * below, 1), reason=doubt, decidable=not doubt, scale_free=check.verdict,
        details=check.words,
    )  # fmt: skip


def _in_d(block: Block, tasks: Sequence[str], levels: Sequence[int], hard: Sequence[Array]) -> ScaleFree:
    """Whether the hardest task loses more in d' too, if all tasks can be compared there."""
    if not (shared := shared_levels(block, levels)):
        return ScaleFree("", NOT_COMPARABLE)
    lost = [_lost(block, tasks, 1 - half, partial(_lost_d, block, shared)) for half in (0, 1)]
    return scale_free(*fitted_difference(hard, lost)) if np.isfinite(lost).all() else ScaleFree("", NOT_COMPARABLE)


def _tasks(curves: Sequence[Curve]) -> list[str]:
    return sorted({curve.condition.task for curve in curves})


def _sides(block: Block, tasks: Sequence[str], levels: Sequence[int], measure: str, half: int) -> tuple[Array, Array]:
    """Difficulty of each task from one half of its examples (and of the seeds), scaled to 0..1, and its mean loss from
    the other half, so that they share no noise. Conditions of one task are averaged."""
    hard = {task: [] for task in tasks}
    for curve, baseline in zip(block.curves, block.baselines, strict=True):
        dense = _score(block, curve.dense, half)
        hard[curve.condition.task].append(
            _difficulty(dense, baseline, curve.metric, measure, block.evidence.human.get(curve.condition))
        )
    means = np.array([np.mean(hard[task]) for task in tasks])
    with np.errstate(invalid="ignore"):  # 0 / 0 where all tasks are equally hard
        scaled = (means - np.nanmin(means)) / (np.nanmax(means) - np.nanmin(means))
    return scaled, _lost(block, tasks, 1 - half, partial(_lost_retention, levels))


def _lost(block: Block, tasks: Sequence[str], half: int, loss: Callable[[Curve, float, Array], float]) -> Array:
    """Mean loss of each task on half of the examples: `loss` of a curve, its baseline, and its scores, dense first."""
    found = {task: [] for task in tasks}
    for curve, baseline in zip(block.curves, block.baselines, strict=True):
        scores = np.array([_score(block, group, half) for group in curve.groups])
        found[curve.condition.task].append(loss(curve, baseline, scores))
    return np.array([np.mean(found[task]) for task in tasks])


def _lost_retention(levels: Sequence[int], _: Curve, baseline: float, scores: Array) -> float:
    return 1 - retention.retention(scores[None, :, None], np.array([[baseline]]))[0, levels, 0].mean()


def _lost_d(block: Block, levels: Sequence[int], curve: Curve, baseline: float, scores: Array) -> float:
    d = block.d_prime(curve, scores[:, None], np.array([baseline]))[:, 0]
    return float(d[0] - d[1:][levels].mean())


def _undefined(tasks: Sequence[str], hard: Sequence[Array], lost: Sequence[Array]) -> str:
    """Why the tasks cannot be compared: "" if they can."""
    if 0 < (bad := np.flatnonzero(np.isnan(hard).any(axis=0))).size < len(tasks):
        return f"on half of the examples of {tasks[bad[0]]}, dense scores at most 0: its gap is undefined"
    if not np.isfinite(hard).all():
        return "the dense model finds all tasks equally hard"
    if (bad := np.flatnonzero(~np.isfinite(lost).all(axis=0))).size:
        return f"on half of the examples of {tasks[bad[0]]}, dense is not above its baseline"
    return ""


def _score(block: Block, group: Group, half: int) -> float:
    """Mean score of every other seed on half of the examples; of the only seed if there is one."""
    by_seed = block.evidence.scores.by_seed(Group(group.cells, HALVES[half]))
    scores = [by_seed[seed] for seed in sorted(by_seed)]
    return float(np.mean(scores[half::2] or scores))


def _difficulty(dense: float, baseline: float, metric: str, measure: str, human: float | None) -> float:
    if measure == MEASURES[0]:
        return difficulty.chance_corrected_dense_error(dense, baseline, perfect_score(metric))
    gap = difficulty.human_gap_by_human if measure == MEASURES[1] else difficulty.human_gap_by_dense
    found = gap(human, dense)
    return np.nan if found is None else found


def permutation_p(hard: Sequence[Array], lost: Sequence[Array], margin: float, seed: int) -> tuple[float, float]:
    """One-sided p-values of "the hardest task loses at most / at least `margin` more than the easiest".

    `hard` and `lost` have one array of tasks for each direction of the split. The residuals `lost` - margin x `hard`
    are permuted over the tasks, alike in both directions; the statistic is the sum of their covariances with `hard`.
    With up to 7 tasks all permutations are tried, which makes the test exact, else 5,000 and the observed one.
    """
    k = len(hard[0])
    residuals = np.stack(lost) - margin * np.stack(hard)
    centered = np.stack(hard) - np.mean(hard, axis=1, keepdims=True)
    if k <= ALL_PERMUTATIONS:
        orders = np.array(list(permutations(range(k))))
    else:
        generator = np.random.default_rng(seed)
        orders = np.stack([np.arange(k), *(generator.permutation(k) for _ in range(PERMUTATIONS))])
    values = np.einsum("dk,dpk->p", centered, residuals[:, orders])
    close = 1e-9 * (1 + abs(values[0]))  # equal sums may differ in their last bits
    return float((values >= values[0] - close).mean()), float((values <= values[0] + close).mean())


def fitted_difference(hard: Sequence[Array], lost: Sequence[Array]) -> tuple[float, float, float]:
    """Loss of the hardest minus the easiest task on the least-squares line, mean of both directions, with a 95 % t
    interval over tasks (k - 2 degrees of freedom) from the mean of both; unbounded if the directions disagree so that
    all tasks are equally hard on average."""
    from scipy.stats import linregress, t

    estimate = float(np.mean([linregress(x, y).slope for x, y in zip(hard, lost, strict=True)]))
    mean = np.mean(hard, axis=0)
    half = np.inf
    if np.ptp(mean) > 1e-9:
        half = t.ppf(0.975, len(mean) - 2) * linregress(mean, np.mean(lost, axis=0)).stderr
    return estimate, estimate - half, estimate + half
