"""Limits and p-values against a second implementation on random panels, and q-values against SciPy."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy import stats

from junkdna.analysis.draws import Draws
from junkdna.analysis.findings import false_discovery_q
from junkdna.analysis.retention import retention
from junkdna.analysis.scores import Answers, Scores

REPLICATES = 400
ONE_REPLICATE = 1.1 / REPLICATES  # replicates have few different values, and rounding moves one past another
Array = np.ndarray


@pytest.fixture(scope="module")
def engine(shared: Path) -> ModuleType:
    """The reference engine of the statistical design; skips if it is not available."""
    path = shared / "inference" / "engine.py"
    if not path.exists():
        pytest.skip("needs ../shared/inference/engine.py, which is not there")
    spec = importlib.util.spec_from_file_location("reference_engine", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ids(block: int, n: int, draw: int) -> tuple[str, ...]:
    return tuple(f"{draw}-{block}-{at}" for at in range(n))


def blocks_of(rng: np.random.Generator, seeds: int, dense: float) -> list[Array]:
    """Two evaluation sets of three cells each, of which the first is dense, as right answers (cells, seeds, n)."""
    score = np.array([dense, rng.uniform(0.3, 0.8), rng.uniform(0.2, 0.7)])[:, None, None]
    luck = rng.normal(0, 0.05, (2, 3, seeds, 1))
    return [(rng.random((3, seeds, n)) < score + luck[at]).astype(float) for at, n in enumerate((90, 130))]


def scores_of(blocks: list[Array], draw: int, use: list[Array] | None = None) -> Scores:
    answers = {}
    for at, block in enumerate(blocks):
        for cell, rows in enumerate(block):
            runs = np.flatnonzero(use[at][cell]) if use else np.arange(len(rows))
            names = ids(at, block.shape[2], draw)
            answers[at, cell] = Answers("accuracy", names, np.ones(len(names)), rows[runs], tuple(map(int, runs)))
    return Scores(answers.__getitem__, REPLICATES)


def reference_panel(engine: ModuleType, blocks: list[Array], draw: int, use: list[Array] | None = None) -> object:
    counts = []
    for at, block in enumerate(blocks):
        n = block.shape[2]
        drawn = Draws(ids(at, n, draw), REPLICATES).blocks()
        counts.append(np.concatenate([part for _, part in drawn]) / np.float32(n))
    return engine.Panel(blocks, counts, use)


def contrast(m: Array) -> Array:
    """Difference of retention between the two sets at two levels, and one score; m is (6, r)."""
    kept = retention(m.reshape(2, 3, -1), np.array([0.25, 0.2]))
    return np.concatenate([kept[1] - kept[0], m[1:2]])


def transposed(m: Array) -> Array:
    """The same for the reference, whose scores have the shape (r, 6) or (6,)."""
    return contrast(m.T.reshape(6, -1)).T.reshape(*m.shape[:-1], 3)


def agree(ours: object, theirs: object) -> None:
    assert ours.estimate == pytest.approx(theirs.e, abs=1e-9)
    for confidence in (0.5, 0.9, 0.95, 0.99):
        for mine, other in zip(ours.limits(confidence), theirs.limits(confidence), strict=True):
            assert mine == pytest.approx(other, rel=1e-5, abs=2e-6)
    for bound in (-0.3, 0.0, 0.05, 0.45):
        assert ours.p_above(bound) == pytest.approx(theirs.p_above(bound), abs=ONE_REPLICATE)
        assert ours.p_below(bound) == pytest.approx(theirs.p_below(bound), abs=ONE_REPLICATE)


@pytest.mark.shared
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("draw", range(4))
def test_limits_and_p_values_are_those_of_the_reference(engine: ModuleType, seeds: int, draw: int) -> None:
    blocks = blocks_of(np.random.default_rng([draw, seeds]), seeds, 0.8)
    panel = scores_of(blocks, draw).panel([(at, cell) for at in range(2) for cell in range(3)])
    agree(panel.fit(contrast), engine.Fit(transposed, reference_panel(engine, blocks, draw)))


@pytest.mark.shared
@pytest.mark.parametrize("seeds", [1, 3])
def test_undefined_replicates_count_against_both_limits(engine: ModuleType, seeds: int) -> None:
    """Dense is so near its baseline that retention is undefined in a part of the replicates, in some draws in the
    tails alone and in some in more than 2.5 % of them."""
    unbounded = 0
    for draw in range(8):
        blocks = blocks_of(np.random.default_rng([draw, seeds, 9]), seeds, 0.27 + 0.03 * draw)
        panel = scores_of(blocks, draw).panel([(at, cell) for at in range(2) for cell in range(3)])
        fit = panel.fit(contrast)
        if np.isfinite(fit.estimate).all():
            agree(fit, engine.Fit(transposed, reference_panel(engine, blocks, draw)))
            unbounded += int(np.isinf(fit.limits()[0]).any())
    assert unbounded >= 2


@pytest.mark.shared
def test_runs_left_out_are_left_out_of_their_cells_alone(engine: ModuleType) -> None:
    blocks = blocks_of(np.random.default_rng(5), 4, 0.8)
    use = [np.ones((3, 4), bool), np.ones((3, 4), bool)]
    use[0][1, 2] = use[1][2, 0] = use[1][2, 3] = False
    panel = scores_of(blocks, 5, use).panel([(at, cell) for at in range(2) for cell in range(3)])
    theirs = engine.Fit(transposed, reference_panel(engine, blocks, 5, use))
    theirs.S = 2  # theirs takes the t of all four seeds, although a cell has two
    agree(panel.fit(contrast), theirs)


def test_a_deterministic_cell_counts_for_every_seed() -> None:
    """Even if its only run has the number of a seed of the others, as runs that depend on no seed do."""
    rng = np.random.default_rng(0)
    names, gold = ids(0, 200, 0), np.ones(200)
    runs = (rng.random((3, 200)) < 0.5).astype(float)
    dense = (rng.random((1, 200)) < 0.8).astype(float)
    answers = {
        "dense": Answers("accuracy", names, gold, dense, (0,)),
        "copied": Answers("accuracy", names, gold, dense.repeat(3, axis=0), (0, 1, 2)),
        "runs": Answers("accuracy", names, gold, runs, (0, 1, 2)),
    }
    scores = Scores(answers.__getitem__, 300)
    drop = lambda m: (m[0] - m[1])[None]  # noqa: E731
    once, copied = (scores.panel([which, "runs"]).fit(drop) for which in ("dense", "copied"))
    assert np.isfinite(once.limits()).all()
    assert np.array(once.limits()) == pytest.approx(np.array(copied.limits()))


@pytest.mark.parametrize("draw", range(5))
def test_q_values_are_those_of_scipy(draw: int) -> None:
    p = np.random.default_rng(draw).uniform(0, 1, 30) ** 3
    p[3] = p[4]  # a tie
    p[5] = 1.0
    assert false_discovery_q(p) == pytest.approx(stats.false_discovery_control(p))


def test_no_p_values_have_no_q_values() -> None:
    assert false_discovery_q([]) == []
