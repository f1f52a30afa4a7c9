"""The published difficulty of the evaluated rows: read before rows are left out, in the order of the examples."""

import pyarrow as pa
import pytest
from made_rows import error_of, rows_of
from typed_settings import typed

from junkdna.data.examples import SCHEMA, make_examples

COLUMNS = {"text": "{q}", "choices": ["{right}", "{w1}", "{w2}"], "answer": 0, "id": "key"}


def settings(difficulty: dict, **keys: object) -> dict:
    columns = {**COLUMNS, **keys.pop("columns", {}), "difficulty": difficulty}
    return {"task": "t", "kind": "choice", "limits": {}, "evaluate_split": "test", "columns": columns, **keys}


def raw(n: int) -> list[dict]:
    """Rows that say their number everywhere; every fifth has no answer, every seventh two equal options."""
    return [
        {"key": f"k{i}", "q": f"what is {i} ?", "right": "" if i % 5 == 4 else f"r{i}", "w1": "x",
         "w2": "x" if i % 7 == 3 else "y", "level": i, "exam": {"name": f"MCAS_2004_{i % 10}_{i}"}}
        for i in range(n)
    ]  # fmt: skip


def difficulties(given: dict, rows: list[dict]) -> dict[str, str | None]:
    return {row["id"]: row["difficulty"] for row in rows_of(given, rows, "difficulty")}


@pytest.mark.parametrize("keys", [
    {},
    {"limits": {"evaluate": 11}},
    {"evaluate_split": None, "hash_split": {"of": "test", "train": 10, "evaluate": 15}},
    {"shots": {"of": "test", "count": 3}},
])  # fmt: skip
def test_every_evaluated_row_has_its_own_difficulty(keys: dict) -> None:
    given = settings({"template": "{level}"}, **keys)
    plain = {**given, "columns": COLUMNS}
    evaluated = [row["id"] for row in rows_of(plain, raw(60), "evaluate")]
    found = rows_of(given, raw(60), "difficulty")
    assert [row["id"] for row in found] == evaluated
    assert len(evaluated) < 60
    assert all(row == {"id": row["id"], "difficulty": row["id"].removeprefix("k")} for row in found)


def test_examples_of_other_roles_have_no_column_for_it() -> None:
    read = {"test": pa.Table.from_pylist(raw(20))}.__getitem__
    assert make_examples(typed(settings({"template": "{level}"})), "evaluate", read).schema.remove_metadata() == SCHEMA


def test_a_pattern_extracts_its_first_group() -> None:
    found = difficulties(settings({"template": "{exam.name}", "pattern": r"^[^_]+_\d{4}_(\d+)_"}), raw(20))
    assert found["k12"] == "2"
    rows = [{**row, "exam": {"name": "Mercury_12"}} for row in raw(3)]
    assert {*difficulties(settings({"template": "{exam.name}", "pattern": r"_\d{4}_(\d)"}), rows).values()} == {None}


@pytest.mark.parametrize(("text", "expected"), [
    ("( ( 3.0 + 4.0 ) * -2.0 )", "2"), ("8.0", "0"), ("1 - 2 - 3 - 4", "3"), ("", None), (None, None),
])  # fmt: skip
def test_a_pattern_is_counted(text: str | None, expected: str | None) -> None:
    rows = [{**row, "equation": text} for row in raw(3)] + [{**raw(1)[0], "key": "last", "equation": "1 + 1"}]
    found = difficulties(settings({"template": "{equation}", "count": r"(?<!\S)[-+*/](?!\S)"}), rows)
    assert found["k1"] == expected
    assert found["last"] == "1"


def test_a_template_may_have_several_columns_and_extracted_ones() -> None:
    given = settings({"template": "{grade}/{level}"}, columns={"extract": {"exam.name": r".*_(?P<grade>\d)_.*"}})
    assert difficulties(given, raw(15))["k12"] == "2/12"


def test_a_missing_column_is_named() -> None:
    message = error_of(settings({"template": "{grade}"}), raw(9), "difficulty")
    assert "split 'test' has no column grade. It has key, " in message


def test_a_column_with_several_values_is_named() -> None:
    message = error_of(settings({"template": "{exam}"}), raw(9), "difficulty")
    assert "column exam has several values; name one of them, such as {exam.name}" in message
