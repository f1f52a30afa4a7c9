"""Rows that are left out and counted (equal options, no gold, an empty required value), and padding, no option."""

import math

import numpy as np
import pyarrow as pa
import pytest
from made_rows import error_of, rows_of
from typed_settings import typed

from junkdna.data.examples import make_examples
from junkdna.data.usable_rows import read_notes
from junkdna.evaluate import metrics

BASE = {"task": "t", "limits": {}, "evaluate_split": "test"}
LISTED = {**BASE, "kind": "choice", "columns": {"text": "{q}", "choices": "c", "answer": "l", "shuffle": False}}
LABELS = ["entailment", "neutral", "contradiction"]
PAIR = {**BASE, "kind": "pair", "labels": LABELS, "columns": {"text": "{p}", "text_b": "{h}", "answer": "label"}}
NUMBER = {**BASE, "kind": "regress", "columns": {"text": "{p}", "answer": "label"}}
WRITTEN = {**NUMBER, "kind": "generate"}


def with_columns(settings: dict, **columns: object) -> dict:
    return {**settings, "columns": {**settings["columns"], **columns}}


def left_out(settings: dict, rows: list[dict], role: str = "evaluate") -> dict[str, int]:
    return read_notes(make_examples(typed(settings), role, lambda _: pa.Table.from_pylist(rows)))["left_out"]


def pairs(*labels: object) -> list[dict]:
    return [{"p": f"p{i}", "h": f"h{i}", "label": label} for i, label in enumerate(labels)]


def named(settings: dict, rows: list[dict]) -> list[tuple[list[str], str]]:
    """Options and the text that the gold answer names, of every row read."""
    return [(row["choices"], row["choices"][row["answer"]]) for row in rows_of(settings, rows)]


# --- equal options ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choices",
    [
        ["x", "x", "y"],  # with the gold answer
        ["y", "x", "x"],  # without it: two wrong options of one text still take part twice
        ["x", "x", None],
        ["7", "7", "8"],
    ],
)
def test_a_row_with_equal_options_is_left_out_and_counted(choices):
    rows = [{"q": "a", "c": choices, "l": 0}, {"q": "b", "c": ["x", "y", "X"], "l": 1}]
    assert named(LISTED, rows) == [(["x", "y", "X"], "y")]  # letter case makes another option
    assert left_out(LISTED, rows) == {"with two equal options": 1}


def test_spaces_at_the_ends_distinguish_options_unless_stripped():
    rows = [{"q": "a", "c": ["x", " x ", "y"], "l": 0}, {"q": "b", "c": ["x", "y", "z"], "l": 1}]
    assert named(LISTED, rows)[0] == (["x", " x ", "y"], "x")
    stripped = {**LISTED, "columns": {**LISTED["columns"], "strip": ["choices"]}}
    assert named(stripped, rows) == [(["x", "y", "z"], "y")]
    assert left_out(stripped, rows) == {"with two equal options": 1}


def test_equal_options_of_templates_and_of_structs():
    templates = {**LISTED, "columns": {"text": "{q}", "choices": ["{a} {b}", "{c}"], "answer": 0}}
    rows = [{"q": "1", "a": "u", "b": "v", "c": "u v"}, {"q": "2", "a": "u", "b": "w", "c": "u v"}]
    assert [row["text"] for row in rows_of(templates, rows)] == ["2"]
    structs = with_columns(LISTED, choices="c.*.text", choice_labels="c.*.label", answer="key")
    options = [
        [{"text": text, "label": label} for label, text in zip("AB", pair, strict=True)] for pair in ("xx", "xy")
    ]
    rows = [{"q": str(i), "c": c, "key": "B"} for i, c in enumerate(options)]
    assert [(row["text"], row["choices"]) for row in rows_of(structs, rows)] == [("1", ["x", "y"])]


def test_a_model_that_always_prefers_the_right_text_is_always_right():
    rows = [{"q": f"q{i}", "c": ["x", "x", "y"] if i % 3 else ["x", "z", "y"], "l": 0} for i in range(60)]
    kept = rows_of(with_columns(LISTED, shuffle=True), rows)
    scores = [np.array([-1.0 if text == "x" else -9.0 for text in row["choices"]]) for row in kept]
    found = metrics.outcome(scores, np.array([row["answer"] for row in kept]))
    assert len(kept) == 20
    assert (found.prediction == found.gold).all()


def test_train_rows_lose_equal_options_too_and_shots_keep_them():
    """A shown example is not scored, and the published prompts of MMLU show one with two equal options."""
    rows = [{"q": str(i), "c": ["x", "x" if i < 2 else "y"], "l": 1} for i in range(5)]
    settings = {**LISTED, "train_split": "train", "shots": {"of": "test", "count": 1}}
    assert [row["text"] for row in rows_of(settings, rows, "shots")] == ["0"]
    assert [row["text"] for row in rows_of(settings, rows, "evaluate")] == ["2", "3", "4"]  # nor is the shot evaluated
    assert [row["text"] for row in rows_of(settings, [], "train", train=rows)] == ["2", "3", "4"]
    assert left_out(settings, rows, "train") == {"with two equal options": 2}
    assert left_out(settings, rows, "evaluate") == {"with two equal options": 1}


def test_limits_and_hash_splits_count_usable_rows():
    rows = [{"q": str(i), "c": ["x", "x" if i % 2 else "y"], "l": i % 4 // 2} for i in range(40)]
    assert len(rows_of({**LISTED, "limits": {"evaluate": 15}}, rows)) == 15
    cut = {**LISTED, "hash_split": {"of": "test", "train": 10, "evaluate": 10}}
    parts = [rows_of(cut, rows, role) for role in ("train", "evaluate")]
    assert sorted(int(row["text"]) for part in parts for row in part) == [*range(0, 40, 2)]
    cut["hash_split"]["train"] = 11
    assert "needs 11 + 10 rows, but only 20 are usable" in error_of(cut, rows)


# --- padding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [None, "", "  ", "\t\n"])
def test_padding_is_no_option_and_the_answer_names_its_text(empty):
    rows = [
        {"q": "end", "c": ["x", "y", empty, empty], "l": 1},
        {"q": "middle", "c": ["x", empty, "y", "z"], "l": 2},
        {"q": "front", "c": [empty, "x", "y", empty], "l": 2},
        {"q": "none", "c": ["x", "y", "z", "w"], "l": 3},
    ]
    read = [(["x", "y"], "y"), (["x", "y", "z"], "y"), (["x", "y"], "y"), (["x", "y", "z", "w"], "w")]
    assert named(LISTED, rows) == read
    shuffled = named(with_columns(LISTED, shuffle=True), rows)
    assert [(sorted(options), right) for options, right in shuffled] == [(sorted(o), right) for o, right in read]
    templates = with_columns(LISTED, choices=["{a}", "{b}", "({c})", "{d}"])  # brackets around nothing are nothing
    flat = [{"q": row["q"], **dict(zip("abcd", row["c"], strict=True)), "l": row["l"]} for row in rows]
    assert [right.strip("()") for _, right in named(templates, flat)] == ["y", "y", "y", "w"]
    assert [len(options) for options, _ in named(templates, flat)] == [2, 3, 2, 4]
    assert left_out(LISTED, rows) == {}


def test_numbers_are_padded_with_nan():
    rows = [{"q": "a", "c": [1.5, 2.5, math.nan], "l": 1}, {"q": "b", "c": [1.5, 0.0, 3.5], "l": 1}]
    assert named(LISTED, rows) == [(["1.5", "2.5"], "2.5"), (["1.5", "0.0", "3.5"], "0.0")]


@pytest.mark.parametrize("labels", [["A", "B", "C", "D"], ["A", "B", "C", None], ["A", "B", "C", ""], ["A", "B", "C"]])
def test_labels_of_padded_choices(labels):
    settings = with_columns(LISTED, choices="c.text", choice_labels="c.label", answer="key")
    rows = [{"q": "a", "c": {"text": ["x", "", "y", None], "label": labels}, "key": key} for key in "CA"]
    assert named(settings, rows) == [(["x", "y"], "y"), (["x", "y"], "x")]
    for key in "BD" if labels[-1] == "D" else "B":
        assert "refers to an empty choice of" in error_of(settings, [{**rows[0], "key": key}])


def test_a_gold_answer_at_an_empty_choice_is_an_error():
    """Left out in silence it would hide positions that count from 1."""
    rows = [{"q": "a", "c": ["x", "y", None], "l": 1}, {"q": "b", "c": ["x", "y", None], "l": 2}]
    text = error_of(LISTED, rows)
    assert text.startswith(
        "task t: row 'test-1': answer 2 refers to an empty choice of ['x', 'y', ''] (positions start at 0"
    )
    assert "columns.map" in text


def test_an_empty_right_choice_at_a_fixed_position_is_no_gold():
    settings = with_columns(LISTED, choices=["{right}", "{w1}", "{w2}"], answer=0)
    rows = [{"q": str(i), "right": right, "w1": "u", "w2": "v"} for i, right in enumerate(("x", "", None))]
    assert named(settings, rows) == [(["x", "u", "v"], "x")]
    assert left_out(settings, rows) == {"without a gold answer (choice 0 is empty)": 2}
    rows = [{"q": "a", "c": ["x", "y", "z"]}, {"q": "b", "c": ["x", "", "z"]}]
    assert left_out(with_columns(LISTED, answer=1), rows) == {"without a gold answer (choice 1 is empty)": 1}


# --- no gold ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("label", "shown"), [(-1, "-1"), (None, "null")])
def test_rows_without_gold_are_left_out_and_counted(label, shown):
    rows = pairs(0, 2, label, label)
    assert [row["answer"] for row in rows_of(PAIR, rows)] == [0, 2]
    assert left_out(PAIR, rows) == {f"without a gold answer (label: {shown})": 2}


@pytest.mark.parametrize(("place", "shown"), [(-1, "-1"), (-1.0, "-1.0"), (None, "null"), (math.nan, "null")])
def test_questions_without_gold_are_left_out_and_counted(place, shown):
    rows = [{"q": str(i), "c": ["x", "y"], "l": one} for i, one in enumerate((0, place, 1, place))]
    assert [row["text"] for row in rows_of(LISTED, rows)] == ["0", "2"]
    assert left_out(LISTED, rows) == {f"without a gold answer (l: {shown})": 2}


@pytest.mark.parametrize(("label", "shown"), [("-1", "-1"), ("-", "-"), ("", "empty"), (" ", "empty"), (None, "null")])
def test_rows_without_gold_among_named_labels(label, shown):
    rows = pairs("neutral", label, "entailment")
    assert [row["answer"] for row in rows_of(PAIR, rows)] == [1, 0]
    assert left_out(PAIR, rows) == {f"without a gold answer (label: {shown})": 1}


@pytest.mark.parametrize("label", ["maybe", "n/a", -2, 3, "?"])
def test_any_other_unknown_label_is_an_error(label):
    assert "row 'test-0': label" in error_of(PAIR, pairs(label))


def test_a_label_that_the_task_names_is_always_gold():
    signs = {**PAIR, "labels": ["-1", "1"]}
    assert [row["answer"] for row in rows_of(signs, pairs(-1, 1, -1))] == [0, 1, 0]
    assert [row["answer"] for row in rows_of({**PAIR, "labels": ["-", "+"]}, pairs("-", "+"))] == [0, 1]
    groups = {**PAIR, "labels": None, "label_groups": {"a": ["-1"], "b": ["0", "1"]}}
    assert [row["answer"] for row in rows_of(groups, pairs(-1, 0, 1))] == [0, 1, 1]
    mapped = with_columns(PAIR, map={"label": {"-1": "contradiction", "1": "entailment"}})
    assert [row["answer"] for row in rows_of(mapped, pairs(-1, 1))] == [2, 0]
    words = {"y": {"-1": "contradiction", "1": "entailment"}}
    made = with_columns(PAIR, answer="y", extract={"label": "(?P<y>.*)"}, map=words)
    assert [row["answer"] for row in rows_of(made, pairs("-1", "1"))] == [2, 0]
    assert left_out(made, pairs("-1", "1", "-")) == {"without a gold answer (label: -)": 1}
    lettered = with_columns(LISTED, choices="c.text", choice_labels="c.label", answer="key")
    row = {"q": "a", "c": {"text": ["x", "y"], "label": [0, -1]}, "key": -1}
    assert named(lettered, [row]) == [(["x", "y"], "y")]


def test_classes_numbered_from_minus_one_are_not_taken_for_rows_without_gold():
    assert "If classes are numbered from -1, write `labels` as stored" in error_of(PAIR, pairs(-1, 0, 1, 0))
    assert [row["answer"] for row in rows_of(PAIR, pairs(-1, 0, 2, 0))] == [0, 2, 0]
    assert [row["answer"] for row in rows_of(PAIR, pairs("-1", "neutral", "entailment"))] == [1, 0]  # named


def test_gold_is_checked_before_columns_are_derived():
    """A map or a pattern need not cover missing labels."""
    mapped = with_columns(PAIR, map={"label": {"a": "neutral", "b": "entailment"}})
    assert [row["answer"] for row in rows_of(mapped, pairs("b", "", None, "a"))] == [0, 1]
    drawn = with_columns(WRITTEN, extract={"label": r".*#### (?P<end>.+)"}, answer="end")
    assert [row["references"] for row in rows_of(drawn, pairs("so #### 7", None, ""))] == [["7"]]


def test_no_gold_by_kind():
    assert [row["target"] for row in rows_of(NUMBER, pairs(1.5, -1, None, math.nan))] == [1.5, -1.0]  # -1 is a number
    assert [row["references"] for row in rows_of(WRITTEN, pairs("-1", None, "", "-"))] == [["-1"], ["-"]]
    several = with_columns(WRITTEN, answer=["{label}", "{h} {label}"])
    assert [row["references"] for row in rows_of(several, pairs("x", None))] == [["x", "h0 x"], ["h1"]]
    rows = [{"q": str(i), "c": ["x", "y"], "l": place} for i, place in enumerate((0, -1, None, 1))]
    assert [row["text"] for row in rows_of(LISTED, rows)] == ["0", "3"]


@pytest.mark.parametrize(
    ("settings", "rows"),
    [
        (PAIR, pairs(-1, -1, -1)),
        (PAIR, pairs("", "")),
        (WRITTEN, pairs([], [])),
        (LISTED, [{"q": "a", "c": ["x", "y"], "l": -1}]),
    ],
)
def test_a_split_without_any_gold_is_a_hidden_test_set(settings, rows):
    text = error_of(settings, rows)
    assert f"no row of split 'test' can be used: {len(rows)} without a gold answer" in text
    assert "Its labels are hidden, as in many test sets: evaluate another split" in text


# --- required values and texts ----------------------------------------------------------------------------------------


def test_raw_columns_can_be_required():
    rows = [
        {"q": "a", "c": ["x", "y"], "l": 0, "level": "easy"}, {"q": "b", "c": ["x", "y"], "l": 1, "level": None},
        {"q": "c", "c": ["x", "y"], "l": 0, "level": " "}, {"q": "d", "c": ["x"], "l": 0, "level": "easy"},
        {"q": "e", "c": None, "l": 0, "level": "easy"},
    ]  # fmt: skip
    settings = with_columns(LISTED, require=["level", "c.1"])
    assert [row["text"] for row in rows_of(settings, rows)] == ["a"]
    assert left_out(settings, rows) == {
        "with an empty level (columns.require)": 2,
        "with an empty c.1 (columns.require)": 2,
    }
    assert "has no column levl" in error_of(with_columns(LISTED, require=["levl"]), rows)
    assert "columns.require: [c.1]" in error_of(LISTED, rows[3:4])
    made = with_columns(PAIR, extract={"h": "h(?P<number>[0-9]*)"}, require=["number"])
    assert [row["id"] for row in rows_of(made, [*pairs(0), {"p": "p", "h": "h", "label": 1}])] == ["test-0"]
    zero = with_columns(PAIR, require=["label"])  # 0 is a value
    assert [row["answer"] for row in rows_of(zero, pairs(0, 1))] == [0, 1]


def test_required_columns_are_checked_before_columns_are_derived():
    settings = with_columns(PAIR, map={"h": {"h0": "zero"}}, require=["h"])
    rows = [*pairs(0), {"p": "p", "h": None, "label": 1}]
    assert [row["text_b"] for row in rows_of(settings, rows)] == ["zero"]


def test_a_text_with_only_empty_columns_is_empty():
    worded = with_columns(PAIR, text="Premise: {p}")
    rows = [{"p": " ", "h": "h", "label": 0}]
    assert "empty text. To skip such rows, set columns.require: [text]." in error_of(worded, rows)
    assert left_out(with_columns(worded, require=["text"]), [*rows, *pairs(1)]) == {
        "with an empty text (columns.require)": 1
    }
    passage = with_columns(NUMBER, passage="Passage: {h}")
    assert [row["passage"] for row in rows_of(passage, [*pairs(1.5), {"p": "p", "h": None, "label": 2.0}])] == [
        "Passage: h0", "",
    ]  # fmt: skip


def test_kinds_that_compare_texts_need_both():
    rows = [{"p": "p", "h": "", "label": 1}]
    assert "empty text_b. To skip such rows, set columns.require: [text_b]." in error_of(PAIR, rows)
    assert "empty text_b" in error_of(with_columns(NUMBER, text_b="{h}"), rows)
    single = {**PAIR, "kind": "classify"}
    assert rows_of(single, rows)[0]["text_b"] == ""


def test_counts_without_skipped_rows_are_empty():
    assert left_out(PAIR, pairs(0, 1)) == {}
    text = error_of(LISTED, [{"q": "a", "c": ["x", "x"], "l": 0}])
    assert text == "task t: no row of split 'test' can be used: 1 with two equal options. Check columns.choices."
