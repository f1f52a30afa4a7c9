"""Which tensors the linear layers of each block read, found by a forward pass on a few tokens."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from junkdna.compress.blocks import Batch, Stack, probe
from junkdna.compress.scope import Prunable
from junkdna.errors import UserError

PROBE_TOKENS = 5


@dataclass(frozen=True)
class InputSource:
    """One input of linear layers of a block: `module` receives it, and so do the layers of all `names`.

    `tokens` tells, for each call of the module in one run of the block, whether its input is tokens (else a table).
    """

    module: nn.Module
    names: tuple[str, ...]
    inputs: int
    tokens: tuple[bool, ...]


@torch.no_grad()
def probe_inputs(
    model: nn.Module, stack: Stack, members: Mapping[int, Sequence[Prunable]], batches: Sequence[Batch]
) -> tuple[tuple[int, ...], dict[int, list[InputSource]]]:
    """The return format of the blocks (`blocks.probe`) and the inputs to collect in each, from a forward pass on a few
    tokens.

    The batch has one row more than tokens per row, so that (rows, tokens) does not match another shape by accident.

    Raises `UserError` as `blocks.probe` does, for a layer that the forward pass does not run, and for a layer whose
    input is neither one vector per token nor one table for all rows.
    """
    row = max((ids[mask.bool()] for batch in batches for ids, mask in zip(*batch, strict=True)), key=len)[:PROBE_TOKENS]
    ids = row.repeat(len(row) + 1, 1)
    sources: dict[int, list[InputSource]] = {}

    @contextmanager
    def inside(number: int) -> Iterator[None]:
        names = [prunable.name for prunable in members.get(number, ())]
        modules = [model.get_submodule(name.rpartition(".")[0]) for name in names]
        inputs: list[list[Tensor]] = [[] for _ in names]
        with input_hooks(modules, lambda index, x: inputs[index].append(x)):
            yield
        sources[number] = _sources(names, modules, inputs, tuple(ids.shape))

    return probe(stack, Batch(ids, torch.ones_like(ids)), inside), sources


def _sources(
    names: Sequence[str], modules: Sequence[nn.Module], inputs: Sequence[Sequence[Tensor]], rows_tokens: tuple[int, int]
) -> list[InputSource]:
    """Groups layers whose inputs are the same tensors. `inputs` are by layer and by call within the block."""
    groups = defaultdict(list)
    for name, module, tensors in zip(names, modules, inputs, strict=True):
        if not tensors:
            raise UserError(
                f"{name}: the model's forward pass does not run this layer, so it has no calibration inputs. Leave it "
                "out of the scope, or use a method without calibration."
            )
        tokens = tuple(_are_tokens(name, x, rows_tokens) for x in tensors)
        counted = [id(x) for x, are_tokens in zip(tensors, tokens, strict=True) if are_tokens or not any(tokens)]
        groups[tuple(counted)].append((name, module, tensors[0].shape[-1], tokens))
    return [InputSource(group[0][1], tuple(name for name, *_ in group), *group[0][2:]) for group in groups.values()]


def _are_tokens(name: str, x: Tensor, rows_tokens: tuple[int, int]) -> bool:
    """Whether x contains one input per token (True) or is a table, (1, rows, inputs) (False). Raises `UserError` for
    other shapes.
    """
    lead = tuple(x.shape[:-1])
    if lead in (rows_tokens, (rows_tokens[0] * rows_tokens[1],)):
        return True
    if len(lead) == 2 and lead[0] == 1:
        return False
    raise UserError(
        f"{name}: for {rows_tokens[0]} rows of {rows_tokens[1]} tokens the layer gets a {tuple(x.shape)} tensor, "
        "which is neither one input per token nor one table for all rows, so pads cannot be identified (experts that "
        "get some of the tokens, attention between heads). Use a method without calibration."
    )


@contextmanager
def input_hooks(modules: Sequence[nn.Module], note: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Calls note(index, input) whenever one of `modules` runs inside the context."""

    def hook(index: int, module: nn.Module, args: tuple, kwargs: dict) -> None:
        note(index, args[0] if args else next(iter(kwargs.values())))

    handles = []
    try:
        for index, module in enumerate(modules):
            handles.append(module.register_forward_pre_hook(partial(hook, index), with_kwargs=True))
        yield
    finally:
        for handle in handles:
            handle.remove()
