"""Every Arrow type has one reading, or is refused with its column; booleans, numbers and names of classes."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typed_settings import typed

from junkdna.data.examples import make_examples
from junkdna.data.values import truth_index, whole_number
from junkdna.errors import UserError

BASE = {"task": "t", "evaluate_split": "e", "limits": {}}


def examples(kind: str, table: pa.Table, columns: dict, **changed: object) -> list[dict]:
    settings = {**BASE, "kind": kind, "columns": columns, **changed}
    return make_examples(typed(settings), "evaluate", lambda _: table).to_pylist()


def error_of(kind: str, table: pa.Table, columns: dict, **changed: object) -> str:
    with pytest.raises(UserError) as caught:
        examples(kind, table, columns, **changed)
    return str(caught.value)


def unchecked(kind: pa.DataType) -> pa.Array:
    """A text that is not UTF-8: Arrow, and some writers of Parquet files, do not check."""
    return pa.array([b"a\xff"]).cast(pa.large_binary() if kind == pa.large_string() else pa.binary()).view(kind)


def read(array: pa.Array, path: str = "v") -> list[str]:
    """What a template shows of a column."""
    table = pa.table({"q": ["x"] * len(array), "v": array})
    rows = examples("generate", table, {"text": f"{{q}} {{{path}}}", "answer": "q"})
    return [row["text"][2:] for row in rows]


# --- single values ----------------------------------------------------------------------------------------------------

NOON = dt.datetime(2017, 1, 31, 12)
NOON_TEXT = "2017-01-31 12:00:00"
SECONDS = 1_485_864_000


@pytest.mark.parametrize(
    ("array", "texts"),
    [
        (pa.array(["a", "", None]), ["a", "", ""]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.array(["a"], pa.string_view()), ["a"]),
        (pa.array([True, False, None]), ["true", "false", ""]),
        (pa.array([-1, None], pa.int8()), ["-1", ""]),
        (pa.array([2**64 - 1], pa.uint64()), [str(2**64 - 1)]),
        (pa.array(np.array([0.1, 3], np.float16)), ["0.1", "3.0"]),
        (pa.array([0.1, 3, 123456792.0, float("inf")], pa.float32()), ["0.1", "3.0", "123456790.0", "inf"]),
        (pa.array([0.1, 3, 1e22, 1e-7, None]), ["0.1", "3.0", "1e+22", "1e-07", ""]),
        (pa.array([float("nan"), 1.0]), ["", "1.0"]),
        (pa.array([Decimal("3.10"), Decimal("100.00")]), ["3.10", "100.00"]),
        (pa.array([Decimal("1E+2")], pa.decimal128(5, -2)), ["100"]),
        (pa.array([dt.date(2017, 1, 31), None]), ["2017-01-31", ""]),
        (pa.array([dt.date(2017, 1, 31)], pa.date64()), ["2017-01-31"]),
        (pa.array([NOON], pa.timestamp("s")), ["2017-01-31 12:00:00"]),
        (pa.array([SECONDS * 10**9, SECONDS * 10**9 + 1], pa.timestamp("ns")), [NOON_TEXT, f"{NOON_TEXT}.000000001"]),
        (
            pa.array([SECONDS * 10**9 + 10**6, SECONDS * 10**9 + 1], pa.timestamp("ns", "+01:30")),
            ["2017-01-31 13:30:00.001000+01:30", "2017-01-31 13:30:00.000000001+01:30"],
        ),
        (
            pa.array([SECONDS * 10**9, SECONDS * 10**9 + 1], pa.timestamp("ns", "UTC")),
            [f"{NOON_TEXT}+00:00", f"{NOON_TEXT}.000000001+00:00"],
        ),
        (pa.array([SECONDS, 253402300800], pa.timestamp("s")), [NOON_TEXT, "10000-01-01 00:00:00"]),
        (
            pa.array([SECONDS * 1000 + 5, 253402300800000], pa.timestamp("ms")),
            [f"{NOON_TEXT}.005000", "10000-01-01 00:00:00"],
        ),
        (pa.array([0, 10**9 + 1], pa.time64("ns")), ["00:00:00", "00:00:01.000000001"]),
        (pa.array([NOON + dt.timedelta(microseconds=5)]), ["2017-01-31 12:00:00.000005"]),
        (pa.array([SECONDS * 10**9 + 123456789], pa.timestamp("ns")), ["2017-01-31 12:00:00.123456789"]),
        (pa.array([SECONDS], pa.timestamp("s", "Europe/Berlin")), ["2017-01-31 13:00:00+01:00"]),
        (pa.array([dt.time(12, 30)], pa.time32("s")), ["12:30:00"]),
        (pa.array([5], pa.time64("ns")), ["00:00:00.000000005"]),
        (pa.array(["Où".encode(), None]), ["Où", ""]),
        (pa.array([b"a"], pa.large_binary()), ["a"]),
        (pa.array([b"abcd"], pa.binary(4)), ["abcd"]),
        (pa.array(["b", "a", None]).dictionary_encode(), ["b", "a", ""]),
        (pa.array([0.1], pa.float32()).dictionary_encode(), ["0.1"]),
        (pc.run_end_encode(pa.array(["a", "a"])), ["a", "a"]),
        (pa.nulls(2), ["", ""]),
        (pa.array([b"1234567812345678"], pa.uuid()), ["31323334-3536-3738-3132-333435363738"]),
        (pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8())), ["true", "false"]),
    ],
)
def test_each_type_has_one_conversion(array: pa.Array, texts: list[str]) -> None:
    assert read(array) == texts
    assert read(array.slice(len(array) - 1)) == texts[-1:]


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (pa.array([b"a\xff"]), r"column v contains bytes that are not UTF-8 text, such as b'a\xff'"),
        (unchecked(pa.string()), r"column v contains bytes that are not UTF-8 text, such as b'a\xff'"),
        (unchecked(pa.large_string()), r"column v contains bytes that are not UTF-8 text, such as b'a\xff'"),
        (unchecked(pa.string()).dictionary_encode(), "column v contains bytes that are not UTF-8 text"),
        (pa.array([5], pa.duration("s")), "column v contains duration[s] values, which junkdna cannot read"),
        (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), "column v contains month_day_nano_interval values"),
        (pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]), "column v contains sparse_union"),
        (pa.array([10**14], pa.timestamp("s")), "column v contains an impossible date"),
        (
            pa.array([5], pa.timestamp("s", "No/Where")),
            "column v contains timestamp[s, tz=No/Where] values that cannot be",
        ),
    ],
)
def test_other_types_are_refused_with_their_column(array: pa.Array, says: str) -> None:
    table = pa.table({"q": ["x"], "v": array})
    text = error_of("generate", table, {"text": "{q} {v}", "answer": "q"})
    assert text.startswith("task t: column v contains")
    assert says in text
    assert examples("generate", table, {"text": "{q}", "answer": "q"})  # not where the task leaves it out


# --- nested values ----------------------------------------------------------------------------------------------------

LISTS = [pa.list_, pa.large_list, pa.list_view, pa.large_list_view, lambda item: pa.list_(item, 2)]


@pytest.mark.parametrize("kind", LISTS)
def test_lists_of_every_kind_have_items(kind: Callable) -> None:
    lists = pa.array([[0.1, 2.5], None, [3, None]], kind(pa.float32()))
    assert read(lists, "v.0") == ["0.1", "", "3.0"]
    assert read(lists.slice(1), "v.0") == ["", "3.0"]


def test_texts_in_lists_are_checked_too() -> None:
    array = pa.ListArray.from_arrays([0, 1], unchecked(pa.string()))
    said = error_of("generate", pa.table({"q": ["x"], "v": array}), {"text": "{q} {v.0}", "answer": "q"})
    assert "column v.* contains bytes that are not UTF-8 text" in said


def test_structs_maps_and_their_values() -> None:
    kind = pa.struct([("a", pa.float32()), ("b", pa.binary())])
    structs = pa.array([{"a": 0.1, "b": b"\xff"}, None], kind)
    assert read(structs, "v.a") == ["0.1", ""]  # the bytes beside it are nobody's text
    maps = pa.array([[("k", 0.1)], None, []], pa.map_(pa.string(), pa.float32()))
    assert read(maps, "v.0.key") == ["k", "", ""]
    assert read(maps, "v.0.value") == ["0.1", "", ""]
    deep = pa.array([[{"a": [True]}], []], pa.list_(pa.struct([("a", pa.list_(pa.bool_()))])))
    assert read(deep, "v.0.a.0") == ["true", ""]
    assert read(pa.array([[[0.1], [0.2, 0.3]], None]), "v.1.1") == ["0.3", ""]
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 0]), pa.array([[1.5]]))
    assert read(coded, "v.0") == ["1.5", "1.5"]


def test_a_repeated_field() -> None:
    twice = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    text = error_of("generate", pa.table({"v": twice}), {"text": "{v.a}", "answer": "v.a"})
    assert "column v: the field 'a' occurs twice in it" in text


@pytest.mark.parametrize("values", [[[{"n": 1}]], [{"n": 1}], [[[1]]]])
def test_objects_cannot_be_answers_or_options(values: list) -> None:
    table = pa.table({"q": ["x"], "v": values})
    assert "has several values; name one of them" in error_of("generate", table, {"text": "{q}", "answer": "v"})
    if isinstance(values[0], list):
        columns = {"text": "{q}", "choices": "v", "answer": 0}
        assert "column v.* has several values" in error_of("choice", table, columns)


def test_options_and_answers_are_converted_in_the_same_way() -> None:
    table = pa.table({"q": ["x"], "v": pa.array([[0.1, 3]], pa.list_(pa.float32())), "b": [[True, False]]})
    assert examples("generate", table, {"text": "{q}", "answer": "v"})[0]["references"] == ["0.1", "3.0"]
    columns = {"text": "{q}", "choices": "b", "answer": 0, "shuffle": False}
    assert examples("choice", table, columns)[0]["choices"] == ["true", "false"]
    table = pa.table({"q": ["x"], "y": ["z"], "v": pa.array([0.1], pa.float32())})
    assert examples("regress", table, {"text": "{q}", "text_b": "{y}", "answer": "v"})[0]["target"] == 0.1
    for wrong in ([True], ["1_000"], ["3,5"], ["nan"]):
        text = error_of("regress", table.set_column(2, "v", [wrong]), {"text": "{q}", "text_b": "{y}", "answer": "v"})
        assert "is not a finite number" in text


# --- names with dots --------------------------------------------------------------------------------------------------


def test_a_column_name_with_a_dot() -> None:
    table = pa.table(
        {"q.s": ["own"], "q": [{"s": "inner", "t": "other"}], "c.x": [["u", "v"]], "a.b": [1], "i.d": ["id1"]}
    )
    columns = {"id": "i.d", "text": "{q.s} {q.t}", "answer": "a.b", "choices": "c.x", "shuffle": False}
    row = examples("choice", table, columns)[0]
    assert (row["id"], row["text"], row["choices"], row["answer"]) == ("id1", "own other", ["u", "v"], 1)
    table = pa.table({"q.s": ["x #### 4"], "m": [{"a.b": [{"c.d": "deep"}]}]})
    columns = {"text": "{m.a.b.0.c.d}", "answer": "n", "extract": {"q.s": ".*#### (?P<n>.*)"}}
    assert [(row["text"], row["references"]) for row in examples("generate", table, columns)] == [("deep", ["4"])]
    text = error_of("generate", table, {"text": "{q.t}", "answer": "m.a"})
    assert "has no column m.a, q.t. It has q.s, m, m.a.b" in text


# --- classes ----------------------------------------------------------------------------------------------------------


def classes(
    values: object, labels: list[str] | None = None, groups: dict | None = None, **columns: object
) -> list[int]:
    table = pa.table({"q": [f"x{i}" for i in range(len(values))], "a": values})
    named = {"labels": labels} if labels else {"label_groups": groups}
    return [row["answer"] for row in examples("classify", table, {"text": "{q}", "answer": "a", **columns}, **named)]


@pytest.mark.parametrize("values", [[True, False], ["true", "false"], ["True", "FALSE"]])
@pytest.mark.parametrize(
    ("labels", "ids"),
    [
        (["true", "false"], [0, 1]),
        (["False", "True"], [1, 0]),
        (["no", "yes"], [1, 0]),
        (["Yes", "No"], [0, 1]),
        (["1", "0"], [0, 1]),
        (["no", "maybe", "yes"], [2, 0]),
    ],
)
def test_true_is_the_label_that_means_true(values: list, labels: list[str], ids: list[int]) -> None:
    assert classes(values, labels) == ids


@pytest.mark.parametrize("labels", [["negative", "positive"], ["same", "other"], ["yes", "unknown"]])
def test_true_is_never_a_place(labels: list[str]) -> None:
    with pytest.raises(UserError, match="Assign true and false in label_groups"):
        classes([True, False], labels)
    assert classes([True, False], groups={"b": ["true"], "a": ["false"]}) == [1, 0]
    assert classes([True, False], groups={"b": ["True"], "a": ["False"]}) == [1, 0]
    assert classes([True, False], ["b", "a"], map={"a": {"true": "b", "false": "a"}}) == [0, 1]


@pytest.mark.parametrize("values", [[1, 0], ["1", "0"], [1.0, 0.0]])
@pytest.mark.parametrize("words", [("true", "false"), ("Yes", "No"), ("correct", "incorrect"), ("T", "F")])
def test_a_number_that_would_swap_true_and_false_is_refused(values: list, words: tuple[str, str]) -> None:
    yes, no = words
    assert classes(values, [no, yes]) == [1, 0]
    for labels in ([yes, no], [yes, no, "unknown"]):
        with pytest.raises(UserError, match=rf'label_groups: {{{yes}: \["1"\], {no}: \["0"\]}}'):
            classes(values, labels)
    assert classes(values, groups={yes: ["1"], no: ["0"]}) == ([1, 0] if yes > no else [0, 1])
    assert classes(["true", "false"] if words == ("true", "false") else list(words), [yes, no]) == [0, 1]


@pytest.mark.parametrize("word", ["inf", "Infinity", "nan"])
def test_a_label_that_only_python_reads_as_a_number_is_text(word: str) -> None:
    assert classes([0, 1], [word, "other"]) == [0, 1]


def test_a_boolean_answer_is_the_choice_with_that_meaning() -> None:
    table = pa.table({"q": ["x", "y"], "z": ["z", "z"], "a": [True, False]})
    columns = {"text": "{q}", "answer": "a", "shuffle": False}
    for choices, places in ((["no", "yes"], [1, 0]), (["yes", "no"], [0, 1])):
        rows = examples("choice", table, {**columns, "choices": choices})
        assert [row["answer"] for row in rows] == places
    text = error_of("choice", table, {**columns, "choices": ["{q}", "{z}"]})
    assert "answer true is true or false, but none of its choices is" in text
    mapped = {**columns, "choices": ["{q}", "{z}"], "map": {"a": {"true": "0", "false": "1"}}}
    assert [row["answer"] for row in examples("choice", table, mapped)] == [0, 1]


NUMBERS = [
    [0, 1],
    ["0", "1"],
    [0.0, 1.0],
    pa.array([0, 1], pa.float32()),
    ["0.0", "1.0"],
    [Decimal("0.0"), Decimal("1.0")],
]


@pytest.mark.parametrize("values", NUMBERS)
def test_numbers_of_any_type_are_positions_or_names(values: object) -> None:
    for labels in (["a", "b"], ["0", "1"], ["0.0", "1.0"], ["no", "yes"]):
        assert classes(values, labels) == [0, 1]
    assert classes(values, ["1", "0"]) == [1, 0]
    assert classes(values, groups={"b": ["0"], "a": ["1"]}) == [1, 0]
    for labels in (["+1", "-1"], ["1", "2"], ["0.5", "1"]):  # numbers are names there, never places
        with pytest.raises(UserError, match=r"label '?0(\.0)?'? belongs to 0 of the classes"):
            classes(values, labels)


def test_labels_that_are_text() -> None:
    for values in (["b", "a"], pa.array(["b", "a"]).dictionary_encode(), [b"b", b"a"]):
        assert classes(values, ["a", "b"]) == [1, 0]
    assert classes([-1, 1], ["+1", "-1"]) == [1, 0]
    with pytest.raises(UserError, match="label 'A' belongs to 0"):
        classes(["A"], ["a", "b"])


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3), ("3", 3), ("-1", -1), ("3.0", 3), ("3.", 3), ("3.5", None), ("1_0", None), (" 3", None), ("٣", None),
     ("1e3", None), (True, None), (None, None), ("", None), ("9" * 30, None)],
)  # fmt: skip
def test_whole_numbers(value: object, number: int | None) -> None:
    assert whole_number(value) == number


def test_the_index_of_true() -> None:
    assert truth_index("true", ["no", "yes"]) == 1
    assert truth_index(False, ["N", "Y"]) == 0
    assert truth_index("true", ["no", "yes", "false", "true"]) is None  # two pairs say it
    assert truth_index("true", ["yes", "yes", "no"]) is None


@pytest.mark.parametrize("values", [["1"], [1.0], ["1.0"], [1], pa.array([1], pa.float32())])
def test_positions_of_any_type(values: object) -> None:
    table = pa.table({"q": ["x"], "z": ["z"], "a": values})
    columns = {"text": "{q}", "choices": ["{q}", "{z}"], "answer": "a", "shuffle": False}
    assert examples("choice", table, columns)[0]["answer"] == 1


def test_a_repeated_choice_label() -> None:
    table = pa.table({"q": ["x"], "l": [["A", "A"]], "c": [["x", "y"]], "a": ["A"]})
    columns = {"text": "{q}", "choices": "c", "choice_labels": "l", "answer": "a"}
    assert "answer 'A' occurs 2 times in its choice labels ['A', 'A']" in error_of("choice", table, columns)
