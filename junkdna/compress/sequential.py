"""Calibrated compression of a model block by block: each block is compressed on the outputs of the compressed blocks
before it.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from junkdna.compress.blocks import Batch, Call, Stack, between, record, stack_of
from junkdna.compress.input_sources import InputSource, input_hooks, probe_inputs
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult, write_result
from junkdna.compress.scope import Prunable
from junkdna.errors import UserError

Compress = Callable[[str, Tensor, InputStatistics], MatrixResult]


def calibrated(
    model: nn.Module,
    prunables: Sequence[Prunable],
    batches: Sequence[Batch],
    compress_matrix: Compress,
    gram: bool,
    device: torch.device | str,
) -> Iterator[tuple[str, MatrixResult]]:
    """Compresses `prunables` of `model` in place, and yields (name, result) of each once it is written to the model.

    The procedure is that of Wanda, SparseGPT and GPTQ. For each block: collect the inputs of all its linear layers over
    `batches`; compress each matrix and write the result to the model (`masks.write_result`); run the block again, so
    that the next block sees compressed inputs. Blocks without `prunables` are only run, and none after the last block
    that has some.

    Arguments:
    - `prunables`: matrices in the blocks of `model`.
    - `batches`: ids and mask, both (B, T). Pads (mask 0) are never counted.
    - `compress_matrix(name, weight, statistics)`: the result for one (out, in) weight.
    - `gram`: whether the statistics contain the gram matrix.
    - `device`: where the current block, the hidden states of all batches (tokens x width values, in the model's dtype)
      and the results are. A block returns to its device afterwards. Everything else stays and runs on its own device,
      including the embeddings. The language-model head does not run. Move the results away to keep them.

    Statistics are sums over tokens. Layers with the same input tensor (query, key and value) share one object, and
    statistics are freed after their block. A layer whose input is a table that is the same for all rows (DeBERTa's
    projections of relative positions) gets the rows of its longest table, once.

    If a layer reads both tokens and a table (DeBERTa-v3's query and key projections, `share_att_key`), only the tokens
    count. A hook that counts every call would add the table once per batch, so the statistics would depend on how rows
    are batched, and the methods' papers define no weight of a table's row relative to a token. The effect is small: see
    docs/compression.md.

    The model is in eval mode until the generator is exhausted, closed or fails; then the mode of each module is
    restored. Weights that were compressed before a failure stay compressed.

    All checks run before the generator is returned. Raises `UserError` for a matrix outside the blocks or used in
    several places; for a layer that the forward pass does not run or whose input is not tokens; for several lists of
    blocks; for blocks that cannot run alone (`blocks.probe`); and for batches without tokens.
    """
    stack = stack_of(model)
    members = _matrices_by_block(model, stack, prunables)
    nonempty = [_trim_padding(Batch(*batch)) for batch in batches if batch[1].any()]
    if not nonempty:
        raise UserError(
            f"none of the {len(batches)} calibration batches contains a token. The texts may be empty, or the masks "
            "inverted (1 = token, 0 = pad)."
        )
    with _eval_mode(model):
        lengths, sources = probe_inputs(model, stack, members, nonempty)
    return _compress_blocks(
        _Plan(model, stack, members, nonempty, lengths, sources), compress_matrix, gram, torch.device(device)
    )


@dataclass(frozen=True)
class _Plan:
    """The result of the checks. By block number: the matrices to compress and the inputs to collect for them."""

    model: nn.Module
    stack: Stack
    members: Mapping[int, Sequence[Prunable]]
    batches: Sequence[Batch]
    lengths: Sequence[int]
    sources: Mapping[int, Sequence[InputSource]]


@torch.no_grad()
def _compress_blocks(plan: _Plan, compress_matrix: Compress, gram: bool, device: torch.device) -> Iterator:
    last = max(plan.members)
    masks = [_token_mask(batch, device) for batch in plan.batches]
    with _eval_mode(plan.model):
        hiddens, calls, changed_after = _record_batches(plan, device)
        for number, block in enumerate(plan.stack.blocks[: last + 1]):
            with _moved_to(block, device):
                if number in plan.members:
                    collector = _StatisticsCollector(plan.sources[number], gram, device)
                    for hidden, call, tokens in zip(hiddens, calls, masks, strict=True):
                        collector.run(block, hidden, call[number], tokens)
                    statistics = collector.statistics()
                    for prunable in plan.members[number]:
                        result = compress_matrix(prunable.name, prunable.matrix(), statistics[prunable.name])
                        write_result(prunable, result)
                        yield prunable.name, result
                    del collector, statistics, result
                if number < last:
                    for i, call in enumerate(calls):
                        hiddens[i] = call[number].run(block, hiddens[i])
            if number in changed_after and number < last:
                for i, batch in enumerate(plan.batches):
                    hiddens[i] = between(plan.stack, plan.lengths, batch, number, hiddens[i])


def _record_batches(plan: _Plan, device: torch.device) -> tuple[list[Tensor], list[list[Call]], set[int]]:
    """By batch, the input of the first block and the calls of all blocks; and the blocks after which the model changes
    the hidden states.
    """
    hiddens, calls, changed_after = [], [], set()
    for batch in plan.batches:
        hidden, batch_calls, changed = record(plan.stack, plan.lengths, batch, device)
        hiddens.append(hidden)
        calls.append(batch_calls)
        changed_after |= changed
    return hiddens, calls, changed_after


class _InputsComplete(Exception):
    """Raised in a block once all its inputs are collected, to skip the rest of the block."""


class _StatisticsCollector:
    """Statistics of the linear layers of a block over all batches."""

    def __init__(self, sources: Sequence[InputSource], gram: bool, device: torch.device) -> None:
        self._sources = sources
        self._statistics = [InputStatistics(source.inputs, gram, device) for source in sources]
        self._tables: dict[tuple[int, int], Tensor] = {}  # by source and call within the block

    def run(self, block: nn.Module, hidden: Tensor, call: Call, tokens: Tensor | None) -> None:
        """Adds one batch. `tokens`, (B * T,), is True at tokens and False at pads; None if there are no pads."""
        runs = [0] * len(self._sources)
        expected = sum(len(source.tokens) for source in self._sources)

        def note(index: int, x: Tensor) -> None:
            source, run = self._sources[index], runs[index]
            runs[index] += 1
            if source.tokens[run]:
                x = x.reshape(-1, x.shape[-1])
                assert len(x) == hidden.shape[0] * hidden.shape[1], "not one input per token"
                self._statistics[index].add(x if tokens is None else x[tokens])
            elif not any(source.tokens) and x.shape[1] > len(self._tables.get((index, run), ())):
                self._tables[index, run] = x[0]
            if sum(runs) == expected:
                raise _InputsComplete

        with input_hooks([source.module for source in self._sources], note), suppress(_InputsComplete):
            call.run(block, hidden)
        assert sum(runs) == expected, "the block ran its layers less often than in the probe"

    def statistics(self) -> dict[str, InputStatistics]:
        """Statistics by matrix name; matrices with the same source share the object."""
        for (index, _), table in self._tables.items():
            self._statistics[index].add(table)
        pairs = zip(self._sources, self._statistics, strict=True)
        return {name: statistics for source, statistics in pairs for name in source.names}


def _matrices_by_block(model: nn.Module, stack: Stack, prunables: Sequence[Prunable]) -> dict[int, list[Prunable]]:
    """{number of the block: its matrices}, in the given order."""
    assert prunables, "nothing to compress"
    uses = Counter(id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False))
    members = defaultdict(list)
    for prunable in prunables:
        assert id(prunable.parameter) in uses, f"{prunable.name} is a matrix of another model"
        if not prunable.name.startswith(f"{stack.path}."):
            raise UserError(
                f"{prunable.name} is outside the blocks ({stack.path}), but calibrated methods compress only blocks. "
                "Turn prune_head and embeddings off, or use another method."
            )
        if uses[id(prunable.parameter)] > 1:
            raise UserError(
                f"{prunable.name} is used in {uses[id(prunable.parameter)]} places of the model (tied), each with "
                "different inputs, so calibration cannot run block by block. Use a method without calibration."
            )
        number = prunable.name.removeprefix(f"{stack.path}.").partition(".")[0]
        members[int(number)].append(prunable)
    return dict(members)


@contextmanager
def _eval_mode(model: nn.Module) -> Iterator[None]:
    """Every module in eval mode (no dropout); restores the modes afterwards."""
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training


@contextmanager
def _moved_to(block: nn.Module, device: torch.device) -> Iterator[None]:
    """The block on `device`, and then, with what was written to it, at its old places in memory: to allocate new memory
    on the host takes longer than the copy.
    """
    parameters = list(block.parameters())
    places = [parameter.data for parameter in parameters]
    block.to(device)
    try:
        yield
    finally:
        for parameter, place in zip(parameters, places, strict=True):
            if parameter.device != place.device:
                place.copy_(parameter.data)
                parameter.data = place
        block.to(places[0].device)  # buffers


def _trim_padding(batch: Batch) -> Batch:
    """Without the last columns that are pads in every row."""
    width = int(batch.mask.any(0).nonzero().max()) + 1
    return Batch(batch.ids[:, :width], batch.mask[:, :width])


def _token_mask(batch: Batch, device: torch.device) -> Tensor | None:
    """(B * T,), True at tokens; None if there are no pads."""
    return None if batch.mask.all() else batch.mask.bool().flatten().to(device)
