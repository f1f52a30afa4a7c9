"""The folder of an export for models that the toy world lacks: transposed, tied, sharded, without a pooler."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import toy
from decoders import make
from safetensors import safe_open
from safetensors.torch import load_file
from torch.sparse._semi_structured_conversions import sparse_semi_structured_to_dense_cutlass
from transformers import AutoModel, AutoModelForCausalLM, BertConfig, BertForMaskedLM

from junkdna.models.fetch import materialize_model
from junkdna.run.export import MASKS, SPARSE24, write_export
from junkdna.study.cell import Cell, parse_compression
from junkdna.study.sources import PinnedSource

WIDE = {"hidden_size": 64, "intermediate_size": 128}


@pytest.fixture
def export(tmp_path, monkeypatch):
    """A function that saves a model, makes its model folder, and exports it at a compression."""
    monkeypatch.chdir(tmp_path)

    def run(model: torch.nn.Module, tag: str, kind: str = "decoder", dtype: str = "float32", **options: str) -> Path:
        toy.make_decoder(Path("tokenizer"))
        model.save_pretrained("source", **({"max_shard_size": "20KB"} if options.pop("shards", False) else {}))
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(f"tokenizer/{file}", "source")
        materialize_model(PinnedSource(local="source"), Path("results/models/m"))
        cell = Cell("m", "any", (), parse_compression(tag), "none", "default", 0)
        Path("out").mkdir()
        write_export(Path("out"), cell, kind, dtype, None, {}, **options)
        return Path("out")

    return run


def half_in_each_matrix(model: torch.nn.Module, names: list[str]) -> torch.nn.Module:
    """The rule of magnitude_layer at 0.5 in numpy: the half of each matrix with the smallest |w|, by a full sort."""
    for name in names:
        weight = model.get_parameter(name)
        flat = weight.detach().float().numpy().ravel().copy()
        flat[np.argsort(np.abs(flat), kind="stable")[: flat.size // 2]] = 0
        weight.data = torch.tensor(flat).view(weight.shape).to(weight.dtype)
    return model


def in_blocks(model: torch.nn.Module) -> list[str]:
    return [
        name
        for name, weight in model.named_parameters()
        if weight.ndim == 2 and any(p.isdigit() for p in name.split("."))
    ]


IDS = torch.arange(3, 19).view(2, 8)


@pytest.mark.parametrize("shards", [False, True])
@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2", "gpt_neox", "opt", "gemma2"])
def test_logits_are_those_of_the_model_pruned_in_numpy(export, name, shards):
    """GPT-2 stores matrices transposed, and GPT-2, OPT and Gemma tie their heads."""
    attention = "eager" if name == "gemma2" else "sdpa"  # what transformers takes by itself
    model = make(name, attention)
    names = in_blocks(model)
    folder = export(model, "magnitude_layer-0.5", shards=shards)
    loaded = AutoModelForCausalLM.from_pretrained(folder).eval()
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, half_in_each_matrix(make(name, attention), names)(IDS).logits)


def test_bfloat16_stays_bfloat16(export):
    folder = export(make("llama"), "magnitude_layer-0.5", dtype="bfloat16")
    loaded = AutoModelForCausalLM.from_pretrained(folder).eval()
    assert loaded.dtype == torch.bfloat16
    model = AutoModelForCausalLM.from_pretrained("source", dtype=torch.bfloat16).eval()
    with torch.no_grad():
        assert torch.equal(loaded(IDS).logits, half_in_each_matrix(model, in_blocks(model))(IDS).logits)


def test_masks_have_the_shapes_of_the_stored_weights(export):
    folder = export(make("gpt2"), "magnitude_layer-0.5")
    weights = load_file(folder / "model.safetensors")
    with safe_open(folder / MASKS, "numpy") as file:
        shapes = json.loads(file.metadata()["junkdna"])["facts"]["shapes"]
        assert any(shape[0] != shape[1] for shape in shapes.values())
        for name, shape in shapes.items():
            bits = np.unpackbits(file.get_tensor(name), count=math.prod(shape), bitorder="little").reshape(shape)
            assert np.array_equal(bits == 1, weights[name].numpy() != 0)


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_the_packed_layout_is_that_of_the_weights(export, name):
    sizes = {"n_embd": 64, "n_inner": 128} if name == "gpt2" else WIDE
    folder = export(make(name, **sizes), "nm-keep2of4", packed="bfloat16")
    weights, packed = load_file(folder / "model.safetensors"), load_file(folder / SPARSE24)
    names = {key.removesuffix(".values") for key in packed if key.endswith(".values")}
    assert names == {*in_blocks(make(name))}
    for each in names:
        dense = weights[each].t() if name == "gpt2" else weights[each]
        back = sparse_semi_structured_to_dense_cutlass(packed[f"{each}.values"], packed[f"{each}.meta"])
        assert torch.equal(back, dense.to(torch.bfloat16))


def test_a_pooler_that_the_source_lacks_is_not_invented(export):
    config = BertConfig(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )  # fmt: skip
    folder = export(BertForMaskedLM(config), "magnitude_layer-0.5", kind="encoder")
    stored = load_file(folder / "model.safetensors")
    assert not [name for name in stored if "pooler" in name]
    _, info = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert all("pooler" in name for name in info["missing_keys"])
    assert not info["unexpected_keys"]


def test_a_tokenizer_is_copied_and_links_are_not(export):
    folder = export(make("llama"), "magnitude_layer-0.5")
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "junkdna"} <= names
    assert "model.json" not in names
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
