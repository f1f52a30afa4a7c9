"""The estimate of a stack's memory, and the errors that explain what does not fit."""

import gc
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from job_settings import training_settings
from toy_training import load, training

from junkdna.errors import UserError
from junkdna.train import stack_memory
from junkdna.train.stack_memory import GIB, cell_bytes, check_memory, explained_out_of_memory


class OnGpu:
    """A model that says it is on a GPU: a million parameters, 2 layers, 4 heads, hidden size 8."""

    config = SimpleNamespace(hidden_size=8, num_hidden_layers=2, num_attention_heads=4)

    def parameters(self):
        return iter([SimpleNamespace(device=torch.device("cuda"), numel=lambda: 1_000_000)])


def free(monkeypatch: pytest.MonkeyPatch, cells: float) -> None:
    """So many cells fit the GPU."""
    each = cell_bytes(OnGpu(), training(), training_settings())
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(cells * each), 0))


def test_the_estimate_by_hand():
    data = training(rows=20)  # rows of at most 11 tokens, in batches of 8; options are not read by a classifier
    tokens = max(map(len, data.columns["query"]))
    bare = {name: column for name, column in data.columns.items() if not name.startswith("option")}
    data = stack_memory.TrainRows(format="classifier", columns=bare)
    wanted = 8 * tokens * 2 * (34 * 8 + 5 * 4 * tokens)
    assert cell_bytes(OnGpu(), data, training_settings(precision="bfloat16")) == 25_000_000 + 3 * wanted
    assert cell_bytes(OnGpu(), data, training_settings()) == 25_000_000 + 5.5 * wanted


def test_options_of_a_choice_are_rows():
    two, four = (training("bi_encoder", options=count) for count in (2, 4))
    one = [cell_bytes(OnGpu(), data, training_settings()) - 25_000_000 for data in (two, four)]
    assert one[1] == pytest.approx(2 * one[0], rel=0.01)


@pytest.mark.parametrize(("name", "rows"), [("mcq", 8), ("generate", 8), ("likelihood", 16)])
def test_a_language_model_reads_one_text_a_row_and_keeps_the_logits_of_its_answer(monkeypatch, name, rows):
    monkeypatch.setattr(OnGpu.config, "vocab_size", 1000, raising=False)
    data = training(name, rows=20)  # two windows a row for likelihood
    pairs = zip(data.columns["query"], data.columns["options"], strict=True)
    tokens = max(len(query + option) for query, options in pairs for option in options)
    answer = max(len(option) for options in data.columns["options"] for option in options)
    wanted = rows * (3 * tokens * 2 * (34 * 8 + 5 * 4 * tokens) + answer * 1000 * 12)
    assert cell_bytes(OnGpu(), data, training_settings(precision="bfloat16")) == 25_000_000 + wanted


def test_a_stack_that_fits_is_trained(monkeypatch):
    free(monkeypatch, 8.01)
    check_memory(OnGpu(), 8, training(), training_settings())


def test_what_an_earlier_stack_left_counts_as_free(monkeypatch):
    """Torch caches freed memory, and recorded steps are part of reference cycles."""

    class Left:
        def __init__(self) -> None:
            self.itself = self

    gc.disable()
    left = weakref.ref(Left())
    state = {"free": 2.0}
    each = cell_bytes(OnGpu(), training(), training_settings())

    def empty_cache() -> None:
        state["free"] = 2.0 if left() else 8.5

    monkeypatch.setattr(torch.cuda, "empty_cache", empty_cache)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(state["free"] * each), 0))
    try:
        check_memory(OnGpu(), 8, training(), training_settings())
    finally:
        gc.enable()


@pytest.mark.parametrize(("size", "cells", "fits"), [(16, 8.5, 8), (8, 7.9, 7), (4, 0.2, 1)])
def test_a_stack_that_does_not_fit_names_the_key_both_numbers_and_what_fits(monkeypatch, size, cells, fits):
    free(monkeypatch, cells)
    each = cell_bytes(OnGpu(), training(), training_settings()) / GIB
    with pytest.raises(UserError) as caught:
        check_memory(OnGpu(), size, training(), training_settings())
    message = str(caught.value)
    assert f"a stack of {size} cells needs about {each * size:.1f} GiB" in message
    assert f"{each * cells:.1f} GiB free" in message
    assert f"Set `stack: {fits}` in the protocol" in message


def test_running_out_of_memory_is_explained(monkeypatch):
    free(monkeypatch, 100)
    with (
        pytest.raises(UserError, match=r"ran out of memory in training \(too much\)\. Set `stack: 4`"),
        explained_out_of_memory(OnGpu(), 8, training(), training_settings()),
    ):
        raise torch.cuda.OutOfMemoryError("too much\nand so on")


@pytest.mark.parametrize(
    "text",
    ["CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
     "CUDA error: out of memory\nCUDA kernel errors might be reported later"],
)  # fmt: skip
def test_a_library_that_cannot_allocate_is_explained_too(monkeypatch, text):
    free(monkeypatch, 100)
    arguments = (OnGpu(), 8, training(), training_settings())
    with (
        pytest.raises(UserError, match=f"{text.splitlines()[0][:20]}.*Set `stack: 4`"),
        explained_out_of_memory(*arguments),
    ):
        raise RuntimeError(text)


@pytest.mark.parametrize("text", ["another", "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate"])
def test_other_errors_pass(monkeypatch, text):
    """A smaller stack is no fix for a full machine, which `run.full_memory` explains."""
    free(monkeypatch, 100)
    arguments = (OnGpu(), 8, training(), training_settings())
    with pytest.raises(RuntimeError, match=text[:10].replace("[", r"\[")), explained_out_of_memory(*arguments):
        raise RuntimeError(text)


def test_nothing_is_checked_on_the_cpu(toy_world_once: Path):
    model, _ = load(toy_world_once / "model", "classifier", ("tiny", "mood", 0))
    check_memory(model, 10**9, training(), training_settings())
