"""Strict matches of lm-evaluation-harness on generated answers, for tests/evaluate/test_lm_eval_strict.py.

    LM_EVAL_PYTHON benchmarks/lm_eval_tasks/strict.py --out tests/golden/lm_eval_strict.json

Runs lm-eval's filter and metric, with the arguments of its task definitions, on the invented answers below. Imports
nothing from junkdna. The result is JSON: task of the package -> [text, accepted answers, 0 or 1].
"""

import argparse
import itertools
import json
from pathlib import Path

import lm_eval
import yaml
from lm_eval.api.metrics import exact_match_hf_evaluate
from lm_eval.filters import build_filter_ensemble

DEFINITIONS = {
    "gsm8k": ("gsm8k/gsm8k.yaml", "strict-match"),
    "trivia_qa": ("triviaqa/default.yaml", "remove_whitespace"),
    "nq_open": ("nq_open/nq_open.yaml", "remove_whitespace"),
}
NUMBERS = (
    "18", "$18", "18.", "18.0", "18.00", "1,018", "1018", "-18", "\u221218", "- 18", "18%", "eighteen", "", "18,",
    "18.5", "0", "018", "1 018", "18 dollars", ".5", "0.5", "1,0,1,8", "$1,018.",
)  # fmt: skip
FORMS = (
    "{}", " {}", "#### {}", "So 9 + 9.\n#### {}", "#### {}\n\nQ", "####{}", "#### {}\n#### 7", "The answer is {}.",
    "####  {}",
)  # fmt: skip
SOLUTIONS = ("9 * 2 = <<9*2=18>>18\n#### 18", "#### 1,018", "#### -18", "#### 0.5", "#### 18.0")
ANSWERS = (
    "Beatles", "The Beatles", "the beatles", " Beatles ", "Beatles.", "\u201cBeatles\u201d", '"Beatles"', "a Beatles",
    "A.C.", "AC", "ac", "A C", "An", "the", "", ".", "U.S.", "US", "caf\u00e9", "cafe", "Beatles, The",
    "theBeatles", "and the Beatles", "1,000", "1000", "Rock 'n' Roll", "Rock n Roll", "rock-n-roll", "rock  n roll",
)  # fmt: skip


def matches(task: str, text: str, gold: list[str]) -> int:
    """1 if lm-eval's metric, after its filter, accepts the text for any of the accepted answers, else 0."""
    file, name = DEFINITIONS[task]
    definition = yaml.safe_load((Path(lm_eval.__file__).parent / "tasks" / file).read_text(encoding="utf-8"))
    (steps,) = (entry["filter"] for entry in definition["filter_list"] if entry["name"] == name)
    responses = [[text]]
    for step in steps:
        options = {key: value for key, value in step.items() if key != "function"}
        (build_filter,) = build_filter_ensemble(name, [[step["function"], options]]).filters
        responses = [*build_filter().apply(responses, [{}])]
    (metric,) = definition["metric_list"]
    options = {key: metric[key] for key in ("ignore_case", "ignore_punctuation", "regexes_to_ignore") if key in metric}
    score = exact_match_hf_evaluate(predictions=[responses[0]] * len(gold), references=gold, **options)
    return int(score["exact_match"] > 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    sums = [(form.format(number), [gold]) for form, number, gold in itertools.product(FORMS, NUMBERS, SOLUTIONS)]
    names = [(text, [gold, "Fab Four"]) for text, gold in itertools.product(ANSWERS, ANSWERS) if gold]
    cases = {"gsm8k": sums, "trivia_qa": names, "nq_open": names}
    results = {task: [[text, gold, matches(task, text, gold)] for text, gold in rows] for task, rows in cases.items()}
    lines = ",\n".join(
        f"{json.dumps(task)}: [\n" + ",\n".join(json.dumps(row) for row in rows) + "]" for task, rows in results.items()
    )
    given.out.write_text(f"{{{lines}}}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
