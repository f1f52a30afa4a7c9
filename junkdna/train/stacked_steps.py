"""The optimizer steps of a stack: the losses of all cells, their gradients, AdamW, and the masks.

On a GPU the batches have few shapes (`batch_shapes`) and the steps are replayed (`recorded_steps`); a long training is
compiled as well. Which of these apply follows from the rows and the protocol alone. On a CPU a step runs as it is.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from junkdna.evaluate.train_outputs import Batch
from junkdna.study import formats
from junkdna.train.batch_shapes import Shape, ShapedBatches
from junkdna.train.finetune import autocast
from junkdna.train.recorded_steps import RecordedSteps
from junkdna.train.stack_members import HeldWeights, StackedWeights
from junkdna.train.train_rows import TrainRows

COMPILED_STEPS = 4000  # compiling takes 10 to 60 s a shape and saves 5 to 40 ms a step
WIDTHS = {False: 8, True: 2}  # compiled or not: the most widths of a text
MULTIPLE = 8  # of tokens: tensor cores take blocks of 8
COMPILED_SHAPES = 8  # torch compiles no more, so the numbers would depend on which came first, as after a resume
RECORDED_USES = 3  # a shape of fewer steps is not worth recording


class StackedSteps:
    """Call it with the number of a step of `batches` (row numbers of each step): it takes the step and returns the
    losses (size,) of the cells. The model must be in training mode; its own weights do not matter."""

    def __init__(
        self, model: nn.Module, data: TrainRows, precision: str, stack: StackedWeights, held: HeldWeights,
        optimizer: torch.optim.Optimizer, batches: Sequence[Sequence[int]],
    ) -> None:  # fmt: skip
        self._weights, self._held, self._optimizer = stack.by_name(), held, optimizer
        device = next(model.parameters()).device
        on_gpu = device.type == "cuda"
        self._batches, compiled = shaped_batches(model, data, batches, on_gpu)
        losses = stacked_losses(model, data.format, precision)
        if compiled:
            torch._dynamo.reset()  # it gives up compiling after 8 trainings in a process
        self._losses = torch.compile(losses, dynamic=False) if compiled else losses
        self._recorded = RecordedSteps(self._step, self._backward, self._clear, device) if on_gpu else None
        self._is_prepared = False

    @property
    def preparing_s(self) -> float:
        """Seconds for compiling and recording steps."""
        return self._recorded.preparing_s if self._recorded is not None else 0.0

    def __call__(self, number: int) -> Tensor:
        shape, tensors = self._batches.shapes[number], self._batches.tensors(number)
        if self._recorded is None:
            self._clear()
            return self._step(shape, tensors)
        if not self._is_prepared:  # now, because a checkpoint has replaced the optimizer's tensors by its own
            self._recorded.prepare(self._examples())
            self._is_prepared = True
        return self._recorded(shape, tensors)

    def _examples(self) -> dict[Shape, dict[str, Tensor]]:
        """A batch of each shape that is worth recording, the largest first."""
        shapes = self._batches.shapes
        often = [shape for shape, uses in Counter(shapes).items() if uses >= RECORDED_USES]
        often.sort(key=lambda shape: shape.tokens, reverse=True)
        return {shape: self._batches.tensors(shapes.index(shape)) for shape in often}

    def _clear(self) -> None:
        self._optimizer.zero_grad(set_to_none=True)

    def _backward(self, shape: Shape, tensors: Mapping[str, Tensor]) -> Tensor:
        losses = self._losses(self._weights, tensors, shape.counts)
        losses.sum().backward()
        return losses.detach()

    def _step(self, shape: Shape, tensors: Mapping[str, Tensor]) -> Tensor:
        losses = self._backward(shape, tensors)
        self._optimizer.step()
        self._held.restore(self._weights)
        return losses


def shaped_batches(
    model: nn.Module, data: TrainRows, batches: Sequence[Sequence[int]], on_gpu: bool
) -> tuple[ShapedBatches, bool]:
    """The batches of a training, and whether its steps are compiled: many steps of at most `COMPILED_SHAPES` shapes.
    Rows with different numbers of options may have more."""
    if on_gpu and len(batches) >= COMPILED_STEPS:
        shaped = ShapedBatches(model, data, batches, WIDTHS[True], MULTIPLE)
        if len({*shaped.shapes}) <= COMPILED_SHAPES:
            return shaped, True
    return ShapedBatches(model, data, batches, WIDTHS[False] if on_gpu else None, MULTIPLE), False


def stacked_losses(model: nn.Module, name: str, precision: str) -> Callable[..., Tensor]:
    """A function of stacked weights, the tensors of a batch (`ShapedBatches.tensors`) in the answer format `name`, and
    the number of options of its rows: the losses (size,) of all cells."""
    loss_module = formats.load_loss(name)
    buffers, device = dict(model.named_buffers()), next(model.parameters()).device

    def of_one(weights: Mapping[str, Tensor], batch: Batch, labels: Mapping[str, Tensor]) -> Tensor:
        call = lambda **inputs: functional_call(model, (weights, buffers), kwargs=inputs)  # noqa: E731
        with autocast(precision, device):
            outputs = loss_module.outputs(call, batch)
        return loss_module.loss(outputs.float(), labels)

    def losses(weights: Mapping[str, Tensor], tensors: Mapping[str, Tensor], counts: tuple[int, ...]) -> Tensor:
        texts: dict[str, dict[str, Tensor]] = {}
        for path, tensor in tensors.items():
            text, _, key = path.partition("/")
            texts.setdefault(text, {})[key] = tensor
        labels = texts.pop("label", {})
        return vmap(lambda own: of_one(own, Batch(texts, counts), labels), randomness="same")(weights)

    return losses
