"""Worlds in which a claim is false, just at the margin, or true by a known amount, and its verdict on drawn studies.

`NULLS` are worlds in which the claim must not be supported, `TRUTHS` worlds in which it should be. Each is drawn from a
generator, so that tasks may differ from study to study.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from planted_truth import Planted, World, evidence

from junkdna.analysis.claim_catalog import load
from junkdna.analysis.findings import Finding, decide
from junkdna.seeds import seed_for
from junkdna.study.claim_settings import ClaimSettings

Array = np.ndarray
LEVELS = ("0.2", "0.4", "0.5", "0.6", "0.7", "0.8")
NINE = tuple(f"0.{at}" for at in range(1, 10))
KEPT = np.array([0.97, 0.87, 0.75, 0.6, 0.42, 0.25])  # retention at LEVELS
LOSS = 1 - KEPT
FOUR_OPTIONS = 0.25


@dataclass(frozen=True)
class Scenario:
    """A claim and the worlds to test it on. `which` is the position of the finding among those of the experiment."""

    claim: str
    make: Callable[[np.random.Generator], World]
    which: int = 0
    pairs: int = 0


def offsets(*steps: float) -> Array:
    """Retention (k, l) of conditions that lose `LOSS` and, at every level, as much more."""
    return KEPT - np.array(steps)[:, None]


def ladder(kept: Array, **fields: object) -> World:
    """Conditions of one task, with `kept` as their retention under magnitude pruning."""
    k = len(kept)
    given = {"known": tuple(np.linspace(0.8, 0.5, k)), "baseline": (FOUR_OPTIONS,) * k} | fields
    planted = Planted("magnitude", given.pop("levels", LEVELS), np.asarray(kept), collapse=given.pop("collapse", 0.0))
    return World((planted,), **given)


def curve(*kept: float, known: float = 0.8, **fields: object) -> World:
    """One condition."""
    return ladder(np.array([kept]), known=(known,), **fields)


def recovery(kept: float, collapse: float = 0.0, **fields: float) -> World:
    """One condition of which `sparse` loses at least 0.2 and `sparse_to_dense` keeps `kept`."""
    levels = LEVELS[2:]
    return World(
        (
            Planted("magnitude", levels, np.array([[0.8, 0.65, 0.5, 0.3]])),
            Planted("magnitude", levels, np.full((1, 4), kept), "sparse_to_dense", collapse),
        ),
        known=(0.6,), baseline=(FOUR_OPTIONS,), **fields,
    )  # fmt: skip


def quantized(gap: float, quantized_gap: float, lost: float) -> World:
    """Three conditions whose hardest loses `gap` more under pruning and `quantized_gap` more under quantization, which
    loses `lost` on average. Pruning has the bits of 8, 4 and 3 bits between its levels."""
    side = np.array([-0.5, 0, 0.5])[:, None]
    pruned = 1 - np.array([0.25, 0.35, 0.55, 0.6]) - gap * side
    return World(
        (
            Planted("magnitude", ("0.4", "0.5", "0.75", "0.85"), pruned),
            Planted("rtn", ("8bit", "4bit", "3bit"), np.repeat(1 - lost - quantized_gap * side, 3, 1)),
        ),
        known=(0.8, 0.65, 0.5), baseline=(FOUR_OPTIONS,) * 3,
    )  # fmt: skip


def controlled(control: Array, gap: float = 0.25) -> World:
    """Magnitude pruning, of which the hardest condition loses `gap` more, and random pruning that keeps `control`."""
    side = np.array([-0.5, 0, 0.5])[:, None]
    lost = np.array([0.05, 0.15, 0.3, 0.5, 0.7, 0.85])
    gaps = np.minimum(1, lost / 0.15) * gap
    return World(
        (
            Planted("magnitude", LEVELS, 1 - lost - gaps * side),
            Planted("random", LEVELS[: control.shape[1]], control),
        ),
        known=(0.8, 0.65, 0.5), baseline=(FOUR_OPTIONS,) * 3,
    )  # fmt: skip


def control(gap: float) -> Array:
    """Retention (3, l) under random pruning, which loses more; the hardest condition loses `gap` more."""
    return 1 - np.array([0.2, 0.4, 0.6, 0.75]) - gap * np.array([-0.5, 0, 0.5])[:, None]


def task_world(k: int, gap: float, noise: float, unrelated: bool = False) -> Callable[[np.random.Generator], World]:
    """`k` tasks with their own examples, whose losses rise by `gap` from the easiest to the hardest, with a standard
    deviation of `noise` over tasks. In unrelated ones, difficulty is drawn too."""

    def make(generator: np.random.Generator) -> World:
        hard = generator.random(k) if unrelated else np.linspace(0, 1, k)
        lost = gap * (np.linspace(0, 1, k) - 0.5) + noise * generator.standard_normal(k)
        kept = 1 - np.array([0.25, 0.4, 0.55]) - np.clip(lost, -0.25, 0.4)[:, None]
        return ladder(kept, known=tuple(0.8 - 0.5 * hard), tasks=True, levels=LEVELS[2:5])

    return make


def paired_world(mean: float, deviation: float, pairs: int = 5) -> Callable[[np.random.Generator], World]:
    """Pairs of tasks, first the easy ones, then the hard ones, which lose more, by a different amount in each study."""

    def make(generator: np.random.Generator) -> World:
        gap = np.clip(mean + deviation * generator.standard_normal(pairs), -0.4, 0.8)[:, None]
        base = np.array([0.3, 0.45, 0.6])
        kept = 1 - np.concatenate([base - gap / 2, base + gap / 2])
        known = (0.8,) * pairs + (0.5,) * pairs
        return ladder(kept, known=known, tasks=True, levels=LEVELS[2:5])

    return make


def untrained(world: World) -> World:
    """The same truth in models that are not trained after pruning and depend on no seed: one run is all there is, and
    none collapses by chance."""
    methods = {"random": "largest"}  # masks of the largest weights do not depend on the seed
    series = [
        replace(planted, transfer="none", collapse=0.0, method=methods.get(planted.method, planted.method))
        for planted in world.series
    ]
    return replace(world, series=tuple(series), scatter=0.0)


def _published(percent: Sequence, dense: float, baseline: float) -> Array:
    """Retention of a published curve in percent of the dense score."""
    return (np.array(percent) / 100 * dense - baseline) / (dense - baseline)


# Approximate curves of arXiv 2310.02277 (RoBERTa-large), percent of dense at 10 to 90 % pruned. Dense scores and
# baselines are not published with them; these are usual ones.
_SST2 = _published((99.8, 99.9, 99.3, 99.1, 96.7, 94.0, 92.7, 87.8, 79.7), 0.95, 0.5)
_COLA = np.array([0.949, 0.99, 0.962, 0.93, 0.879, 0, 0, 0, 0])
_QQP = _published((99.7, 100.3, 100.2, 100, 99.7, 99.3, 97.5, 94.3, 83.1), 0.92, 0.63)
_STSB = np.array([0.997, 0.996, 0.99, 0.986, 0.972, 0.924, 0.077, 0.087, 0.069])
_QNLI = _published((99.8, 99.9, 99.6, 99.5, 97.0, 97.5, 92.8, 63.3, 63.1), 0.94, 0.5)
_RTE = _published((94.2, 92.3, 83.1, 62.5, 62.5, 62.5, 62.5, 62.5, 62.5), 0.84, 0.525)
# 100, 70, 50, 25 and 10 % of the training data
_QNLI_DATA = _published([
    (100, 100, 99.7, 98.1, 95.9, 91.9, 89.1, 76.8, 54.5), (100, 100, 99.4, 98.1, 95.7, 91.3, 88.6, 67.2, 53.5),
    (100, 99.9, 99.3, 97.0, 94.2, 91.0, 86.3, 65.9, 54.9), (100, 99.8, 98.4, 96.1, 93.3, 90.3, 80.1, 65.1, 55.6),
    (100, 99.7, 97.2, 94.9, 91.3, 76.7, 68.2, 60.3, 55.6),
], 0.93, 0.5)  # fmt: skip
_SST2_DATA = _published([
    (100, 99.7, 99.3, 98.8, 97.8, 94.2, 90.4, 85.8, 53.8), (100, 99.6, 99.3, 98.5, 97.3, 93.2, 89.4, 84.6, 53.9),
    (100, 99.6, 99.1, 97.7, 97.1, 92.0, 87.8, 84.4, 54.2), (100, 99.4, 98.4, 97.6, 95.4, 88.0, 85.4, 68.0, 54.3),
    (100, 98.8, 98.0, 94.4, 89.4, 85.7, 83.6, 54.9, 54.9),
], 0.95, 0.5)  # fmt: skip
_MNLI_DATA = _published([
    (100, 100.3, 99.7, 98.9, 98.0, 91.0, 87.0, 77.8, 36.9), (100, 100, 99.4, 98.8, 96.8, 91.3, 86.0, 75.7, 40.3),
    (100, 100, 99.6, 98.7, 96.2, 88.9, 83.7, 68.7, 37.9), (100, 99.4, 98.9, 97.7, 92.6, 82.1, 80.2, 53.9, 38.2),
    (100, 99.4, 98.4, 96.7, 88.9, 79.3, 72.1, 47.1, 38.9),
], 0.88, 1 / 3)  # fmt: skip


def _fixed(world: World) -> Callable[[np.random.Generator], World]:
    return lambda generator: world


def _one(kept: Array, known: float, baseline: float, examples: int = 872) -> Scenario:
    world = curve(*kept, known=known, baseline=(baseline,), examples=examples, scatter=0.05, levels=NINE)
    return Scenario("monotone", _fixed(world))


def _steep(kept: Array, **fields: object) -> Scenario:
    return Scenario("steeper_when_harder", _fixed(ladder(kept, **fields)))


_EQUAL = offsets(0, 0, 0)
_ONE_RISE = (0.95, 0.85, 0.6)

NULLS: dict[str, Scenario] = {
    "C2 equal retention": _steep(_EQUAL),
    "C2 at the margin": _steep(offsets(-0.025, 0, 0.025)),
    "C2 at the margin, n = 2,000, scatter 0.03": _steep(offsets(-0.025, 0, 0.025), examples=2000, scatter=0.03),
    "C2 at the margin, scatter 0.3, much of it alike at all levels": _steep(
        offsets(-0.025, 0, 0.025), scatter=0.3, same_luck=0.9
    ),
    "C2 own examples of each condition, n = 150": _steep(_EQUAL, disjoint=True, examples=150),
    "C2 hard dense near its baseline": _steep(_EQUAL, known=(0.8, 0.4, 0.12)),
    "C2 middle worst by 0.12": _steep(offsets(-0.1, 0.12, 0)),
    "C2 0.1 of runs collapse": _steep(_EQUAL, collapse=0.1),
    "C2 0.3 of runs collapse": _steep(_EQUAL, collapse=0.3),
    "C2 options, chance falls": _steep(_EQUAL, baseline=(1 / 2, 1 / 3, 1 / 4), known=(0.6,) * 3),
    "C2 scatter 0.3": _steep(_EQUAL, scatter=0.3),
    **{
        f"C2 {k} tasks unrelated to difficulty": Scenario("steeper_when_harder", task_world(k, 0, 0.1, unrelated=True))
        for k in (5, 8)
    },
    "C2 8 tasks at the margin": Scenario("steeper_when_harder", task_world(8, 0.05, 0.1)),
    "C2 five pairs at the margin": Scenario("steeper_when_harder", paired_world(0.05, 0.14), which=-1, pairs=5),
    "C1 rise 0.10 (its margin)": Scenario("monotone", _fixed(curve(*_ONE_RISE, 0.7, 0.4, 0.2))),
    "C1 rise 0.20": Scenario("monotone", _fixed(curve(*_ONE_RISE, 0.8, 0.4, 0.2))),
    "C1 flat": Scenario("monotone", _fixed(curve(*(1.0,) * 6))),
    "C3 recovered, 0.3 of runs collapse": Scenario("irreversible", _fixed(recovery(1.0, 0.3))),
    "C3 recovered, 0.6 of runs collapse": Scenario("irreversible", _fixed(recovery(1.0, 0.6))),
    "C3 at the margin": Scenario("irreversible", _fixed(recovery(0.95))),
    "C4 quantization half as steep": Scenario("not_in_quantization", _fixed(quantized(0.3, 0.15, 0.3))),
    "C5 same trade-off": Scenario("small_weights_specific", _fixed(controlled(control(0.25)))),
    "C5 at the margin": Scenario("small_weights_specific", _fixed(controlled(control(0.20)))),
    "C5 control at its baseline": Scenario("small_weights_specific", _fixed(controlled(np.zeros((3, 4))))),
}

TRUTHS: dict[str, Scenario] = {
    "C1 SST-2": _one(_SST2, 0.9, 0.5),
    "C1 STS-B": _one(_STSB, 0.9, 0.02),
    "C1 CoLA": _one(_COLA, 0.65, 0.02),
    "C1 QQP": _one(_QQP, 0.78, 0.63),
    "C1 QNLI": _one(_QNLI, 0.88, 0.5),
    "C1 RTE, n = 277": _one(_RTE, 0.66, 0.525, 277),
    "C1 mean of 3 curves": Scenario("monotone", _fixed(ladder(offsets(0, 0.05, 0.1))), which=-1),
    **{
        f"C2 data fraction, {name}, n = 872": _steep(
            kept, levels=NINE, known=(known,) * 5, baseline=(baseline,) * 5, examples=872
        )
        for name, kept, known, baseline in (
            ("QNLI", _QNLI_DATA, 0.86, 0.5), ("SST-2", _SST2_DATA, 0.9, 0.5), ("MNLI", _MNLI_DATA, 0.82, 1 / 3)
        )
    },
    **{f"C2 gap {gap:.2f}": _steep(offsets(-gap / 2, 0, gap / 2)) for gap in (0.15, 0.20, 0.30)},
    **{
        f"C2 {k} tasks, gap {gap:.2f}": Scenario("steeper_when_harder", task_world(k, gap, 0.1))
        for k in (5, 10)
        for gap in (0.35, 0.5)
    },
    "C2 five pairs, 0.32 on average": Scenario("steeper_when_harder", paired_world(0.32, 0.14), which=-1, pairs=5),
    "C3 keeps 0.70": Scenario("irreversible", _fixed(recovery(0.7))),
    "C3 keeps 0.70, scatter 0.3, alike at all levels": Scenario(
        "irreversible", _fixed(recovery(0.7, scatter=0.3, same_luck=0.95))
    ),
    "C3 keeps 0.70, 0.3 of runs collapse": Scenario("irreversible", _fixed(recovery(0.7, 0.3))),
    "C3 keeps 0.85": Scenario("irreversible", _fixed(recovery(0.85))),
    "C4 gap 0.2, quantization loses nothing": Scenario("not_in_quantization", _fixed(quantized(0.2, 0, 0))),
    "C4 gap 0.3, quantization loses 0.3": Scenario("not_in_quantization", _fixed(quantized(0.3, 0, 0.3))),
    "C5 control flat": Scenario("small_weights_specific", _fixed(controlled(control(0)))),
    "C5 control weaker by 0.10": Scenario("small_weights_specific", _fixed(controlled(control(0.15)))),
}  # fmt: skip


def finding(name: str, seeds: int, study: int, replicates: int = 1000) -> Finding:
    """The finding of one drawn study of a scenario of `NULLS` or `TRUTHS`; with one seed, of untrained models.

    Irreversibility is a claim about training and has no finding with one seed.
    """
    scenario = (NULLS | TRUTHS)[name]
    world = scenario.make(np.random.default_rng(seed_for("planted world", name, study)))
    world = untrained(world) if seeds == 1 else world
    module, settings = load(scenario.claim), ClaimSettings()
    if scenario.pairs:
        sides = [(f"task{at}", f"task{scenario.pairs + at}") for at in range(scenario.pairs)]
        settings = ClaimSettings(pairs=[{"easy": easy, "hard": hard} for easy, hard in sides])
    seen = evidence(world, seeds, study, replicates, settings)
    return [*(module.study_findings if scenario.pairs else module.findings)(seen)][scenario.which]


def verdict(name: str, seeds: int, study: int, replicates: int = 1000) -> str:
    """Its verdict, without other findings to correct for."""
    return decide([replace(finding(name, seeds, study, replicates), primary=True)])[0].verdict
