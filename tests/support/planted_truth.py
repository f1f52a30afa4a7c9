"""Studies with planted truth: answers drawn with a known retention, as the evidence that claims read.

The facts behind the defaults were measured in the default study of this project: answers of two conditions correlate by
0.77, those of two seeds by 0.92, and those of two levels less the further apart they are. No files are involved.

Shapes: k conditions, l levels, s seeds, n examples.
"""

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from math import exp, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from junkdna.analysis.cell_answers import HALVES, Group
from junkdna.analysis.curves import Condition, Curve, Level
from junkdna.analysis.evidence import Evidence
from junkdna.analysis.scores import Answers, Scores
from junkdna.analysis.series import series_of
from junkdna.study.cell import Cell, Compression, parse_compression
from junkdna.study.claim_settings import ClaimSettings

Array = np.ndarray
SAME_EXAMPLE = 0.92  # correlation of latent answers of two seeds
SAME_CONDITION = 0.77  # correlation of latent answers of two conditions with the same examples
PRUNED = np.arange(0, 1.0, 0.1)
DISTANCE = np.array([0, 0.003, 0.01, 0.03, 0.08, 0.14, 0.3, 0.6, 1.1, 1.7])  # from dense; correlation is exp(-distance)
SMALLEST = 1e-4  # known share of a model that knows nothing


@dataclass(frozen=True)
class Planted:
    """One series of compressions: its true retention (k, l) at `levels` such as "0.5" or "4bit".

    `collapse` is the chance that a run of a level gives one answer for every example.
    """

    method: str
    levels: tuple[str, ...]
    retention: Array
    transfer: str = "sparse"
    collapse: float = 0.0

    @property
    def tags(self) -> tuple[str, ...]:
        """Tags of the levels."""
        return tuple(f"{self.method}-{level}" for level in self.levels)


@dataclass(frozen=True)
class World:
    """Conditions from easy to hard with the series planted in them.

    - `known`: known share (score - baseline) / (1 - baseline) of the dense models; `baseline`: of each condition.
    - `examples`: number for each condition; `disjoint`: each has its own, else all have the same.
    - `scatter`: standard deviation over runs of the probit of the known share. Its mean over runs is the planted one.
    - `same_luck`: correlation of this scatter between two levels of one condition and seed.
    - `tasks`: the conditions are tasks; else they are values of a knob of one task.
    """

    series: tuple[Planted, ...]
    known: tuple[float, ...]
    baseline: tuple[float, ...]
    examples: int = 500
    scatter: float = 0.1
    same_luck: float = 0.5
    disjoint: bool = False
    tasks: bool = False

    @property
    def conditions(self) -> list[Condition]:
        """The conditions."""
        names = range(len(self.known))
        return [Condition(f"task{at}") if self.tasks else Condition("planted", (("options", 2 + at),)) for at in names]


# ---- answers ---------------------------------------------------------------------------------------------------------


def right_answers(world: World, seeds: int, generator: np.random.Generator) -> tuple[list[Array], list[Array]]:
    """Right answers (k, s, n) of dense, then of each level of each series, and which runs collapsed (k, s)."""
    right, collapsed = [], []
    known = np.array(world.known)
    dense = _Branch(world, seeds, generator)
    luck = generator.standard_normal((len(known), seeds))
    right.append(dense.right(known, luck))
    collapsed.append(np.zeros((len(known), seeds), bool))
    for planted in world.series:
        branch = copy(dense)
        for at, (tag, loss) in enumerate(zip(planted.tags, 1 - planted.retention.mean(axis=0), strict=True)):
            branch.move_to(_distance(tag, loss))
            answers = branch.right(known * planted.retention[:, at], luck)
            gone = generator.random((len(known), seeds)) < planted.collapse
            right.append(np.where(gone[..., None], _constant(world)[:, None], answers))
            collapsed.append(gone)
    return right, collapsed


def _distance(tag: str, loss: float) -> float:
    """How far a level is from dense; quantized models as far as pruned ones that lose as much."""
    sparsity = parse_compression(tag).nominal_sparsity
    return float(np.interp(sparsity if sparsity else 0.4 + 0.5 * np.clip(loss, 0, 1), PRUNED, DISTANCE))


def _constant(world: World) -> Array:
    """Right answers (k, n) of a model that always answers the same, whose score is the baseline."""
    right = np.round(np.array(world.baseline) * world.examples)
    spread = np.random.default_rng(0).permutation(world.examples)  # so that both halves of the examples have their part
    return spread < right[:, None]


class _Branch:
    """Latent normal variables (k, s, n) of a chain of models. An answer is right where its variable is below the
    quantile of the model's score."""

    def __init__(self, world: World, seeds: int, generator: np.random.Generator) -> None:
        self.world, self.seeds, self.generator = world, seeds, generator
        self.at, self.latent = 0.0, self._fresh()

    def move_to(self, distance: float) -> None:
        """Change to a model at a distance from dense: the correlation with the present one is exp(-change)."""
        same = exp(-abs(distance - self.at))
        self.at, self.latent = distance, same * self.latent + sqrt(1 - same**2) * self._fresh()

    def right(self, known: Array, luck: Array) -> Array:
        """Right answers, given the known share (k,) on average over runs and the luck (k, s) of the runs' seeds."""
        world, scatter = self.world, self.world.scatter
        own = self.generator.standard_normal(luck.shape)
        both = sqrt(world.same_luck) * luck + sqrt(1 - world.same_luck) * own
        middle = ndtri(np.clip(known, SMALLEST, 1 - SMALLEST))[:, None] * np.hypot(1, scatter)
        baseline = np.array(world.baseline)[:, None]
        score = baseline + (1 - baseline) * ndtr(middle + scatter * both)
        return self.latent < ndtri(score).astype(np.float32)[..., None]

    def _fresh(self) -> Array:
        shared = self._noise(1)
        return sqrt(SAME_EXAMPLE) * shared + sqrt(1 - SAME_EXAMPLE) * self._noise(self.seeds)

    def _noise(self, runs: int) -> Array:
        """Noise (k, runs, n), correlated over conditions unless each has its own examples."""
        shape = (len(self.world.known), runs, self.world.examples)
        own = self.generator.standard_normal(shape, np.float32)
        if self.world.disjoint or self.world.tasks:
            return own
        common = self.generator.standard_normal((1, *shape[1:]), np.float32)
        return sqrt(SAME_CONDITION) * common + sqrt(1 - SAME_CONDITION) * own


# ---- evidence --------------------------------------------------------------------------------------------------------


def evidence(
    world: World, seeds: int, study: int, replicates: int = 1000, settings: ClaimSettings | None = None
) -> Evidence:
    """One study of the world with so many seeds. `study` selects its answers and its bootstrap draws."""
    right, collapsed = right_answers(world, seeds, np.random.default_rng([study, seeds, len(world.known)]))
    answers: dict[Group, Answers] = {}
    gone: set[Cell] = set()
    for at, condition in enumerate(world.conditions):
        owner = at if world.disjoint or world.tasks else 0
        ids = tuple(f"{study}-{owner}-{n}" for n in range(world.examples))
        groups = [group for groups in _groups(world, condition, seeds).values() for group in groups]
        for group, given, lost in zip(groups, right, collapsed, strict=True):
            answers[group] = Answers(
                "accuracy", ids, np.ones(len(ids)), given[at].astype(float), tuple(cell.seed for cell in group.cells)
            )
            gone.update(cell for cell, bad in zip(group.cells, lost[at], strict=True) if bad)
    scores = Scores(_Reader(answers), replicates)
    scores.add(answers)  # together, so that each evaluation set is drawn once
    return Evidence(
        "planted", tuple(_curves(world, seeds)), scores, settings or ClaimSettings(),
        "auto", frozenset(gone), setting_label=lambda curve: f"{curve.series.method} {curve.transfer}",
    )  # fmt: skip


class _Reader:
    """Answers of groups, of their halves, and of groups without their collapsed cells."""

    def __init__(self, answers: Mapping[Group, Answers]) -> None:
        self.of_cell = {cell: (found, row) for group, found in answers.items() for row, cell in enumerate(group.cells)}

    def __call__(self, group: Group) -> Answers:
        found = self.of_cell[group.cells[0]][0]
        rows = [self.of_cell[cell][1] for cell in group.cells]
        half = np.arange(len(found.ids)) % 2 == HALVES.index(group.subset) if group.subset else None
        return replace(found, given=found.given[rows], seeds=tuple(cell.seed for cell in group.cells), subset=half)


def _groups(world: World, condition: Condition, seeds: int) -> dict[str, list[Group]]:
    """The dense group, then those of each series."""
    first = world.series[0]
    mode = "none" if first.transfer == "none" else "dense"
    found = {"dense": [_group(condition, Compression(), mode, seeds)]}
    for planted in world.series:
        groups = [_group(condition, parse_compression(tag), planted.transfer, seeds) for tag in planted.tags]
        found[f"{planted.method} {planted.transfer}"] = groups
    return found


def _group(condition: Condition, compression: Compression, transfer: str, seeds: int) -> Group:
    make = lambda seed: Cell("model", condition.task, condition.knobs, compression, transfer, "default", seed)  # noqa: E731
    return Group(tuple(make(seed) for seed in range(seeds)))


def _curves(world: World, seeds: int) -> list[Curve]:
    found = []
    for at, condition in enumerate(world.conditions):
        groups = _groups(world, condition, seeds)
        for planted in world.series:
            levels = zip(planted.tags, groups[f"{planted.method} {planted.transfer}"], strict=True)
            found.append(_curve(world, at, condition, planted, groups["dense"][0], [*levels]))
    return found


def _curve(
    world: World, at: int, condition: Condition, planted: Planted, dense: Group, levels: Sequence[tuple[str, Group]]
) -> Curve:
    return Curve(
        model="model", condition=condition, series=series_of(planted.tags[0]), transfer=planted.transfer,
        protocol="default", metric="accuracy", labeled=False, knobs=condition.knobs, dense=dense,
        levels=tuple(_level(tag, group) for tag, group in levels), chance=world.baseline[at],
        majority=world.baseline[at],
    )  # fmt: skip


def _level(tag: str, group: Group) -> Level:
    compression = parse_compression(tag)
    sparsity = compression.nominal_sparsity
    return Level(tag, sparsity, 16 * (1 - sparsity) if sparsity else float(compression.value), group)
