"""Files of a split: types that differ in form are unified, types that differ in meaning are refused by file."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from junkdna.data.rows import load_raw
from junkdna.data.values import plain_rows
from junkdna.errors import UserError
from junkdna.storage.globs import matching
from junkdna.study.sources import PinnedSource


def join(folder: Path, *parts: pa.Array | pa.Table) -> list:
    """Rows of some parts as a task reads them; a part is a table, or the column "v" of one."""
    for number, part in enumerate(parts):
        table = part if isinstance(part, pa.Table) else pa.table({"v": part})
        with pa.ipc.new_file(folder / f"p{number}.arrow", table.schema) as file:
            file.write_table(table)
    table = load_raw(PinnedSource(local=str(folder)), "p*.arrow").table
    rows = list(plain_rows("t", table, {name: {} for name in table.schema.names}))
    return rows if isinstance(parts[0], pa.Table) else [row["v"] for row in rows]


def error_of(folder: Path, *parts: pa.Array | pa.Table) -> str:
    with pytest.raises(UserError) as caught:
        join(folder, *parts)
    assert "p0.arrow" in str(caught.value)
    return str(caught.value)


A, DAY = pa.array, dt.date(2017, 1, 31)


@pytest.mark.parametrize(
    ("parts", "values"),
    [
        ([A([None], pa.null()), A(["a"])], [None, "a"]),
        ([A([None], pa.null()), A([None], pa.null()), A([1])], [None, None, 1]),
        ([A([None], pa.float64()), A(["a"]), A([], pa.int64())], [None, "a"]),
        ([A([float("nan")]), A([True]), A([None], pa.list_(pa.string()))], [None, "true", None]),
        ([A(["a"], pa.large_string()), A(["b"]), A(["c"], pa.string_view())], ["a", "b", "c"]),
        ([A(["a"]).dictionary_encode(), A(["b"]), A(["c"]).dictionary_encode()], ["a", "b", "c"]),
        ([A([b"a"]), A([b"b"], pa.large_binary()), A(["c"])], ["a", "b", "c"]),
        ([A([1], pa.int32()), A([2]), A([3], pa.uint8())], [1, 2, 3]),
        ([A([1]), A([2**64 - 1], pa.uint64()), A([2])], ["1", str(2**64 - 1), "2"]),
        ([A([1]), A([2.5]), A([3], pa.int32())], ["1", "2.5", "3"]),
        ([A([0.1], pa.float32()), A([0.2])], ["0.1", "0.2"]),
        ([A([Decimal("3.1")]), A([Decimal("3.10")]), A([3])], ["3.1", "3.10", "3"]),
        ([A([DAY]), A([DAY], pa.date64()), A([DAY])], ["2017-01-31"] * 3),
        ([A([dt.datetime(2017, 1, 31)], pa.timestamp(unit)) for unit in ("s", "ns", "us")],
         ["2017-01-31 00:00:00"] * 3),
        ([A([dt.time(1)], pa.time32("s")), A([dt.time(1)])], ["01:00:00"] * 2),
        ([A([["a"]]), A([["b"]], pa.large_list(pa.string())), A([["c"]], pa.list_(pa.string(), 1)), A([None, []])],
         [["a"], ["b"], ["c"], None, []]),
        ([A([[1]]), A([[2.5, None]])], [["1"], ["2.5", None]]),
        ([A([[], None], pa.list_(pa.float64())), A([["a"]])], [[], None, ["a"]]),
        ([A([[None]], pa.list_(pa.float64(), 1)), A([["a"]])], [[None], ["a"]]),
        ([A([{"a": None, "b": 1}], pa.struct({"a": pa.float64(), "b": pa.int64()})), A([{"a": "x", "b": 2}, None])],
         [{"a": None, "b": 1}, {"a": "x", "b": 2}, None]),
        ([A([[{"a": float("nan")}], []]), A([[{"a": "x"}]])], [[{"a": None}], [], [{"a": "x"}]]),
        ([A([[]], pa.map_(pa.string(), pa.float64())), A([[("k", "v")]], pa.map_(pa.string(), pa.string()))],
         [[], [{"key": "k", "value": "v"}]]),
        ([A([[[]]], pa.list_(pa.list_(pa.float64()))), A([[["a"]]])], [[[]], [["a"]]]),
        ([A([{"a": 1}]), A([{"b": "x", "a": 2.5}]), A([None])],
         [{"a": "1", "b": None}, {"a": "2.5", "b": "x"}, None]),
        ([A([{"a": [{"c": 1}]}]), A([{"a": [{"c": 2, "d": "x"}]}, None])],
         [{"a": [{"c": 1, "d": None}]}, {"a": [{"c": 2, "d": "x"}]}, None]),
        ([A([[("k", 1)]], pa.map_(pa.string(), pa.int64())), A([[("k", 1.5)]], pa.map_(pa.string(), pa.float64()))],
         [[{"key": "k", "value": "1"}], [{"key": "k", "value": "1.5"}]]),
    ],
)  # fmt: skip
def test_parts_that_differ_in_form(tmp_path, parts: list[pa.Array], values: list) -> None:
    assert join(tmp_path, *parts) == values
    kept = [row for part in parts for row in _alone(part)]
    assert [str(one) for one in kept] == [str(one) for one in values] or any(map(_is_nested, values))


def _alone(part: pa.Array) -> list:
    return [row["v"] for row in plain_rows("t", pa.table({"v": part}), {"v": {}})]


def _is_nested(value: object) -> bool:
    return isinstance(value, list | dict)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([A([1]), A(["a"])], "column v contains numbers (int64) in p0.arrow and text (string) in p1.arrow"),
        ([A([1]), A([2.5]), A(["a"])], "contains numbers (large_string) in p0.arrow and text (string) in p2.arrow"),
        ([A([True]), A([1])], "true or false (bool) in p0.arrow and numbers (int64) in p1.arrow"),
        ([A([True]), A(["true"])], "true or false (bool) in p0.arrow and text"),
        ([A([DAY]), A(["2017-01-31"])], "dates (date32[day]) in p0.arrow and text"),
        ([A([5], pa.timestamp("s")), A([5], pa.timestamp("s", "UTC"))], "timestamps in UTC (timestamp[s, tz=UTC])"),
        ([A([["a"]]), A(["a"])], "lists (list<item: string>) in p0.arrow and text"),
        ([A([[1]]), A([["a"]])], "column v.* contains numbers"),
        ([A([{"a": 1}]), A([{"a": "x"}])], "column v.a contains numbers"),
        ([A([b"\xff"]), A(["a"])], "p0.arrow: column v contains bytes that are not UTF-8 text"),
    ],
)
def test_parts_that_differ_in_meaning(tmp_path, parts: list[pa.Array], says: str) -> None:
    assert says in error_of(tmp_path, *parts)


def test_columns_in_any_order_and_missing_ones(tmp_path) -> None:
    table = pa.table
    rows = join(tmp_path, table({"q": ["a"], "l": [1]}), table({"l": [2], "q": ["b"]}))
    assert rows == [{"q": "a", "l": 1}, {"q": "b", "l": 2}]
    assert join(tmp_path, table({"q": ["a"]}), table({"q": ["b"], "h": ["x"]})) == [
        {"q": "a", "h": None}, {"q": "b", "h": "x"},
    ]  # fmt: skip
    said = error_of(tmp_path, table({"q": ["a"], "l": [1]}), table({"q": ["b"], "h": ["x"]}))
    assert "the 2 files have different columns: p1.arrow has h, which p0.arrow lacks, but lacks l" in said


def test_json_rows_of_several_files_may_each_lack_keys(tmp_path) -> None:
    for number, row in enumerate(({"q": "a", "c": 1}, {"q": "b", "h": 2.25}, {"h": 1})):
        (tmp_path / f"p{number}.jsonl").write_text(json.dumps(row) + "\n")
    rows = load_raw(PinnedSource(local=str(tmp_path)), "p*.jsonl").table.to_pylist()
    assert [list(row.values()) for row in rows] == [["a", 1, None], ["b", None, "2.25"], [None, None, "1"]]
    (tmp_path / "p3.jsonl").write_text('{"h": "x"}\n')
    with pytest.raises(UserError, match=r"column h contains numbers .* in p1.jsonl and text \(string\) in p3.jsonl"):
        load_raw(PinnedSource(local=str(tmp_path)), "p*.jsonl")


def test_two_columns_of_one_name(tmp_path) -> None:
    twice = pa.Table.from_arrays([A(["a"]), A(["b"])], names=["q", "q"])
    assert "p0.arrow has the column q more than once" in error_of(tmp_path, twice)


def test_parquet_parts_keep_numbers_as_each_file_has_them(tmp_path) -> None:
    for number, column in enumerate((A([0.1], pa.float32()), A([0.1]), A([3]))):
        parquet.write_table(pa.table({"v": column}), tmp_path / f"{number}.parquet")
    assert load_raw(PinnedSource(local=str(tmp_path)), "*.parquet").table["v"].to_pylist() == ["0.1", "0.1", "3"]


def test_json_parts_by_name_in_any_case(tmp_path) -> None:
    (tmp_path / "a.JSONL").write_text('{"v": "x", "w": "1"}\n')
    (tmp_path / "b.JSONL").write_text('{"v": "y", "z": "2"}\n')
    assert load_raw(PinnedSource(local=str(tmp_path)), "*.JSONL").table["z"].to_pylist() == [None, "2"]


@pytest.mark.parametrize("hidden", [".a.jsonl", "._a.jsonl"])
def test_a_star_does_not_match_hidden_files(tmp_path, hidden: str) -> None:
    for name, text in (("a.jsonl", "shown"), (hidden, "hidden")):
        (tmp_path / "d").mkdir(exist_ok=True)
        (tmp_path / "d" / name).write_text(json.dumps({"v": text}) + "\n")
    (tmp_path / ".d").mkdir()
    (tmp_path / ".d" / "a.jsonl").write_text('{"v": "below"}\n')
    source = PinnedSource(local=str(tmp_path))
    for pattern in ("d/*.jsonl", "d/*", "*/*", "*/a.jsonl"):
        assert load_raw(source, pattern).table["v"].to_pylist() == ["shown"]
        assert [path.name for path in matching(tmp_path, pattern)] == ["a.jsonl"]
    assert load_raw(source, "d/.*").table["v"].to_pylist() == ["hidden"]
    assert load_raw(source, ".*/*").table["v"].to_pylist() == ["below"]
    (tmp_path / "d" / "a.jsonl").unlink()
    with pytest.raises(UserError, match=r"\*\.jsonl"):
        load_raw(source, "d/*.jsonl")


@pytest.mark.parametrize("name", ["__filename", "__fragment_index", "__batch_index", "__last_in_fragment"])
def test_parquet_columns_of_any_name(tmp_path, name: str) -> None:
    parquet.write_table(pa.table({name: ["x"], "v": ["y"]}), tmp_path / "a.parquet")
    table = load_raw(PinnedSource(local=str(tmp_path)), "a.parquet").table
    assert table.to_pylist() == [{name: "x", "v": "y"}]


def test_two_parquet_columns_of_one_name(tmp_path) -> None:
    parquet.write_table(pa.table([A(["x"]), A(["y"])], names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(UserError, match=r"a\.parquet has the column a more than once. Rename one"):
        load_raw(PinnedSource(local=str(tmp_path)), "a.parquet")


@pytest.mark.parametrize("state", ["[]", "{}", '{"_data_files": {}}', '{"_data_files": [1]}', "null"])
def test_a_state_file_of_another_form(tmp_path, state: str) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "state.json").write_text(state)
    with pytest.raises(UserError, match=r"state\.json does not list the files of the folder"):
        load_raw(PinnedSource(local=str(tmp_path)), "s")


def test_a_path_that_goes_through_a_file_or_an_empty_folder(tmp_path) -> None:
    (tmp_path / "n.csv").write_text("v\nx\n")
    (tmp_path / "d").mkdir()
    for pattern, says in (("n.csv/x", "is a file, not a folder"), ("d/x", "is an empty folder")):
        with pytest.raises(UserError, match=says):
            load_raw(PinnedSource(local=str(tmp_path)), pattern)
