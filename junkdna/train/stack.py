"""Fine-tuning of several cells as one batched model: `torch.func.vmap` over their weights.

Cells of one model, task, knobs, protocol and seed share batches, order, schedule, head and dropout draws, and differ in
their weights and masks only. So one forward and backward pass serves all of them. The mathematics is that of
`finetune`: the same batches, the same losses of the answer formats, the same optimizer and the same rule for masked
weights. A stack has a fixed size, because kernels may add in another order for another one; places without a cell are
filled with copies of the last cell.

Shapes: K cells of the stack; a stacked weight is (K, *shape of the model's weight).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from junkdna.compress.scope import Prunable
from junkdna.evaluate.train_outputs import Batch
from junkdna.models.batch_isolation import ANY, batch_rule
from junkdna.models.rotary import frequency_limit
from junkdna.resumable import NO_CHECKPOINTS, Loop
from junkdna.seeds import seed_for
from junkdna.study import formats
from junkdna.study.cell_settings import TrainingSettings
from junkdna.train.finetune import Trained, autocast, batch_order, deterministic, learning_rate_factor, optimizer_steps
from junkdna.train.state import TrainingState
from junkdna.train.train_rows import TrainRows, check_rows

HELD_MODES = ("sparse", "dense_freeze")  # masked weights do not move


@dataclass(frozen=True)
class Member:
    """One cell of a stack: its transfer mode, the weights it starts from by parameter name, and the masks (out, in) of
    the matrices that it compresses by the same names, True = kept."""

    mode: str
    weights: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)


def unstackable(model: nn.Module) -> str:
    """Why the model's cells must be trained one by one: "" if they can be stacked."""
    if batch_rule(model) != ANY or frequency_limit(model.config) is not None:
        return "rows of a batch change one another's outputs in this architecture"
    if any(isinstance(module, nn.modules.batchnorm._NormBase) for module in model.modules()):
        return "it keeps running statistics"
    return ""


class StackedWeights(nn.Module):
    """The weights of all cells of a stack as parameters, named as in the model with ":" for "."."""

    def __init__(self, model: nn.Module, members: Sequence[Member], size: int) -> None:
        super().__init__()
        filled = [*members, *[members[-1]] * (size - len(members))]
        for name, weight in model.named_parameters():
            stacked = torch.stack([member.weights[name].to(weight.device) for member in filled])
            self.register_parameter(name.replace(".", ":"), nn.Parameter(stacked))

    def by_name(self) -> dict[str, nn.Parameter]:
        """The stacked parameters by the model's names."""
        return {name.replace(":", "."): weight for name, weight in self.named_parameters()}


class HeldWeights:
    """The masked weights of a stack, and the values to which every optimizer step returns them: 0 (mode sparse) or the
    pre-trained ones (dense_freeze)."""

    def __init__(self, prunables: Sequence[Prunable], members: Sequence[Member], size: int) -> None:
        filled = [*members, *[members[-1]] * (size - len(members))]
        self._kept: dict[str, Tensor] = {}
        self._held: dict[str, Tensor] = {}
        for each in prunables:
            held = [member.masks.get(each.name) if member.mode in HELD_MODES else None for member in filled]
            masks = [None if mask is None else _stored(each, mask) for mask in held]
            if any(mask is not None for mask in masks):
                weight = each.parameter.detach()
                free = torch.ones_like(weight, dtype=torch.bool)
                self._kept[each.name] = torch.stack([free if mask is None else mask for mask in masks])
                frozen = [member.mode == "dense_freeze" for member in filled]
                values = [weight if is_frozen else torch.zeros_like(weight) for is_frozen in frozen]
                self._held[each.name] = torch.stack(values)

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Write the held values to the masked places of stacked weights, in place."""
        for name, kept in self._kept.items():
            torch.where(kept, weights[name], self._held[name], out=weights[name].data)

    @torch.no_grad()
    def moved(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Number of masked weights (K,) that are not exactly at their held values."""
        counts = [((weights[name] != self._held[name]) & ~kept).flatten(1).sum(1) for name, kept in self._kept.items()]
        return sum(counts) if counts else torch.zeros(1, dtype=torch.int64)


def fine_tune_stack(
    model: nn.Module,
    prunables: Sequence[Prunable],
    members: Sequence[Member],
    size: int,
    data: TrainRows,
    protocol: TrainingSettings,
    key: tuple,
    loop: Loop = NO_CHECKPOINTS,
) -> tuple[dict[str, Tensor], list[Trained]]:
    """Train the cells `members` in one stack of `size`. Returns the stacked weights (size, ...) by parameter name, and
    what `fine_tune` returns for each member.

    `model` has the pre-trained weights, which dense_freeze keeps; it is left unchanged. `prunables` are all matrices
    that a member masks. The other arguments are those of `fine_tune`, and so are the errors. A cell whose weights
    become infinite does not change the others.
    """
    check_rows(data, model.config.num_labels)
    steps = optimizer_steps(len(data), data.full_rows or len(data), protocol)
    stack, held = StackedWeights(model, members, size), HeldWeights(prunables, members, size)
    held.restore(stack.by_name())
    optimizer = torch.optim.AdamW(
        stack.parameters(), lr=protocol.learning_rate, weight_decay=protocol.weight_decay, fused=True
    )
    batches = batch_order(len(data), protocol.batch_size, steps, key)
    state = TrainingState(stack, optimizer)
    device = next(model.parameters()).device
    losses_of = _losses(model, data, protocol.precision)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), deterministic(device), _plain(model):
        torch.manual_seed(seed_for("dropout", *key))  # nn.Dropout takes no generator
        for batch in loop("train", batches, state.save, state.load):
            factor = learning_rate_factor(len(state.losses), len(batches), protocol.warmup_fraction)
            for group in optimizer.param_groups:
                group["lr"] = protocol.learning_rate * factor
            losses = losses_of(stack.by_name(), batch, str(device))
            optimizer.zero_grad(set_to_none=True)
            losses.sum().backward()
            optimizer.step()
            held.restore(stack.by_name())
            state.losses.append(losses.tolist())
    state.finish()
    weights = {name: weight.detach() for name, weight in stack.by_name().items()}
    if broken := int(held.moved(weights).sum()):
        raise RuntimeError(f"{broken} masked weights moved during training in a stack.")
    return weights, [Trained.of([row[at] for row in state.losses]) for at in range(len(members))]


def _losses(model: nn.Module, data: TrainRows, precision: str) -> Callable[..., Tensor]:
    """A function of stacked weights and row numbers: the losses (K,) of all cells."""
    answer_format = formats.load(data.format)
    buffers = dict(model.named_buffers())

    def of_one(weights: Mapping[str, Tensor], batch: Batch, labels: Mapping[str, Tensor]) -> Tensor:
        call = lambda **inputs: functional_call(model, (weights, buffers), kwargs=inputs)  # noqa: E731
        with autocast(precision, next(model.parameters()).device):
            outputs = answer_format.outputs(call, batch)
        return answer_format.loss(outputs.float(), labels)

    def losses(weights: Mapping[str, Tensor], rows: list[int], device: str) -> Tensor:
        batch, labels = answer_format.batch(model, data.columns, rows, device), data.labels(rows, device)
        return vmap(lambda own: of_one(own, batch, labels), randomness="same")(weights)

    return losses


@contextmanager
def _plain(model: nn.Module) -> Iterator[None]:
    """Train mode, with attention as plain products: the fused kernels refuse equal dropout draws under vmap."""
    before = model.config._attn_implementation
    model.config._attn_implementation = "eager"
    model.train()
    try:
        yield
    finally:
        model.eval()
        model.config._attn_implementation = before


def _stored(prunable: Prunable, matrix: Tensor) -> Tensor:
    """A matrix (out, in) in the layout of the parameter, on its device."""
    stored = matrix.t() if prunable.transposed else matrix
    return stored.to(prunable.parameter.device)
