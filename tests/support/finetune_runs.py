"""Trainings of the toy model, with what they were trained from."""

from dataclasses import replace
from pathlib import Path

import torch
from job_settings import training_settings
from toy_training import load, training

from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.resumable import Loop
from junkdna.train.finetune import fine_tune

KEY = ("mood", 0)
MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
PROTOCOL = training_settings(epochs=2, batch_size=8, learning_rate=1e-3, warmup_fraction=0.34, weight_decay=0.1)
STEPS = 6  # 20 rows: batches of 8, 8, 4 in each of 2 epochs; 2 steps of warm-up


class Run:
    """A trained model and what it was trained from."""

    def __init__(self, folder: Path, mode: str, sparsity: float = 0.5, key: tuple = KEY, **options) -> None:
        prune_head = options.pop("prune_head", False)
        spy = options.pop("spy", lambda batches, run: batches)
        data = options.pop("data", None) or training()
        dtype = options.pop("dtype", torch.float32)
        self.model, self.head = load(folder, data.format, ("tiny", *key))
        self.model.to(dtype)
        self.prunables = prunable(self.model, self.head if prune_head else None)
        self.masks = dict(magnitude(matrices(self.prunables), 0.0 if mode == "dense" else sparsity, None))
        self.before = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.report = fine_tune(
            self.model, self.prunables, self.masks, mode, data, replace(PROTOCOL, **options), key,
            Loop(lambda batches: spy(batches, self)),
        )  # fmt: skip
        self.after = {name: p.detach() for name, p in self.model.named_parameters()}


def same_weights(one: Run, other: Run) -> bool:
    return all(torch.equal(one.after[name], other.after[name]) for name in one.after)
