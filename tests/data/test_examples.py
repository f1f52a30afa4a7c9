"""Raw rows to examples: shuffled answers stay right, every kind has its gold, bad rows are named."""

from collections import Counter

import pyarrow as pa
import pytest
from made_rows import error_of, rows_of
from task_examples import example_settings
from typed_settings import typed

from junkdna.data.examples import SCHEMA, make_examples
from junkdna.errors import UserError

CHOICE = {
    "task": "t", "kind": "choice", "limits": {}, "evaluate_split": "test",
    "columns": {"text": "{q}", "choices": ["{right}", "{w1}", "{w2}", "{w3}"], "answer": 0},
}  # fmt: skip
LISTED = {**CHOICE, "columns": {"text": "{q}", "choices": "c.text", "choice_labels": "c.label", "answer": "key"}}
CLASSIFY = {
    "task": "t", "kind": "classify", "limits": {}, "evaluate_split": "test", "labels": ["no", "yes"],
    "columns": {"text": "{s}", "answer": "label"},
}  # fmt: skip
REGRESS = {**CLASSIFY, "kind": "regress", "labels": None}
GENERATE = {**REGRESS, "kind": "generate"}


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
    assert {**alone, "position": 4} == rows_of(with_columns(CHOICE, id="q"), questions(9))[4]


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
    assert sorted(row["choices"]) == ["0", "1", "2", "false"]
    assert row["choices"][row["answer"]] == "0"


def test_white_space_and_braces_in_values_stay():
    raw = {**questions(1)[0], "q": " a\n\tb {w2} ", "w1": " x\t"}
    row = rows_of(with_columns(CHOICE, text="{q}  and {w1}", shuffle=False), [raw])[0]
    assert row["text"] == " a\n\tb {w2}   and  x\t"
    assert row["choices"] == ["r0", " x\t", "y", "z"]


def test_white_space_at_the_ends_goes_where_the_task_says_so():
    raw = {**questions(1)[0], "q": " a\n\tb ", "w1": " x\t"}
    row = rows_of(with_columns(CHOICE, text="{q}", shuffle=False, strip=["text"]), [raw])[0]
    assert (row["text"], row["choices"][1]) == ("a\n\tb", " x\t")
    row = rows_of(with_columns(CHOICE, text="{q}", shuffle=False, strip=["choices"]), [raw])[0]
    assert (row["text"], row["choices"][1]) == (" a\n\tb ", "x")
    answers = [{"s": " s ", "label": [" red ", "red"]}]
    assert rows_of(GENERATE, answers)[0]["references"] == [" red ", "red"]
    assert rows_of(with_columns(GENERATE, strip=["answer"]), answers)[0]["references"] == ["red"]


@pytest.mark.parametrize("blank", ["", " ", "\n\t", None])
def test_a_text_or_a_choice_of_white_space_alone_is_none(blank):
    assert "empty text" in error_of(with_columns(CHOICE, text="{q}"), [{**questions(1)[0], "q": blank}])
    assert "" not in rows_of(CHOICE, [{**questions(1)[0], "w1": blank}])[0]["choices"]
    assert len(rows_of(CHOICE, [{**questions(1)[0], "w1": blank}])[0]["choices"]) == 3


def test_choices_may_keep_the_order_of_the_data():
    rows = rows_of(with_columns(CHOICE, shuffle=False), questions(20))
    assert [(row["choices"], row["answer"]) for row in rows] == [([f"r{i}", "x", "y", "z"], 0) for i in range(20)]


def test_what_follows_the_choices_and_what_rows_share():
    settings = with_columns(CHOICE, suffix="{w3}.", group="{w1}-{w2}")
    row = rows_of(settings, questions(1))[0]
    assert (row["suffix"], row["group"], row["shown"], row["passage"]) == ("z.", "x-y", None, None)


@pytest.mark.parametrize(
    ("settings", "change", "says"),
    [
        (with_columns(CHOICE, answer="key"), {"key": "b"}, "answer 'b' is not a position among its choices"),
        (with_columns(CHOICE, answer="key"), {"key": 1.5}, "answer 1.5 is not a position"),
        (with_columns(CHOICE, answer="key"), {"key": float("inf")}, "answer inf is not a position"),
        (with_columns(CHOICE, answer="key"), {"key": 4}, "answer 4 is not one of its 4 choices"),
        (with_columns(CHOICE, answer="key"), {"key": -2}, "answer -2 is not one of its 4 choices"),
        (with_columns(CHOICE, answer=4), {}, "answer 4 is not one of its 4 choices"),
        (CHOICE, {"w1": None, "w2": " ", "w3": ""}, "needs two or more nonempty choices"),
        (CHOICE, {"q": None}, "empty text. To skip such rows, set columns.require: [text]"),
        (CHOICE, {"q": " "}, "empty text"),
        (LISTED, {"c": {"text": ["a", "b"], "label": ["A", "B"]}, "key": "C"}, "'C' is not one of its choice labels"),
        (
            LISTED,
            {"c": {"text": ["a", "b"], "label": ["A", "B", "C"]}, "key": "C"},
            "column c.label has 3 labels for 2 choices, so the answer's label, 'C', has no choice",
        ),
        (LISTED, {"c": {"text": ["a", None], "label": ["A", "B"]}, "key": "A"}, "columns.require: [c.text.1]"),
        (LISTED, {"c": {"text": ["a"], "label": ["A"]}, "key": "A"}, "two or more nonempty choices"),
        (LISTED, {"c": {"text": "ab", "label": ["A", "B"]}, "key": "A"}, "column c.text must be a list"),
        (LISTED, {"c": {"text": ["a", "b"], "label": "A"}, "key": "A"}, "column c.label must be a list"),
        (CLASSIFY, {"s": "x", "label": 2}, "label 2 belongs to 0 of the classes ['no', 'yes']"),
        (CLASSIFY, {"s": "x", "label": -2}, "label -2 belongs to 0"),
        (CLASSIFY, {"s": "x", "label": "maybe"}, "label 'maybe' belongs to 0"),
        (CLASSIFY, {"s": "x", "label": "?"}, "label '?' belongs to 0"),
        (CLASSIFY, {"s": "", "label": 1}, "empty text"),
    ],
)
def test_a_bad_row_is_named(settings, change, says):
    text = error_of(settings, [{**questions(1)[0], **change}])
    assert text.startswith("task t: row 'test-0'")
    assert says in text


def test_a_bad_row_among_good_ones_is_the_one_named():
    good = {"q": "?", "c": {"text": ["a", "b"], "label": ["A", "B"]}, "key": "A"}
    assert "row 'test-2': column c.text must be a list, but is None" in error_of(
        LISTED, [good, good, {**good, "c": None}]
    )
    assert "row 'two': answer 'D'" in error_of(with_columns(LISTED, id="q"), [good, {**good, "q": "two", "key": "D"}])


# --- classes, columns -------------------------------------------------------------------------------------------------


def test_classes_by_number_and_by_name():
    for labels in ([1, 0], ["yes", "no"]):
        rows = rows_of(CLASSIFY, [{"s": f"s{i}", "label": label} for i, label in enumerate(labels)])
        assert [(row["answer"], row["choices"]) for row in rows] == [(1, None), (0, None)]


def test_labels_that_are_numbers_are_names_not_places():
    settings = {**CLASSIFY, "labels": ["3", "1", "2"]}
    assert [row["answer"] for row in rows_of(settings, [{"s": f"s{n}", "label": n} for n in (1, 2, 3)])] == [1, 2, 0]
    assert "label 0 belongs to 0 of the classes" in error_of(settings, [{"s": "s", "label": 0}])


@pytest.mark.parametrize(
    ("label", "fix"),
    [
        (2, "Numbers count `labels` from 0 (here to 1). If yours count from 1"),
        ("No", "It differs from 'no' in letter case or white space"),
        ("no ", "It differs from 'no' in letter case or white space"),
        ("maybe", "Add it to labels, or correct columns.answer or the row."),
    ],
)
def test_a_label_of_no_class_comes_with_a_fix(label, fix):
    assert fix in error_of(CLASSIFY, [{"s": "s", "label": label}])


def test_a_number_in_a_message_is_cut():
    assert len(error_of(CLASSIFY, [{"s": "s", "label": "1" * 3000}])) < 600


def test_numbers_to_predict():
    rows = [{"s": f"s{i}", "label": label} for i, label in enumerate([2.5, 0, -1e-3])]
    assert [(row["target"], row["answer"]) for row in rows_of(REGRESS, rows)] == [
        (2.5, None), (0.0, None), (-0.001, None),
    ]  # fmt: skip
    assert rows_of(REGRESS, [{"s": "s", "label": "3.25"}])[0]["target"] == 3.25
    for wrong in ("high", "nan", float("inf")):
        assert "is not a finite number, but kind regress needs one" in error_of(REGRESS, [{"s": "s", "label": wrong}])


def test_accepted_answers():
    def references(label: object, **columns: object) -> list[str]:
        return rows_of(with_columns(GENERATE, **columns), [{"s": "s", "label": label, "more": 7}])[0]["references"]

    assert references("red") == ["red"]
    assert references(["red", " a red one ", None, "", "red"]) == ["red", " a red one "]  # each once, none empty
    assert references(8.5) == ["8.5"]
    assert references({"aliases": ["x", "y"]}, answer="label.aliases") == ["x", "y"]
    assert references("red", answer=["{label}", "{label} {more}"]) == ["red", "red 7"]
    assert rows_of(with_columns(GENERATE, shown="so: {label}"), [{"s": "s", "label": "red"}])[0]["shown"] == "so: red"
    assert example_settings("gsm8k", "evaluate", "hub").match == "number"
    numbers = {**GENERATE, "match": "number"}
    assert rows_of(numbers, [{"s": "s", "label": "$1,000"}])[0]["references"] == ["$1,000"]
    assert "accepted answer 'about 5' is not a number" in error_of(numbers, [{"s": "s", "label": ["5", "about 5"]}])
    for nothing in ([], [None], "", " ", None):  # a row without gold
        rows = [{"s": "s", "label": nothing}, {"s": "s", "label": ["x"] if isinstance(nothing, list) else "x"}]
        assert [row["id"] for row in rows_of(GENERATE, rows)] == ["test-1"]


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
        ({"text": "{qq}"}, "has no column qq. It has q, c, c.text, c.label, key"),
        ({"passage": "{q} {p}"}, "no column p."),
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


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"choices": "c.text"}, "c is a list: write c.*.text for all of its items, or c.0.text for one"),
        ({"text": "{c.in.x}"}, "c is a list: write c.*.in.x for"),
        ({"text": "{c.*.deep.y}"}, "c.*.deep is a list: write c.*.deep.*.y for"),
    ],
)
def test_a_path_through_a_list_is_corrected(columns, says):
    rows = [{"q": "?", "key": "A", "c": [{"text": "a", "in": {"x": "1"}, "deep": [{"y": "z"}]}]}]
    assert says in error_of(with_columns(LISTED, choice_labels="key", **columns), rows)
    assert "is a list" not in error_of(with_columns(CLASSIFY, text="{nothing.at.all}"), rows)


def test_required_fields_leave_rows_out():
    rows = [{**row, "p": passage} for row, passage in zip(questions(4), ["a", "", None, "  "], strict=True)]
    settings = with_columns(CHOICE, passage="{p}", require=["passage"])
    kept = rows_of(settings, rows)
    assert [(row["id"], row["passage"]) for row in kept] == [("test-0", "a")]
    assert "no row of split 'test' can be used: 3 with an empty passage (columns.require)" in error_of(
        settings, rows[1:]
    )


def test_an_empty_split():
    for columns in ({"s": [], "label": []}, {"s": pa.array([], pa.string()), "label": pa.array([], pa.int64())}):
        with pytest.raises(UserError, match=r"task t: split 'test' is empty. Check"):
            make_examples(typed(CLASSIFY), "evaluate", lambda name, columns=columns: pa.table(columns))


def test_an_id_that_stands_twice():
    assert "the id 'same' occurs twice" in error_of(
        with_columns(CHOICE, id="w1"), [{**q, "w1": "same"} for q in questions(2)]
    )
    split = with_columns({**CHOICE, "train_split": "train"}, id="q")
    for role in ("train", "evaluate"):  # once per split is fine
        rows = rows_of(split, questions(2), role, train=questions(2))
        assert [(row["split"], row["id"], row["position"]) for row in rows] == [(role, "q0", 0), (role, "q1", 1)]


@pytest.mark.parametrize("wrong", [None, ["a"], {"a": 1}])
def test_an_id_that_is_no_single_value(wrong):
    rows = [{**row, "key": wrong} for row in questions(2)]
    assert "row 0 (from 0): the id column key " in error_of(with_columns(CHOICE, id="key"), rows)


def test_names_and_values_with_white_space_around_them_are_shown_in_quotes():
    assert "label ' 1' belongs to 0 of the classes" in error_of(CLASSIFY, [{"s": "s", "label": " 1"}])
    said = error_of(CLASSIFY, [{"s": "s", " label": 1}])
    assert "has no column label. It has s, ' label'" in said


@pytest.mark.parametrize("path", ["v.\u00b2", "v.\u0661", "v.x"])
def test_an_item_is_named_by_plain_digits(path):
    rows = [{"s": "s", "label": 1, "v": ["a", "b", "c"]}]
    assert f"has no column {path}" in error_of(with_columns(CLASSIFY, text=f"{{{path}}}"), rows)


def test_only_the_roles_own_split_is_read():
    settings = {**CHOICE, "train_split": "train", "shots": {"of": "dev", "count": 1}}
    for role, split in (("train", "train"), ("evaluate", "test"), ("shots", "dev")):
        asked = []
        make_examples(typed(settings), role, lambda name, asked=asked: asked.append(name) or pa.table(_columns()))
        assert asked == [split]


def _columns() -> dict[str, list[str]]:
    return {name: [row[name] for row in questions(3)] for name in questions(1)[0]}


def test_the_table_has_its_schema():
    table = make_examples(typed(CLASSIFY), "evaluate", lambda name: pa.Table.from_pylist([{"s": "x", "label": 1}]))
    assert table.schema.equals(SCHEMA)
