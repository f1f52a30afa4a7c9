"""Cells trained as one batched model get the weights that they get one by one."""

from pathlib import Path

import pytest
import tiny_models
import torch
from job_settings import training_settings
from toy_training import NAMES, load, training
from transformers import MPNetModel

from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.train.finetune import fine_tune
from junkdna.train.stack import fine_tune_stack
from junkdna.train.stack_members import Member

KEY = ("mood", 0)
PROTOCOL = training_settings(epochs=2, batch_size=8, learning_rate=1e-3, warmup_fraction=0.34, weight_decay=0.1)
CELLS = (("dense", 0.0), ("sparse", 0.5), ("sparse", 0.8), ("sparse_to_dense", 0.5), ("dense_freeze", 0.5))


@pytest.fixture(scope="module")
def folder(toy_world_once: Path) -> Path:
    return toy_world_once / "model"


def model_of(folder: Path, name: str):
    model, _ = load(folder, name, ("tiny", *KEY))
    model.set_attn_implementation("eager")
    return model, prunable(model, None)


def masks_of(prunables: list, sparsity: float) -> dict[str, torch.Tensor]:
    return dict(magnitude(matrices(prunables), sparsity, None))


def member(folder: Path, name: str, mode: str, sparsity: float) -> Member:
    model, prunables = model_of(folder, name)
    masks = masks_of(prunables, sparsity) if mode != "dense" else {}
    if mode in ("sparse", "sparse_to_dense"):
        for each in prunables:
            each.matrix().masked_fill_(~masks[each.name], 0)
    return Member(mode, {key: value.detach() for key, value in model.named_parameters()}, masks)


def alone(folder: Path, data, mode: str, sparsity: float):
    model, prunables = model_of(folder, data.format)
    trained = fine_tune(model, prunables, masks_of(prunables, sparsity), mode, data, PROTOCOL, KEY)
    return {key: value.detach() for key, value in model.named_parameters()}, trained


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_trains_each_cell_as_alone(folder: Path, name: str) -> None:
    check_stack(folder, name)


@pytest.mark.parametrize("name", ["classifier", "bi_encoder"])
def test_a_stack_of_mpnet_trains_each_cell_as_alone(tmp_path: Path, name: str) -> None:
    """Positions follow from the token ids, and all blocks share one table of relative positions."""
    torch.manual_seed(0)
    MPNetModel(tiny_models.FAMILIES["mpnet"][0]).save_pretrained(tmp_path)
    check_stack(tmp_path, name)


def without_gradient(name: str, key: str) -> bool:
    """Whether the gradient is 0, so that Adam scales rounding errors up: of a score that all options of a row share,
    and of the bias of keys, which adds the same to every logit of a query (MPNet's weights here are large)."""
    return (name == "cross_encoder" and key == "classifier.bias") or key.endswith(".attn.k.bias")


def check_stack(folder: Path, name: str) -> None:
    data = training(name)
    members = [member(folder, name, *cell) for cell in CELLS]
    model, prunables = model_of(folder, name)
    weights, trained = fine_tune_stack(model, prunables, members, 8, data, PROTOCOL, KEY)
    for at, cell in enumerate(CELLS):
        expected, of_one = alone(folder, data, *cell)
        assert trained[at].first_loss == pytest.approx(of_one.first_loss, rel=1e-4)
        assert trained[at].last_loss == pytest.approx(of_one.last_loss, rel=1e-3)
        for key, value in expected.items():
            if not without_gradient(name, key):
                torch.testing.assert_close(weights[key][at], value, rtol=1e-3, atol=2e-4)
