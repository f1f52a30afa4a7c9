"""Calibrated compression of a whole model, block by block: each sees what the compressed blocks before it put out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from junkdna.compress.blocks import Batch, Call, Stack, between, probe, record, stack_of
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult, put
from junkdna.compress.scope import Prunable
from junkdna.errors import UserError

PROBE_TOKENS = 5

Compress = Callable[[str, Tensor, InputStatistics], MatrixResult]


def calibrated(
    model: nn.Module,
    prunables: Sequence[Prunable],
    batches: Sequence[Batch],
    compress_matrix: Compress,
    gram: bool,
    device: torch.device | str,
) -> Iterator[tuple[str, MatrixResult]]:
    """Compresses `prunables` of `model` in place and yields (name, result) of each as soon as it is on the model.

    The order is that of Wanda, SparseGPT and GPTQ: the inputs of all linear layers of a block are collected over
    `batches` (ids and mask, both (B, T)); compress_matrix(name, weight (out, in), statistics) is called for each; the
    results are put on the model (`masks.put`); the block then runs once more, so that the next sees compressed inputs.
    Of blocks that hold none of `prunables` only the outputs are made, and none behind the last that does.

    Statistics (with `gram` or without) are sums over tokens: pads (mask 0) never count. Layers that are given the same
    tensor (query, key and value) share one object, and statistics live until their block is done. A layer that reads
    no tokens but a table which is the same for all rows (DeBERTa's projections of relative positions) gets the rows of
    the longest table that it is given, once.

    Where a layer reads both (DeBERTa-v3's query and key projections, `share_att_key`), the tokens alone count. A hook
    that counts every call would add the table once for each batch, so that statistics depended on how the rows are
    batched, and no weight between a token and a table's row is given by the methods' papers. What it changes is small:
    see docs/compression.md.

    The block at work, and the hidden states of all batches (tokens x width values, in the model's dtype), are on
    `device`; a block goes back where it was. All else stays and runs where it is, the embeddings too. The
    language-model head does not run. Results are on `device`: move them away, if they are kept. The model is in eval
    mode until the generator is done, closed or fails, then its modules are as they were; weights that are compressed
    by then stay so.

    Checks come before the generator is returned. `UserError` for a matrix outside the blocks, one that is used in
    several places, one whose layer the forward pass does not run or gives something else than tokens; for several
    lists of blocks; for blocks that cannot run alone (`blocks.probe`); for batches without a token.
    """
    stack = stack_of(model)
    members = _by_block(model, stack, prunables)
    filled = [_cut(Batch(*batch)) for batch in batches if batch[1].any()]
    if not filled:
        raise UserError(
            f"none of the {len(batches)} calibration batches holds a token; statistics need some. The texts may be "
            "empty, or the masks the wrong way round (1 = token, 0 = pad)."
        )
    with _evaluating(model):
        lengths, sources = _look(model, stack, members, filled)
    return _sequence(
        _Plan(model, stack, members, filled, lengths, sources), compress_matrix, gram, torch.device(device)
    )


@dataclass(frozen=True)
class _Source:
    """One input of linear layers of a block: what `module` is given, and with it the layers of all `names`.

    `tokens` says, for each time that the module runs in one run of the block, whether it is given tokens or a table.
    """

    module: nn.Module
    names: tuple[str, ...]
    inputs: int
    tokens: tuple[bool, ...]


@dataclass(frozen=True)
class _Plan:
    """What the checks found out: by block number the matrices to compress and the inputs to collect for them."""

    model: nn.Module
    stack: Stack
    members: Mapping[int, Sequence[Prunable]]
    batches: Sequence[Batch]
    lengths: Sequence[int]
    sources: Mapping[int, Sequence[_Source]]


@torch.no_grad()
def _sequence(plan: _Plan, compress_matrix: Compress, gram: bool, device: torch.device) -> Iterator:
    last = max(plan.members)
    kept = [_kept(batch, device) for batch in plan.batches]
    with _evaluating(plan.model):
        hiddens, calls, changed_after = _recorded(plan, device)
        for number, block in enumerate(plan.stack.blocks[: last + 1]):
            with _on(block, device):
                if number in plan.members:
                    gather = _Gather(plan.sources[number], gram, device)
                    for hidden, call, tokens in zip(hiddens, calls, kept, strict=True):
                        gather.run(block, hidden, call[number], tokens)
                    statistics = gather.statistics()
                    for prunable in plan.members[number]:
                        result = compress_matrix(prunable.name, prunable.matrix(), statistics[prunable.name])
                        put(prunable, result)
                        yield prunable.name, result
                    del gather, statistics, result
                if number < last:
                    for i, call in enumerate(calls):
                        hiddens[i] = call[number].run(block, hiddens[i])
            if number in changed_after and number < last:
                for i, batch in enumerate(plan.batches):
                    hiddens[i] = between(plan.stack, plan.lengths, batch, number, hiddens[i])


def _recorded(plan: _Plan, device: torch.device) -> tuple[list[Tensor], list[list[Call]], set[int]]:
    """The inputs of the first block and how all blocks are called, by batch; after which blocks the model steps in."""
    hiddens, calls, changed_after = [], [], set()
    for batch in plan.batches:
        hidden, of_batch, changed = record(plan.stack, plan.lengths, batch, device)
        hiddens.append(hidden)
        calls.append(of_batch)
        changed_after |= changed
    return hiddens, calls, changed_after


class _Enough(Exception):
    """Raised in a block once all its inputs have been seen: its last product need not be made."""


class _Gather:
    """The statistics of a block's linear layers over all batches."""

    def __init__(self, sources: Sequence[_Source], gram: bool, device: torch.device) -> None:
        self._sources = sources
        self._found = [InputStatistics(source.inputs, gram, device) for source in sources]
        self._tables: dict[tuple[int, int], Tensor] = {}  # by source and run within the block

    def run(self, block: nn.Module, hidden: Tensor, call: Call, tokens: Tensor | None) -> None:
        """Counts one batch in. `tokens`, (B * T,), is True where a token stands; None where there are no pads."""
        runs = [0] * len(self._sources)
        expected = sum(len(source.tokens) for source in self._sources)

        def note(index: int, x: Tensor) -> None:
            source, run = self._sources[index], runs[index]
            runs[index] += 1
            if source.tokens[run]:
                x = x.reshape(-1, x.shape[-1])
                assert len(x) == hidden.shape[0] * hidden.shape[1], "not one input for each token"
                self._found[index].add(x if tokens is None else x[tokens])
            elif not any(source.tokens) and x.shape[1] > len(self._tables.get((index, run), ())):
                self._tables[index, run] = x[0]
            if sum(runs) == expected:
                raise _Enough

        with _watching([source.module for source in self._sources], note), suppress(_Enough):
            call.run(block, hidden)
        assert sum(runs) == expected, "the block ran its layers less often than in the probe"

    def statistics(self) -> dict[str, InputStatistics]:
        """By matrix; matrices of one source share the object."""
        for (index, _), table in self._tables.items():
            self._found[index].add(table)
        return {name: found for source, found in zip(self._sources, self._found, strict=True) for name in source.names}


def _by_block(model: nn.Module, stack: Stack, prunables: Sequence[Prunable]) -> dict[int, list[Prunable]]:
    """{number of the block: its matrices}, in the given order."""
    assert prunables, "nothing to compress"
    places = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    members = defaultdict(list)
    for prunable in prunables:
        assert id(prunable.parameter) in places, f"{prunable.name} is a matrix of another model"
        if not prunable.name.startswith(f"{stack.path}."):
            raise UserError(
                f"{prunable.name} stands outside the blocks ({stack.path}), where no inputs are collected: calibrated "
                "methods compress the blocks only. Switch prune_head and embeddings off, or take another method."
            )
        if places[id(prunable.parameter)] > 1:
            raise UserError(
                f"{prunable.name} is used in {places[id(prunable.parameter)]} places of the model (tied), and each has "
                "inputs of its own: calibration cannot go block by block. Use a method without calibration."
            )
        number = prunable.name.removeprefix(f"{stack.path}.").partition(".")[0]
        members[int(number)].append(prunable)
    return dict(members)


@torch.no_grad()
def _look(
    model: nn.Module, stack: Stack, members: Mapping[int, Sequence[Prunable]], batches: Sequence[Batch]
) -> tuple[tuple[int, ...], dict[int, list[_Source]]]:
    """How blocks return (`blocks.probe`), and the inputs to collect in each, learned from a few tokens.

    The rows are one more than the tokens of a row, so that (rows, tokens) is no other shape by accident.
    """
    row = max((ids[mask.bool()] for batch in batches for ids, mask in zip(*batch, strict=True)), key=len)[:PROBE_TOKENS]
    ids = row.repeat(len(row) + 1, 1)
    sources: dict[int, list[_Source]] = {}

    @contextmanager
    def inside(number: int) -> Iterator[None]:
        names = [prunable.name for prunable in members.get(number, ())]
        modules = [model.get_submodule(name.rpartition(".")[0]) for name in names]
        given: list[list[Tensor]] = [[] for _ in names]
        with _watching(modules, lambda index, x: given[index].append(x)):
            yield
        sources[number] = _sources(names, modules, given, tuple(ids.shape))

    return probe(stack, Batch(ids, torch.ones_like(ids)), inside), sources


def _sources(
    names: Sequence[str], modules: Sequence[nn.Module], given: Sequence[Sequence[Tensor]], rows_tokens: tuple[int, int]
) -> list[_Source]:
    """Layers that were given the same tensors come together. `given`, by layer and by run within the block."""
    groups = defaultdict(list)
    for name, module, inputs in zip(names, modules, given, strict=True):
        if not inputs:
            raise UserError(
                f"{name}: the model's forward pass does not run this layer, so it saw no token. Leave it out of the "
                "scope, or use a method without calibration."
            )
        tokens = tuple(_are_tokens(name, x, rows_tokens) for x in inputs)
        counted = [id(x) for x, are_tokens in zip(inputs, tokens, strict=True) if are_tokens or not any(tokens)]
        groups[tuple(counted)].append((name, module, inputs[0].shape[-1], tokens))
    return [_Source(group[0][1], tuple(name for name, *_ in group), *group[0][2:]) for group in groups.values()]


def _are_tokens(name: str, x: Tensor, rows_tokens: tuple[int, int]) -> bool:
    """Whether x holds one input for each token, or (False) a table, (1, rows, inputs); `UserError` for other shapes."""
    lead = tuple(x.shape[:-1])
    if lead in (rows_tokens, (rows_tokens[0] * rows_tokens[1],)):
        return True
    if len(lead) == 2 and lead[0] == 1:
        return False
    raise UserError(
        f"{name}: for {rows_tokens[0]} rows of {rows_tokens[1]} tokens its layer is given a {tuple(x.shape)} tensor, "
        "which is neither one input for each token nor one table for all rows, so pads cannot be told apart (experts "
        "that get some of the tokens, attention between heads). Use a method without calibration."
    )


@contextmanager
def _watching(modules: Sequence[nn.Module], note: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Calls note(index, input) whenever one of `modules` runs."""

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


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Every module in eval mode (no dropout), then as it was."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def _on(block: nn.Module, device: torch.device) -> Iterator[None]:
    home = next(block.parameters()).device
    block.to(device)
    try:
        yield
    finally:
        block.to(home)


def _cut(batch: Batch) -> Batch:
    """Without the last columns that are pads in every row."""
    width = int(batch.mask.any(0).nonzero().max()) + 1
    return Batch(batch.ids[:, :width], batch.mask[:, :width])


def _kept(batch: Batch, device: torch.device) -> Tensor | None:
    """(B * T,), True where a token stands; None where there are no pads."""
    return None if batch.mask.all() else batch.mask.bool().flatten().to(device)
