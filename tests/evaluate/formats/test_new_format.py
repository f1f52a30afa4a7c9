"""A new answer format is one file: dropped into a copy of the package it is listed, validated, run and documented."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy
from project import ROOT, python_path

pytestmark = pytest.mark.dag

FILE = '''
"""Cloze by bytes: like cloze, with each option's log-likelihood divided by the bytes of its text."""

import numpy as np

from junkdna.evaluate.formats import cloze
from junkdna.study.formats import Format

FORMAT = Format(
    label="cloze by bytes",
    meaning="log-likelihood of the text of each option, per byte",
    caption="the text of each option is scored, per byte",
    models=("decoder",),
    picked_for=("choice",),
    prompt="prompt",
    suffix=False,
    columns=("query", "options", "option_starts", "option_characters", "answer"),
    modules=("junkdna.evaluate.answers", "junkdna.evaluate.scores"),
)


def tokenize(rows, shots, tokenizer, settings, readable):
    coded = cloze.tokenize(rows, shots, tokenizer, settings, readable)
    sizes = ([len(choice.encode()) for choice in row["choices"]] for row in rows)
    return [{**row, "option_characters": each} for row, each in zip(coded, sizes, strict=True)]


def score(settings, model, rows, device, loop, tokenizer):
    from junkdna.evaluate.answers import picked
    from junkdna.evaluate.scores import loglikelihood

    sums = loglikelihood(model, rows["query"], rows["options"], rows["option_starts"], device, loop)
    per_byte = [row / np.array(size) for row, size in zip(sums, rows["option_characters"], strict=True)]
    return picked(settings, rows, per_byte, {"scores": sums})
'''
ONE = {"models": ["llm"], "tasks": ["hues"], "compressions": toy.HALF}
STUDY = {
    **toy.SETTINGS,
    "protocols": {"bytes": {"decoder_choice": "cloze_bytes"}},
    "experiments": {"bytes": {**ONE, "title": "By bytes", "protocol": "bytes"}, "texts": {**ONE, "title": "By text"}},
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of the project with one new file."""
    folder = tmp_path / "clone"
    for name in ("junkdna", "workflow", "rules", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "junkdna/evaluate/formats/cloze_bytes.py").write_text(FILE)
    return folder


def python(clone: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    """Run a module with the copied package, in a folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": python_path(clone), "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, text=True, check=False, timeout=1800,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


@pytest.mark.long
def test_one_new_file_is_a_new_answer_format(clone, world):
    toy.write_yaml(world / "config.yaml", STUDY)
    listed = python(clone, world, "junkdna", "formats").stdout
    assert "cloze_bytes    log-likelihood of the text of each option, per byte  [decoder; choice; none;" in listed
    table = python(clone, world, "junkdna", "formats", "--markdown").stdout
    assert "| `cloze_bytes` | log-likelihood of the text of each option, per byte | decoder | choice |" in table

    snakefile = ("snakemake", "-s", str(clone / "workflow/Snakefile"), "--directory", str(world), "--cores", "2")
    done = python(clone, world, *snakefile)
    assert done.returncode == 0, done.stdout
    rows = {}
    for protocol in ("bytes", "default"):
        [row] = pq.read_table(f"results/cells/llm/hues/plain/magnitude-0.5/none/{protocol}/seed-0.parquet").to_pylist()
        rows[protocol] = row["examples"]
    for by_bytes, by_text in zip(rows["bytes"], rows["default"], strict=True):
        assert by_bytes["scores"] == by_text["scores"]  # the same sums: red, blue, green and white
        assert by_bytes["scores_per_character"] is None
        best = max(range(4), key=lambda n: by_text["scores_per_character"][n])  # a byte is a character here
        assert by_bytes["prediction"] == best
    drawn = world / "results/studies/settings/figures"
    assert sorted(drawn.glob("*.svg"))


def test_wrong_names_and_wrong_uses_are_refused(clone, world):
    def error(**changes: object) -> str:
        toy.write_yaml(world / "config.yaml", {**STUDY, **changes})
        refused = python(clone, world, "junkdna", "plan", "--list")
        assert refused.returncode == 2
        return refused.stdout

    said = error(protocols={"bytes": {"decoder_choice": "cloze_byte"}})
    assert "protocols.bytes.decoder_choice" in said
    assert "Did you mean 'cloze_bytes'" in said
    trained = {"bytes": {**STUDY["experiments"]["bytes"], "transfer": ["sparse"]}}
    assert "this pair can only be scored without training" in error(experiments=trained)
    toy.write_yaml(
        world / "tasks/hues.yaml", {**toy.HUES_TASK, "columns": {**toy.HUES_TASK["columns"], "suffix": "{w1}"}}
    )
    assert "decoder_choice cloze_bytes does not show the suffix of the options" in error()
