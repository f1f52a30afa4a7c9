"""The table of behavior: every row against scikit-learn and SciPy on planted answers, and from real cells."""

import numpy as np
import polars as pl
import pytest
import toy_run
from planted_behavior import (
    OF_PICKS,
    ROW,
    N,
    deciding,
    pairs,
    row_of,
    table,
)
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest, entropy
from sklearn.metrics import cohen_kappa_score

from junkdna.analysis.behavior import SCHEMA
from junkdna.analysis.draws import clusters
from junkdna.analysis.intervals import wilson
from junkdna.errors import UserError


def test_every_compressed_group_has_a_row(planted_study):
    resolved, _, facts = planted_study
    found = table(resolved, facts)
    assert found.schema == SCHEMA
    assert found.select(ROW).is_unique().all()
    wanted = {
        (name, cell.model, cell.task, cell.compression.tag, cell.transfer, cell.protocol)
        for name, cells in toy_run.grid.expand(resolved).items()
        for cell in cells
        if cell.compression.method != "dense"
    }
    assert {*found.select([name for name in ROW if name != "knobs"]).iter_rows()} == wanted
    assert row_of(found, experiment="modes", transfer="sparse")["n_seeds"] == 3


def test_nothing_is_nan_or_infinite(planted_study):
    found = table(planted_study[0], planted_study[2])
    numbers = found.select(pl.selectors.float())
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width


def test_flips_and_agreement_are_those_of_scikit_learn_and_scipy(planted_study):
    resolved, answers, facts = planted_study
    found, clustered = table(resolved, facts).filter(pl.col("kind") != "regress"), 0
    for row in found.iter_rows(named=True):
        both = pairs(answers, row)
        assert len(both) == row["n_seeds"]
        right = [(dense["correct"].to_numpy() == 1, other["correct"].to_numpy() == 1) for dense, other in both]
        counts = [(int((d & ~o).sum()), int((o & ~d).sum())) for d, o in right]
        assert row["broken"] == pytest.approx(np.mean([b for b, _ in counts]) / N)
        assert row["fixed"] == pytest.approx(np.mean([f for _, f in counts]) / N)
        assert row["flips"] == pytest.approx(row["broken"] + row["fixed"])
        cluster_n = clusters(both[0][0]["cluster"].to_list())
        if cluster_n is None:
            p = np.mean([binomtest(b, b + f).pvalue for b, f in counts])
        else:
            p = np.mean([sign_flip_p(np.bincount(cluster_n, d.astype(int) - o)) for d, o in right])
            clustered += 1
        assert row["mcnemar_p"] == pytest.approx(p if len(both) == 1 else min(1, 2 * p))
        if row["kind"] != "generate":
            given = [(dense["prediction"].to_list(), other["prediction"].to_list()) for dense, other in both]
            assert row["kappa"] == pytest.approx(np.mean([cohen_kappa_score(*each) for each in given]))
            assert row["agreement"] == pytest.approx(np.mean([np.equal(*each).mean() for each in given]))
    assert 0 < clustered < found.height


def sign_flip_p(net: np.ndarray) -> float:
    """Chance that passages with random signs sum to as much as observed, one passage after the other."""
    chances = {0: 1.0}
    for each in net:
        sums: dict[int, float] = {}
        for total, chance in chances.items():
            for sign in (-1, 1):
                sums[total + sign * each] = sums.get(total + sign * each, 0) + chance / 2
        chances = sums
    return sum(chance for total, chance in chances.items() if abs(total) >= abs(net.sum()))


def best_temperature(scores: np.ndarray, gold: np.ndarray) -> float:
    def loss(log: float) -> float:
        return -log_softmax(scores / np.exp(log), axis=1)[np.arange(N), gold].mean()

    return float(np.exp(minimize_scalar(loss, bracket=(-3, 0)).x))


def test_divergence_and_information_are_those_of_scipy(planted_study):
    resolved, answers, facts = planted_study
    found = table(resolved, facts).filter(pl.col("kind").is_in(["choice", "classify", "pair"]))
    cosines = 0
    for row in found.iter_rows(named=True):
        divergences, likelihoods, temperatures = [], [], []
        for dense, other in pairs(answers, row):
            gold, p, q, temperature = (
                dense["gold"].to_numpy().astype(int),
                deciding(dense, row),
                deciding(other, row),
                1.0,
            )
            if row["model"] == "tiny" and row["transfer"] == "none":
                temperature = best_temperature(p, gold)
                temperatures.append(temperature)
                cosines += 1
            p, q = log_softmax(p / temperature, axis=1), log_softmax(q / temperature, axis=1)
            divergences.append(entropy(np.exp(p), np.exp(q), axis=1).mean())
            at = np.arange(N)
            likelihoods.append((-p[at, gold].mean(), -q[at, gold].mean()))
        classes = np.bincount(gold) if row["kind"] != "choice" else np.ones(p.shape[1])
        dense_nll, nll = np.mean(likelihoods, axis=0)
        assert row["kl_divergence"] == pytest.approx(np.mean(divergences), rel=1e-4)
        assert row["dense_information"] == pytest.approx(entropy(classes) - dense_nll, rel=1e-4)
        assert row["information_retained"] == pytest.approx(
            (entropy(classes) - nll) / (entropy(classes) - dense_nll), rel=1e-4
        )
        wanted = pytest.approx(np.mean(temperatures), rel=1e-3) if temperatures else None
        assert row["temperature"] == wanted
    assert cosines >= 5
    assert found.filter(model="llm")["temperature"].null_count() == found.filter(model="llm").height


def test_bits_per_byte_are_those_of_the_gold_option(planted_study):
    resolved, answers, facts = planted_study
    found = table(resolved, facts)
    for row in found.iter_rows(named=True):
        if row["model"] != "llm" or row["kind"] == "generate":
            assert row["bits_per_byte"] is row["dense_bits_per_byte"] is None
            continue
        ((dense, other),) = pairs(answers, row)
        for name, frame in (("bits_per_byte", other), ("dense_bits_per_byte", dense)):
            rows = frame.select("gold", "scores", "option_bytes").iter_rows()
            bits = [-scores[int(gold)] / np.log(2) / sizes[int(gold)] for gold, scores, sizes in rows]
            assert row[name] == pytest.approx(np.mean(bits))


def test_what_a_kind_lacks_is_null(planted_study):
    found = table(planted_study[0], planted_study[2])
    text, number = row_of(found, kind="generate"), row_of(found, task="degree")
    assert [text[name] for name in OF_PICKS] == [None] * len(OF_PICKS)
    assert text["broken"] is not None
    assert [number[name] for name in (*OF_PICKS, "broken", "broken_low", "fixed", "flips", "mcnemar_p")] == [None] * 11
    assert number["equivalence_p"] is not None  # of the correlation


def test_partial_credit_is_neither_right_nor_wrong(planted_study):
    resolved, answers, facts = planted_study
    cell = next(cell for cell in answers if cell.task == "named" and cell.compression.method != "dense")
    answers[cell] = answers[cell].with_columns(correct=pl.Series([0.5] + [1.0] * (N - 1)))
    row = row_of(table(resolved, facts), kind="generate")
    assert [row[name] for name in ("broken", "broken_high", "fixed", "flips", "mcnemar_p")] == [None] * 5


def test_collapsed_and_broken_runs_have_a_row(planted_study):
    """Both models collapse onto the first option, with all scores equal; or the compressed model gives only NaN."""
    resolved, answers, facts = planted_study
    hues = {cell: frame for cell, frame in answers.items() if cell.task == "hues" and cell.model == "tiny"}
    for cell, frame in hues.items():
        width = len(frame["scores"][0])
        answers[cell] = frame.with_columns(
            prediction=pl.lit(0.0), correct=(pl.col("gold") == 0).cast(pl.Float64), scores=pl.lit([0.5] * width)
        )
    row = row_of(table(resolved, facts), experiment="option_count", model="tiny", knobs="options=2")
    assert (row["agreement"], row["flips"], row["mcnemar_p"], row["kappa"]) == (1, 0, 1, None)
    assert (row["kl_divergence"], row["temperature"], row["information_retained"]) == (None, None, None)
    assert (row["broken_low"], row["broken_high"]) == pytest.approx(wilson(0, N // 2))  # two examples a passage
    for cell, frame in answers.items():
        if cell.task == "mood" and cell.compression.method != "dense":
            answers[cell] = frame.with_columns(prediction=pl.lit(0.0), scores=pl.lit([float("nan")] * 2))
    row = row_of(table(resolved, facts), experiment="modes", transfer="sparse")
    assert row["kl_divergence"] > 0
    assert row["information_retained"] < 1


def test_cells_that_are_missing_are_left_out(planted_study):
    resolved, _, facts = planted_study
    found = table(resolved, facts)
    lacking = facts.filter(~((pl.col("task") == "mood") & (pl.col("seed") == 1) & (pl.col("method") == "dense")))
    few = table(resolved, lacking)
    assert few.height == found.height
    assert few.filter(experiment="modes")["n_seeds"].to_list() == [2, 2]
    assert table(resolved, facts.filter(method="dense")).height == 0


def test_cells_on_other_examples_are_an_error(planted_study):
    resolved, answers, facts = planted_study
    cell = next(cell for cell in answers if cell.task == "named" and cell.compression.method == "dense")
    answers[cell] = answers[cell].with_columns(id=pl.lit("other-") + pl.col("id"))
    with pytest.raises(UserError, match="was scored on other examples than"):
        table(resolved, facts)


def test_the_table_of_a_finished_study(finished):
    """Passages are the clusters, whether they are shown or not; bytes are those of the options in the data."""
    found = pl.read_parquet("results/studies/default/tables/behavior.parquet")
    assert found.schema == SCHEMA
    assert found["compression"].to_list() == ["magnitude-0.5", "wanda-0.5,calibration=phrases"]
    assert found["bits_per_byte"].null_count() == 0
    examples = pl.read_parquet("results/examples/hues/evaluate.parquet").sort("id")
    for cell in toy_run.grid.all_cells(toy_run.read()):
        rows = pl.read_parquet(cell.path, columns=["examples"]).explode("examples").unnest("examples").sort("id")
        assert rows["option_bytes"].to_list() == [[len(each) for each in row] for row in examples["choices"]]
        same = [(a == b) for a, b in zip(examples["passage"], examples["passage"][1:], strict=False)]
        assert [(a == b) for a, b in zip(rows["cluster"], rows["cluster"][1:], strict=False)] == same
        assert rows["cluster"].n_unique() == examples["passage"].n_unique() < rows.height
