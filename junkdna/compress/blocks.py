"""The blocks of a transformer one at a time: what its forward pass gives to each, and running one alone.

Nothing here knows an architecture. A model's own forward pass runs with something else in place of its blocks, which
sees what each would have been called with: the attention mask, rotary tables or relative positions of that very block.
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
    """Rows of token ids (B, T), and their mask (B, T): 1 = token, 0 = pad."""

    ids: Tensor
    mask: Tensor


class Call(NamedTuple):
    """What a block is called with behind the hidden states, which are the first parameter of every block."""

    args: tuple
    kwargs: dict

    def run(self, block: nn.Module, hidden: Tensor) -> Tensor:
        """The block's output hidden states, (B, T, width)."""
        return _hidden(block(hidden, *self.args, **self.kwargs))


@dataclass(frozen=True)
class Stack:
    """The one list of blocks of a model. `body` is the model without its task head."""

    body: nn.Module
    path: str
    blocks: nn.ModuleList

    def refuse(self, number: int, problem: str) -> UserError:
        return UserError(
            f"{self.path}.{number} ({type(self.blocks[number]).__name__}): {problem}. Calibration runs the blocks one "
            "by one, which fits no such model: use a method without calibration (`junkdna methods` lists them), or "
            "another model."
        )


class Recording(NamedTuple):
    """Of one batch: what goes into the first block, (B, T, width); how each block is called; and after which blocks
    the model itself does something to the hidden states before the next."""

    hidden: Tensor
    calls: list[Call]
    changed_after: frozenset[int]


class _Stop(Exception):
    """Raised in place of a block when what follows (later blocks, last norm, head) need not run."""


def stack_of(model: nn.Module) -> Stack:
    """The blocks of a model; `UserError` where there are none, or several lists of them (encoder-decoders, vision)."""
    lists = block_lists(model)
    if len(lists) > 1:
        raise UserError(
            f"{type(model).__name__} has {len(lists)} lists of blocks ({', '.join(path for path, _ in lists)}), as "
            "encoder-decoders and models of several inputs have. Calibration goes through one list: use a method "
            "without calibration (`junkdna methods` lists them), or a model of one list."
        )
    path, blocks = lists[0]
    return Stack(getattr(model, "base_model", model), path, blocks)


def probe(stack: Stack, batch: Batch, inside: Callable[[int], AbstractContextManager]) -> tuple[int, ...]:
    """How many entries the tuple that each block returns has, 0 where it returns a tensor; changes nothing.

    One forward pass of the whole body where it is, each block within inside(number). `UserError` unless every block
    runs once, in order, takes (B, T, width) hidden states as its first parameter, returns them alone or first in a
    tuple, and passes nothing else on to the next block.
    """
    lengths: list[int] = []
    aside: list[Tensor] = []  # what the last block made beside the hidden states
    originals = [block.forward for block in stack.blocks]

    def in_place(number: int, hidden: Tensor, call: Call) -> object:
        if number != len(lengths):
            raise stack.refuse(number, f"it ran when block {len(lengths)} was to run; blocks must run once, in order")
        if not _is_hidden(hidden, batch.ids.shape):
            raise stack.refuse(number, "the first thing it takes is not one (rows, tokens, width) float tensor")
        given = {id(value) for value in (*call.args, *call.kwargs.values())}
        if any(id(other) in given for other in aside):
            raise stack.refuse(number, "it takes more from the block before than the hidden states")
        with inside(number):
            output = originals[number](hidden, *call.args, **call.kwargs)
        out = _hidden(output)
        if not isinstance(out, Tensor) or out.shape != hidden.shape:
            raise stack.refuse(number, "it returns something else than hidden states of the shape it got")
        others = output[1:] if isinstance(output, tuple) else ()
        lengths.append(len(output) if isinstance(output, tuple) else 0)
        aside[:] = [other for other in others if isinstance(other, Tensor) and id(other) not in given]
        return output

    _forward(stack, batch, in_place)
    if len(lengths) < len(stack.blocks):
        raise stack.refuse(len(lengths), "the model's forward pass does not run it")
    return tuple(lengths)


def record(stack: Stack, lengths: Sequence[int], batch: Batch, device: torch.device | str) -> Recording:
    """How the model calls its blocks for one batch, on `device`; no block runs, hidden states pass through.

    `lengths` is what `probe` gave. The embeddings run where they are.
    """
    calls: list[Call] = []
    changed: set[int] = set()
    hiddens: list[Tensor] = []
    moved: dict[int, tuple[Tensor, Tensor]] = {}

    def in_place(number: int, hidden: Tensor, call: Call) -> object:
        try:
            calls.append(Call(*(_moved(part, device, moved) for part in call)))
        except TypeError as error:
            raise stack.refuse(number, f"it is called with a {error}, which may change in use") from None
        if number and hidden is not hiddens[-1]:
            changed.add(number - 1)
        hiddens.append(hidden)
        return _pass_on(stack, lengths, number, hidden)

    _forward(stack, batch, in_place)
    return Recording(hiddens[0].to(device), calls, frozenset(changed))


def between(stack: Stack, lengths: Sequence[int], batch: Batch, number: int, output: Tensor) -> Tensor:
    """What the model makes of the output of block `number` before it goes into the next one, on the output's device.

    For models that change hidden states between two blocks (DeBERTa-v2's convolution). The embeddings run again, and
    stand for the outputs of the blocks before `number`.
    """
    found: list[Tensor] = []

    def in_place(current: int, hidden: Tensor, call: Call) -> object:
        if current == number + 1:
            found.append(hidden)
            raise _Stop
        return _pass_on(stack, lengths, current, output.to(hidden.device) if current == number else hidden)

    _forward(stack, batch, in_place)
    return found[0].to(output.device)


def _forward(stack: Stack, batch: Batch, in_place: Callable[[int, Tensor, Call], object]) -> None:
    """One forward pass of the body without cache, with `in_place(number, hidden, call)` instead of every block."""
    home = next(stack.body.parameters()).device
    cached = "use_cache" in inspect.signature(stack.body.forward).parameters
    options = {"use_cache": False} if cached else {}
    with _replaced(stack.blocks, in_place), suppress(_Stop):
        stack.body(input_ids=batch.ids.to(home), attention_mask=batch.mask.to(home), **options)


@contextmanager
def _replaced(blocks: nn.ModuleList, in_place: Callable[[int, Tensor, Call], object]) -> Iterator[None]:
    """Only `forward` is replaced, on the instance: models read other attributes of their blocks, and find them."""
    before = [vars(block).get("forward") for block in blocks]
    try:
        for number, block in enumerate(blocks):
            block.forward = _catching(block, number, in_place)
        yield
    finally:
        for block, forward in zip(blocks, before, strict=True):
            if forward is None:
                vars(block).pop("forward", None)
            else:
                block.forward = forward


def _catching(block: nn.Module, number: int, in_place: Callable[[int, Tensor, Call], object]) -> Callable:
    first = next(iter(inspect.signature(block.forward).parameters))

    def forward(*args: object, **kwargs: object) -> object:
        hidden, rest = (args[0], args[1:]) if args else (kwargs.pop(first, None), ())
        return in_place(number, hidden, Call(rest, kwargs))

    return forward


def _pass_on(stack: Stack, lengths: Sequence[int], number: int, hidden: Tensor) -> object:
    """What block `number` would return with these hidden states; nothing follows the last block."""
    if number == len(stack.blocks) - 1:
        raise _Stop
    return (hidden, *[None] * (lengths[number] - 1)) if lengths[number] else hidden


def _hidden(output: object) -> object:
    return output[0] if isinstance(output, tuple) and output else output


def _is_hidden(value: object, rows_tokens: torch.Size) -> bool:
    return (
        isinstance(value, Tensor) and value.is_floating_point() and value.ndim == 3 and value.shape[:2] == rows_tokens
    )


def _moved(value: object, device: torch.device | str, moved: dict[int, tuple[Tensor, Tensor]]) -> object:
    """The same on `device`; what blocks share stays shared. TypeError, the type's name, for what may hold state that
    a block changes when it runs (a cache)."""
    if isinstance(value, Tensor):
        if id(value) not in moved:
            moved[id(value)] = (value, value.to(device))  # the source stays alive, so no other gets its id
        return moved[id(value)][1]
    if isinstance(value, tuple | list):
        return tuple(_moved(part, device, moved) for part in value)
    if isinstance(value, dict):
        return {name: _moved(part, device, moved) for name, part in value.items()}
    if value is None or isinstance(value, bool | int | float | str | torch.dtype):
        return value
    raise TypeError(type(value).__name__)
