"""Bits per byte through the complete workflow: a question's answer and the perplexity of a text file."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import toy
from workflow_run import environment, snakemake

pytestmark = [pytest.mark.dag, pytest.mark.long]

COMMON = {"kind": "likelihood", "metric": "log2_likelihood_per_byte", "license": "made in the test"}
ANSWERS = {
    **COMMON, "name": "colors", "title": "Colors",
    "sources": {"local": {"local": "data", "splits": {"evaluate": "hues.parquet"}}},
    "columns": {"id": "key", "text": "{q}", "answer": "right"}, "evaluate_split": "evaluate",
}  # fmt: skip
STORY = {
    **COMMON, "name": "story", "title": "Story", "prompt": "",
    "sources": {"local": {"local": "data", "splits": {"all": "story.txt"}}},
    "columns": {"text": "{text}", "answer": "text"}, "evaluate_split": "all", "protocol": {"max_length": 64},
}  # fmt: skip
STUDY = {
    "study": "likelihoods",
    "models": {"llm": {"kind": "decoder", "local": "decoder"}},
    "tasks": {name: {"file": f"tasks/{name}.yaml"} for name in ("colors", "story")},
    "experiments": {"e": {"title": "E", "models": ["llm"], "tasks": ["colors", "story"],
                          "compressions": [{"method": "magnitude", "sparsity": [0.3, 0.6]}]}},
    "bootstrap": 300,
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = toy.make_world(tmp_path_factory.mktemp("likelihoods"))
    words = np.random.default_rng(2).choice(toy.WORDS, 4000)
    (folder / "data/story.txt").write_text(" ".join(words))
    for task in (ANSWERS, STORY):
        toy.write_yaml(folder / f"tasks/{task['name']}.yaml", task)
    toy.write_yaml(folder / "config.yaml", STUDY)
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout
    return folder


def cell(folder: Path, task: str, compression: str) -> tuple[dict, pl.DataFrame]:
    path = folder / f"results/cells/llm/{task}/plain/{compression}/none/default/seed-0.parquet"
    row = pl.read_parquet(path).row(0, named=True)
    return row, pl.DataFrame(row["examples"])


def drops(folder: Path, task: str) -> dict[str, dict]:
    table = pl.read_parquet(folder / "results/studies/likelihoods/tables/drops.parquet").filter(pl.col("task") == task)
    return {row["compression"]: row for row in table.iter_rows(named=True)}


def test_retention_is_the_share_of_information_of_the_dense_model(finished: Path) -> None:
    dense, examples = cell(finished, "colors", "dense")
    h0, h = -examples["blind"].mean(), -examples["prediction"].mean()
    assert dense["score"] == pytest.approx(-h)
    assert dense["chance"] == dense["majority"] == pytest.approx(-h0)
    rows = drops(finished, "colors")
    for compression in ("magnitude-0.3", "magnitude-0.6"):
        pruned, own = cell(finished, "colors", compression)
        row = rows[compression]
        assert pruned["chance"] != dense["chance"]  # its own, which no table of drops uses
        assert row["chance"] == dense["chance"]
        wanted = (h0 + own["prediction"].mean()) / (h0 - h) if h0 > h else None
        assert row["retention"] == (wanted if wanted is None else pytest.approx(wanted))
        assert row["dense_known_share"] == pytest.approx((h0 - h) / h0)
        assert row["difficulty"] == pytest.approx(h / h0)


def test_a_text_file_has_a_perplexity(finished: Path) -> None:
    row, examples = cell(finished, "story", "dense")
    text = (finished / "data/story.txt").read_text()
    assert examples["bytes"].sum() == len(text.encode())
    assert examples["tokens"].sum() == 4000
    metrics = {each["name"]: each["value"] for each in row["metrics"]}
    nats = -(examples["prediction"] * examples["bytes"]).sum() * math.log(2)
    assert metrics["perplexity_per_token"] == pytest.approx(math.exp(nats / 4000))
    assert metrics["perplexity_per_byte"] == pytest.approx(math.exp(nats / len(text.encode())))
    assert row["chance"] == -8
    wanted = (row["score"] + 8) / 8
    assert drops(finished, "story")["magnitude-0.3"]["dense_known_share"] == pytest.approx(wanted)


def test_the_report_shows_bits_per_byte(finished: Path) -> None:
    page = (finished / "results/studies/likelihoods/report.html").read_text()
    assert "log2-likelihood per byte" in page


def test_it_can_be_shown_token_by_token(finished: Path) -> None:
    import subprocess
    import sys

    for task, says in (("colors", "input-blind, "), ("story", "not scored: ")):
        shown = subprocess.run(
            [sys.executable, "-m", "junkdna", "task", "show", task, "--model", "llm", "--n", "2"],
            cwd=finished, env=environment(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert says in shown.stdout
        assert "scored tokens" in shown.stdout
        assert "accepted answers" not in shown.stdout
