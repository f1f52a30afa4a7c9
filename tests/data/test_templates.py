"""Raw columns by path, in templates, and derived from others: extract, map, fill."""

import pyarrow as pa
import pytest

from junkdna.data.templates import TEMPLATES, check_columns, derive_columns, field, list_field, render, template_columns
from junkdna.errors import UserError
from junkdna.study.columns import Columns
from junkdna.study.yaml_reader import validated

RAW = {
    "q": "why ?", "n": 3, "none": None, "list": ["a", None, "c"], "empty": [],
    "deep": {"pages": [{"text": "first"}, {"text": "second"}], "gone": None, "label": 0},
}  # fmt: skip


# --- paths and templates ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("q", "why ?"),
        ("n", 3),
        ("none", None),
        ("none.x.0", None),
        ("list", ["a", None, "c"]),
        ("list.0", "a"),
        ("list.1", None),
        ("list.2", "c"),
        ("list.3", None),  # too short a list
        ("empty.0", None),
        ("deep.pages.1.text", "second"),
        ("deep.pages.2.text", None),
        ("deep.gone.x", None),
        ("deep.label", 0),
    ],
)
def test_values_by_path(path, value):
    assert field(path, RAW) == value


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{q}", "why ?"),
        ("  {q} {n}\n", "  why ? 3\n"),  # what a task file writes is meant
        ("{blank}{q}", " why ?"),
        ("{blank}", ""),
        ("{none}", ""),
        ("{q} {none}", "why ?"),
        ("{none}\n{deep.pages.0.text}", "first"),
        ("{deep.pages.0.text}\n{deep.pages.9.text}", "first"),
        ("{list.0}-{list.2}-{deep.label}", "a-c-0"),
        ("{q}{q}", "why ?why ?"),
        ("no column", "no column"),
        ("a { b } {", "a { b } {"),
    ],
)
def test_templates(template, text):
    raw = {**RAW, " b ": "{ b }", "blank": " "}
    assert render("row", template, raw) == text


def test_values_that_look_like_templates_are_text():
    assert render("row", "{a} {b}", {"a": "{b}", "b": "\\1 {a}"}) == "{b} \\1 {a}"
    assert template_columns("{q} {choices.text.0} {{x}} {}") == ["q", "choices.text.0", "x"]


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{list}", "column list has several values; name one of them, such as {list.0}"),
        ("{deep}", "column deep has several values; name one of them, such as {deep.pages}"),
        ("{deep.pages}", "name one of them, such as {deep.pages.0}"),
    ],
)
def test_a_template_takes_one_value(template, says):
    with pytest.raises(UserError, match=r"^task t: row 'r': ") as caught:
        render("task t: row 'r'", template, RAW)
    assert says in str(caught.value)


def test_columns_that_must_be_lists():
    assert list_field("row", "deep.pages.*.text", RAW) == ["first", "second"]
    with pytest.raises(
        UserError, match=r"^row: column deep.pages.\* has several values; name one of them, such as deep.pages"
    ):
        list_field("row", "deep.pages", RAW)  # its items would be shown as Python writes them
    for path in ("q", "none", "deep", "list.0"):
        with pytest.raises(UserError, match=rf"^row: column {path} must be a list, but is "):
            list_field("row", path, RAW)


# --- made columns -----------------------------------------------------------------------------------------------------


def test_extract_takes_named_groups_of_the_whole_value():
    columns = {
        "extract": {"query": r"Question: (?P<question>.*)\nAnswer:", "answer": r".*#### (?P<number>-?[\d.,]+)\s*"}
    }
    raw = {"query": "Question: two\nlines?\nAnswer:", "answer": "3 - 4\nis\n#### -1\n"}
    assert derive_columns("row", columns, raw) == {**raw, "question": "two\nlines?", "number": "-1"}
    assert raw == {"query": "Question: two\nlines?\nAnswer:", "answer": "3 - 4\nis\n#### -1\n"}
    with pytest.raises(UserError, match=r"^row: columns.extract: query = 'Question: x' does not match"):
        derive_columns("row", columns, {**raw, "query": "Question: x"})


def test_extract_of_numbers_nulls_and_long_values():
    columns = {"extract": {"deep.n": r"(?P<whole>\d+)(?:\.0)?"}}
    assert derive_columns("row", columns, {"deep": {"n": 8.0}})["whole"] == "8"
    with pytest.raises(UserError, match=r"deep.n = None does not match"):
        derive_columns("row", columns, {"deep": {"n": None}})
    with pytest.raises(UserError) as caught:
        derive_columns("row", columns, {"deep": {"n": "x" * 5000}})
    assert len(str(caught.value)) < 400


def test_an_unmatched_group_is_null():
    columns = {"extract": {"a": r"(?P<one>x)|(?P<two>y)"}}
    assert derive_columns("row", columns, {"a": "y"}) == {"a": "y", "one": None, "two": "y"}


def test_map_replaces_values_by_texts():
    columns = {"map": {"label": {"0": "no", "1": "yes", "True": "yes"}}}
    assert [derive_columns("row", columns, {"label": value})["label"] for value in (0, "1", True)] == [
        "no",
        "yes",
        "yes",
    ]
    with pytest.raises(UserError, match=r"^row: columns.map has no entry for label = 2 \(its keys: 0, 1, True\)"):
        derive_columns("row", columns, {"label": 2})


def test_map_comes_after_extract():
    columns = {"extract": {"a": "(?P<b>.).*"}, "map": {"b": {"x": "found"}}}
    assert derive_columns("row", columns, {"a": "xyz"})["b"] == "found"


@pytest.mark.parametrize(
    ("text", "numbers", "filled"),
    [
        ("number0 foxes and number1 trees", "3 4.5", "3 foxes and 4.5 trees"),
        ("number1 of number0, number1", "8.0 10.0", "10 of 8, 10"),
        ("number10 of number1", " ".join(map(str, range(11))), "10 of 1"),
        ("numbers, number, anumber0, number0x", "", "numbers, number, anumber0, number0x"),
        (None, None, ""),
    ],
)
def test_fill_replaces_placeholders_by_numbers(text, numbers, filled):
    assert derive_columns("row", {"fill": {"q": "n"}}, {"q": text, "n": numbers})["q"] == filled


def test_numbers_that_are_missing():
    with pytest.raises(
        UserError, match=r"^row: columns.fill: the text contains number2, but the row has only 2 numbers"
    ):
        derive_columns("row", {"fill": {"q": "n"}}, {"q": "number2", "n": "1 2"})


# --- columns against a table ------------------------------------------------------------------------------------------

SCHEMA = pa.Table.from_pylist([RAW]).schema


@pytest.mark.parametrize(
    "columns",
    [
        {"text": "{q} {n}", "answer": "deep.label", "id": "n"},
        {"text": "{q}", "answer": "list", "passage": "{deep.pages.0.text}"},
        {"text": "{made}", "answer": "made", "extract": {"q": "(?P<made>.*)"}},
        {"text": "{q}", "answer": ["{n}", "{list.5}"], "fill": {"q": "n"}, "map": {"n": {"3": "three"}}},
    ],
)
def test_columns_that_exist(columns):
    check_columns("task t", columns, SCHEMA, "test")


@pytest.mark.parametrize(
    ("columns", "missing"),
    [
        ({"text": "{qq}", "answer": "n"}, "qq"),
        ({"text": "{q.0}", "answer": "n"}, "q.0"),
        ({"text": "{list.x}", "answer": "n"}, "list.x"),
        ({"text": "{deep.page}", "answer": "n"}, "deep.page"),
        ({"text": "{deep.pages.text}", "answer": "n"}, "deep.pages.text"),
        ({"text": "{made.x}", "answer": "n", "extract": {"q": "(?P<made>.*)"}}, "made.x"),
        ({"text": "{b}", "answer": "n", "extract": {"q": "(?P<a>.*)", "a": "(?P<b>.*)"}}, "a"),
        ({"text": "{q}", "answer": "n", "id": "made", "extract": {"q": "(?P<made>.*)"}}, "made"),
        ({"text": "{q}", "answer": "n", "map": {"z": {}}}, "z"),
        ({"text": "{q}", "answer": "n", "fill": {"q": "z"}}, "z"),
        ({"text": "{q}", "answer": "n", "fill": {"z": "n"}}, "z"),
        ({"text": "{q}", "answer": ["{y}", "{z}"]}, "y, z"),
        ({"text": "{q}", "answer": "n", "suffix": "{e}", "group": "{g}", "shown": "{s}"}, "e, g, s"),
        ({"text": "{q}", "answer": "n", "choices": "deep.options", "choice_labels": "labels"}, "deep.options, labels"),
    ],
)
def test_columns_that_are_missing(columns, missing):
    with pytest.raises(UserError, match=r"^task t: split 'test' has no column ") as caught:
        check_columns("task t", columns, SCHEMA, "test")
    assert f"has no column {missing}. It has q, n, none, list, empty, deep, deep.pages, deep.gone" in str(caught.value)


def test_every_template_is_a_key_of_columns():
    assert {*TEMPLATES} <= {*Columns.model_fields}


# --- what a task file may say of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"text": "question"}, "text: template 'question' has no column, so all rows would be the same"),
        ({"passage": "the text"}, "passage: template 'the text' has no column"),
        ({"text_b": "{}"}, "text_b: template '{}' has no column"),
        ({"extract": {"q": "("}}, "extract q: '(' is not a regular expression"),
        ({"extract": {"q": "(.*)"}}, "extract q: '(.*)' has no named group; write (?P<name>...)"),
        ({"map": {"a.b": {}}}, "'a.b' is a path into a column, but map and fill replace entire columns"),
        ({"fill": {"a.b": "c"}}, "'a.b' is a path into a column"),
        ({"shufle": True}, "unknown key 'shufle'. Did you mean 'shuffle'"),
    ],
)
def test_invalid_columns(change, says):
    with pytest.raises(UserError) as caught:
        validated(Columns, {"text": "{q}", "answer": "n", **change}, "t.yaml")
    assert says in str(caught.value)
