"""Strict matches of written answers against those of lm-evaluation-harness 0.4.13.

`benchmarks/lm_eval_tasks/strict.py` made the golden file.
"""

import json
import re

import pytest
from project import GOLDEN

from junkdna.evaluate.text_match import credit
from junkdna.study.task_files import load_task

EXPECTED = json.loads((GOLDEN / "lm_eval_strict.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("task", EXPECTED)
def test_strict_credit_is_lm_evals(task):
    """But that an answer of which nothing is left is wrong: lm-eval accepts it for an accepted answer like it."""
    asked = load_task(task).generate.model_dump()
    accepted = 0
    for text, gold, right in EXPECTED[task]:
        numbers = [re.fullmatch(r"(?s).*#### (.*)", one)[1] for one in gold] if task == "gsm8k" else gold
        found = credit(text, numbers, asked["match"], asked["extract"], asked["exact"])["exact_match"]
        says_nothing = not text.strip(" .")
        assert found == (0 if says_nothing else right), (text, gold)
        accepted += right
    assert accepted > 20


@pytest.mark.parametrize(
    ("text", "right"), [("#### 18", 1), ("#### $18", 0), ("#### 18.0", 0), ("#### 18.", 1), ("18", 0)]
)
def test_gsm8k_compares_what_is_written(text, right):
    asked = load_task("gsm8k").generate.model_dump()
    found = credit(text, ["18"], asked["match"], asked["extract"], asked["exact"])
    assert (found["exact_match"], found["lenient_match"]) == (right, 1)


def test_the_other_tasks_of_numbers_still_compare_numbers():
    for task in ("svamp", "mawps"):
        asked = load_task(task).generate.model_dump()
        assert credit("$18.0", ["18"], asked["match"], asked["extract"], asked["exact"])["exact_match"] == 1
