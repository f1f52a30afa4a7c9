"""Drops and intervals: against slow oracles, in exact cases, and on planted truth."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import toy
import toy_run
from scipy import stats
from sklearn.metrics import f1_score, matthews_corrcoef

from junkdna import inference
from junkdna.errors import UserError
from junkdna.inference import Resamples, estimate, interval, resamples
from junkdna.keys import Cell
from junkdna.metrics import METRICS
from junkdna.study import Resolved, resolve


def ids(n: int, prefix: str = "row") -> tuple[str, ...]:
    return tuple(f"{prefix}-{i}" for i in range(n))


def coin(shape: tuple, p: float, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(shape) < p).astype(float)


def effects(correct_sn: np.ndarray, dense_sn: np.ndarray, chance: float, draws: Resamples) -> dict:
    """Effects of accuracies, given as rows of right (1) and wrong (0) answers."""
    gold = np.ones(correct_sn.shape[1])
    parts = [estimate(METRICS["accuracy"], gold, rows, draws) for rows in (correct_sn, dense_sn)]
    return inference.effects(*parts, chance)


# --- the bootstrap ----------------------------------------------------------------------------------------------------


def test_effects_agree_with_a_slow_bootstrap():
    """Loop over replicates, drawn seeds and examples, with the same draws."""
    seeds, n, replicates, chance = 3, 40, 150, 0.25
    score, dense = coin((seeds, n), 0.5, 0), coin((seeds, n), 0.8, 1)
    draws = resamples(ids(n), replicates)
    picks = np.random.default_rng(draws.seed).integers(0, seeds, (replicates, seeds))
    values = {"score": [], "drop": [], "percent_of_dense": [], "kept": []}
    for r in range(replicates):
        counts = draws.counts_rn[r].astype(int)
        sample = [i for i in range(n) for _ in range(counts[i])]
        s = np.mean([score[k, i] for k in picks[r] for i in sample])
        d = np.mean([dense[k, i] for k in picks[r] for i in sample])
        values["score"].append(s)
        values["drop"].append(d - s)
        values["percent_of_dense"].append(100 * s / d)
        values["kept"].append((s - chance) / (d - chance))
    row = effects(score, dense, chance, draws)
    for name, replicated in values.items():
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(
            tuple(np.quantile(replicated, [0.025, 0.975]))
        )
    assert row["drop"] == pytest.approx(dense.mean() - score.mean())
    assert row["percent_of_dense"] == pytest.approx(100 * score.mean() / dense.mean())
    assert row["kept"] == pytest.approx((score.mean() - chance) / (dense.mean() - chance))


def correlation(function, gold: np.ndarray, given: np.ndarray) -> float:
    return float(function(gold, given).statistic) if len(set(gold)) > 1 < len(set(given)) else 0.0


SLOW = {
    "matthews": matthews_corrcoef,
    "f1": lambda gold, given: f1_score(gold, given, zero_division=0),
    "pearson": lambda gold, given: correlation(stats.pearsonr, gold, given),
    "spearman": lambda gold, given: correlation(stats.spearmanr, gold, given),
    "token_f1": lambda _, credit: credit.mean(),
}


@pytest.mark.parametrize("name", SLOW)
def test_metrics_agree_with_a_slow_bootstrap(name):
    """Score and drop of each metric, on the drawn rows and seeds, by scikit-learn and SciPy."""
    seeds, n, replicates = 3, 40, 40
    gold = coin((n,), 0.4, 0)
    noise = np.random.default_rng(1).normal(size=(2, seeds, n))
    if name in ("matthews", "f1"):
        dense, score = (np.where(noise[i] > level, 1 - gold, gold) for i, level in ((0, 1.0), (1, 0.3)))
    else:
        dense, score = 1 / (1 + np.exp(-gold - noise[0])), 1 / (1 + np.exp(-gold - 3 * noise[1]))
    draws = resamples(ids(n), replicates)
    picks = np.random.default_rng(draws.seed).integers(0, seeds, (replicates, seeds))
    values = {"score": [], "drop": []}
    for row, drawn in zip(draws.counts_rn.astype(int), picks, strict=True):
        s, d = (np.mean([SLOW[name](gold.repeat(row), x[k].repeat(row)) for k in drawn]) for x in (score, dense))
        values["score"].append(s)
        values["drop"].append(d - s)
    parts = [estimate(METRICS[name], gold, rows, draws) for rows in (score, dense)]
    row = inference.effects(*parts, 0.0)
    for column, replicated in values.items():
        assert (row[f"{column}_low"], row[f"{column}_high"]) == pytest.approx(
            tuple(np.quantile(replicated, [0.025, 0.975])), abs=1e-12
        )
    s, d = (np.mean([SLOW[name](gold, rows) for rows in x]) for x in (score, dense))
    assert (row["score"], row["dense_score"], row["drop"]) == pytest.approx((s, d, d - s), abs=1e-12)


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_accuracy_is_to_the_bit_what_means_of_right_answers_give(seeds):
    """The formula before there were other metrics, on 0/1 rows."""
    n, draws = 347, resamples(ids(347), 200)
    gold = np.random.default_rng(0).integers(0, 4, n)
    given = np.where(coin((seeds, n), 0.6, 1) == 1, gold, (gold + 1) % 4)
    right_sn = (given == gold).astype(float)
    means_rs = draws.counts_rn @ right_sn.T / n
    picks = np.random.default_rng(draws.seed).integers(0, seeds, (200, seeds))
    found = estimate(METRICS["accuracy"], gold, given, draws)
    assert found.value == float(right_sn.mean())
    assert np.array_equal(found.value_r, np.take_along_axis(means_rs, picks, axis=1).mean(axis=1))
    stored = estimate(METRICS["exact_match"], None, right_sn.astype(np.float32), draws)
    assert (stored.value, stored.value_r.tolist()) == (found.value, found.value_r.tolist())


def test_one_seed_agrees_with_scipy():
    """Paired percentile bootstrap of 400 examples; 4,000 resamples know an end to about 0.002."""
    score, dense = coin((1, 400), 0.55, 2), coin((1, 400), 0.8, 3)
    row = effects(score, dense, 0.25, resamples(ids(400), 4000))
    statistics = {
        "drop": lambda s, d, axis: d.mean(axis) - s.mean(axis),
        "kept": lambda s, d, axis: (s.mean(axis) - 0.25) / (d.mean(axis) - 0.25),
    }
    for name, statistic in statistics.items():
        theirs = stats.bootstrap(
            (score[0], dense[0]), statistic, paired=True, method="percentile", n_resamples=4000,
            rng=np.random.default_rng(0),
        ).confidence_interval  # fmt: skip
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx(tuple(theirs), abs=0.012)


def test_counts_are_whole_resamples():
    counts = resamples(ids(37), 500).counts_rn
    assert (counts == counts.round()).all()
    assert (counts.sum(1) == 37).all()
    assert counts.mean(0).std() < 0.15
    assert counts.var() == pytest.approx(1, rel=0.05)  # multinomial, not a permutation


def test_draws_belong_to_the_examples():
    assert np.array_equal(resamples(ids(20), 100).counts_rn, resamples(ids(20), 100).counts_rn)
    other = resamples(ids(20, "other"), 100)
    assert not np.array_equal(resamples(ids(20), 100).counts_rn, other.counts_rn)
    assert resamples(ids(20), 100).seed != other.seed


def test_seed_draws_are_independent_of_example_draws_and_shared_by_score_and_dense():
    draws = resamples(ids(50), 2000)
    level = np.repeat([[0.0], [1.0]], 50, axis=1)  # seed 0 always wrong, seed 1 always right: only seeds matter
    means = estimate(METRICS["accuracy"], np.ones(50), level, draws).value_r
    assert Counter(means.tolist()).keys() == {0.0, 0.5, 1.0}
    assert np.mean(means == 0.5) == pytest.approx(0.5, abs=0.05)
    row = effects(level, level, 0.25, draws)
    assert row["drop_low"] == row["drop_high"] == 0


# --- exact cases ------------------------------------------------------------------------------------------------------


def test_score_equal_to_dense_keeps_exactly_everything():
    """Draws are paired, so the ratio is 1 in every replicate; unpaired ones would give a wide interval."""
    dense = coin((2, 60), 0.7, 4)
    row = effects(dense, dense, 0.25, resamples(ids(60), 500))
    assert row["kept"] == row["kept_low"] == row["kept_high"] == 1
    assert row["percent_of_dense"] == row["percent_of_dense_low"] == row["percent_of_dense_high"] == 100
    assert row["drop"] == row["drop_low"] == row["drop_high"] == 0
    assert row["score_low"] < row["score"] < row["score_high"]


def test_score_at_chance_keeps_nothing():
    score, dense = np.zeros((1, 80)), coin((1, 80), 0.9, 5)
    score[0, ::4] = 1
    row = effects(score, dense, 0.25, resamples(ids(80), 500))
    assert row["kept"] == 0
    assert row["kept_low"] < 0 < row["kept_high"]


def test_score_below_chance_keeps_less_than_nothing():
    row = effects(np.zeros((1, 80)), coin((1, 80), 0.9, 5), 0.25, resamples(ids(80), 500))
    assert row["kept"] < 0
    assert row["percent_of_dense"] == 0


@pytest.mark.parametrize("p", [0.26, 0.24, 0.1])
def test_kept_is_null_where_dense_cannot_be_told_from_chance(p):
    dense = np.zeros((1, 100))
    dense[0, : int(100 * p)] = 1
    row = effects(coin((1, 100), 0.2, 6), dense, 0.25, resamples(ids(100), 500))
    assert row["kept"] is row["kept_low"] is row["kept_high"] is None
    assert row["drop_low"] <= row["drop"] <= row["drop_high"]


def test_resampled_scores_stay_within_their_range():
    row = effects(np.ones((3, 49)), np.ones((3, 49)), 0.25, resamples(ids(49), 300))
    assert row["score_low"] == row["score_high"] == 1


def test_negative_scores_keep_less_than_nothing():
    """A correlation has no chance above 0 to be corrected for; a dense one near 0 leaves nothing to keep."""
    gold, draws = coin((200,), 0.5, 8), resamples(ids(200), 300)
    good, bad = np.where(coin((1, 200), 0.1, 9), 1 - gold, gold), np.where(coin((1, 200), 0.8, 10), 1 - gold, gold)
    parts = {name: estimate(METRICS["matthews"], gold, rows, draws) for name, rows in (("good", good), ("bad", bad))}
    row = inference.effects(parts["bad"], parts["good"], 0.0)
    assert row["score"] < row["score_high"] < 0
    assert row["kept"] == pytest.approx(row["score"] / row["dense_score"])
    assert row["percent_of_dense"] == pytest.approx(100 * row["kept"])
    assert row["drop"] > 1
    none = inference.effects(parts["good"], parts["bad"], 0.0)
    assert none["kept"] is none["percent_of_dense"] is none["kept_low"] is None


def test_dense_always_wrong_has_no_percent():
    row = effects(np.zeros((1, 30)), np.zeros((1, 30)), 0.25, resamples(ids(30), 200))
    assert row["percent_of_dense"] is row["percent_of_dense_low"] is None
    assert row["drop"] == 0


def test_percent_is_null_where_a_resample_of_dense_is_all_wrong():
    dense = np.zeros((1, 30))
    dense[0, 0] = 1  # about a third of the resamples miss it
    row = effects(np.zeros((1, 30)), dense, 0.0, resamples(ids(30), 200))
    assert row["percent_of_dense"] is None


def test_seeds_that_differ_widen_the_interval():
    """Same examples, same mean score: once two equal seeds, once one good and one bad."""
    n, dense = 200, np.ones((2, 200))
    alike, apart = np.zeros((2, n)), np.zeros((2, n))
    alike[:, : n // 2] = 1
    apart[0, : n * 8 // 10] = 1
    apart[1, : n * 2 // 10] = 1
    draws = resamples(ids(n), 1000)
    one, other = effects(alike, dense, 0.0, draws), effects(apart, dense, 0.0, draws)
    assert one["drop"] == pytest.approx(other["drop"]) == 0.5
    assert other["drop_high"] - other["drop_low"] > 2 * (one["drop_high"] - one["drop_low"])
    single = effects(alike[:1], dense[:1], 0.0, draws)
    assert (single["drop_low"], single["drop_high"]) == pytest.approx((one["drop_low"], one["drop_high"]))


def test_more_examples_narrow_the_interval():
    def width(n):
        row = effects(coin((1, n), 0.5, 7), np.ones((1, n)), 0.0, resamples(ids(n), 1000))
        return row["drop_high"] - row["drop_low"]

    assert width(100) / width(1600) == pytest.approx(4, rel=0.2)


def test_interval_is_the_middle_95_percent():
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))


# --- planted truth ----------------------------------------------------------------------------------------------------

CHANCE, EXAMPLES, STUDIES = 0.25, 300, 300


def coverage(seeds: int, seed_sd: float, rng_seed: int) -> tuple[float, float]:
    """Share of simulated studies whose interval holds the true drop, and the true kept.

    An answer is right with probability logistic(level + item + run): item ~ N(0, 1.5) shared by all runs, run ~
    N(0, seed_sd) for each training run, dense and pruned apart; level 1.2 dense and 0.2 pruned. The truth is the
    expectation over items and runs.
    """
    logistic = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    grid = stats.norm.ppf((np.arange(400) + 0.5) / 400) * np.hypot(1.5, seed_sd)
    dense, pruned = (logistic(level + grid).mean() for level in (1.2, 0.2))
    truth = {"drop": dense - pruned, "kept": (pruned - CHANCE) / (dense - CHANCE)}
    rng, draws = np.random.default_rng(rng_seed), resamples(ids(EXAMPLES), 800)
    hits = Counter()
    for _ in range(STUDIES):
        item = rng.normal(0, 1.5, EXAMPLES)
        right = [
            rng.random((seeds, EXAMPLES)) < logistic(level + item + rng.normal(0, seed_sd, (seeds, 1)))
            for level in (1.2, 0.2)
        ]
        row = effects(right[1].astype(float), right[0].astype(float), CHANCE, draws)
        for name, value in truth.items():
            hits[name] += row[f"{name}_low"] is not None and row[f"{name}_low"] <= value <= row[f"{name}_high"]
    return hits["drop"] / STUDIES, hits["kept"] / STUDIES


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (3, 0.2), (5, 0.2)])
def test_intervals_cover_the_truth_about_as_often_as_they_say(seeds, seed_sd):
    """n = 300 studies of 300 examples, 800 replicates, generator seeds 10 + number of seeds; nominal 95 %.

    Standard error of a coverage of 0.95 is 0.013: 0.90 to 0.985 are what this test takes for it.
    """
    assert all(0.90 <= share <= 0.985 for share in coverage(seeds, seed_sd, 10 + seeds))


def test_intervals_are_too_wide_rather_than_too_narrow_without_a_seed_effect():
    """n = 300 studies, generator seed 3, three seeds that differ by chance alone: resampling seeds and examples
    counts the noise of single answers about three times (the crossed bootstrap is known for it), so coverage is
    above 0.95, up to 1."""
    assert all(share >= 0.95 for share in coverage(3, 0.0, 3))


@pytest.mark.xfail(strict=True, reason="percentile bootstrap over 3 seeds: its seed variance is 2/3 of the true one")
def test_three_seeds_that_differ_much_are_covered():
    """n = 300 studies, generator seed 5. Runs that scatter by 0.5 in the logit (about 8 points of accuracy) get
    intervals that hold the truth in about 82 % of studies instead of 95 %: three seeds cannot say more."""
    assert all(share >= 0.90 for share in coverage(3, 0.5, 5))


# --- drops() ----------------------------------------------------------------------------------------------------------


def fact(cell: Cell, resolved: Resolved, score: float, chance: float) -> dict:
    """The row of a cell in the joined table."""
    task = resolved.tasks[cell.task]
    return {
        "cell": cell.key, "model": cell.model, "task": cell.task, "metric": task.metric, "kind": task.kind,
        "knobs": ",".join(f"{k}={v}" for k, v in cell.knobs),
        "method": cell.compression.method, "compression": cell.compression.tag,
        "sparsity": cell.compression.nominal_sparsity, "transfer": cell.transfer, "protocol": cell.protocol,
        "seed": cell.seed, "n_examples": 50, "chance": chance, "majority": 0.3, "score": score,
        "collapsed": False, "achieved_sparsity": cell.compression.nominal_sparsity, "truncated": 0.0,
        "effective_bits_per_weight": 16.0 if cell.compression.method == "dense" else 10.0 + cell.seed / 4,
    }  # fmt: skip


def stand_in(monkeypatch: pytest.MonkeyPatch, answers: dict[Cell, pl.DataFrame]) -> None:
    """Per-example rows from memory instead of cell files."""
    monkeypatch.setattr(inference, "examples_of", lambda cell, columns: answers[cell].select(columns))


@pytest.fixture
def planted(world, monkeypatch):
    """The toy study with seeds for its random masks too, and made-up answers for every cell: no model is run.

    Every cell has its own answers, so a wrong reference or a wrong pairing moves a number.
    """
    data = {**toy.STUDY, "experiments": {**toy.STUDY["experiments"]}}
    data["experiments"]["context"] = {**data["experiments"]["context"], "seeds": [0, 1, 2]}
    resolved = resolve(data, "test")
    answers, facts = {}, []
    for number, cell in enumerate(toy_run.grid.all_cells(resolved)):
        right = coin((50,), 0.9 if cell.compression.method == "dense" else 0.6, 100 + number)
        answers[cell] = pl.DataFrame({"id": ids(50, cell.task), "gold": [1.0] * 50, "prediction": right})
        facts.append(fact(cell, resolved, right.mean(), 0.25))
    stand_in(monkeypatch, answers)
    return resolved, answers, pl.DataFrame(facts)


def accuracy(frame: pl.DataFrame) -> float:
    return (frame["gold"] == frame["prediction"]).mean()


GROUP = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol")


def test_drops_has_one_row_a_group_and_the_right_references(planted):
    resolved, answers, facts = planted
    table = inference.drops(resolved, facts)
    assert table.select(GROUP).is_unique().all()
    assert table.height == 2 * 5 + 4
    of = {
        (cell.task, ",".join(f"{k}={v}" for k, v in cell.knobs), cell.compression.tag, cell.transfer, cell.seed): frame
        for cell, frame in answers.items()
    }
    for row in table.iter_rows(named=True):
        seeds = {"modes": [0, 1], "context": [0, 1, 2] if row["method"] == "random" else [0]}[row["experiment"]]
        condition = (row["task"], row["knobs"])
        mode = "none" if row["transfer"] == "none" else "dense"
        scores = [accuracy(of[(*condition, row["compression"], row["transfer"], seed)]) for seed in seeds]
        dense = [accuracy(of[(*condition, "dense", mode, seed if mode == "dense" else 0)]) for seed in seeds]
        assert row["n_seeds"] == len(seeds)
        bits = 16 if row["method"] == "dense" else 10 + np.mean(seeds) / 4
        assert row["effective_bits_per_weight"] == pytest.approx(bits)
        assert row["score_seeds"] == pytest.approx(scores)
        assert row["score"] == pytest.approx(np.mean(scores))
        assert row["dense_score"] == pytest.approx(np.mean(dense))
        assert row["drop"] == pytest.approx(np.mean(dense) - np.mean(scores))
        assert row["drop_low"] <= row["drop"] <= row["drop_high"]
        assert row["difficulty"] == pytest.approx(1 - (np.mean(dense) - 0.25) / 0.75)


def test_dense_rows_lose_nothing(planted):
    table = inference.drops(planted[0], planted[2]).filter(pl.col("method") == "dense")
    assert table.height == 3
    for name in ("drop", "drop_low", "drop_high"):
        assert (table[name] == 0).all()
    for name in ("kept", "kept_low", "kept_high"):
        assert (table[name] == 1).all()


def test_seeds_are_paired_with_the_dense_run_of_the_same_seed(planted):
    """Interval of the sparse group, from arrays stacked by hand in the order of the seeds."""
    resolved, answers, facts = planted
    table = inference.drops(resolved, facts).filter(pl.col("transfer") == "sparse")

    def stacked(mode):
        cells = sorted((c for c in answers if c.transfer == mode), key=lambda cell: cell.seed)
        return np.stack([(answers[c]["gold"] == answers[c]["prediction"]).to_numpy().astype(float) for c in cells])

    wanted = effects(stacked("sparse"), stacked("dense"), 0.25, resamples(ids(50, "mood"), resolved.study.bootstrap))
    assert {name: table[name][0] for name in wanted} == pytest.approx(wanted)
    crossed = effects(stacked("sparse"), stacked("dense")[::-1], 0.25, resamples(ids(50, "mood"), 200))
    assert (crossed["drop_low"], crossed["drop_high"]) != (wanted["drop_low"], wanted["drop_high"])


def test_conditions_with_the_same_examples_share_the_draws(planted, monkeypatch):
    made = []
    original = resamples

    def counted(row_ids, replicates):
        made.append(row_ids)
        return original(row_ids, replicates)

    monkeypatch.setattr(inference, "resamples", counted)
    inference.drops(planted[0], planted[2])
    assert sorted(made) == [ids(50, "colours"), ids(50, "mood")]


def test_collapsed_runs_are_counted(planted):
    resolved, _, facts = planted
    table = inference.drops(resolved, facts.with_columns(collapsed=pl.col("transfer") == "sparse"))
    assert dict(table.filter(pl.col("experiment") == "modes").select("transfer", "collapsed").rows())["sparse"] == 2
    assert table.filter(pl.col("transfer") != "sparse")["collapsed"].sum() == 0


@pytest.mark.parametrize("damage", ["other ids", "other order", "fewer rows"])
def test_reference_scored_on_other_examples_is_refused(planted, damage):
    """Drops are paired by position: other rows under a reference would be subtracted from the wrong ones."""
    resolved, answers, facts = planted
    dense = next(cell for cell in answers if cell.transfer == "dense" and cell.seed == 1)
    frame = answers[dense]
    answers[dense] = {
        "other ids": frame.with_columns(id=pl.col("id") + "x"),
        "other order": frame.reverse(),
        "fewer rows": frame.head(49),
    }[damage]
    with pytest.raises(UserError, match=r"dense/default/seed-1\.parquet"):
        inference.drops(resolved, facts)


# --- metrics, human figures and knobs in drops() ----------------------------------------------------------------------

HALF = [{"method": "magnitude", "sparsity": 0.5}]
SETTINGS = {
    "study": "settings",
    "models": {"enc": {"kind": "encoder", "local": "enc"}, "dec": {"kind": "decoder", "local": "dec"}},
    "tasks": dict.fromkeys(["cola", "stsb", "sciq", "mmlu", "gsm8k", "arc_easy"]),
    "experiments": {
        "adequacy": {"title": "", "models": ["enc"], "tasks": ["cola", "stsb"], "transfer": ["dense", "sparse"],
                     "compressions": HALF, "knobs": {"data_fraction": [25, 100]}, "seeds": [0, 1]},
        "options": {"title": "", "models": ["dec"], "tasks": ["sciq"], "compressions": HALF,
                    "knobs": {"options": [3, 4]}},
        "context": {"title": "", "models": ["dec"], "tasks": ["sciq"], "compressions": HALF,
                    "knobs": {"context": ["none", 32, "passage"], "answer_span": ["kept", "masked"]}},
        "shots": {"title": "", "models": ["dec"], "tasks": ["mmlu"], "compressions": HALF,
                  "knobs": {"shots": [0, 1, 5]}},
        "across": {"title": "", "models": ["dec"], "tasks": ["gsm8k", "arc_easy"], "compressions": HALF},
    },
}  # fmt: skip
CHANCES = {"sciq": 0.25, "mmlu": 0.25, "arc_easy": 0.25}


@pytest.fixture
def settings(monkeypatch):
    """A study of all knobs and of four metrics, on tasks of the package, with made-up answers."""
    resolved = resolve(SETTINGS, "test")
    answers, facts = {}, []
    for number, cell in enumerate(toy_run.grid.all_cells(resolved)):
        rng = np.random.default_rng(number)
        metric, noise = resolved.tasks[cell.task].metric, 0.5 if cell.compression.method == "dense" else 1.5
        gold = np.random.default_rng(7).integers(0, 2, 50).astype(float)
        frame = {
            "matthews": {"gold": gold, "prediction": (gold + noise * rng.normal(size=50) > 0.5).astype(float)},
            "pearson": {"gold": gold, "prediction": gold + noise * rng.normal(size=50)},
            "accuracy": {"gold": gold, "prediction": np.where(rng.random(50) < 0.4 * noise, 1 - gold, gold)},
            "exact_match": {"gold": [None] * 50, "correct": (rng.random(50) > 0.5 * noise).astype(np.float32)},
        }[metric]
        answers[cell] = pl.DataFrame({"id": ids(50, cell.task), **frame}, schema_overrides={"gold": pl.Float64})
        facts.append(fact(cell, resolved, slow_score(answers[cell], metric), CHANCES.get(cell.task, 0.0)))
    stand_in(monkeypatch, answers)
    return resolved, answers, pl.DataFrame(facts)


def slow_score(frame: pl.DataFrame, metric: str) -> float:
    if metric == "exact_match":
        return frame["correct"].mean()
    gold, prediction = frame["gold"].to_numpy(), frame["prediction"].to_numpy()
    if metric == "pearson":
        return float(stats.pearsonr(gold, prediction).statistic)
    return float({"matthews": matthews_corrcoef, "accuracy": lambda a, b: (a == b).mean()}[metric](gold, prediction))


def test_scores_are_in_the_metric_of_each_task(settings):
    resolved, answers, facts = settings
    table = inference.drops(resolved, facts)
    assert set(table["metric"]) == {"matthews", "pearson", "accuracy", "exact_match"}
    for row in table.iter_rows(named=True):
        same = [
            slow_score(frame, row["metric"])
            for cell, frame in answers.items()
            if (cell.task, cell.compression.tag, cell.transfer) == (row["task"], row["compression"], row["transfer"])
            and ",".join(f"{k}={v}" for k, v in cell.knobs) == row["knobs"]
        ]
        assert len(same) == row["n_seeds"] == (2 if row["experiment"] == "adequacy" else 1)
        assert row["score"] == pytest.approx(np.mean(same))
        assert row["score_low"] < row["score"] < row["score_high"]
        chance = CHANCES.get(row["task"], 0)
        assert row["kept"] == pytest.approx((row["score"] - chance) / (row["dense_score"] - chance))
        assert row["difficulty"] == pytest.approx(1 - (row["dense_score"] - chance) / (1 - chance))


def test_human_figures_and_gaps(settings):
    resolved, _, facts = settings
    table = inference.drops(resolved, facts)
    for row in table.iter_rows(named=True):
        human = resolved.tasks[row["task"]].human
        if human is None:
            assert row["human"] is row["human_source"] is row["human_gap_by_human"] is row["human_gap_by_dense"] is None
            continue
        assert (row["human"], row["human_source"]) == (human.value, human.source)
        gap = human.value - row["dense_score"]
        assert row["human_gap_by_human"] == pytest.approx(gap / human.value)
        assert row["human_gap_by_dense"] == pytest.approx(gap / row["dense_score"])
    known = dict(table.select("task", "human").unique().rows())
    assert known["cola"] == 0.664
    assert known["gsm8k"] is known["arc_easy"] is None


def test_columns_have_their_types_where_all_values_are_null(settings):
    resolved, _, facts = settings
    only = SETTINGS["experiments"] | {"adequacy": SETTINGS["experiments"]["across"]}
    bare = resolve({**SETTINGS, "run": ["across"], "experiments": only}, "test")
    table = inference.drops(bare, facts)
    assert table["human"].null_count() == table.height == 4
    whole = inference.drops(resolved, facts)
    assert table.schema == whole.schema
    assert whole.schema["human_source"] == pl.String
    assert all(whole.schema[name] == pl.Float64 for name in ("human", "human_gap_by_human", "kept"))


def test_every_knob_value_is_written_defaults_included(settings):
    resolved, _, facts = settings
    table = inference.drops(resolved, facts).filter(pl.col("method") == "dense", pl.col("transfer") != "sparse")
    rows = table.iter_rows(named=True)
    texts = {(row["experiment"], row["task"], row["knobs"]): row["knob_values"] for row in rows}
    found = {key: dict(pair.split("=") for pair in text.split(",")) for key, text in texts.items()}
    for (_, task, _), values in found.items():
        assert list(values) == sorted(resolved.tasks[task].knob_defaults())
    assert found["adequacy", "cola", "data_fraction=25"]["data_fraction"] == "25"
    assert found["adequacy", "cola", ""]["data_fraction"] == "100"
    assert texts["shots", "mmlu", "shots=5"] == "options=4,shots=5"
    options = {"answer_span": "kept", "context": "none", "options": "3"}
    assert options.items() <= found["options", "sciq", "options=3"].items()
    masked = {"answer_span": "masked", "context": "32", "options": "4"}
    assert masked.items() <= found["context", "sciq", "answer_span=masked,context=32"].items()


def test_labels_say_the_knobs_that_the_experiment_turns(settings):
    resolved, _, facts = settings
    table = inference.drops(resolved, facts)
    assert dict(table.select("task", "title").unique().rows())["stsb"] == "STS-B"
    rows = list(table.iter_rows(named=True))
    found = {(row["experiment"], row["task"], row["knobs"]): row["label"] for row in rows}
    assert found["adequacy", "cola", "data_fraction=25"] == "CoLA · 25 % of train (enc)"
    assert found["adequacy", "cola", ""] == "CoLA · 100 % of train (enc)"
    assert found["shots", "mmlu", ""] == "MMLU · 0 shots (dec)"
    assert found["shots", "mmlu", "shots=1"] == "MMLU · 1 shot (dec)"
    assert found["shots", "mmlu", "shots=5"] == "MMLU · 5 shots (dec)"
    assert found["options", "sciq", "options=3"] == "SciQ · no passage, 3 options (dec)"
    assert found["options", "sciq", ""] == "SciQ · no passage, 4 options (dec)"
    assert found["context", "sciq", "context=32"] == "SciQ · 32 tokens of passage (dec)"
    assert found["context", "sciq", "answer_span=masked,context=passage"] == "SciQ · with passage, answer masked (dec)"
    assert {label for (_, task, _), label in found.items() if task == "gsm8k"} == {"GSM8K (dec)"}
    for experiment in {row["experiment"] for row in rows}:
        labels = {key: label for key, label in found.items() if key[0] == experiment}
        assert len(set(labels.values())) == len(labels)


# --- end to end -------------------------------------------------------------------------------------------------------


def test_toy_study_end_to_end(toy_world_once, tmp_path, monkeypatch):
    """From raw rows to drops.parquet and drops.csv, through the stages."""
    shutil.copytree(toy_world_once, tmp_path / "world")
    monkeypatch.chdir(tmp_path / "world")
    resolved = toy_run.read()
    toy_run.run_all(resolved)
    study_file, cells, output = toy_run.document(resolved), Path("results/cells.parquet"), Path("results/drops.parquet")
    toy_run.stages.collect(cells, study_file)
    toy_run.stages.analyse(output, study_file, cells)
    table, facts = pl.read_parquet(output), pl.read_parquet(cells)
    assert table.height == 14
    assert table.select(GROUP).is_unique().all()
    assert pl.read_csv(output.with_suffix(".csv")).height == 14
    for row in table.iter_rows(named=True):
        same = (pl.col("task") == row["task"]) & (pl.col("knobs") == row["knobs"])
        own = facts.filter(same, pl.col("compression") == row["compression"], pl.col("transfer") == row["transfer"])
        dense = facts.filter(same, pl.col("method") == "dense")
        assert row["n_seeds"] == own.height == (2 if row["task"] == "mood" else 1)
        assert row["score"] == pytest.approx(own["score"].mean())
        assert row["drop"] == pytest.approx(dense["score"].mean() - own["score"].mean())
        assert row["achieved_sparsity"] == pytest.approx(own["achieved_sparsity"].mean())
        assert row["n_examples"] == own["n_examples"][0]
        kept = 1 - row["achieved_sparsity"]
        bits = {"dense": 16, "nm-keep1of4": (16 + 2) / 4}.get(row["compression"], 16 * kept + 1)
        assert row["effective_bits_per_weight"] == pytest.approx(bits, abs=0.01)
    written = pl.read_csv(output.with_suffix(".csv"))
    assert list(written["effective_bits_per_weight"]) == pytest.approx(list(table["effective_bits_per_weight"]))
    again = inference.drops(resolved, facts)
    assert again.equals(table)
