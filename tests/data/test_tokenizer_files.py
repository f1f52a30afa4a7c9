"""Tokenizers that cannot be loaded: one sentence with the folder, the file, the cause and the fix."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
import toy_tokenizers

from junkdna.data.tokenizer import check_token_ids, load_tokenizer
from junkdna.errors import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy_tokenizers.make("wordpiece").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "vocab_size": 64}')
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_tokenizer(folder)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700
    return str(caught.value)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_tokenizer_from_a_newer_library(folder):
    data = json.loads((folder / "tokenizer.json").read_text())
    edit(folder / "tokenizer.json", model={**data["model"], "type": "ModelOfTomorrow"})
    assert "cannot read tokenizer.json (data did not match any variant" in (said := refused(folder))
    assert "A newer release may have written it" in said


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_truncated_files(folder, name):
    path = folder / name
    path.write_text(path.read_text()[:-20])
    assert f"{name} is corrupt or truncated JSON" in refused(folder)


def test_an_empty_object(folder):
    (folder / "tokenizer.json").write_text("{}")
    assert "cannot read tokenizer.json" in refused(folder)


@pytest.mark.parametrize(
    ("kind", "made_by"), [("bert", "BertTokenizer"), ("llama", "LlamaTokenizer"), ("gpt2", "GPT2Tokenizer"),
                          ("deberta-v2", "DebertaV2Tokenizer")],
)  # fmt: skip
def test_classes_that_transformers_builds_without_a_vocabulary(tmp_path, kind, made_by):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": made_by}))
    said = refused(tmp_path)
    assert "has no vocabulary, so every word would be unknown" in said


def test_a_tokenizer_that_needs_a_package(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    (tmp_path / "tokenizer.model").write_bytes(b"no model")
    assert "tokenizer.json needs no other package" in refused(tmp_path)


def test_bytes_need_no_vocabulary(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "t5"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "ByT5Tokenizer"}')
    assert load_tokenizer(tmp_path)("ab", add_special_tokens=False)["input_ids"] == [100, 101]


@pytest.mark.parametrize("made_by", ["QWenTokenizer", "PreTrainedTokenizerFast", "BertTokenizer"])
def test_code_of_a_repository_is_never_run(folder, made_by):
    (folder / "tokenization_x.py").write_text("raise SystemExit('this code ran')")
    code = {"tokenizer_class": made_by, "auto_map": {"AutoTokenizer": ["tokenization_x.X", None]}}
    plain = load_tokenizer(folder)("good day")["input_ids"]
    for kind in ("llama", "bert"):
        edit(folder / "config.json", model_type=kind)
        edit(folder / "tokenizer_config.json", **code)
        assert load_tokenizer(folder)("good day")["input_ids"] == plain


def test_ids_that_the_model_has_no_embedding_for(folder):
    queries, options = pa.chunked_array([[[5, 63], []], [None]]), pa.chunked_array([[[[5], [7, 63]], None, []]])
    check_token_ids(folder, queries, options, pa.chunked_array([pa.array([], pa.list_(pa.int32()))]))
    for wrong in (pa.chunked_array([[[5, 64]]]), pa.chunked_array([[[[5], [7, 64]], None]])):
        with pytest.raises(UserError, match=r"token id 64, but the model's ids end at 63 .*another model"):
            check_token_ids(folder, queries, wrong)
