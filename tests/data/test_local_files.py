"""Local files of every type give the same rows; what cannot be read is named."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest

from junkdna.data.rows import load_raw
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.study.sources import PinnedSource


def test_files_of_every_kind(tmp_path):
    rows = [{"q": "when?", "a": 1, "day": "2017-01-01"}, {"q": 'a "b", c', "a": 2, "day": "07"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "x.jsonl").write_text(lines)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "x.csv").write_text('q,a,day\nwhen?,1,2017-01-01\n"a ""b"", c",2,07\n')
    (tmp_path / "x.tsv").write_text('q\ta\tday\nwhen?\t1\t2017-01-01\na "b", c\t2\t07\n')
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    for kind in ("jsonl", "jsonl.gz", "csv", "tsv", "parquet"):
        raw = load_raw(PinnedSource(local="."), f"x.{kind}", tmp_path)
        text = kind in ("csv", "tsv")  # whose files know no numbers: what is read must not depend on other rows
        assert raw.table.to_pylist() == [{**row, "a": str(row["a"])} if text else row for row in rows], kind
        assert raw.files == {f"x.{kind}": sha256_file(tmp_path / f"x.{kind}")}
    joined = load_raw(PinnedSource(local=str(tmp_path)), "x.jsonl*", Path("elsewhere"))
    assert joined.table.num_rows == 4


def test_json_lines_keep_columns_that_come_late(tmp_path, monkeypatch):
    monkeypatch.setattr("junkdna.data.json_rows.ROWS_AT_ONCE", 2)
    rows = [{"a": 1, "b": None}, {"a": 2}, {"a": 3, "b": {"c": ["d"]}}]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = load_raw(PinnedSource(local="."), "x.jsonl", tmp_path).table.to_pylist()
    assert found == [{"a": 1, "b": None}, {"a": 2, "b": None}, {"a": 3, "b": {"c": ["d"]}}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("x.jsonl", b"[1]\n", "line 1 contains a list"),
        ("x.jsonl", b'{"a": 1}\n{"a": "b"}\n', r'line 2: a is text \("b"\), but it is a number in line 1'),
        ("x.jsonl", b"\n", "has no rows"),
        ("x.jsonl.gz", b"\x1f\x8bno", "cannot be read"),
        ("x.csv", b"a,b\n1\n", "line 2 has 1 field, but the header names 2 columns"),
        ("x.parquet", b"PAR1", "is a truncated Parquet file: its end is missing"),
        ("x.arrow", b"", "is empty"),
        ("x.md", b"a", "unsupported file type"),
        ("y.jsonl", b"a", "Did you mean 'y.jsonl'"),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_raw(PinnedSource(local="."), name.replace("y", "z"), tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_local_paths_stay_inside_and_must_exist(tmp_path):
    with pytest.raises(UserError, match=r"without '..'"):
        load_raw(PinnedSource(local="."), "../x.csv", tmp_path)
    with pytest.raises(UserError, match="Relative paths start at"):
        load_raw(PinnedSource(local="nowhere"), "x.csv", tmp_path)


def test_unlike_parts_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("q,a\nx,1\n")
    (tmp_path / "b.csv").write_text("q,c\nx,1\n")
    with pytest.raises(UserError, match="2 files have different columns"):
        load_raw(PinnedSource(local="."), "*.csv", tmp_path)
