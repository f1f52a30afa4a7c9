"""JSON, CSV and TSV files: every value keeps its text in the file; messages name invalid files and the fix."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from junkdna.data.rows import load_raw
from junkdna.data.values import plain_rows
from junkdna.errors import UserError
from junkdna.study.sources import PinnedSource


def read(folder: Path, name: str, content: str | bytes) -> list[dict]:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return load_raw(PinnedSource(local=str(folder)), name).table.to_pylist()


def error_of(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, name, content)
    assert name in str(caught.value)
    return str(caught.value)


def lines(*values: str) -> str:
    return "".join(f'{{"n": {value}}}\n' for value in values)


# --- numbers of JSON --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "read_as"),
    [
        (["3", "-7", "null"], [3, -7, None]),
        (["1.0", "2.5"], [1.0, 2.5]),
        (["3", "2.5"], ["3", "2.5"]),
        (["1e3", "1.0", "-0", "3.10", "7", "0.00001"], ["1e3", "1.0", "-0", "3.10", "7", "0.00001"]),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["1E400"], ["1E400"]),
        (["0.1000000000000000000001"], ["0.1000000000000000000001"]),
        (["true", "false"], [True, False]),
        (["[3, 4]", "[2.5, null]", "null"], [["3", "4"], ["2.5", None], None]),
        (['{"a": 1}', '{"b": 2.5}', '{"a": 2.5}'],
         [{"a": "1", "b": None}, {"a": None, "b": 2.5}, {"a": "2.5", "b": None}]),
        (['"2017-01-01"', '"007"', '"\\ud83d\\ude00"'], ["2017-01-01", "007", "😀"]),
        (["[]", "[{}]", '[{"a": [1]}]'], [[], [{"a": None}], [{"a": [1]}]]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("at_once", [1, 20_000])
def test_numbers_keep_their_text(tmp_path, monkeypatch, values, read_as, at_once) -> None:
    monkeypatch.setattr("junkdna.data.json_rows.ROWS_AT_ONCE", at_once)
    assert [row["n"] for row in read(tmp_path, "x.jsonl", lines(*values))] == read_as
    assert [row["n"] for row in read(tmp_path, "x.json", f"[{','.join(lines(*values).splitlines())}]")] == read_as


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["1", '"a"'], 'line 2: n is text ("a"), but it is a number in line 1'),
        (["1", "null", "true"], "line 3: n is true or false (true), but it is a number in line 1"),
        (['["a"]', '["b", 2.50]'], "line 2: n.* is a number (2.50), but it is text in line 1"),
        (['{"a": 1}', "[1]"], "line 2: n is a list ([1]), but it is an object in line 1"),
        (['{"a": [1]}', '{"a": ["x"]}'], 'line 2: n.a.* is text ("x"), but it is a number in line 1'),
        (["NaN"], "line 1 is not JSON: NaN is not a JSON value; write null"),
        (["1", "-Infinity"], "line 2 is not JSON: -Infinity is not a JSON value"),
        (['1, "n": 2'], "line 1 is not JSON: the key 'n' occurs twice in one object"),
        (['{"a": 1, "a": 1}'], "the key 'a' occurs twice"),
        (["1,"], "line 1 is not JSON: Expecting property name"),
        (['"\\ud800"'], "half of a surrogate pair ('\\ud800')"),
        (['{"a":' * 50_000], "nests lists or objects too deeply"),
    ],
)
def test_invalid_json_lines(tmp_path, values, says) -> None:
    assert says in error_of(tmp_path, "x.jsonl", lines(*values))


def test_kinds_are_compared_across_chunks(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("junkdna.data.json_rows.ROWS_AT_ONCE", 1)
    assert "line 3: n is text" in error_of(tmp_path, "x.jsonl", lines("1", "2.5", '"a"'))


NUMBERS = ("-7", "3", "2.5", "3.10", "1.0", "1e3", "-0", "12345678901234567890", "0.1", "1E400")


@pytest.mark.parametrize("seed", range(30))
def test_numbers_anywhere_are_read_as_written(tmp_path, monkeypatch, seed: int) -> None:
    """Random rows in two files, read in chunks of random length: each number reads as the file writes it."""
    draw = random.Random(seed)
    monkeypatch.setattr("junkdna.data.json_rows.ROWS_AT_ONCE", draw.choice([1, 2, 20_000]))

    def numbers(most: int) -> list[str]:
        return [draw.choice(NUMBERS) for _ in range(draw.randrange(most))]

    rows = [(draw.choice(NUMBERS), numbers(4), dict(zip("abc", numbers(4), strict=False))) for _ in range(8)]
    texts = []
    for n, items, inner in rows:
        fields = ", ".join(f'"{key}": {value}' for key, value in inner.items())
        texts.append(f'{{"n": {n}, "list": [{", ".join(items)}], "in": {{{fields}}}}}')
    for number, part in enumerate((texts[:5], texts[5:])):
        (tmp_path / f"p{number}.jsonl").write_text("\n".join(part))
    table = load_raw(PinnedSource(local=str(tmp_path)), "p*.jsonl").table
    found = plain_rows("t", table, {name: {} for name in table.schema.names})
    for row, (n, items, inner) in zip(found, rows, strict=True):
        assert (str(row["n"]), [str(item) for item in row["list"]]) == (n, items)
        assert {key: str(value) for key, value in row["in"].items() if value is not None} == inner


# --- forms of JSON ----------------------------------------------------------------------------------------------------


def test_json_lines_under_either_name_and_with_a_mark(tmp_path) -> None:
    text = lines("[1]", "[2]")
    for name in ("x.json", "x.jsonl", "X.JSONL"):
        for form in (text, f"\ufeff{text}", text.replace('{"n": [2', '\ufeff{"n": [2'), text.replace("\n", "\r\n\r\n")):
            assert read(tmp_path, name, form) == [{"n": [1]}, {"n": [2]}]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.jsonl", '[{"n": 1}]', "If the file is one list of rows, rename it to end in .json"),
        ("x.jsonl", '[\n{"n": 1}\n]', "If the file is one list of rows, rename it to end in .json"),
        ("x.json", '{"n": 1}\n{"n": \n', "line 2 is not JSON"),
        ("x.json", '[{"n": 1},\n {"n": 1},]', "is not JSON: Expecting value (line 2, column 11)"),
        ("x.json", '[{"n": NaN}]', "NaN is not a JSON value"),
        ("x.json", '[{"n": 1}\n {"n": 2}]', "Expecting ',' delimiter (line 2, column 2)"),
        ("x.json", '[{"n": 1}', "Expecting ',' delimiter (column 10)"),
        ("x.json", '[{"n": 1}, ', "Expecting value (column 12)"),
        ("x.json", '[{"n": 1}] x', "Extra data (column 12)"),
        ("x.json", "[", "Expecting value"),
        ("x.json", '{"q": "one row", "c": ["a"]}', "If the file is one row, rename it to end in .jsonl"),
        ("x.json", '{"q": "one row"}', "one object per line as .jsonl"),
        ("x.jsonl", "\n \n", "has no rows"),
        ("x.jsonl", "{}\n{}\n", "has no rows with a key"),
        ("x.jsonl", "{'n': 1}", "Write the file with json.dumps: names and texts in double quotes"),
    ],
)
def test_messages_for_other_forms_name_the_fix(tmp_path, name, text, says) -> None:
    assert says in error_of(tmp_path, name, text)


# --- encodings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"), [("x.csv", "q,n\na,b\ncafé,2\n"), ("x.tsv", "q\tn\na\tb\ncafé\t2\n"),
    ("x.jsonl", '{"q": "a"}\n\n{"q": "café"}\n'), ("x.json", '[{"q": "a"},\n\n{"q": "café"}]')],
)  # fmt: skip
def test_files_of_other_encodings_are_named_with_their_line(tmp_path, name, text) -> None:
    assert read(tmp_path, name, text.encode("utf-8-sig"))[-1]["q"] == "café"
    said = error_of(tmp_path, name, text.encode("cp1252"))
    assert "line 3 is not UTF-8" in said
    assert "café" in said
    assert "Save it as UTF-8" in said
    for wide in ("utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        said = error_of(tmp_path, name, text.encode(wide))
        assert f"is in {wide[:6].upper()}; text files must be UTF-8. Save it as UTF-8" in said


def test_the_line_of_a_bad_byte_after_a_large_chunk(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("junkdna.data.text_files.CHECKED_AT_ONCE", 3)
    assert read(tmp_path, "x.csv", "q\ncafé\n€\n") == [{"q": "café"}, {"q": "€"}]
    assert "line 3 is not UTF-8" in error_of(tmp_path, "x.csv", "q\ncafé\n".encode() + b"\xe9t\xe9\n")
    assert "line 2 is not UTF-8" in error_of(tmp_path, "x.csv", b"q\ncaf\xc3")


# --- delimited text ---------------------------------------------------------------------------------------------------


def test_fields_keep_their_text(tmp_path) -> None:
    values = ["007", "1.0", "True", "NA", "", "null", " 2 ", "1e3", "3,5", 'say "hi"', "two\nlines", "x" * 200_000]
    text = "q,n\n" + "".join('{},"{}"\n'.format(i, value.replace('"', '""')) for i, value in enumerate(values))
    assert [row["n"] for row in read(tmp_path, "x.csv", text)] == values
    plain = [value for value in values if "\n" not in value]
    text = "q\tn\n" + "".join(f"{i}\t{value}\n" for i, value in enumerate(plain))
    assert [row["n"] for row in read(tmp_path, "x.tsv", text)] == plain
    assert read(tmp_path, "x.csv", "q,n,\r\n1,2,\r\n\r\n3,4,x\r\n") == [{"q": "1", "n": "2"}, {"q": "3", "n": "4"}]


def test_many_rows_are_read_in_chunks(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("junkdna.data.delimited.ROWS_AT_ONCE", 2)
    assert [row["n"] for row in read(tmp_path, "x.csv", "n\n1\n2\n3\n4\n5\n")] == list("12345")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("x.csv", "q,q\n1,2\n", "the header names column 'q' more than once"),
        ("x.csv", "q,n\n1,2\n3\n", "the row that ends in line 3 has 1 field, but the header names 2 columns"),
        ("x.csv", 'q,n\n"1\n",2,3\n', "the row that ends in line 3 has 3 fields, but the header names 2 columns"),
        ("x.csv", 'q,n\n1,2\n3,"open\n4,5\n', "the row that starts in line 3 cannot be read as CSV"),
        ("x.csv", 'q,n\n1,"a"b\n', "the row that starts in line 2 cannot be read as CSV"),
        ("x.csv", '"q";"n"\n"1";"2"\n', "separated by semicolons, not commas. If so, save it with commas"),
        ("x.csv", '"q"\t"n"\n"1"\t"2"\n', "separated by tabs, not commas. If so, rename the file to end in .tsv"),
        ("x.csv", "q;n\n1;2\n", "separated by semicolons, not commas. If so, save it with commas"),
        ("x.csv", "q\tn\n1\t2\n", "separated by tabs, not commas. If so, rename the file to end in .tsv"),
        ("x.csv", "q|n\n1|2\n", "separated by bars, not commas"),
        ("x.tsv", "q,n\n1,2\n", "separated by commas, not tabs. If so, rename the file to end in .csv"),
        ("x.csv", "\n\n", "is empty. Its first line must name the columns"),
        ("x.csv", ",\n1,2\n", "the first line names no columns"),
        ("x.csv", "q,n\n", "has no rows"),
    ],
)
def test_broken_tables_are_named(tmp_path, name, text, says) -> None:
    assert says in error_of(tmp_path, name, text)


# --- files that are something else ------------------------------------------------------------------------------------


def parquet(change: Callable[[bytes], bytes]) -> bytes:
    import io

    import pyarrow as pa
    from pyarrow.parquet import write_table

    written = io.BytesIO()
    write_table(pa.table({"a": list(range(1000))}), written)
    return change(written.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (
            "x.parquet",
            parquet(lambda good: good[:-50]),
            "is a truncated Parquet file: its end is missing. Download or copy the file again",
        ),
        ("x.parquet", parquet(lambda good: b"PARE" + good[4:-4] + b"PARE"), "an encrypted Parquet file"),
        ("x.parquet", parquet(lambda good: good[:20] + bytes(100) + good[120:]), "cannot be read (Corrupt snappy"),
        ("x.parquet", b"a,b\n1,2\n", "is not a Parquet file (it starts with b'a,b"),
        ("x.parquet", b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not the data"),
        ("x.csv", b"PK\x03\x04\x00\xff", "a zip archive or an Excel workbook; unpack it, or save it as CSV"),
        ("x.json", parquet(bytes), "is not text. It looks like a Parquet file; rename it to end in .parquet"),
        ("x.jsonl", b"\x28\xb5\x2f\xfd\xff", "is not text. It looks like a file compressed with zstd; unpack it"),
        ("x.csv", b"\n<!DOCTYPE html><html>", "is a web page"),
        ("x.jsonl.gz", b'{"a": 1}\n', "is not compressed with gzip. Rename it to end in .jsonl"),
        ("x.jsonl", b"\x1f\x8b\x08abc", "is compressed with gzip"),
        ("x.jsonl.gz", b"\x1f\x8bxx", "truncated"),
        ("x.arrow", b"abc", "cannot be read"),
        *((f"x.{kind}", b"", "is empty (0 bytes)") for kind in ("json", "jsonl", "csv", "tsv", "parquet", "arrow")),
    ],
)
def test_files_that_are_something_else(tmp_path, name, content, says) -> None:
    assert says in error_of(tmp_path, name, content)


def test_a_codec_that_is_not_available(tmp_path, monkeypatch) -> None:
    import pyarrow as pa
    from pyarrow import parquet as pq

    def no_codec(*_: object) -> None:
        raise pa.ArrowNotImplementedError("Support for codec 'lzo' not built")

    monkeypatch.setattr(pq, "ParquetFile", no_codec)
    said = error_of(tmp_path, "x.parquet", parquet(bytes))
    assert "pyarrow does not support (Support for codec 'lzo' not built). Save it again, compressed with zstd" in said
