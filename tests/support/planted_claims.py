"""Worlds in which a claim is false, just at the margin, or true by a known amount, and its verdict on drawn studies.

`NULLS` are worlds in which the claim must not be supported, `TRUTHS` worlds in which it should be. Each is drawn from a
generator, so that tasks may differ from study to study.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from planted_truth import Planted, World, evidence
from published_worlds import COLA, MNLI_DATA, QNLI, QNLI_DATA, QQP, RTE, SST2, SST2_DATA, STSB

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
THREE = np.array([-0.5, 0, 0.5])[:, None]  # conditions from the easiest to the hardest
PAIRS = np.repeat([-0.5, 0.5], 5)[:, None]  # five easy tasks, then their five hard ones


@dataclass(frozen=True)
class Scenario:
    """A claim and the worlds to test it on. `which` is the position of the finding among those of the experiment,
    -1 is the last."""

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


def quantized(gap: float | Array, quantized_gap: float | Array, lost: float, side: Array = THREE) -> World:
    """Conditions whose hardest loses `gap` more under pruning and `quantized_gap` more under quantization, which loses
    `lost` on average. Pruning has the bits of 8, 4 and 3 bits between its levels. `side` is a condition's place between
    the easiest (-0.5) and the hardest (0.5)."""
    pruned = 1 - np.array([0.25, 0.35, 0.55, 0.6]) - gap * side
    return _on_sides(
        side,
        Planted("magnitude", ("0.4", "0.5", "0.75", "0.85"), pruned),
        Planted("rtn", ("8bit", "4bit", "3bit"), np.repeat(1 - lost - quantized_gap * side, 3, 1)),
    )


def controlled(control: Array, gap: float = 0.25, side: Array = THREE) -> World:
    """Magnitude pruning, of which the hardest condition loses `gap` more, and random pruning that keeps `control`."""
    lost = np.array([0.05, 0.15, 0.3, 0.5, 0.7, 0.85])
    gaps = np.minimum(1, lost / 0.15) * gap
    return _on_sides(
        side,
        Planted("magnitude", LEVELS, 1 - lost - gaps * side),
        Planted("random", LEVELS[: control.shape[1]], control),
    )


def _on_sides(side: Array, *series: Planted) -> World:
    """Three conditions of a task, or pairs of tasks, of which dense knows the less the harder they are."""
    known = 0.65 - 0.3 * side[:, 0]
    return World(series, tuple(known), (FOUR_OPTIONS,) * len(side), tasks=len(side) > len(THREE))


def control(gap: float | Array, side: Array = THREE) -> Array:
    """Retention (k, l) under random pruning, which loses more; the hardest condition loses `gap` more."""
    return 1 - np.array([0.2, 0.4, 0.6, 0.75]) - gap * side


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


def paired_control(effect: float, deviation: float) -> Callable[[np.random.Generator], World]:
    """Five pairs. Their gap is 0.25 under magnitude pruning, and smaller under a control by an amount that differs from
    pair to pair."""
    return lambda generator: controlled(control(0.25 - _drawn(generator, effect, deviation), PAIRS), side=PAIRS)


def paired_bits(
    gap: float, quantized_gap: float, deviation: float, lost: float = 0.4
) -> Callable[[np.random.Generator], World]:
    """Five pairs, whose gaps under pruning and under quantization differ from pair to pair."""

    def make(generator: np.random.Generator) -> World:
        gaps = [_drawn(generator, mean, deviation) for mean in (gap, quantized_gap)]
        return quantized(*gaps, lost, PAIRS)

    return make


def _drawn(generator: np.random.Generator, mean: float, deviation: float) -> Array:
    """A gap for each pair, as (10, 1): that of both of its tasks."""
    each = np.clip(mean + deviation * generator.standard_normal(len(PAIRS) // 2), -0.4, 0.6)
    return np.tile(each, 2)[:, None]


def untrained(world: World) -> World:
    """The same truth in models that are not trained after pruning and depend on no seed: one run is all there is, and
    none collapses by chance."""
    methods = {"random": "largest"}  # masks of the largest weights do not depend on the seed
    series = [
        replace(planted, transfer="none", collapse=0.0, method=methods.get(planted.method, planted.method))
        for planted in world.series
    ]
    return replace(world, series=tuple(series), scatter=0.0)


def _fixed(world: World) -> Callable[[np.random.Generator], World]:
    return lambda generator: world


def _one(kept: Array, known: float, baseline: float, examples: int = 872) -> Scenario:
    world = curve(*kept, known=known, baseline=(baseline,), examples=examples, scatter=0.05, levels=NINE)
    return Scenario("monotone", _fixed(world))


def _steep(kept: Array, **fields: object) -> Scenario:
    return Scenario("steeper_when_harder", _fixed(ladder(kept, **fields)))


def _small_of_pairs(effect: float, deviation: float) -> Scenario:
    return Scenario("small_weights_specific", paired_control(effect, deviation), which=-1, pairs=5)


def _bits_of_pairs(gap: float, quantized_gap: float, deviation: float, lost: float = 0.4) -> Scenario:
    """The mean at matched bits comes after its five pairs."""
    return Scenario("not_in_quantization", paired_bits(gap, quantized_gap, deviation, lost), which=5, pairs=5)


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
    "C4 five pairs, quantization half as steep": _bits_of_pairs(0.3, 0.15, 0.1),
    "C4 five pairs, pruning at the margin": _bits_of_pairs(0.05, -0.3, 0.1),
    "C5 same trade-off": Scenario("small_weights_specific", _fixed(controlled(control(0.25)))),
    "C5 at the margin": Scenario("small_weights_specific", _fixed(controlled(control(0.20)))),
    "C5 control at its baseline": Scenario("small_weights_specific", _fixed(controlled(np.zeros((3, 4))))),
    "C5 five pairs, same trade-off": _small_of_pairs(0, 0.1),
    "C5 five pairs at the margin": _small_of_pairs(0.05, 0.1),
    "C5 five pairs at the margin, all alike": _small_of_pairs(0.05, 0),
}

TRUTHS: dict[str, Scenario] = {
    "C1 SST-2": _one(SST2, 0.9, 0.5),
    "C1 STS-B": _one(STSB, 0.9, 0.02),
    "C1 CoLA": _one(COLA, 0.65, 0.02),
    "C1 QQP": _one(QQP, 0.78, 0.63),
    "C1 QNLI": _one(QNLI, 0.88, 0.5),
    "C1 RTE, n = 277": _one(RTE, 0.66, 0.525, 277),
    "C1 mean of 3 curves": Scenario("monotone", _fixed(ladder(offsets(0, 0.05, 0.1))), which=-1),
    **{
        f"C2 data fraction, {name}, n = 872": _steep(
            kept, levels=NINE, known=(known,) * 5, baseline=(baseline,) * 5, examples=872
        )
        for name, kept, known, baseline in (
            ("QNLI", QNLI_DATA, 0.86, 0.5), ("SST-2", SST2_DATA, 0.9, 0.5), ("MNLI", MNLI_DATA, 0.82, 1 / 3)
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
    "C4 five pairs, gap 0.2, quantization loses nothing": _bits_of_pairs(0.2, 0, 0.05, 0),
    "C4 five pairs, gap 0.3, quantization loses 0.3": _bits_of_pairs(0.3, 0, 0.1, 0.3),
    "C5 control flat": Scenario("small_weights_specific", _fixed(controlled(control(0)))),
    "C5 control weaker by 0.10": Scenario("small_weights_specific", _fixed(controlled(control(0.15)))),
    "C5 five pairs, control flat": _small_of_pairs(0.25, 0),
    "C5 five pairs, 0.20 on average": _small_of_pairs(0.2, 0.1),
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
    found = (module.study_findings if scenario.pairs else module.findings)(seen)
    return [*found][-1] if scenario.which < 0 else next(islice(found, scenario.which, None))


def verdict(name: str, seeds: int, study: int, replicates: int = 1000) -> str:
    """Its verdict, without other findings to correct for."""
    return decide([replace(finding(name, seeds, study, replicates), primary=True)])[0].verdict
