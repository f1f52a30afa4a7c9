"""The table of drops: its groups and references, metrics, human figures and knobs, and a study end to end."""

import shutil

import made_cells
import numpy as np
import polars as pl
import pytest
import toy
import toy_run
from bootstrap_cases import coin, effects, ids
from scipy import stats
from sklearn.metrics import matthews_corrcoef

from junkdna.analysis import cell_answers
from junkdna.analysis.cell_answers import CellAnswers
from junkdna.analysis.draws import Draws
from junkdna.analysis.drops import drops
from junkdna.analysis.result_columns import RESULTS
from junkdna.analysis.scores import Scores
from junkdna.errors import UserError
from junkdna.study.cell import Cell
from junkdna.study.load import resolve
from junkdna.study.study import Resolved

# --- groups and references --------------------------------------------------------------------------------------------


def fact(cell: Cell, resolved: Resolved, score: float, chance: float) -> dict:
    """The row of a cell in the joined table; its bits depend on the seed."""
    bits = 16.0 if cell.compression.method == "dense" else 10.0 + cell.seed / 4
    return made_cells.fact(cell, resolved, score, 50, chance=chance, majority=0.3, effective_bits_per_weight=bits)


def stand_in(monkeypatch: pytest.MonkeyPatch, answers: dict[Cell, pl.DataFrame]) -> None:
    """Per-example rows from memory instead of cell files."""
    no_cluster = pl.lit(None, pl.String).alias("cluster")
    read = lambda cell, columns: answers[cell].with_columns(no_cluster).select(columns)  # noqa: E731
    monkeypatch.setattr(cell_answers, "examples_of", read)


def compare(resolved: Resolved, facts: pl.DataFrame) -> pl.DataFrame:
    return drops(resolved, facts, Scores(CellAnswers(resolved, {}), resolved.study.bootstrap))


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
    table = compare(resolved, facts)
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
    table = compare(planted[0], planted[2]).filter(pl.col("method") == "dense")
    assert table.height == 3
    for name in ("drop", "drop_low", "drop_high"):
        assert (table[name] == 0).all()
    for name in ("retention", "retention_low", "retention_high"):
        assert (table[name] == 1).all()


def test_seeds_are_paired_with_the_dense_run_of_the_same_seed(planted):
    """Interval of the sparse group, from arrays stacked by hand in the order of the seeds."""
    resolved, answers, facts = planted
    table = compare(resolved, facts).filter(pl.col("transfer") == "sparse")

    def stacked(mode):
        cells = sorted((c for c in answers if c.transfer == mode), key=lambda cell: cell.seed)
        return np.stack([(answers[c]["gold"] == answers[c]["prediction"]).to_numpy().astype(float) for c in cells])

    wanted = effects(stacked("sparse"), stacked("dense"), 0.3, resolved.study.bootstrap, "mood")
    assert {name: table[name][0] for name in wanted} == pytest.approx(wanted)
    crossed = effects(stacked("sparse"), stacked("dense")[::-1], 0.3, resolved.study.bootstrap, "mood")
    assert (crossed["drop_low"], crossed["drop_high"]) != (wanted["drop_low"], wanted["drop_high"])


def test_conditions_with_the_same_examples_share_the_draws(planted, monkeypatch):
    """The groups of an experiment are resampled together, one evaluation set at a time."""
    drawn, blocks = [], Draws.blocks
    monkeypatch.setattr(Draws, "blocks", lambda draws: (drawn.append(draws.ids), blocks(draws))[1])
    compare(planted[0], planted[2])
    assert sorted(drawn) == [ids(50, "colours"), ids(50, "mood")]


def test_collapsed_runs_are_counted(planted):
    resolved, _, facts = planted
    table = compare(resolved, facts.with_columns(collapsed=pl.col("transfer") == "sparse"))
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
        compare(resolved, facts)


# --- metrics, human figures and knobs in drops() ----------------------------------------------------------------------

HALF = [{"method": "magnitude", "sparsity": 0.5}]
SETTINGS = {
    "study": "settings",
    "models": {"enc": {"kind": "encoder", "local": "enc"}, "dec": {"kind": "decoder", "local": "dec"}},
    "tasks": dict.fromkeys(["cola", "stsb", "sciq", "mmlu", "gsm8k", "arc_easy"]),
    "experiments": {
        "adequacy": {"title": "", "models": ["enc"], "tasks": ["cola", "stsb"], "transfer": ["dense", "sparse"],
                     "compressions": HALF, "knobs": {"data_fraction": [25, 100]}, "seeds": [0, 1]},
        "options": {"title": "", "models": ["dec"], "tasks": ["sciq", "mmlu"], "compressions": HALF,
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
    table = compare(resolved, facts)
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
        assert row["baseline"] == ("majority" if row["task"] == "cola" else "chance")
        baseline = row[row["baseline"]]
        assert row["retention"] == pytest.approx((row["score"] - baseline) / (row["dense_score"] - baseline))
        assert row["dense_known_share"] == pytest.approx((row["dense_score"] - baseline) / (1 - baseline))
        assert row["difficulty"] == pytest.approx(1 - (row["dense_score"] - chance) / (1 - chance))


@pytest.mark.parametrize("kind", ["chance", "majority"])
def test_a_study_may_set_the_baseline(settings, kind):
    _, _, facts = settings
    table = compare(resolve({**SETTINGS, "claims": {"baseline": kind}}, "test"), facts)
    assert set(table["baseline"]) == {kind}
    assert {0.3} == set(table["majority"])
    for row in table.filter(pl.col("retention").is_not_null()).iter_rows(named=True):
        wanted = (row["score"] - row[kind]) / (row["dense_score"] - row[kind])
        assert row["retention"] == pytest.approx(wanted)


def test_human_figures_and_gaps(settings):
    resolved, _, facts = settings
    table = compare(resolved, facts)
    for row in table.iter_rows(named=True):
        task = resolved.tasks[row["task"]]
        knobs = dict(pair.split("=") for pair in row["knob_values"].split(",") if pair)
        usual = {name: str(value) for name, value in task.knob_defaults().items()}
        asked = all(knobs[name] == usual[name] for name in knobs.keys() & {"options", "context", "answer_span"})
        human = task.human if asked else None
        if human is None:
            assert row["human"] is row["human_source"] is row["human_gap_by_human"] is row["human_gap_by_dense"] is None
            continue
        assert (row["human"], row["human_source"]) == (human.value, human.source)
        gap = human.value - row["dense_score"]
        assert row["human_gap_by_human"] == pytest.approx(gap / human.value)
        assert row["human_gap_by_dense"] == pytest.approx(gap / row["dense_score"])
    known = {(row["task"], row["knobs"]): row["human"] for row in table.iter_rows(named=True)}
    assert known["cola", "data_fraction=25"] == known["cola", ""] == 0.664
    assert known["gsm8k", ""] is known["arc_easy", ""] is None
    assert known["mmlu", ""] == known["mmlu", "shots=5"] == 0.898
    assert known["mmlu", "options=3"] is None  # people chose among four


def test_columns_have_their_types_where_all_values_are_null(settings):
    resolved, _, facts = settings
    only = SETTINGS["experiments"] | {"adequacy": SETTINGS["experiments"]["across"]}
    bare = resolve({**SETTINGS, "run": ["across"], "experiments": only}, "test")
    table = compare(bare, facts)
    assert table["human"].null_count() == table.height == 4
    whole = compare(resolved, facts)
    assert table.schema == whole.schema
    assert whole.schema["human_source"] == pl.String
    assert all(whole.schema[name] == pl.Float64 for name in ("human", "human_gap_by_human", "retention"))


def test_every_knob_value_is_written_defaults_included(settings):
    resolved, _, facts = settings
    table = compare(resolved, facts).filter(pl.col("method") == "dense", pl.col("transfer") != "sparse")
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
    table = compare(resolved, facts)
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
    folder = toy_run.join(resolved) / "tables"
    cells, output = folder / "cells.parquet", folder / "drops.parquet"
    assert {file.stem for file in folder.iterdir()} == {"cells", *RESULTS}
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
    again = compare(resolved, facts)
    assert again.equals(table)
