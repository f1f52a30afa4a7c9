"""Log-likelihoods in the analysis: retention is a share of information, and a perfect score is 0 bits."""

import numpy as np
import polars as pl
import pytest
from bootstrap_cases import all_counts
from planted_coverage import likelihood_covered
from scipy.stats import norm

from junkdna.analysis import retention
from junkdna.analysis.cell_answers import Group
from junkdna.analysis.collect import check
from junkdna.analysis.curves import Condition, Curve, Level
from junkdna.analysis.effects import BLIND, effects, panel_rows
from junkdna.analysis.equivalence import equivalence_p
from junkdna.analysis.evidence import Block, Evidence
from junkdna.analysis.scores import Answers, Scores
from junkdna.analysis.series import series_of
from junkdna.errors import UserError
from junkdna.evaluate.metrics import METRICS
from junkdna.study.cell import Cell, Compression, parse_compression
from junkdna.study.claim_settings import ClaimSettings
from junkdna.study.metrics import METRIC_KINDS, perfect_score

METRIC = "log2_likelihood_per_byte"
N = 80


def scores() -> tuple[Scores, np.ndarray, dict[str, np.ndarray]]:
    """A dense model, a compressed one, and the dense model without the question."""
    rng = np.random.default_rng(4)
    blind = -rng.gamma(6, 0.2, N)
    dense = blind + rng.gamma(3, 0.1, N)
    given = {"dense": dense[None], "pruned": dense[None] - rng.gamma(2, 0.05, N)}
    ids = tuple(f"r-{i}" for i in range(N))
    return Scores(lambda name: Answers(METRIC, ids, blind, given[name], seeds=(0,)), 2000), blind, given


def test_retention_is_the_share_of_usable_information():
    engine, blind, given = scores()
    row = effects(engine, "pruned", "dense", float(blind.mean()))
    h0, dense, pruned = (-values.mean() for values in (blind, given["dense"], given["pruned"]))
    assert row["retention"] == pytest.approx((h0 - pruned) / (h0 - dense))
    assert 0 < row["retention_low"] < row["retention"] < row["retention_high"] < 1
    assert row["drop"] == pytest.approx(pruned - dense)  # bits per byte more than dense
    assert row["relative_score"] is None  # a quotient of negative numbers says nothing


def replicated(draw_baseline: bool) -> np.ndarray:
    """Dense score, score and baseline (3, r) of the resampled examples, by a plain loop."""
    _, blind, given = scores()
    found = []
    for counts in all_counts(N, 2000, prefix="r"):
        at = np.repeat(np.arange(N), counts)
        baseline = blind[at].mean() if draw_baseline else blind.mean()
        found.append((given["dense"][0, at].mean(), given["pruned"][0, at].mean(), baseline))
    return np.transpose(found)


def kept(m: np.ndarray) -> np.ndarray:
    return (m[1] - m[2]) / (m[0] - m[2])


def test_the_baseline_is_drawn_with_the_scores():
    engine, blind, _ = scores()
    row = effects(engine, "pruned", "dense", float(blind.mean()))
    low, high = np.quantile(kept(replicated(True)), [0.025, 0.975])
    assert (row["retention_low"], row["retention_high"]) == pytest.approx((low, high), abs=1e-4)
    fixed = np.quantile(kept(replicated(False)), [0.025, 0.975])
    assert high - low < 0.8 * np.ptp(fixed)


def test_equivalence_draws_the_baseline_too():
    """The p-value is the smallest level at which the percentile of the loss is below the margin."""
    engine, blind, _ = scores()
    lost = 1 - kept(replicated(True))
    margin = float(np.quantile(lost, 0.97))
    p = equivalence_p(engine, "pruned", "dense", float(blind.mean()), margin)
    assert p == pytest.approx(0.03, abs=1e-3)


def test_a_block_draws_the_baselines_of_its_likelihoods_and_no_others():
    block, likely, counted = mixed_block()
    panel = block.panel()
    kept_lr, losses = block.retention(panel.replicates), block.d_loss(panel.replicates)
    m = replicated(True)
    assert kept_lr[likely, 0] == pytest.approx(kept(m), abs=1e-4)
    known = 1 - m[:2] / m[2]
    assert losses[likely, 0] == pytest.approx(norm.ppf(known[0]) - norm.ppf(known[1]), abs=1e-4)
    dense, pruned = panel.replicates[[2 * counted, 2 * counted + 1]]
    assert kept_lr[counted, 0] == pytest.approx((pruned - 0.25) / (dense - 0.25), abs=1e-5)
    assert block.retention(panel.value[:, None])[likely, 0, 0] == pytest.approx(float(1 - block.losses()[likely, 0]))


def test_blocks_in_one_panel_keep_their_rows():
    block, *_ = mixed_block()
    one, other = Block(block.evidence, block.curves[::-1]), Block(block.evidence, block.curves[:1])
    both, size = one.panel(other).replicates, one.size
    assert len(both) == one.size + other.size
    np.testing.assert_array_equal(one.retention(both[:size]), one.retention(one.panel().replicates))
    np.testing.assert_array_equal(other.retention(both[size:]), other.retention(other.panel().replicates))


def mixed_block() -> tuple[Block, int, int]:
    """A block with a curve of likelihoods and one of accuracies, and their positions."""
    _, blind, given = scores()
    rng, ids = np.random.default_rng(9), tuple(f"r-{i}" for i in range(N))
    answers, found = {}, []
    for task, metric, chance in (("text", METRIC, float(blind.mean())), ("picks", "accuracy", 0.25)):
        groups = [_group(task, tag) for tag in ("dense", "magnitude-0.5")]
        for group, name, share in zip(groups, ("dense", "pruned"), (0.8, 0.6), strict=True):
            rows = given[name] if metric == METRIC else (rng.random((1, N)) < share).astype(float)
            gold = blind if metric == METRIC else np.ones(N)
            answers[group] = Answers(metric, ids, gold, rows, seeds=(0,))
        found.append(
            Curve(
                model="m", condition=Condition(task), series=series_of("magnitude-0.5"), transfer="none",
                protocol="default", metric=metric, labeled=False, knobs=(), dense=groups[0],
                levels=(Level("magnitude-0.5", 0.5, 8.0, groups[1]),), chance=chance, majority=chance,
            )
        )  # fmt: skip
    engine = Scores(answers.__getitem__, 2000)
    return Block(Evidence("e", tuple(found), engine, ClaimSettings(), "auto", frozenset()), found), 0, 1


def _group(task: str, tag: str) -> Group:
    compression = parse_compression(tag) if tag != "dense" else Compression()
    return Group((Cell("m", task, (), compression, "none", "default", 0),))


def test_the_drawn_baseline_is_that_of_the_first_dense_cell_for_every_seed():
    """Whatever the seeds of the compressed group, and in a bin that of the bin's examples."""
    _, blind, given = scores()
    subset = np.arange(N) % 3 > 0
    pruned = given["pruned"] - np.array([[0.0], [0.01], [0.04]])
    groups = {
        "dense": Answers(METRIC, tuple(map(str, range(N))), blind, given["dense"], (0,), subset=subset),
        "pruned": Answers(METRIC, tuple(map(str, range(N))), blind - 9, pruned, (0, 1, 2), subset=subset),
    }
    engine = Scores(groups.__getitem__, 200)
    panel = engine.panel(panel_rows("pruned", "dense", METRIC))
    baseline = METRICS[METRIC].chance(blind[subset], None)
    assert panel.value[BLIND] == baseline
    assert panel.left_out[BLIND].tolist() == [baseline] * 3
    assert panel_rows("pruned", "dense", "accuracy") == ["dense", "pruned"]


def test_retention_of_a_likelihood_is_covered():
    """200 studies of one untrained model: 95 % with a drawn baseline, nearly always with a fixed one."""
    drawn = [dict(likelihood_covered("likelihood, scatter 0.0", 1, 400, study)) for study in range(200)]
    assert 0.90 <= np.mean([each["drawn"] for each in drawn]) <= 0.985
    assert np.mean([each["fixed"] for each in drawn]) > 0.985


def test_known_share_ends_at_the_perfect_score_of_each_metric():
    assert {name: perfect_score(name) for name in METRIC_KINDS} == dict.fromkeys(METRIC_KINDS, 1) | {METRIC: 0}
    assert retention.known_share(-0.9, -1.2, perfect_score(METRIC)) == pytest.approx(0.25)
    assert retention.known_share(0.7, 0.25, perfect_score("accuracy")) == pytest.approx(0.6)
    both = retention.known_share(np.array([[-0.9], [0.7]]), np.array([[-1.2], [0.25]]), np.array([[0], [1]]))
    assert both[:, 0] == pytest.approx([0.25, 0.6])


def test_d_prime_without_options_is_the_probit_of_the_known_share():
    assert retention.d_prime(np.array([-0.9]), None, -1.2, 0) == pytest.approx(norm.ppf(0.25))
    assert np.isnan(retention.d_prime(np.array([-1.3, 0]), None, -1.2, 0)).all()


@pytest.mark.parametrize("name", ["score", "chance", "majority"])
def test_a_table_takes_negative_scores_and_baselines_of_this_metric_only(name):
    row = {"cell": "c", "metric": METRIC, "score": -0.9, "chance": -1.2, "majority": -1.2, "truncated": 0.0,
           "achieved_sparsity": 0.5, "effective_bits_per_weight": 9.0}  # fmt: skip
    check(pl.DataFrame([row]))
    with pytest.raises(UserError, match=rf"{name} is 0.1, but must lie in -inf\.\.0 as {METRIC}"):
        check(pl.DataFrame([row | {name: 0.1}]))
    accuracy = row | {"metric": "accuracy", "score": 0.5, "chance": 0.25, "majority": 0.25}
    check(pl.DataFrame([accuracy]))
    with pytest.raises(UserError, match=rf"{name} is -0.1"):
        check(pl.DataFrame([accuracy | {name: -0.1}]))
