"""The table of behavior: every row against scikit-learn and SciPy on planted answers, and from real cells."""

import numpy as np
import polars as pl
import pytest
import toy
import toy_run
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binomtest, entropy, t
from sklearn.metrics import cohen_kappa_score

from junkdna.analysis import cell_answers, picked_options
from junkdna.analysis.behavior import SCHEMA, behavior, intervals
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.draws import Draws, clusters
from junkdna.analysis.intervals import Panel, wilson
from junkdna.analysis.mean_panels import mean_panels
from junkdna.analysis.option_probabilities import blind_nll
from junkdna.analysis.scores import Scores
from junkdna.errors import UserError
from junkdna.run.cell_file import EXAMPLE
from junkdna.study.cell import Cell, knob_text
from junkdna.study.grid import reference
from junkdna.study.load import resolve
from junkdna.study.study import Resolved

N, REPLICATES = 80, 300
IDS = [f"row-{i}" for i in range(N)]
ROW = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol")
OF_PICKS = ("agreement", "kappa", "kl_divergence", "temperature", "dense_information", "information_retained")
STUDY = {
    **toy.SETTINGS,
    "protocols": {**toy.SETTINGS["protocols"], "tokens": {"length_normalization": "token"}},
    "experiments": {
        **{name: toy.SETTINGS["experiments"][name] for name in ("option_count", "factoid_vs_choice", "across_tasks")},
        "modes": {"title": "Modes", "models": ["tiny"], "tasks": ["mood"], "compressions": toy.HALF,
                  "transfer": ["sparse", "dense_freeze"], "seeds": [0, 1, 2]},
        "crossed": {**toy.SETTINGS["experiments"]["cross_encoder"], "seeds": [0, 1]},
        "per_token": {"title": "Tokens", "models": ["llm"], "tasks": ["hues"], "compressions": toy.HALF,
                      "protocol": "tokens"},
        "masks": {"title": "Masks", "models": ["tiny"], "tasks": ["hues"], "seeds": [0, 1, 2],
                  "compressions": [{"method": "random", "sparsity": 0.5}]},
    },
    "bootstrap": REPLICATES,
}  # fmt: skip


def planted(cell: Cell, resolved: Resolved, number: int) -> pl.DataFrame:
    """Answers of one cell, different in every cell and of the form that its kind of task has."""
    task, rng = resolved.tasks[cell.task], np.random.default_rng(number)
    skill = 1.2 if cell.compression.method == "dense" else 0.6
    columns: dict = {"id": IDS, "cluster": [f"passage {i // 2}" for i in range(N)] if cell.task == "hues" else None}
    if task.kind == "generate":
        columns |= {"correct": (rng.random(N) < skill / 2).astype(float)}
    elif task.kind == "regress":
        gold = np.random.default_rng(1).random(N)
        columns |= {"gold": gold, "prediction": gold + rng.random(N)}
    else:
        columns |= picks(cell, skill, rng)
    blank = {name: pl.lit(None) for name in EXAMPLE if name not in columns}
    return pl.DataFrame(columns, strict=False).with_columns(**blank)


def picks(cell: Cell, skill: float, rng: np.random.Generator) -> dict:
    options = dict(cell.knobs).get("options", 4) if cell.task == "hues" else 2
    gold = np.random.default_rng(options).integers(0, options, N)
    scores = rng.normal(size=(N, options)) + skill * (np.arange(options) == gold[:, None])
    scores = scores / 10 if cell.model == "tiny" and cell.transfer == "none" else scores - 3
    lengths = np.random.default_rng(7).integers(1, 4, (N, options))
    deciding = scores / lengths if cell.protocol == "tokens" else scores
    found = {"gold": gold.astype(float), "prediction": deciding.argmax(axis=1).astype(float)}
    found |= {"correct": (found["gold"] == found["prediction"]).astype(float), "scores": scores.tolist()}
    if cell.model == "llm":
        found |= {"scores_per_token": (scores / lengths).tolist(), "scores_per_character": (scores / 9).tolist(),
                  "option_bytes": (3 * lengths).tolist()}  # fmt: skip
    return found


def fact(cell: Cell, resolved: Resolved, frame: pl.DataFrame) -> dict:
    task = resolved.tasks[cell.task]
    return {
        "cell": cell.key, "model": cell.model, "task": cell.task, "knobs": knob_text(cell.knobs) if cell.knobs else "",
        "kind": task.kind, "method": cell.compression.method, "compression": cell.compression.tag,
        "sparsity": cell.compression.nominal_sparsity, "transfer": cell.transfer, "protocol": cell.protocol,
        "metric": task.metric, "seed": cell.seed, "n_examples": frame.height, "collapsed": False,
        "chance": 0.25, "majority": 0.3,
    }  # fmt: skip


@pytest.fixture
def study(world, monkeypatch):
    """(Study, answers by cell, table of cells) of planted answers, used instead of cell files."""
    resolved = resolve(STUDY, "test")
    answers = {cell: planted(cell, resolved, 50 + at) for at, cell in enumerate(toy_run.grid.all_cells(resolved))}
    for place in (cell_answers, picked_options):
        monkeypatch.setattr(place, "examples_of", lambda cell, columns: answers[cell].select(columns))
    return resolved, answers, pl.DataFrame([fact(cell, resolved, frame) for cell, frame in answers.items()])


def table(resolved: Resolved, facts: pl.DataFrame) -> pl.DataFrame:
    return behavior(resolved, facts, Scores(CellAnswers(resolved, {}), REPLICATES))


def row_of(found: pl.DataFrame, **names: str) -> dict:
    rows = found.filter(**names).to_dicts()
    assert len(rows) == 1, names
    return rows[0]


def pairs(answers: dict, row: dict) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """(Dense, compressed) answers of a row by seed."""
    cells = [
        cell for cell in answers
        if cell.compression.tag == row["compression"] and (knob_text(cell.knobs) if cell.knobs else "") == row["knobs"]
        and all(getattr(cell, name) == row[name] for name in ("model", "task", "transfer", "protocol"))
    ]  # fmt: skip
    return [(answers[reference(cell)], answers[cell]) for cell in sorted(cells, key=lambda cell: cell.seed)]


# --- one row a group --------------------------------------------------------------------------------------------------


def test_every_compressed_group_has_a_row(study):
    resolved, _, facts = study
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


def test_nothing_is_nan_or_infinite(study):
    found = table(study[0], study[2])
    numbers = found.select(pl.selectors.float())
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width


def test_flips_and_agreement_are_those_of_scikit_learn_and_scipy(study):
    resolved, answers, facts = study
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


def deciding(frame: pl.DataFrame, row: dict) -> np.ndarray:
    return np.stack(frame["scores_per_token" if row["protocol"] == "tokens" else "scores"].to_list())


def best_temperature(scores: np.ndarray, gold: np.ndarray) -> float:
    def loss(log: float) -> float:
        return -log_softmax(scores / np.exp(log), axis=1)[np.arange(N), gold].mean()

    return float(np.exp(minimize_scalar(loss, bracket=(-3, 0)).x))


def test_divergence_and_information_are_those_of_scipy(study):
    resolved, answers, facts = study
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


def test_bits_per_byte_are_those_of_the_gold_option(study):
    resolved, answers, facts = study
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


def test_what_a_kind_lacks_is_null(study):
    found = table(study[0], study[2])
    text, number = row_of(found, kind="generate"), row_of(found, task="degree")
    assert [text[name] for name in OF_PICKS] == [None] * len(OF_PICKS)
    assert text["broken"] is not None
    assert [number[name] for name in (*OF_PICKS, "broken", "broken_low", "fixed", "flips", "mcnemar_p")] == [None] * 11
    assert number["equivalence_p"] is not None  # of the correlation


def test_partial_credit_is_neither_right_nor_wrong(study):
    resolved, answers, facts = study
    cell = next(cell for cell in answers if cell.task == "named" and cell.compression.method != "dense")
    answers[cell] = answers[cell].with_columns(correct=pl.Series([0.5] + [1.0] * (N - 1)))
    row = row_of(table(resolved, facts), kind="generate")
    assert [row[name] for name in ("broken", "broken_high", "fixed", "flips", "mcnemar_p")] == [None] * 5


def test_collapsed_and_broken_runs_have_a_row(study):
    """Both models collapse onto the first option, with all scores equal; or the compressed model gives only NaN."""
    resolved, answers, facts = study
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


def test_cells_that_are_missing_are_left_out(study):
    resolved, _, facts = study
    found = table(resolved, facts)
    lacking = facts.filter(~((pl.col("task") == "mood") & (pl.col("seed") == 1) & (pl.col("method") == "dense")))
    few = table(resolved, lacking)
    assert few.height == found.height
    assert few.filter(experiment="modes")["n_seeds"].to_list() == [2, 2]
    assert table(resolved, facts.filter(method="dense")).height == 0


def test_cells_on_other_examples_are_an_error(study):
    resolved, answers, facts = study
    cell = next(cell for cell in answers if cell.task == "named" and cell.compression.method == "dense")
    answers[cell] = answers[cell].with_columns(id=pl.lit("other-") + pl.col("id"))
    with pytest.raises(UserError, match="was scored on other examples than"):
        table(resolved, facts)


# --- intervals --------------------------------------------------------------------------------------------------------


def test_intervals_are_those_of_a_slow_bootstrap(study):
    """One seed: percentiles over drawn passages."""
    resolved, answers, facts = study
    row = row_of(table(resolved, facts), experiment="per_token")
    ((dense, other),) = pairs(answers, row)
    cluster = clusters(dense["cluster"].to_list())
    right = [frame["correct"].to_numpy() == 1 for frame in (dense, other)]
    gold = dense["gold"].to_numpy().astype(int)
    p, q = (log_softmax(deciding(frame, row), axis=1) for frame in (dense, other))
    values: dict[str, list] = {"broken": [], "kl_divergence": [], "information_retained": []}
    for _, counts in Draws(tuple(IDS), REPLICATES, cluster).blocks():
        for drawn in counts.astype(int):
            sample = np.repeat(np.arange(N), drawn)
            values["broken"].append((right[0] & ~right[1])[sample].mean())
            values["kl_divergence"].append(entropy(np.exp(p[sample]), np.exp(q[sample]), axis=1).mean())
            nlls = [-each[sample, gold[sample]].mean() for each in (q, p)]
            values["information_retained"].append((np.log(4) - nlls[0]) / (np.log(4) - nlls[1]))
    for name, replicated in values.items():
        low, high = np.quantile(replicated, [0.025, 0.975])
        assert (row[f"{name}_low"], row[f"{name}_high"]) == pytest.approx((low, high), rel=1e-3)


@pytest.mark.parametrize("classes", [True, False])
def test_the_baseline_of_information_is_drawn_with_the_likelihoods(classes):
    """Questions with more options, and rare classes, are harder for a model with and without the input."""
    rng, n = np.random.default_rng(2), 300
    options = np.full(n, 8) if classes else rng.choice([2, 4, 8], n)
    gold = rng.choice(8, n, p=np.array([43, 22, 11, 6, 6, 4, 4, 4]) / 100) if classes else np.zeros(n, int)
    blind = blind_nll(gold, options, classes)
    dense = blind * 0.6 + rng.gamma(4, 0.02, n)
    other = dense + rng.gamma(20, 0.005, n)
    draws = Draws(tuple(map(str, range(n))), 2000)
    none = np.zeros((3, n))
    row = intervals(mean_panels({"a": np.stack([*none, other, dense, blind])[None]}, draws)["a"], n)
    kept, fixed = [], []
    for _, counts in draws.blocks():
        for drawn in counts.astype(int):
            at = np.repeat(np.arange(n), drawn)
            h0 = entropy(np.bincount(gold[at])) if classes else np.log(options[at]).mean()
            kept.append((h0 - other[at].mean()) / (h0 - dense[at].mean()))
            fixed.append((blind.mean() - other[at].mean()) / (blind.mean() - dense[at].mean()))
    low, high = np.quantile(kept, [0.025, 0.975])
    assert (row["information_retained_low"], row["information_retained_high"]) == pytest.approx(
        (low, high), abs=0.01 if classes else 1e-4
    )
    width = row["information_retained_high"] - row["information_retained_low"]
    assert width < 0.8 * np.ptp(np.quantile(fixed, [0.025, 0.975]))


def test_seeds_widen_an_interval():
    """high = T + sqrt(t^2 V + (u - T)^2), with V the jackknife variance of three seeds."""
    value, replicates = np.array([0.4, 0.1, 0.2, 1.0, 0.8, 1.4]), np.random.default_rng(0).random((6, 200))
    left_out = value[:, None] + np.array([-0.02, 0.0, 0.02])
    row = intervals(Panel(value, replicates, left_out), units=50)
    variance = 2 / 3 * 2 * 0.02**2
    upper = np.quantile(replicates[0], 0.975) - 0.4
    assert row["broken_high"] == pytest.approx(min(1, 0.4 + (t.ppf(0.975, 2) ** 2 * variance + upper**2) ** 0.5))
    assert row["information_retained"] == pytest.approx(0.4 / 0.6)
    assert row["kl_divergence_low"] >= 0


# --- equivalence ------------------------------------------------------------------------------------------------------


def test_equivalence_is_the_90_percent_interval_within_the_margin(study):
    resolved, _, facts = study
    scores = Scores(CellAnswers(resolved, {}), REPLICATES)
    found = behavior(resolved, facts, scores)
    for row in found.iter_rows(named=True):
        assert row["equivalent"] == (None if row["equivalence_p"] is None else row["equivalence_p"] < 0.05)
    planned = {cell.key: cell for cell in toy_run.grid.all_cells(resolved)}
    few = found.filter(pl.col("equivalence_p").is_not_null() & (pl.col("n_seeds") == 1))
    assert few.height >= 3
    for row in few.iter_rows(named=True):
        cell = next(
            cell for cell in planned.values()
            if (cell.model, cell.task, cell.compression.tag, cell.protocol)
            == (row["model"], row["task"], row["compression"], row["protocol"])
            and (knob_text(cell.knobs) if cell.knobs else "") == row["knobs"]
        )  # fmt: skip
        panel = scores.panel([cell_answers.Group((reference(cell),)), cell_answers.Group((cell,))])
        dense, other = panel.replicates - 0.25  # the planted chance
        lost = (dense - other) / dense
        inside = np.quantile(lost, 0.05) > -0.05 and np.quantile(lost, 0.95) < 0.05
        assert inside == row["equivalent"], row


@pytest.mark.parametrize(("broken", "wanted"), [(0, True), (4, True), (60, False)])
def test_a_small_drop_is_equivalent_and_a_large_one_is_not(world, monkeypatch, broken, wanted):
    resolved = resolve({**STUDY, "experiments": {"masks": {**STUDY["experiments"]["masks"], "compressions": toy.HALF}}},
                       "test")  # fmt: skip
    n, right = 1000, np.arange(1000) % 10 > 0
    frames = {}
    for cell in toy_run.grid.all_cells(resolved):
        turned = right & (np.arange(n) >= (broken if cell.compression.level else 0) * 10 / 9)
        picked = np.where(turned, 0.0, 1.0)
        frames[cell] = pl.DataFrame({
            "id": [str(i) for i in range(n)], "cluster": pl.Series([None] * n, dtype=pl.String), "gold": [0.0] * n,
            "prediction": picked, "correct": 1 - picked, "scores": np.stack([1 - picked, picked], axis=1).tolist(),
            "option_bytes": pl.Series([None] * n, dtype=pl.List(pl.Int32)),
        })  # fmt: skip
    for place in (cell_answers, picked_options):
        monkeypatch.setattr(place, "examples_of", lambda cell, columns: frames[cell].select(columns))
    facts = pl.DataFrame([fact(cell, resolved, frame) for cell, frame in frames.items()])
    row = row_of(table(resolved, facts), task="hues")
    assert row["broken"] == pytest.approx(broken / n, abs=1e-3)
    assert row["equivalent"] is wanted


def test_equivalence_is_not_tested_where_it_cannot_be(study):
    """A dense model at its baseline; one seed of a trained cell."""
    resolved, _, facts = study
    at_baseline = table(resolved, facts.with_columns(chance=0.99, majority=0.99))
    assert at_baseline.filter(pl.col("kind") != "regress")["equivalence_p"].null_count() > 0
    assert row_of(at_baseline, experiment="per_token")["equivalent"] is None
    one = table(resolved, facts.filter((pl.col("transfer") == "none") | (pl.col("seed") == 0)))
    assert one.filter(experiment="modes")["equivalence_p"].to_list() == [None, None]
    assert row_of(one, experiment="per_token")["equivalence_p"] is not None


# --- from real cells, and its speed -----------------------------------------------------------------------------------


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
