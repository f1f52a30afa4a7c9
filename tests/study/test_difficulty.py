"""The key `difficulty` of a task file: what it means, what is refused, and which jobs depend on it."""

import copy
import json
from pathlib import Path

import pytest
import toy
from toy_study import JARGON

from junkdna.errors import UserError
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.difficulty import Difficulty
from junkdna.study.grid import all_cells, used_examples
from junkdna.study.load import from_document, load_study, study_document
from junkdna.study.settings_from_study import settings_text
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved
from junkdna.study.task import Task
from junkdna.study.yaml_reader import validated

GIVEN = {"title": "school grade", "source": "Nobody 2026", "from": "grade",
         "bins": {"low": [[3, 4]], "fifth": ["5"], "advanced": [7, [8, 9.5], "college"]}}  # fmt: skip


def of(**keys: object) -> dict:
    """`GIVEN` with some keys replaced, or taken out where the value is None."""
    return {key: value for key, value in {**GIVEN, **keys}.items() if value is not None}


def error_of(difficulty: dict) -> str:
    with pytest.raises(UserError) as caught:
        validated(Task, {**copy.deepcopy(toy.CHOICE_TASK), "difficulty": difficulty}, "file")
    text = str(caught.value)
    assert not JARGON.search(text), text
    return text


@pytest.mark.parametrize(("value", "expected"), [
    ("3", "low"), ("3.50", "low"), ("4", "low"), ("4.1", None), ("5", "fifth"), ("5.0", "fifth"), ("6", None),
    ("7", "advanced"), ("9.5", "advanced"), ("college", "advanced"), ("College", None), ("nan", None), ("inf", None),
    ("", None), (None, None),
])  # fmt: skip
def test_a_difficulty_has_the_bin_that_lists_it(value: str | None, expected: str | None) -> None:
    assert Difficulty(**GIVEN).bin_of(value) == expected


@pytest.mark.parametrize(("column", "template"), [("a.b", "{a.b}"), ("{a} of {b}", "{a} of {b}")])
def test_from_is_a_column_or_a_template(column: str, template: str) -> None:
    assert Difficulty(**of(**{"from": column})).template == template


@pytest.mark.parametrize(("keys", "expected"), [
    ({"source": None}, "difficulty.source: is missing"),
    ({"from": None}, "difficulty.from: is missing"),
    ({"binz": {}}, "unknown key 'binz'. Did you mean 'bins'?"),
    ({"form": "grade"}, "unknown key 'form'. Did you mean 'from'?"),
    ({"from": "{{grade}}"}, "'{{grade}}' must be a column, or a template with columns in single braces"),
    ({"from": "{grade"}, "from '{grade' must be a column"),
    ({"from": " "}, "from ' ' must be a column"),
    ({"pattern": "_(\\d"}, "pattern '_(\\\\d' is not a regular expression: missing )"),
    ({"pattern": "\\d"}, "pattern '\\\\d' has no group; write parentheses"),
    ({"count": "["}, "count '[' is not a regular expression"),
    ({"count": "x*"}, "count 'x*' also matches where there is nothing"),
    ({"count": "x", "pattern": "(x)"}, "pattern and count exclude each other"),
    ({"count": "x", "bins": {"few": [1], "many": ["lots"]}}, "no row can have the value 'lots'"),
    ({"count": "x", "bins": {"few": [0.5], "many": [2]}},
     "bins.few: count gives whole numbers from 0, so no row can have the value 0.5; write one, such as 2, or a range"),
    ({"count": "x", "bins": {"few": [-1], "many": [2]}}, "no row can have the value -1; write one"),
    ({"count": "x", "bins": {"few": ["1.5"], "many": [2]}}, "no row can have the value '1.5'"),
    ({"count": "x", "bins": {"few": [[-5, -1]], "many": [2]}}, "no row can have a value in [-5.0, -1.0]; write one"),
    ({"count": "x", "bins": {"few": [[1.2, 1.8]], "many": [2]}}, "no row can have a value in [1.2, 1.8]"),
    ({"bins": {"all": [1]}}, "bins names only all; two or more bins are needed"),
    ({"bins": {}}, "bins names only no bin; two or more"),
    ({"bins": {"low": [], "high": [1]}}, "difficulty.bins.low: is empty; at least 1 entry"),
    ({"bins": {"low": None, "high": [1]}}, "difficulty.bins.low: is empty; it must be a list"),
    ({"bins": {"low": 1, "high": [2]}}, "difficulty.bins.low: must be a list (given: 1)"),
    ({"bins": {"low": [[3, 1]], "high": [9]}}, "bins.low: the range [3.0, 1.0] starts above its end; write [1, 3]"),
    ({"bins": {"low": [[1, 2, 3]], "high": [9]}}, "bins.low: [1.0, 2.0, 3.0] is not a range"),
    ({"bins": {"low": [[1]], "high": [9]}}, "bins.low: [1.0] is not a range"),
    ({"bins": {"low": [[1, 3]], "high": [[3, 5]]}}, "bins: 3 is in bins low and high"),
    ({"bins": {"low": [[1, 3]], "high": [2]}}, "bins: 2 is in bins low and high"),
    ({"bins": {"low": ["easy"], "high": ["easy"]}}, "bins: 'easy' is in bins low and high"),
    ({"bins": {"low": [1, "1.0"], "high": [2]}}, "bins: 1 is twice in bin low"),
    ({"bins": {3: [3], 4: [4]}}, "put it in quotes"),
    ({"bins": {"low": [True], "high": [2]}}, "put it in quotes"),
    ({"bins": ["low", "high"]}, "difficulty.bins: must be `key: value` lines"),
    ({"bins": [["low", [1]], ["low", [2]]]}, "difficulty.bins: must be `key: value` lines"),
])  # fmt: skip
def test_a_wrong_difficulty_is_named(keys: dict, expected: str) -> None:
    assert expected in error_of(of(**keys))


@pytest.mark.parametrize("entry", [0, 2.0, "3", [-5, 0], [0.5, 1], [0, 1000]])
def test_a_bin_that_contains_a_count_is_valid(entry: object) -> None:
    given = of(count="x", bins={"one": [entry], "other": [2000]})
    assert validated(Task, {**copy.deepcopy(toy.CHOICE_TASK), "difficulty": given}, "file").difficulty.count == "x"


@pytest.mark.parametrize(("entry", "given"), [
    (float("nan"), "nan"), (float("-inf"), "-inf"), ([6, float("inf")], "inf"), ([float("nan"), 7.5], "nan"),
])  # fmt: skip
def test_a_number_that_is_not_finite_is_one_mistake(entry: object, given: str) -> None:
    first, *lines = error_of(of(bins={"low": [entry], "high": [99]})).splitlines()
    assert first == "file: 1 mistake"
    assert [line.strip() for line in lines] == [
        f"difficulty.bins.low.0: {given} is not a finite number; write a number, such as 1000 for the end of an open "
        "range, or put a word in quotes"
    ]


# ---- which jobs depend on it -----------------------------------------------------------------------------------------


def rated_as(study: dict, difficulty: dict | None, **columns: object) -> Resolved:
    """The study with this difficulty in its task of colors."""
    task = copy.deepcopy(toy.CHOICE_TASK)
    task["columns"] |= columns
    toy.write_yaml(Path("tasks/colours.yaml"), {**task, **({"difficulty": difficulty} if difficulty else {})})
    toy.write_yaml(Path("config.yaml"), study)
    return load_study(Path("config.yaml"))


def fingerprints(resolved: Resolved) -> tuple[dict[str, str], str | None]:
    """Settings of every cell, tokens and examples included, and the fingerprint of the difficulties of colors."""
    cells = {cell.path: settings_text(cell, resolved) for cell in all_cells(resolved)}
    rated = ("colours", "difficulty") in used_examples(all_cells(resolved), resolved)
    return cells, settings_fingerprint(example_settings("colours", "difficulty", resolved)) if rated else None


def test_no_cell_depends_on_a_difficulty(study: dict) -> None:
    cells, none = fingerprints(rated_as(study, None))
    assert none is None
    with_one, rated = fingerprints(rated_as(study, GIVEN))
    assert with_one == cells
    assert rated is not None


@pytest.mark.parametrize("keys", [{"title": "other"}, {"source": "other"}, {"bins": {"a": [1], "b": [2]}}])
def test_title_source_and_bins_change_no_file_but_the_study(study: dict, keys: dict) -> None:
    before = rated_as(study, GIVEN)
    after = rated_as(study, of(**keys))
    assert fingerprints(after) == fingerprints(before)
    assert study_document(after) != study_document(before)


@pytest.mark.parametrize("keys", [{"from": "other"}, {"pattern": "(.)"}, {"count": "x", "bins": {"a": [1], "b": [2]}}])
def test_what_is_read_changes_the_file_of_difficulties_only(study: dict, keys: dict) -> None:
    cells, rated = fingerprints(rated_as(study, GIVEN))
    now, other = fingerprints(rated_as(study, of(**keys)))
    assert now == cells
    assert other != rated


def test_other_rows_change_both(study: dict) -> None:
    cells, rated = fingerprints(rated_as(study, GIVEN))
    now, other = fingerprints(rated_as(study, GIVEN, require=["right"]))
    assert other != rated
    assert {path for path in cells if now[path] != cells[path]} == {path for path in cells if "/colours/" in path}


def test_a_stored_study_keeps_the_order_of_the_bins(study: dict) -> None:
    rated = rated_as(study, GIVEN)
    stored = json.loads(json.dumps(study_document(rated), sort_keys=True))
    again = from_document(stored, "stored").tasks["colours"]
    assert list(again.difficulty.bins) == ["low", "fifth", "advanced"] != sorted(GIVEN["bins"])
    assert again == rated.tasks["colours"]
