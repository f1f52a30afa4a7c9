"""External checkpoints and mask files against numpy, and everything that must be refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from decoders import GPT2_SIZES, SIZES
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from junkdna.compress.external_files import external_matrices
from junkdna.compress.methods.external import compress
from junkdna.compress.scope import prunable
from junkdna.errors import UserError
from junkdna.models.external_headers import MASKS_KIND
from junkdna.models.load import load_plain
from junkdna.storage.tensors import pack, write_tensors

WEIGHT = torch.tensor([[1.0, -2, 3], [0.5, 0, -1]])


def test_a_mask_keeps_the_weights():
    mask = WEIGHT.abs() > 1
    assert compress(WEIGHT, None, "x", given=mask) == (mask, None)


def test_zeros_of_weights_are_pruned_and_equal_kept_weights_are_not_stored():
    result = compress(WEIGHT, None, "x", given=torch.where(WEIGHT > 0, WEIGHT, 0))
    assert torch.equal(result.mask, WEIGHT > 0)
    assert result.weight is None


def test_new_kept_weights_are_stored():
    new = torch.where(WEIGHT > 0, WEIGHT * 1.5, 0)
    result = compress(WEIGHT, None, "x", given=new)
    assert torch.equal(result.mask, WEIGHT > 0)
    assert torch.equal(result.weight, new)


def test_quantized_weights_have_no_mask():
    new = WEIGHT.round()
    assert compress(WEIGHT, None, "x", quantized=True, given=new) == (None, new)


def test_weights_that_are_not_finite():
    with pytest.raises(UserError, match="1 of 6 weights are NaN"):
        compress(WEIGHT, None, "x", given=torch.where(WEIGHT == 3, torch.nan, WEIGHT))


def save(folder: Path, kind: str, **more: object) -> Path:
    config = AutoConfig.for_model(kind, **{**(GPT2_SIZES if kind == "gpt2" else SIZES), **more})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(params=["llama", "gpt2"])
def kind(request):
    return request.param


@pytest.fixture
def dense(tmp_path, kind):
    return save(tmp_path / "dense", kind)


def changed(dense: Path, folder: Path, change, shards: bool = False, dtype: torch.dtype = torch.float32) -> Path:
    """A checkpoint that another tool made of `dense`: transformers' own model with `change(name, weight)` applied."""
    model = AutoModelForCausalLM.from_pretrained(dense)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(change(name, parameter))
    model.to(dtype).save_pretrained(folder, **({"max_shard_size": "20KB"} if shards else {}))
    assert shards == (len([*folder.glob("*.safetensors")]) > 1)
    return folder


def in_blocks(name: str, weight: torch.Tensor) -> bool:
    return weight.ndim == 2 and any(part.isdigit() for part in name.split("."))


def halve(name: str, weight: torch.Tensor) -> torch.Tensor:
    return torch.where(weight.abs() > weight.abs().median(), weight, 0) if in_blocks(name, weight) else weight


def read(dense: Path, path: Path | str, quantized: bool = False) -> dict[str, torch.Tensor]:
    model = load_plain(dense, "decoder")
    return external_matrices(str(path), model, "decoder", "float32", prunable(model), quantized)


@pytest.mark.parametrize("shards", [False, True])
def test_weights_are_those_of_the_files_as_out_by_in(dense, kind, tmp_path, shards):
    found = read(dense, changed(dense, tmp_path / "new", halve, shards))
    files = [load_file(file) for file in (tmp_path / "new").glob("*.safetensors")]
    stored = {name: weight for file in files for name, weight in file.items() if in_blocks(name, weight)}
    assert {*found} == {*stored}
    for name, weight in stored.items():
        wanted = weight.numpy().T if kind == "gpt2" else weight.numpy()
        np.testing.assert_array_equal(found[name].numpy(), wanted)
        assert np.isclose((wanted == 0).mean(), 0.5, atol=0.01)


def masks_of(dense: Path) -> dict[str, torch.Tensor]:
    weights = load_file(dense / "model.safetensors")
    return {name: halve(name, weight) != 0 for name, weight in weights.items() if in_blocks(name, weight)}


@pytest.mark.parametrize("form", ["bool", "uint8", "packed", "without prefix", "another prefix"])
def test_masks_in_every_form_are_those_that_were_saved(dense, kind, tmp_path, form):
    masks, prefix = masks_of(dense), {"llama": "model.", "gpt2": "transformer."}[kind]
    file = tmp_path / "masks.safetensors"
    names = {name: name for name in masks}
    if form == "without prefix":
        names = {name: name.removeprefix(prefix) for name in masks}
    if form == "another prefix":
        names = {name: f"wrapped.{name}" for name in masks}
    if form == "packed":
        shapes = {name: list(mask.shape) for name, mask in masks.items()}
        write_tensors(file, MASKS_KIND, {name: pack(mask) for name, mask in masks.items()}, {"shapes": shapes})
    else:
        kept = {names[name]: mask.byte() if form == "uint8" else mask for name, mask in masks.items()}
        save_file(kept, file)
    found = read(dense, file)
    assert {*found} == {*masks}
    for name, mask in masks.items():
        assert found[name].dtype == torch.bool
        np.testing.assert_array_equal(found[name].numpy(), mask.numpy().T if kind == "gpt2" else mask.numpy())


def test_matrices_without_a_mask_stay_dense(dense, tmp_path, caplog):
    masks = masks_of(dense)
    first = next(iter(masks))
    save_file({first: masks[first]}, tmp_path / "one.safetensors")
    found = read(dense, tmp_path / "one.safetensors")
    assert not found[first].all()
    assert all(mask.all() for name, mask in found.items() if name != first)
    assert f"has no mask for {len(masks) - 1} of {len(masks)} matrices" in caplog.text


def refused(dense: Path, path: Path, **options: bool) -> str:
    with pytest.raises(UserError) as error:
        read(dense, path, **options)
    return str(error.value)


def test_weights_outside_the_scope_name_parameter_and_count(dense, tmp_path):
    def tuned(name, weight):
        return (
            weight + 0.01 * (torch.arange(weight.numel()) < 5).view_as(weight)
            if "norm" in name or "ln_f" in name
            else halve(name, weight)
        )

    text = refused(dense, changed(dense, tmp_path / "new", tuned))
    assert "parameters outside the scope of compression differ from the model, such as " in text
    assert "(5 of its 32 values)" in text
    assert "fine-tuned after pruning" in text


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_of_the_rest_is_logged_and_not_refused(dense, tmp_path, dtype, caplog):
    found = read(dense, changed(dense, tmp_path / "new", halve, dtype=dtype))
    assert "outside the scope are rounded" in caplog.text
    assert all(weight.dtype == torch.float32 for weight in found.values())


def test_a_checkpoint_that_prunes_nothing(dense, tmp_path):
    new = changed(dense, tmp_path / "new", lambda name, weight: weight * 1.5 if in_blocks(name, weight) else weight)
    assert "prunes nothing: no weight in scope is 0" in refused(dense, new)
    assert "write `quantized: true`" in refused(dense, new)
    assert read(dense, new, quantized=True)


def test_the_dense_model_itself(dense):
    assert "its weights are those of the dense model" in refused(dense, dense, quantized=True)


def test_another_configuration(dense, kind, tmp_path):
    new = changed(dense, tmp_path / "new", halve)
    config = json.loads((new / "config.json").read_text())
    key = {"llama": "rms_norm_eps", "gpt2": "layer_norm_epsilon"}[kind]
    (new / "config.json").write_text(json.dumps(config | {key: 0.1, "use_cache": False}))
    text = refused(dense, new)
    assert f"its config.json has {key} 0.1, but the model has 1e-0" in text
    assert "keys differ" not in text


def test_masks_of_other_values_names_and_nothing(dense, tmp_path):
    masks = {name: mask.byte() for name, mask in masks_of(dense).items()}
    first = next(iter(masks))
    file = tmp_path / "masks.safetensors"
    save_file({**masks, first: masks[first] * 255}, file)
    assert "has values other than 0 (pruned) and 1 (kept)" in refused(dense, file)
    save_file({name: torch.ones_like(mask) for name, mask in masks.items()}, file)
    assert "prunes nothing: every mask is 1 everywhere" in refused(dense, file)
    save_file({f"{first}s": masks[first].clone(), **masks}, file)
    assert f"1 of {len(masks) + 1} masks in" in (text := refused(dense, file))
    assert f"(such as {first}s); did you mean" in text
    table = next(name for name in load_file(dense / "model.safetensors") if "embed" in name or "wte" in name)
    save_file({table: torch.ones(31, 32, dtype=torch.bool)}, file)
    assert "outside the scope of compression" in refused(dense, file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "model.safetensors").unlink(), "has neither model.safetensors nor"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (
            lambda folder: (folder / "config.json").write_text(
                '{"model_type": "llama", "quantization_config": {"bits": 4}}'
            ),
            "config.json has `quantization_config`, so its weights are packed or quantized. Save it as plain weights",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read as JSON"),
        (
            lambda folder: save_file({"a.weight": torch.ones(2, 2, dtype=torch.int8)}, folder / "model.safetensors"),
            "has weights of type I8 instead of F64, F32, F16, BF16: they are packed or quantized",
        ),
    ],
)
def test_folders_that_hold_no_plain_weights(dense, tmp_path, change, words):
    new = shutil.copytree(dense, tmp_path / "new")
    change(new)
    assert words in refused(dense, new)
