"""Every task with data in the wheel, on that data: counts, baselines, gold positions and one rendered example."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import pyarrow as pa
import pytest
import wheels
from job_settings import wording
from project import GOLDEN
from wheel_tasks import TASKS, study_of, table

from junkdna.data import prompts
from junkdna.data.examples import make_examples
from junkdna.data.knobs import apply_knobs
from junkdna.data.label_checks import check_labels
from junkdna.data.usable_rows import EQUAL, read_notes
from junkdna.evaluate.metrics import METRICS
from junkdna.evaluate.text_match import normalize
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell_settings import TokenSettings
from junkdna.study.formats import TEXT_ANSWERS
from junkdna.study.study import Resolved
from junkdna.study.task import Task
from junkdna.study.task_files import load_task

pytestmark = pytest.mark.network

LARGE = ("hellaswag", "social_iqa", "winogrande")  # tasks whose rows take seconds to read
MARKED = [pytest.param(name, marks=pytest.mark.long) if name in LARGE else name for name in TASKS]


class Real(NamedTuple):
    """One task with its raw tables by split and its examples by role."""

    task: Task
    resolved: Resolved
    tables: dict[str, pa.Table]
    rows: dict[str, list[dict]]
    left_out: dict[str, dict[str, int]]


def roles(task: Task) -> list[str]:
    """The roles for which the wheel has rows."""
    splits = task.sources["wheel"].splits
    named = {"train": task.train_split, "evaluate": task.evaluate_split, "shots": task.shots and task.shots.of}
    cut = {"train", "evaluate"} if task.hash_split else set()
    return [role for role, split in named.items() if role in cut or split in splits]


@pytest.fixture(scope="module", params=MARKED)
def real(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Real:
    task, resolved = load_task(request.param), study_of(request.param)
    source = task.sources["wheel"]
    file = wheels.wheel(source.wheel, tmp_path_factory)
    tables = {split: table(file, path) for split, path in source.splits.items()}
    rows, left_out = {}, {}
    for role in roles(task):
        settings = study_settings.example_settings(task.name, role, resolved)
        examples = make_examples(settings, role, tables.__getitem__)
        assert role == "shots" or check_labels(settings, role, examples) == []
        rows[role], left_out[role] = examples.to_pylist(), read_notes(examples)["left_out"]
    return Real(task, resolved, tables, rows, left_out)


STORED = {"trivia_qa": {"validation": 7993}}  # whose file states the Hub's rows


def test_as_many_rows_are_stored_as_the_task_states(real):
    stated = STORED.get(real.task.name, real.task.rows)
    assert {split: stored.num_rows for split, stored in real.tables.items()}.items() <= stated.items()
    assert {*real.task.raw_splits()} <= {*real.task.rows}


def options_of(row: dict, task: Task) -> int:
    return len(row["choices"] or task.class_names())


def test_floors_are_those_of_the_data(real):
    rows, task = real.rows["evaluate"], real.task
    if task.baselines is None:
        pytest.skip("the task states none")
    if task.kind == "generate":
        accepted = Counter(answer for row in rows for answer in {normalize(text) for text in row["references"]})
        chance, majority = 0.0, accepted.most_common(1)[0][1] / len(rows)
    elif task.metric == "accuracy":
        chance = sum(1 / options_of(row, task) for row in rows) / len(rows)
        majority = Counter(row["answer"] for row in rows).most_common(1)[0][1] / len(rows)
    else:
        gold, options = (pa.array(values).to_numpy() for values in zip(*pairs(rows, task), strict=True))
        chance, majority = METRICS[task.metric].chance(gold, options), METRICS[task.metric].majority(gold)
    assert (task.baselines.chance, task.baselines.majority) == (round(chance, 4), round(majority, 4))


def pairs(rows: list[dict], task: Task) -> list[tuple[int, int]]:
    return [(row["answer"], options_of(row, task)) for row in rows]


LEFT_OUT = {  # (task, role): rows that no example is made of, as the task files say
    ("arc_challenge_grades", "evaluate"): 2590 - 798,
    ("arc_easy_grades", "evaluate"): 5197 - 1765,
    ("csqa", "train"): 122,
    ("csqa", "evaluate"): 24,
    ("mmlu", "evaluate"): 9,
    ("mmlu_chemistry", "evaluate"): 1,
    ("mmlu_cloze", "evaluate"): 9,
    ("mmlu_mathematics", "evaluate"): 1,
    ("mmlu_physics", "evaluate"): 1,
    ("mmlu_school_levels", "evaluate"): 6825 + 4,
    ("openbookqa", "train"): 3,
    ("social_iqa", "train"): 33,
    ("social_iqa", "evaluate"): 5,
    ("sciq", "evaluate"): 113 + 5 + 2,
    ("sciq_open", "evaluate"): 113 + 5,
    ("nq_open", "evaluate"): 5,
    ("trivia_qa", "evaluate"): 5,
    ("winogrande", "train"): 2,
}


def test_every_stored_row_is_an_example_with_an_id_of_its_own(real):
    for role, rows in real.rows.items():
        assert len({row["id"] for row in rows}) == len(rows)
        if role == "shots":
            groups = Counter(row["group"] for row in rows)
            assert {*groups.values()} == {real.task.shots.count}
        elif not real.task.hash_split:
            stored = real.tables[real.task.split_of(role)].num_rows
            assert len(rows) == stored - LEFT_OUT.get((real.task.name, role), 0)
        for row in rows:
            assert real.task.kind in TEXT_ANSWERS or 0 <= row["answer"] < options_of(row, real.task)


def test_no_row_asks_for_one_of_two_equal_options(real):
    for role in {*real.rows} - {"shots"}:
        assert all(len({*row["choices"]}) == len(row["choices"]) for row in real.rows[role] if row["choices"])
        assert (number := real.left_out[role].get(EQUAL, 0)) == 0 or f"{number} " in real.task.deviations


SKEWED = {  # task: evaluated rows by the place of the right option, where the data set favors some
    "mmlu_chemistry": [51, 75, 78, 98],
    "mmlu_computer_science": [51, 38, 59, 52],
    "mmlu_medicine": [86, 91, 88, 180],
    "mmlu_physics": [52, 50, 62, 88],
}


def test_gold_stands_everywhere_about_equally_often(real):
    """Within 4.5 standard deviations of an even share where choices are shuffled; where they stand as in the data,
    which need not be balanced, within a fifth of it: nowhere does the right one always stand first."""
    if real.task.kind != "choice" or real.task.name == "boolq":
        return
    for role in {*real.rows} - {"shots"}:
        rows = real.rows[role]
        usual = Counter(len(row["choices"]) for row in rows).most_common(1)[0][0]
        right, share = Counter(row["answer"] for row in rows), 1 / usual
        if real.task.name in SKEWED:
            assert [right[place] for place in range(usual)] == SKEWED[real.task.name]
            continue
        deviation = (share * (1 - share) / len(rows)) ** 0.5
        bound = 4.5 * deviation if real.task.columns.shuffle else share / 5
        assert all(abs(right[place] / len(rows) - share) < bound for place in range(usual)), (role, right)


def question(row: dict) -> str:
    """All of a row but its choices, in small letters and single blanks."""
    parts = [row["text"], row["text_b"], row["passage"], row["suffix"]]
    return " ".join(" ".join(filter(None, parts)).lower().split())


OVERLAPS = {  # evaluated rows whose question also occurs in train, and those of them with the same choices
    "arc_easy": (1, 0),
    "hellaswag": (14, 0),
    "openbookqa": (12, 7),
    "piqa": (192, 1),
}


def test_the_notes_state_which_evaluated_questions_occur_in_train(real):
    if "train" not in real.rows:
        return
    trained: dict[str, list[list[str]]] = {}
    for row in real.rows["train"]:
        trained.setdefault(question(row), []).append(sorted(row["choices"] or []))
    again = [row for row in real.rows["evaluate"] if question(row) in trained]
    same = [row for row in again if sorted(row["choices"] or []) in trained[question(row)]]
    assert (len(again), len(same)) == OVERLAPS.get(real.task.name, (0, 0))
    assert not again or re.search(rf"\b({len(again)}|One)\s+validation \w+ also occurs? in train", real.task.notes)


def test_the_first_example_is_rendered_as_in_its_golden_file(real):
    """The golden file says what an example and its prompt were when a person read them; delete it and run to write it
    anew. The passage that a knob adds and one in-context example are shown where the task has them."""
    found = rendered(real)
    golden = GOLDEN / "tasks" / f"{real.task.name}.json"
    if not golden.exists():
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.fail(f"{golden.name} was not there: written; read it, then run again")
    assert found == json.loads(golden.read_text(encoding="utf-8"))


def rendered(real: Real) -> dict:
    row = real.rows["evaluate"][0]
    example = {key: value for key, value in row.items() if value is not None}
    example |= (
        {"right": (row["choices"] or real.task.class_names())[row["answer"]]} if row["answer"] is not None else {}
    )
    protocol = real.resolved.study.protocol("default", real.task)
    found = {"example": example, "prompt": asked(real, (), 0), "options": options(real, row)}
    found |= (
        {"prompt_with_passage": asked(real, (("context", "passage"),), 0)} if row["passage"] and real.task.knobs else {}
    )
    found |= {"prompt_with_one_shot": asked(real, (), 1)} if "shots" in real.rows else {}
    letters = row["choices"] and not row["suffix"] and protocol.decoder_choice != "mcq"
    return found | ({"prompt_with_letters": asked(real, (), 0, "mcq")} if letters else {})


def coded(real: Real, knobs: tuple, answer_format: str | None = None) -> TokenSettings:
    settings = study_settings.tokenize_settings("m", real.task.name, knobs, "default", real.resolved)
    return replace(settings, format=answer_format or settings.format)


def asked(real: Real, knobs: tuple, shots: int, answer_format: str | None = None) -> str:
    settings = coded(real, knobs, answer_format)
    row = real.rows["evaluate"][0]
    shown = [shot for shot in real.rows.get("shots", []) if shot["group"] == row["group"]][:shots]
    row, *shown = (apply_knobs(pa.Table.from_pylist([one]), None, settings)[0] for one in [row, *shown])
    return prompts.prompt(row, shown, wording(settings))


def options(real: Real, row: dict) -> list[str] | None:
    return wording(coded(real, ())).options(row)


PUBLISHED = {  # of id, choices and right choice of every evaluated row: those behind the numbers published before
    "arc_easy": "4cb632107bc8ae71",
    "csqa": "860fe571e8ed8951",
    "mmlu_area": "e13ed05bc9161aa6",
    "sciq": "e220a6399a9e94e4",
}


def test_rows_and_their_choices_are_those_published(real):
    """In any order: no score of an encoder depends on it."""
    if real.task.name not in PUBLISHED:
        return
    found = []
    for row in real.rows["evaluate"]:
        choices, answer = row["choices"] or [], row["answer"]
        found.append([row["id"], sorted(choices), choices[answer] if choices else answer])
    assert hashlib.sha256(json.dumps(found).encode()).hexdigest()[:16] == PUBLISHED[real.task.name]


BINS = {  # evaluated rows in each bin of the published difficulty, in its order
    "arc_challenge_grades": [163, 192, 443],
    "arc_easy_grades": [454, 425, 886],
    "arithmetic": [1000, 1000, 1000],
    "gsm8k_solutions": [65 + 357, 364, 290, 138 + 57 + 21 + 9],
    "math_solutions": [437, 894, 1131, 1214, 1324],
    "mmlu_biology": [310, 144],
    "mmlu_chemistry": [202, 100],
    "mmlu_computer_science": [100, 100],
    "mmlu_mathematics": [377, 270, 100],
    "mmlu_medicine": [173, 272],
    "mmlu_physics": [150, 102],
    "mmlu_psychology": [545, 612],
    "mmlu_school_levels": [377, 3417, 719, 2700],
}


def test_bins_have_their_rows(real):
    assert (real.task.name in BINS) == bool(real.task.difficulty)
    if not real.task.difficulty:
        return
    settings = study_settings.example_settings(real.task.name, "difficulty", real.resolved)
    rows = make_examples(settings, "difficulty", real.tables.__getitem__).to_pylist()
    assert [row["id"] for row in rows] == [row["id"] for row in real.rows["evaluate"]]
    bins = Counter(real.task.difficulty.bin_of(row["difficulty"]) for row in rows)
    assert [bins[name] for name in real.task.difficulty.bins] == BINS[real.task.name]
