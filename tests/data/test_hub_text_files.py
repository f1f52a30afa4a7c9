"""Text files of a Hub data set keep their values, which `datasets` would change; where it must read them, the log says
so."""

import logging
from pathlib import Path

import pytest
import yaml

from junkdna.data.rows import RawRows, load_raw
from junkdna.errors import UserError
from junkdna.study.sources import PinnedSource

LINES = '{"d": "2017-01-01", "n": 3, "b": true}\n{"d": "07", "n": 2.5, "b": false}\n'
FIELDS = "d,n,s,e\n2017-01-01,3,007,NA\n2017-01-02,2.5,1,\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def hub(folder: Path, files: dict[str, str], split: str = "train", head: dict | None = None) -> RawRows:
    place = folder / "set"
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text)
    if head:
        (place / "README.md").write_text(f"---\n{yaml.safe_dump(head)}---\n")
    return load_raw(PinnedSource(hub=str(place)), split)


def test_values_are_those_of_the_file(tmp_path) -> None:
    rows = hub(tmp_path, {"train.jsonl": LINES}).table.to_pylist()
    assert rows == [{"d": "2017-01-01", "n": "3", "b": True}, {"d": "07", "n": "2.5", "b": False}]


def test_fields_are_those_of_the_file(tmp_path, caplog) -> None:
    rows = hub(tmp_path, {"train.csv": FIELDS}).table.to_pylist()
    assert [list(row.values()) for row in rows] == [["2017-01-01", "3", "007", "NA"], ["2017-01-02", "2.5", "1", ""]]
    assert "may change the text" not in caplog.text


def test_several_splits_and_files(tmp_path) -> None:
    files = {"train.jsonl": '{"n": 1}\n', "test.jsonl": '{"n": 2.50}\n'}
    assert hub(tmp_path, files, "train+test").table["n"].to_pylist() == ["1", "2.50"]
    with pytest.raises(UserError, match=r"unknown split 'validation'\. Valid: test, train\."):
        hub(tmp_path, files, "validation")
    with pytest.raises(UserError, match=r"train.jsonl: line 2: n is text"):
        hub(tmp_path, {"train.jsonl": '{"n": 1}\n{"n": "a"}\n'})


def test_class_names_of_the_readme_hold_for_numbers_in_text(tmp_path) -> None:
    label = {"name": "label", "dtype": {"class_label": {"names": {"0": "no", "1": "yes"}}}}
    head = {"dataset_info": {"features": [{"name": "q", "dtype": "string"}, label]}}
    raw = hub(tmp_path, {"train.csv": "q,label\nx,1\ny,0\n"}, head=head)
    assert raw.label_names == {"label": ["no", "yes"]}
    assert raw.table["label"].to_pylist() == ["1", "0"]


def test_where_datasets_must_read_the_log_says_so(tmp_path, caplog) -> None:
    head = {"configs": [{"config_name": "default", "data_files": "train.csv", "sep": ";"}]}
    with caplog.at_level(logging.WARNING):
        rows = hub(tmp_path, {"train.csv": FIELDS.replace(",", ";")}, head=head).table.to_pylist()
    assert [row["s"] for row in rows] == [7, 1]
    assert "its text files are read by `datasets`, which may change the text of numbers, dates and NA" in caplog.text
