"""Fine-tuning of several cells as one batched model: `torch.func.vmap` over their weights.

Cells of one model, task, knobs, protocol and seed share batches, order, schedule, head and dropout draws, and differ in
their weights and masks only. So one forward and backward pass serves all of them. The mathematics is that of
`finetune`: the same batches, the same losses of the answer formats, the same optimizer and the same rule for masked
weights. A stack has a fixed size, because kernels may add in another order for another one; places without a cell are
filled with copies of the last cell.

Shapes: K cells of the stack; a stacked weight is (K, *shape of the model's weight).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from junkdna.compress.scope import Prunable
from junkdna.resumable import NO_CHECKPOINTS, Loop
from junkdna.seeds import seed_for
from junkdna.study.cell_settings import TrainingSettings
from junkdna.train.finetune import Trained, batch_order, deterministic, learning_rate_factor, optimizer_steps
from junkdna.train.stack_members import HeldWeights, Member, StackedWeights
from junkdna.train.stackable import plain
from junkdna.train.stacked_steps import StackedSteps
from junkdna.train.state import TrainingState
from junkdna.train.train_rows import TrainRows, check_rows


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
    device = next(model.parameters()).device
    optimizer = _optimizer(stack, protocol, device)
    batches = batch_order(len(data), protocol.batch_size, steps, key)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), deterministic(device), plain(model):
        torch.manual_seed(seed_for("dropout", *key))  # nn.Dropout takes no generator
        run = StackedSteps(model, data, protocol.precision, stack, held, optimizer, batches)
        state = TrainingState(stack, optimizer, lambda: run.preparing_s)
        for step in loop("train", range(steps), state.save, state.load):
            _set_rate(optimizer, protocol.learning_rate * learning_rate_factor(step, steps, protocol.warmup_fraction))
            state.losses.append(run(step))
    state.finish()
    weights = {name: weight.detach() for name, weight in stack.by_name().items()}
    if broken := int(held.moved(weights).sum()):
        raise RuntimeError(f"{broken} masked weights moved during training in a stack.")
    losses_sk = torch.stack(state.losses).cpu()
    return weights, [Trained.of(losses_sk[:, at].tolist(), state.preparing_s) for at in range(len(members))]


def _optimizer(stack: StackedWeights, protocol: TrainingSettings, device: torch.device) -> torch.optim.AdamW:
    """AdamW; on a GPU with its rate and counters there, so that a recorded step reads and changes them."""
    on_gpu = device.type == "cuda"
    rate = torch.tensor(protocol.learning_rate, device=device) if on_gpu else protocol.learning_rate
    optimizer = torch.optim.AdamW(
        stack.parameters(), lr=rate, weight_decay=protocol.weight_decay, fused=True, capturable=on_gpu
    )
    for weight in stack.parameters() if on_gpu else ():  # otherwise the first step makes them, while it is recorded
        moments = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
        optimizer.state[weight] = {"step": torch.zeros((), device=device), **moments}
    return optimizer


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
