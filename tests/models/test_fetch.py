import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from made_wheels import make_wheel

from junkdna.errors import UserError
from junkdna.models.config import TABLES, known_names
from junkdna.models.fetch import check_model_folder, materialize_model
from junkdna.storage.checksums import sha256_file
from junkdna.study.sources import PinnedSource

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b"]


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """A tiny BERT as save_pretrained writes it, with its tokenizer."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("toy")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    (folder / "README.md").write_text("not a model file")
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    return folder


@pytest.fixture
def model(toy, tmp_path):
    """A copy of the toy model that a test may spoil."""
    folder = tmp_path / "model"
    folder.mkdir()
    for path in toy.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def edit(path: Path, **changes) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_local_folder_is_linked_and_described(toy, tmp_path):
    transformers = pytest.importorskip("transformers")
    out = tmp_path / "out"
    manifest = materialize_model(PinnedSource(local=toy.name), out, root=toy.parent)
    assert json.loads((out / "model.json").read_text()) == manifest
    assert set(manifest["files"]) == {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"}
    assert manifest["format"] == "safetensors"
    for name, entry in manifest["files"].items():
        assert (out / name).is_symlink()
        assert (out / name).readlink().is_absolute()
        assert entry == {"sha256": sha256_file(toy / name), "size_bytes": (toy / name).stat().st_size}
    assert transformers.AutoModel.from_pretrained(out).config.hidden_size == 8
    assert transformers.AutoTokenizer.from_pretrained(out)("a b")["input_ids"] == [2, 5, 6, 3]


def test_making_again_leaves_no_file_of_the_last_time(toy, model, tmp_path):
    out = tmp_path / "out"
    (model / "added_tokens.json").write_text("{}")
    first = materialize_model(PinnedSource(local=str(model)), out)
    assert (out / "added_tokens.json").exists()
    second = materialize_model(PinnedSource(local=str(toy)), out)
    assert not (out / "added_tokens.json").is_symlink()
    assert first["digest"] != second["digest"]
    assert (model / "added_tokens.json").exists(), "the source itself was touched"


def test_wheel_folder_is_unzipped(toy, tmp_path):
    wheel = make_wheel(tmp_path / "toy.whl", "toy/model", toy)
    local = materialize_model(PinnedSource(local=str(toy)), tmp_path / "a")
    manifest = materialize_model(PinnedSource(wheel="toy", path="toy/model"), tmp_path / "b", wheel)
    for name, entry in manifest["files"].items():
        assert {**entry, "mtime_ns": 0} == {**local["files"][name], "mtime_ns": 0}
    assert manifest["digest"] == local["digest"]
    assert manifest["digest"] == local["digest"]
    assert {path.name for path in (tmp_path / "b").iterdir()} == {*manifest["files"], "model.json"}
    assert not any(path.is_symlink() for path in (tmp_path / "b").iterdir())


def test_a_wheel_is_moved_to_a_relative_folder_also_if_temporary_folders_are_absolute(toy, tmp_path, monkeypatch):
    """From Python 3.12 on, `tempfile.mkdtemp` returns an absolute path also for a relative `dir`."""
    make, wheel = tempfile.mkdtemp, make_wheel(tmp_path / "toy.whl", "toy/model", toy)
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *args, **options: os.path.abspath(make(*args, **options)))
    monkeypatch.chdir(tmp_path)
    manifest = materialize_model(PinnedSource(wheel="toy", path="toy/model"), Path("b"), wheel)
    for name, entry in manifest["files"].items():
        assert not Path("b", name).is_symlink()
        assert sha256_file(Path("b", name)) == entry["sha256"]


def test_nothing_says_done_when_it_fails(toy, model, tmp_path):
    out = tmp_path / "out"
    materialize_model(PinnedSource(local=str(toy)), out)
    (model / "config.json").unlink()
    with pytest.raises(UserError, match=r"config\.json is missing"):
        materialize_model(PinnedSource(local=str(model)), out)
    assert not (out / "model.json").exists()


def test_pickled_weights_are_refused_with_the_way_to_convert(model):
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"only pickled weights \(pytorch_model\.bin\).*safe_serialization=True"):
        check_model_folder(model, "local: x")


def test_pickles_beside_safetensors_are_left_out(model):
    (model / "pytorch_model.bin").write_bytes(b"pickle")
    assert "pytorch_model.bin" not in check_model_folder(model, "local: x")


def test_missing_files_are_named(model, tmp_path):
    (model / "vocab.txt").unlink()
    (model / "tokenizer_config.json").unlink()
    with pytest.raises(UserError, match="no tokenizer file with a vocabulary"):
        check_model_folder(model, "local: x")
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"neither model\.safetensors nor .*found: README\.md, config\.json"):
        check_model_folder(model, "local: x")
    with pytest.raises(UserError, match="Relative paths start at"):
        materialize_model(PinnedSource(local="nowhere"), tmp_path / "out", root=tmp_path)


def test_repository_code_is_ignored_for_a_native_architecture(model):
    """Falcon's, Phi-3's and others' files still name it; transformers has the architecture and runs none of it."""
    edit(model / "config.json", auto_map={"AutoModel": "modeling_x.X"})
    edit(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["tokenization_x.X", None]})
    assert "config.json" in check_model_folder(model, "local: x")


def test_repository_code_is_refused_if_it_is_needed(model):
    edit(model / "config.json", auto_map={"AutoModel": "modeling_x.X"}, model_type="llada")
    with pytest.raises(UserError, match=r"model_type 'llada', which transformers [\d.]+ lacks.*never runs"):
        check_model_folder(model, "local: x")
    edit(model / "config.json", model_type="bert")
    edit(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["x.X", None]}, tokenizer_class="QWenTokenizer")
    with pytest.raises(UserError, match=r"`auto_map` and tokenizer_class 'QWenTokenizer'.*Add a tokenizer\.json"):
        check_model_folder(model, "local: x")
    (model / "tokenizer.json").write_text("{}")
    assert "tokenizer.json" in check_model_folder(model, "local: x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": None}, "config.json has no model_type"),
        ({"model_type": "brt"}, r"model_type 'brt', which transformers [\d.]+ lacks. Did you mean .*bert"),
        ({"model_type": "tomorrow_9"}, r"'tomorrow_9', which .* lacks. Use another model or a newer transformers"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "an encoder-decoder, which no `kind` supports"),
        (
            {"model_type": "gemma3", "vision_config": {"hidden_size": 8}},
            "has vision_config, so it reads more than text",
        ),
        ({"model_type": "qwen2_audio", "audio_config": {"d_model": 8}}, "has audio_config, so it reads more than text"),
    ],
)
def test_unsupported_architectures_are_refused_before_any_job(model, changes, message):
    edit(model / "config.json", **changes)
    with pytest.raises(UserError, match=message):
        check_model_folder(model, "local: x")


def test_tables_of_transformers_are_read_without_importing_it():
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    assert {*CONFIG_MAPPING_NAMES} <= known_names(TABLES[:2])
    assert {"BertTokenizer", "GPT2Tokenizer"} <= known_names(TABLES[2:])


def test_a_tokenizer_without_a_vocabulary_is_refused(model):
    """transformers would make one of special tokens alone, to which every word is unknown."""
    (model / "vocab.txt").unlink()
    with pytest.raises(UserError, match=r"no tokenizer file with a vocabulary .*found: tokenizer_config\.json"):
        check_model_folder(model, "local: x")
    edit(model / "tokenizer_config.json", tokenizer_class="ByT5Tokenizer")
    check_model_folder(model, "local: x")
    (model / "tokenizer.json").write_text('{"version": "1.0", ')
    with pytest.raises(UserError, match=r"tokenizer\.json cannot be read as JSON"):
        check_model_folder(model, "local: x")


@pytest.mark.parametrize("dtype", ["I8", "U8", "F8_E4M3", "F4"])
def test_compressed_weights_without_a_quantization_config_are_refused(model, dtype):
    path = model / "model.safetensors"
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8 : 8 + length].replace(b'"F32"', f'"{dtype}"'.encode())
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    with pytest.raises(UserError, match=rf"model\.safetensors has weights of type {dtype}.*already compressed"):
        check_model_folder(model, "local: x")


def test_quantized_checkpoint_is_refused(model):
    edit(model / "config.json", quantization_config={"quant_method": "gptq"})
    with pytest.raises(UserError, match="already compressed"):
        check_model_folder(model, "local: x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda content: content[:-4],
            r"is incomplete: [\d,]+ of [\d,]+ bytes are there.*It is the local file /.*/model/",
        ),
        (lambda content: content[:5], r"is no safetensors file, or a small part of one \(5 bytes\)"),
        (lambda content: b"\x7fELF" + content, r"is no safetensors file: it looks like a program \(ELF\)\. It is the"),
        (
            lambda content: content[:40],
            r"is incomplete: 40 bytes are there, and its header alone has [\d,]+\. It is the",
        ),
        (lambda content: content[:8] + b"\xff" + content[9:], "has a damaged safetensors header"),
        (lambda content: b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "Git LFS pointer"),
        (lambda content: content + b"more", "is damaged: it has"),
    ],
)
def test_corrupt_safetensors_are_named(model, spoil, message):
    path = model / "model.safetensors"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=rf"local: x: model\.safetensors.*{message}"):
        check_model_folder(model, "local: x")


def test_an_incomplete_file_says_how_much_is_there_and_where_it_came_from(model, tmp_path, monkeypatch):
    path = model / "model.safetensors"
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:1000])
    found = f"is incomplete: 1,000 bytes are there, and its header alone has|is incomplete: 1,000 of {whole:,} bytes"
    with pytest.raises(UserError, match=f"({found}).*copy it again, completely, from where it came from"):
        check_model_folder(model, "local: x")
    monkeypatch.chdir(tmp_path)
    cached, built = tmp_path / "hub/models--a--b/snapshots/1", Path("results/models/tiny")
    for folder, fix in ((cached, "in the Hub's cache"), (built, "delete the folder results/models/tiny and run again")):
        shutil.copytree(model, folder)
        with pytest.raises(UserError, match=fix):
            check_model_folder(folder, "x")
    (built / "model.safetensors").unlink()
    (built / "model.safetensors").symlink_to(path)
    with pytest.raises(UserError, match=f"It is the local file {path}"):
        check_model_folder(built, "x")


def test_all_shards_must_exist(model):
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    with pytest.raises(UserError, match=r"names model-00002-of-00002\.safetensors, which is missing"):
        check_model_folder(model, "local: x")
    (model / shards["b"]).write_bytes((model / shards["a"]).read_bytes())
    assert set(shards.values()) < set(check_model_folder(model, "local: x"))


def test_source_and_destination_must_differ(model):
    with pytest.raises(UserError, match="is the model folder to be built"):
        materialize_model(PinnedSource(local=str(model)), model)
    assert (model / "config.json").exists()


# --- the Hub's cache --------------------------------------------------------------------------------------------------

HUB = """
import json, sys
from pathlib import Path
from junkdna.errors import UserError
from junkdna.models.fetch import materialize_model
from junkdna.study.sources import PinnedSource
try:
    print(json.dumps(materialize_model(PinnedSource(hub="org/name", revision=sys.argv[1]), Path(sys.argv[2]))))
except UserError as error:
    print(json.dumps(str(error)))
"""


def from_cache(cache, out, revision="main"):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(cache)}
    done = subprocess.run(
        [sys.executable, "-c", HUB, revision, str(out)], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def fill_cache(cache, model, commit):
    repository = cache / "models--org--name"
    snapshot = repository / "snapshots" / commit
    (repository / "refs").mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    snapshot.mkdir(parents=True)
    for file in model.iterdir():
        blob = repository / "blobs" / hashlib.sha256(file.name.encode()).hexdigest()
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    return snapshot


def test_hub_works_from_a_filled_cache(model, tmp_path):
    commit = "5" * 40
    fill_cache(tmp_path / "cache", model, commit)
    manifest = from_cache(tmp_path / "cache", tmp_path / "out")
    assert manifest["revision"] == commit
    assert manifest["files"]["config.json"]["sha256"] == sha256_file(model / "config.json")
    assert (tmp_path / "out" / "model.safetensors").is_symlink()


def test_hub_cache_with_pickles_only_is_refused(model, tmp_path):
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    fill_cache(tmp_path / "cache", model, "5" * 40)
    assert "only pickled weights" in from_cache(tmp_path / "cache", tmp_path / "out")


def test_hub_out_of_reach_says_what_to_put_where(tmp_path):
    said = from_cache(tmp_path / "cache", tmp_path / "out", "v2")
    for part in (
        "'org/name'",
        "'v2'",
        "config.json",
        "model.safetensors",
        str(tmp_path / "cache"),
        "HF_HOME",
        "`local:`",
    ):
        assert part in said
