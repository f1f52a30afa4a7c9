"""Fine-tuning under a mask: one loop for the four transfer modes (paper, section 3; authors' `sparse_core.py`).

dense            nothing is masked
sparse           pruned weights are 0 at the start and after every optimizer step
sparse_to_dense  pruned weights are 0 at the start, then all weights train
dense_freeze     pruned weights keep their pre-trained values, all others train

A step minimizes the loss of the answer format: for a language model, the cross-entropy of the answers' tokens. Data
order, head initialization, schedule and dropout depend on (task, seed) only, so they are the same for every mode and
compression of a seed. Unlike in the authors' loop, the mask is also applied after the *last* step. As in theirs,
optimizer moments are not masked. There is no gradient clipping and no model selection: the weights after the last step
count.
"""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count

import torch
from torch import nn

from junkdna.compress import masks as masking
from junkdna.errors import UserError
from junkdna.resumable import NO_CHECKPOINTS, Loop
from junkdna.seeds import seed_for
from junkdna.study import formats
from junkdna.study.cell_settings import TrainingSettings
from junkdna.train.state import TrainingState
from junkdna.train.train_rows import TrainRows, check_rows


@dataclass(frozen=True)
class Trained:
    """Number of optimizer steps, the mean loss of the first and of the last tenth of them, and the seconds that a stack
    took to compile and record its steps."""

    steps: int
    first_loss: float
    last_loss: float
    preparing_s: float = field(default=0.0, compare=False)

    @classmethod
    def of(cls, losses: list[float], preparing_s: float = 0.0) -> "Trained":
        """From the losses of all steps."""
        tenth = max(1, len(losses) // 10)
        return cls(len(losses), sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth, preparing_s)


def learning_rate_factor(step: int, steps: int, warmup_fraction: float) -> float:
    """Factor on the peak learning rate at a step (from 0): linear warm-up, then linear decay to 0."""
    warmup = round(steps * warmup_fraction)
    return (step + 1) / warmup if step < warmup else (steps - step) / max(1, steps - warmup)


def optimizer_steps(rows: int, full_rows: int, protocol: TrainingSettings) -> int:
    """Optimizer steps of a training on `rows` of `full_rows` train rows, by the protocol's `match`.

    epochs  epochs * ceil(rows / batch_size): fewer rows give fewer steps, as in the authors' code
    steps   epochs * ceil(full_rows / batch_size): the steps that all rows would get, so the length of training does not
            depend on the amount of data. If `rows` is less than batch_size, batches are smaller.
    """
    counted = full_rows if protocol.match == "steps" else rows
    return protocol.epochs * math.ceil(counted / protocol.batch_size)


def fine_tune(
    model: nn.Module,
    prunables: list,
    masks: dict[str, torch.Tensor],
    mode: str,
    data: TrainRows,
    protocol: TrainingSettings,
    key: tuple,
    loop: Loop = NO_CHECKPOINTS,
) -> Trained:
    """Train `model` in place in one transfer mode; `masks` (True = kept) may be empty for mode dense.

    `data` names the answer format whose loss is minimized. The learning rate schedule spans all optimizer steps. `key`
    is (task, seed). `loop` iterates over the batches and may save the state after a step; masks and frozen values are
    not saved but computed again from `model`. Raises UserError before the first step for rows that are not usable for
    training, and RuntimeError if a masked weight moved (contract 5).
    """
    check_rows(data, model.config.num_labels)
    steps = optimizer_steps(len(data), data.full_rows or len(data), protocol)
    kept_values = {each.name: each.matrix().clone() for each in prunables} if mode == "dense_freeze" else None
    if mode in ("sparse", "sparse_to_dense"):
        masking.apply_masks(prunables, masks)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, fused=True
    )
    batches = batch_order(len(data), protocol.batch_size, steps, key)
    state = TrainingState(model, optimizer)
    device = next(model.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), deterministic(device):
        # nn.Dropout takes no generator; fork_rng restores the global state
        torch.manual_seed(seed_for("dropout", *key))
        model.train()
        for batch in loop("train", batches, state.save, state.load):
            factor = learning_rate_factor(len(state.losses), len(batches), protocol.warmup_fraction)
            for group in optimizer.param_groups:
                group["lr"] = protocol.learning_rate * factor
            state.losses.append(_step(model, optimizer, data, batch, str(device), protocol.precision))
            _hold(prunables, masks, mode, kept_values)
        model.eval()
    state.finish()
    if mode in ("sparse", "dense_freeze") and (broken := masking.violations(prunables, masks, kept_values)):
        raise RuntimeError(f"{broken} masked weights moved during {mode} training: the result would not be {mode}.")
    return Trained.of(state.losses)


@contextmanager
def deterministic(device: torch.device) -> Iterator[None]:
    """Allow only deterministic kernels on a GPU; with the default ones, two runs of a cell differ by about 1e-6.

    `warn_only` would not do: it leaves the backward pass of memory-efficient attention nondeterministic.
    """
    before, fill = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(before or device.type == "cuda")
    torch.utils.deterministic.fill_uninitialized_memory = False  # a check against reading such memory, not needed here
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.utils.deterministic.fill_uninitialized_memory = fill


@contextmanager
def products_in(precision: str, device: torch.device) -> Iterator[None]:
    """`autocast`, with UserError for a model that it cannot run: DeBERTa (v1), for example, fills scores with a number
    that is too large for bfloat16."""
    try:
        with autocast(precision, device):
            yield
    except RuntimeError as error:
        if precision != "bfloat16" or "BFloat16" not in str(error):
            raise
        raise UserError(
            f"this model cannot be trained with `precision: bfloat16`: torch says {str(error).splitlines()[0]!r}. Set "
            "`precision: float32` in the protocol."
        ) from error


def autocast(precision: str, device: torch.device) -> AbstractContextManager:
    """Products in `precision`; weights, losses and sums stay float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def _step(
    model: nn.Module, optimizer: torch.optim.Optimizer, data: TrainRows, batch: list[int], device: str, precision: str
) -> float:
    losses = formats.load_loss(data.format)
    with products_in(precision, torch.device(device)):
        outputs = losses.outputs(model, formats.load(data.format).batch(model, data.columns, batch, device))
    wide = outputs.float() if outputs.dtype == torch.bfloat16 else outputs
    loss = losses.loss(wide, data.labels(batch, device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@torch.no_grad()
def _hold(prunables: list, masks: dict, mode: str, kept_values: dict | None) -> None:
    if mode == "sparse":
        masking.apply_masks(prunables, masks)
    elif mode == "dense_freeze":
        for prunable in prunables:
            matrix = prunable.matrix()
            matrix.copy_(torch.where(masks[prunable.name], matrix, kept_values[prunable.name]))


def batch_order(rows: int, batch_size: int, steps: int, key: tuple) -> list[list[int]]:
    """`steps` batches of row numbers. Each epoch has its own order; its last batch may be smaller."""
    batches: list[list[int]] = []
    for epoch in count():
        if len(batches) >= steps:
            return batches[:steps]
        generator = torch.Generator().manual_seed(seed_for("data_order", *key, epoch))
        order = torch.randperm(rows, generator=generator).tolist()
        batches += [order[start : start + batch_size] for start in range(0, rows, batch_size)]
