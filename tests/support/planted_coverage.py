"""Whether 95 % intervals of drawn studies contain the planted truth: of single cells, and of contrasts of conditions.

A previous rule is computed for comparison: percentiles of a bootstrap that redraws the seeds too, or, for likelihoods,
a baseline that is not drawn with the scores.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from functools import cache

import numpy as np
from planted_claims import ladder, offsets
from planted_truth import evidence
from scipy.special import expit, ndtri

from junkdna.analysis.cell_answers import Group
from junkdna.analysis.claims import steeper_when_harder
from junkdna.analysis.effects import effects
from junkdna.analysis.evidence import Block
from junkdna.analysis.retention import rank_contrast
from junkdna.analysis.scores import Answers, Scores
from junkdna.seeds import seed_for

Array = np.ndarray
GAP = 0.2
CONTRASTS = {"scatter 0": 0.0, "scatter 0.1": 0.1, "scatter 0.3": 0.3}
OTHER_METRICS = {"matthews": 0.5, "f1": 0.5, "pearson": 0.2, "spearman": 0.2}
CELLS = {
    f"{metric}, scatter {scatter}": (metric, scatter)
    for metric, scatter in (("accuracy", 0.0), ("accuracy", 0.2), ("accuracy", 0.5), *OTHER_METRICS.items())
}
EXAMPLES = 300
BASELINE = {"accuracy": 0.25, "f1": 0.5, "matthews": 0.0, "pearson": 0.0, "spearman": 0.0}
ITEM_SCATTER = 1.5  # standard deviation of the logit over examples
DENSE, PRUNED = 1.2, 0.2  # mean logit of a right answer
NOISE = {DENSE: 0.6, PRUNED: 1.2}  # of a predicted number around the gold one, whose standard deviation is 1
SAME_NOISE = 0.7  # correlation of this noise between runs
LIKELIHOODS = {"likelihood, scatter 0.0": 0.0, "likelihood, scatter 0.2": 0.2}
BLIND, TOLD, LOST = (6, 0.2), (3, 0.1), (2, 0.05)  # shape and scale of gamma distributions, in bits per byte


def contrast_covered(name: str, seeds: int, replicates: int, study: int) -> Iterable[tuple[str, float]]:
    """Whether the interval of the claim `steeper_when_harder` contains the planted gap, and that of the old rule."""
    world = ladder(offsets(-GAP / 2, 0, GAP / 2), scatter=CONTRASTS[name])
    seen = evidence(world, seeds, study, replicates)
    found = next(steeper_when_harder.findings(seen))
    yield "new", float(found.low <= GAP <= found.high)
    block = Block(seen, seen.curves)
    levels = [block.tags.index(tag) for tag in found.levels]
    statistic = lambda m: (rank_contrast(3) @ (1 - block.retention(m)[:, levels]).mean(axis=1))[None]  # noqa: E731
    runs = [[Group((cell,)) for cell in group.cells] for group in block.groups]
    low, high = redrawn_limits(seen.scores, runs, statistic, study)
    yield "old", float(low[0] <= GAP <= high[0])


def redrawn_limits(
    scores: Scores, runs: Sequence[Sequence[Hashable]], statistic: Callable[[Array], Array], study: int
) -> tuple[Array, Array]:
    """The old rule: percentiles over draws of examples and, with replacement, of seeds. `runs` has a group for every
    score and seed."""
    seeds = len(runs[0])
    scores.add(run for groups in runs for run in groups)
    replicates = np.stack([scores.panel(groups).replicates for groups in runs])
    picks = np.random.default_rng(study).integers(0, seeds, (scores.replicates, seeds))
    drawn = np.take_along_axis(replicates, picks.T[None], axis=1).mean(axis=1)
    return tuple(np.nanquantile(statistic(drawn), [0.025, 0.975], axis=1))


def cell_covered(name: str, seeds: int, replicates: int, study: int) -> Iterable[tuple[str, float]]:
    """Whether the intervals of drop and retention of one cell contain their truth. For accuracy, also whether that of
    drop by the old rule does."""
    metric, scatter = CELLS[name]
    scores = Scores(_answers(metric, scatter, seeds, study).__getitem__, replicates)
    scores.add(["pruned", "dense"])
    row = effects(scores, "pruned", "dense", BASELINE[metric])
    dense, pruned = (true_score(metric, level, scatter) for level in (DENSE, PRUNED))
    truth = {"drop": dense - pruned, "retention": (pruned - BASELINE[metric]) / (dense - BASELINE[metric])}
    for effect, value in truth.items():
        low, high = (row[f"{effect}{end}"] for end in ("_low", "_high"))
        yield effect, float((low is None or low <= value) and (high is None or value <= high))
    if metric != "accuracy":
        return
    runs = [[(which, seed) for seed in range(seeds)] for which in ("dense", "pruned")]
    low, high = redrawn_limits(scores, runs, lambda m: (m[0] - m[1])[None], study)
    yield "drop, old", float(low[0] <= truth["drop"] <= high[0])


def likelihood_covered(name: str, seeds: int, replicates: int, study: int) -> Iterable[tuple[str, float]]:
    """Whether the interval of retention of a likelihood contains its truth, and that with a fixed baseline."""
    scatter = LIKELIHOODS[name]
    found = _likelihoods(scatter, seeds, study)
    scores, baseline = Scores(found.__getitem__, replicates), float(found["dense"].gold.mean())
    row = effects(scores, "pruned", "dense", baseline)
    truth = 1 - np.prod(LOST) * np.exp(scatter**2 / 2) / np.prod(TOLD)
    yield "drawn", float(row["retention_low"] <= truth <= row["retention_high"])
    fixed = scores.panel(["dense", "pruned"]).fit(lambda m: ((m[1] - baseline) / (m[0] - baseline))[None])
    low, high = fixed.limits()
    yield "fixed", float(low[0] <= truth <= high[0])


def _likelihoods(scatter: float, seeds: int, study: int) -> dict[Hashable, Answers]:
    """A text costs some bits per byte without its question. The question saves a part of them in the dense model, which
    depends on no seed. A pruned run loses some of that part, times a factor exp(scatter z) that is its own."""
    generator = np.random.default_rng(seed_for("planted likelihoods", scatter, seeds, study))
    blind, told = -generator.gamma(*BLIND, EXAMPLES), generator.gamma(*TOLD, EXAMPLES)
    lost = generator.gamma(*LOST, (seeds, EXAMPLES)) * np.exp(scatter * generator.standard_normal((seeds, 1)))
    given = {"dense": (blind + told)[None], "pruned": blind + told - lost}
    ids = tuple(f"likelihood-{study}-{n}" for n in range(EXAMPLES))
    return {
        which: Answers("log2_likelihood_per_byte", ids, blind, rows, tuple(range(len(rows))))
        for which, rows in given.items()
    }


def _answers(metric: str, scatter: float, seeds: int, study: int) -> dict[Hashable, Answers]:
    """Answers of the dense and the pruned runs, together and one by one. Dense and pruned runs are independent."""
    generator = np.random.default_rng(seed_for("planted coverage", metric, scatter, seeds, study))
    ids = tuple(f"{study}-{n}" for n in range(EXAMPLES))
    draw = _numbers if metric in ("pearson", "spearman") else _classes
    gold, given = draw(scatter, seeds, generator)
    found: dict[Hashable, Answers] = {}
    for which, rows in zip(("dense", "pruned"), given, strict=True):
        found[which] = Answers(metric, ids, gold, rows, tuple(range(seeds)))
        found |= {(which, seed): Answers(metric, ids, gold, rows[[seed]], (seed,)) for seed in range(seeds)}
    return found


def _classes(scatter: float, seeds: int, generator: np.random.Generator) -> tuple[Array, list[Array]]:
    """An answer is right with probability logistic(level + example + run); half of the gold answers are 1."""
    gold = generator.integers(0, 2, EXAMPLES)
    item = ITEM_SCATTER * generator.standard_normal(EXAMPLES)
    given = []
    for level in (DENSE, PRUNED):
        run = scatter * generator.standard_normal((seeds, 1))
        right = generator.random((seeds, EXAMPLES)) < expit(level + item + run)
        given.append(np.where(right, gold, 1 - gold))
    return gold, given


def _numbers(scatter: float, seeds: int, generator: np.random.Generator) -> tuple[Array, list[Array]]:
    """A number is the gold one plus normal noise, whose size differs from run to run by a factor exp(scatter z)."""
    gold, common = generator.standard_normal((2, EXAMPLES))
    given = []
    for level in (DENSE, PRUNED):
        own = generator.standard_normal((seeds, EXAMPLES))
        noise = np.sqrt(SAME_NOISE) * common + np.sqrt(1 - SAME_NOISE) * own
        given.append(gold + NOISE[level] * np.exp(scatter * generator.standard_normal((seeds, 1))) * noise)
    return gold, given


@cache
def true_score(metric: str, level: float, scatter: float) -> float:
    """Expected score over runs in a large evaluation set."""
    grid = ndtri((np.arange(400) + 0.5) / 400)
    if metric in ("pearson", "spearman"):
        pearson = 1 / np.hypot(1, NOISE[level] * np.exp(scatter * grid))
        return float(np.mean(pearson if metric == "pearson" else 6 / np.pi * np.arcsin(pearson / 2)))
    right = expit(level + ITEM_SCATTER * grid[:, None] + scatter * grid).mean()
    return float(2 * right - 1 if metric == "matthews" else right)  # F1 is the share right: classes are balanced
