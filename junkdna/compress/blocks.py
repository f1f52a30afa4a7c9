"""Run the blocks of a transformer one by one: record what its forward pass gives each block, then run a block alone.

Nothing here depends on an architecture. The model's own forward pass runs with its blocks replaced. Each replacement
sees the arguments of its block: the attention mask, rotary tables or relative positions.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from junkdna.compress.scope import block_lists
from junkdna.errors import UserError


class Batch(NamedTuple):
    """Rows of token ids (B, T) and their mask (B, T): 1 = token, 0 = pad."""

    ids: Tensor
    mask: Tensor


class Call(NamedTuple):
    """The arguments of a block after the hidden states, which are the first parameter of every block."""

    args: tuple
    kwargs: dict

    def run(self, block: nn.Module, hidden: Tensor) -> Tensor:
        """The hidden states that the block returns, (B, T, width)."""
        return _hidden(block(hidden, *self.args, **self.kwargs))


@dataclass(frozen=True)
class Stack:
    """The only list of blocks of a model. `body` is the model without its task head."""

    body: nn.Module
    path: str
    blocks: nn.ModuleList

    def error(self, number: int, problem: str) -> UserError:
        return UserError(
            f"{self.path}.{number} ({type(self.blocks[number]).__name__}): {problem}. Calibration runs the blocks one "
            "by one, which this model does not support: use a method without calibration (`junkdna methods` lists "
            "them) or another model."
        )


class Recording(NamedTuple):
    """One batch: the input of the first block, (B, T, width); the arguments of each block; and the numbers of the
    blocks after which the model changes the hidden states itself.
    """

    hidden: Tensor
    calls: list[Call]
    changed_after: frozenset[int]


class _Stop(Exception):
    """Raised instead of running a block when nothing after it (later blocks, last norm, head) is needed."""


def stack_of(model: nn.Module) -> Stack:
    """The blocks of a model. Raises `UserError` if it has none, or several lists of them (encoder-decoders, vision
    models).
    """
    lists = block_lists(model)
    if len(lists) > 1:
        raise UserError(
            f"{type(model).__name__} has {len(lists)} lists of blocks ({', '.join(path for path, _ in lists)}), as "
            "encoder-decoders and models with several inputs do. Calibration needs exactly one list: use a method "
            "without calibration (`junkdna methods` lists them) or another model."
        )
    path, blocks = lists[0]
    return Stack(getattr(model, "base_model", model), path, blocks)


def probe(stack: Stack, batch: Batch, inside: Callable[[int], AbstractContextManager]) -> tuple[int, ...]:
    """The length of the tuple that each block returns, 0 for a block that returns a tensor. Changes nothing.

    Runs one forward pass of the complete body on its current device, each block within inside(number). Raises
    `UserError` unless every block runs once, in order; takes (B, T, width) hidden states as its first parameter;
    returns them alone or first in a tuple; and passes nothing else to the next block.
    """
    lengths: list[int] = []
    extras: list[Tensor] = []  # what the last block returned in addition to the hidden states
    originals = [block.forward for block in stack.blocks]

    def replacement(number: int, hidden: Tensor, call: Call) -> object:
        if number != len(lengths):
            raise stack.error(number, f"it runs when block {len(lengths)} is due; blocks must run once, in order")
        if not _is_hidden(hidden, batch.ids.shape):
            raise stack.error(number, "its first argument is not one (rows, tokens, width) float tensor")
        arguments = {id(value) for value in (*call.args, *call.kwargs.values())}
        if any(id(extra) in arguments for extra in extras):
            raise stack.error(number, "it takes more than the hidden states from the previous block")
        with inside(number):
            output = originals[number](hidden, *call.args, **call.kwargs)
        out = _hidden(output)
        if not isinstance(out, Tensor) or out.shape != hidden.shape:
            raise stack.error(number, "it does not return hidden states of the shape of its input")
        others = output[1:] if isinstance(output, tuple) else ()
        lengths.append(len(output) if isinstance(output, tuple) else 0)
        extras[:] = [other for other in others if isinstance(other, Tensor) and id(other) not in arguments]
        return output

    _forward(stack, batch, replacement)
    if len(lengths) < len(stack.blocks):
        raise stack.error(len(lengths), "the model's forward pass does not run it")
    return tuple(lengths)


def record(stack: Stack, lengths: Sequence[int], batch: Batch, device: torch.device | str) -> Recording:
    """Records how the model calls its blocks for one batch, with all arguments moved to `device`.

    No block runs; hidden states pass through. `lengths` is the result of `probe`. The embeddings run on their own
    device.
    """
    calls: list[Call] = []
    changed: set[int] = set()
    hiddens: list[Tensor] = []
    moved: dict[int, tuple[Tensor, Tensor]] = {}

    def replacement(number: int, hidden: Tensor, call: Call) -> object:
        try:
            calls.append(Call(*(_to_device(value, device, moved) for value in call)))
        except TypeError as error:
            raise stack.error(
                number, f"an argument has type {error}, whose state may change when the block runs"
            ) from None
        if number and hidden is not hiddens[-1]:
            changed.add(number - 1)
        hiddens.append(hidden)
        return _pass_on(stack, lengths, number, hidden)

    _forward(stack, batch, replacement)
    return Recording(hiddens[0].to(device), calls, frozenset(changed))


def between(stack: Stack, lengths: Sequence[int], batch: Batch, number: int, output: Tensor) -> Tensor:
    """The input of block `number` + 1, computed by the model from `output`, the output of block `number`; on its
    device.

    For models that change hidden states between two blocks (DeBERTa-v2's convolution). The embeddings run again, and
    their output replaces the outputs of the blocks before `number`.
    """
    inputs: list[Tensor] = []

    def replacement(current: int, hidden: Tensor, call: Call) -> object:
        if current == number + 1:
            inputs.append(hidden)
            raise _Stop
        return _pass_on(stack, lengths, current, output.to(hidden.device) if current == number else hidden)

    _forward(stack, batch, replacement)
    return inputs[0].to(output.device)


def _forward(stack: Stack, batch: Batch, replacement: Callable[[int, Tensor, Call], object]) -> None:
    """One forward pass of the body without cache; calls `replacement(number, hidden, call)` instead of each block."""
    home = next(stack.body.parameters()).device
    cached = "use_cache" in inspect.signature(stack.body.forward).parameters
    options = {"use_cache": False} if cached else {}
    with _replaced(stack.blocks, replacement), suppress(_Stop):
        stack.body(input_ids=batch.ids.to(home), attention_mask=batch.mask.to(home), **options)


@contextmanager
def _replaced(blocks: nn.ModuleList, replacement: Callable[[int, Tensor, Call], object]) -> Iterator[None]:
    """Replaces only `forward`, on the instance, because models read other attributes of their blocks."""
    before = [vars(block).get("forward") for block in blocks]
    try:
        for number, block in enumerate(blocks):
            block.forward = _intercept(block, number, replacement)
        yield
    finally:
        for block, forward in zip(blocks, before, strict=True):
            if forward is None:
                vars(block).pop("forward", None)
            else:
                block.forward = forward


def _intercept(block: nn.Module, number: int, replacement: Callable[[int, Tensor, Call], object]) -> Callable:
    first = next(iter(inspect.signature(block.forward).parameters))

    def forward(*args: object, **kwargs: object) -> object:
        hidden, rest = (args[0], args[1:]) if args else (kwargs.pop(first, None), ())
        return replacement(number, hidden, Call(rest, kwargs))

    return forward


def _pass_on(stack: Stack, lengths: Sequence[int], number: int, hidden: Tensor) -> object:
    """What block `number` would return with these hidden states. Stops the forward pass at the last block."""
    if number == len(stack.blocks) - 1:
        raise _Stop
    return (hidden, *[None] * (lengths[number] - 1)) if lengths[number] else hidden


def _hidden(output: object) -> object:
    return output[0] if isinstance(output, tuple) and output else output


def _is_hidden(value: object, rows_tokens: torch.Size) -> bool:
    return (
        isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 3 and value.shape[:2] == rows_tokens
    )


def _to_device(value: object, device: torch.device | str, moved: dict[int, tuple[Tensor, Tensor]]) -> object:
    """The value on `device`; tensors that blocks share stay shared.

    Raises TypeError with the name of the type for a value that may hold state which a block changes when it runs (a
    cache).
    """
    if isinstance(value, Tensor):
        if id(value) not in moved:
            moved[id(value)] = (value, value.to(device))  # keeps the source alive, so its id stays unique
        return moved[id(value)][1]
    if isinstance(value, tuple | list):
        return tuple(_to_device(item, device, moved) for item in value)
    if isinstance(value, dict):
        return {name: _to_device(item, device, moved) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str | torch.dtype):
        return value
    raise TypeError(type(value).__name__)
