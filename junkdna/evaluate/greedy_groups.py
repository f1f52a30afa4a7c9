"""Greedy decoding in large groups of rows with a cache of fixed size, for CUDA.

The prompts of a group run in several packs; the group is then decoded as one batch, because a step reads all weights
whatever the number of rows. Few shapes occur, and the step of each is one CUDA graph.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from junkdna.evaluate.decode_slots import Slots
from junkdna.evaluate.greedy_packs import Finished
from junkdna.models.batching import Rows
from junkdna.models.fixed_cache import FixedCache, Layout, cache_layout, token_bytes
from junkdna.models.prefix_tree import Done, pack_tokens, run_packs
from junkdna.models.tree_plan import tree_packs
from junkdna.resumable import NO_CHECKPOINTS, Loop

CACHE_TOKENS = 65536  # maximum of a group's rows x tokens of room
CACHE_MEMORY = 3  # a group's cache takes at most one in so many bytes of the card
ROUNDED = 16  # tokens of room are a multiple of this: attention kernels want aligned masks


class Group(NamedTuple):
    """Rows that are decoded together, in lexicographic order, in `slots` slots with `room` tokens each."""

    rows: list[int]
    slots: int
    room: int


def decode_groups(
    model: nn.Module,
    queries: Rows,
    device: str,
    max_new_tokens: int,
    finished: Finished,
    loop: Loop,
    done: Done,
    capture: bool = True,
) -> None:
    """As `greedy_packs.decode_packs`, with the same tokens but for rounding. `loop` iterates over groups.

    `capture` is ignored on the CPU. Without it, the same steps run without CUDA graphs.
    """
    layout, capture = cache_layout(model, device), capture and torch.device(device).type == "cuda"
    groups = row_groups(queries, max_new_tokens, cache_tokens(layout, device))
    slots, shape = None, None
    for group in loop("score", groups, done.copy, done.update):
        if shape != group[1:]:
            capture = capture if slots is None else slots.capture
            slots, shape = None, group[1:]  # frees the old cache before the new one is allocated
            slots = Slots(model, FixedCache(layout, *shape), device, capture)
        order = _run_prompts(model, queries, group, slots, device, done)
        for row, tokens in zip(order, decode(slots, len(order), max_new_tokens, finished), strict=True):
            done["new_tokens"][row, : len(tokens)] = torch.tensor(tokens)


def cache_tokens(layout: Layout, device: str) -> int:
    """How many tokens a group's cache may have: the same on every card of a kind, whatever else runs on it."""
    if torch.device(device).type != "cuda":
        return CACHE_TOKENS
    memory = torch.cuda.get_device_properties(device).total_memory // CACHE_MEMORY
    return min(CACHE_TOKENS, memory // token_bytes(layout))


def row_groups(queries: Rows, max_new_tokens: int, tokens: int) -> list[Group]:
    """All rows in groups of at most `tokens` tokens of room (at least one row).

    Rows share a shape if they are longer than half of the longest of them, new tokens included. The groups of a shape
    have equally many slots, of which the last group may use fewer.
    """
    lengths = {r: len(query) + max_new_tokens for r, query in enumerate(queries)}
    groups = []
    while lengths:
        longest = max(lengths.values())
        alike = sorted((r for r in lengths if 2 * lengths[r] > longest), key=lambda r: queries[r])
        room = -(-longest // ROUNDED) * ROUNDED
        parts = -(-len(alike) // max(1, tokens // room))
        slots = -(-len(alike) // parts)
        groups += [Group(alike[k : k + slots], slots, room) for k in range(0, len(alike), slots)]
        lengths = {r: length for r, length in lengths.items() if 2 * length <= longest}
    return groups


def _run_prompts(model: nn.Module, queries: Rows, group: Group, slots: Slots, device: str, done: Done) -> list[int]:
    """Fills the slots with the rows of a group; returns the row in each slot."""
    prompts = [queries[r] for r in group.rows]
    packs = tree_packs(prompts, [len(prompt) - 1 for prompt in prompts], pack_tokens(model, device))
    order: list[int] = []
    slots.clear()
    for pack, cache, logits_nv, place in run_packs(model, packs, device, NO_CHECKPOINTS, done):
        paths = pack.paths
        first = logits_nv[[place[path[-1]] for path in paths]].argmax(-1)
        slots.fill(len(order), cache, paths, first)
        order += [group.rows[k] for k in pack.rows]
    return order


def decode(slots: Slots, rows: int, max_new_tokens: int, finished: Finished) -> Rows:
    """The answers of the first `rows` slots, which have their first new tokens.

    The host reads the tokens of a step while the device computes the next one. A row may therefore run one step too
    far; what follows its end is dropped. When half of the slots are no longer needed, the running rows move together.
    """
    answers: Rows = [[] for _ in range(rows)]
    running, ended = list(range(rows)), [False] * rows  # `running`: the row in each slot
    newest = _Sent(running, slots.tokens)
    for remaining in range(max_new_tokens - 1, -1, -1):
        following = newest
        if remaining:
            slots.step(len(running), remaining)
            following = _Sent(running, slots.tokens)
        for row, token in newest.tokens():
            if not ended[row]:
                answers[row].append(token)
                ended[row] = finished(answers[row])
        if all(ended):
            break
        running = _move_together(slots, running, ended)
        newest = following
    return answers


def _move_together(slots: Slots, running: list[int], ended: list[bool]) -> list[int]:
    """The row in each slot after rows that ended have left, if a step then computes fewer slots."""
    active = [k for k, row in enumerate(running) if not ended[row]]
    if slots.size(len(active)) == slots.size(len(running)):
        return running
    slots.keep(active)
    return [running[k] for k in active]


class _Sent:
    """Tokens on their way to the host, and the rows that they belong to."""

    def __init__(self, rows: list[int], tokens: Tensor) -> None:
        self._rows = rows
        self._tokens = tokens[: len(rows)].to("cpu", non_blocking=True, copy=True)
        self._arrived = torch.cuda.Event() if tokens.is_cuda else None
        if self._arrived is not None:
            self._arrived.record()

    def tokens(self) -> list[tuple[int, int]]:
        """(row, token) of every row; waits until they have arrived."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return list(zip(self._rows, self._tokens.tolist(), strict=True))
