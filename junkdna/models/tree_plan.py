"""Merge rows of token ids into packs: trees of tokens in which every common prefix occurs once.

Rows are sorted in lexicographic order, and the nodes of a pack are numbered in preorder. The descendants of a node are
therefore the nodes that follow it up to a last one, so "a is n or an ancestor of n" is the interval test
a <= n <= last[a]. A plan follows from the rows alone. The compressions that one process scores have the same rows, so
recent plans are kept.

Shapes: K nodes kept from earlier packs (the trunk), T new nodes of a pack, N scored nodes.
"""

from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise

import numpy as np

from junkdna.models.batching import Rows

PLANS = 4  # recent plans kept in memory; a task has one or two

_plans: OrderedDict[bytes, list["Pack"]] = OrderedDict()


@dataclass(eq=False)
class Pack:
    """Rows merged into a tree of T nodes after a trunk of `kept` nodes that are already in the cache.

    Nodes are numbered in cache order: 0 to `kept` - 1 are the trunk, a single path, followed by the nodes of `tokens`
    and `depths`. `last` (K + T) is the last node among a node's descendants and itself. `scored` (N) are the nodes
    whose logits are needed, in ascending order; `positions` are indices into `scored`, row after row, one for each
    scored token. `carried` are the nodes that become the trunk of the next pack. Row `rows[k]` has the first
    `shared[k]` nodes of the row before it, then new ones from `begins[k]` on. As a sequence, a pack is its row numbers.
    """

    rows: list[int]
    kept: int
    tokens: np.ndarray
    depths: np.ndarray
    last: np.ndarray
    scored: np.ndarray
    positions: np.ndarray
    carried: np.ndarray
    shared: list[int]
    begins: list[int]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows)

    @property
    def paths(self) -> Rows:
        """The nodes of each row, from its first token to its last."""
        ends = [*self.begins[1:], len(self.last)]
        path, paths = list(range(self.kept)), []
        for shared, begin, end in zip(self.shared, self.begins, ends, strict=True):
            path = path[:shared] + list(range(begin, end))
            paths.append(path)
        return paths

    @cached_property
    def places(self) -> dict[int, int]:
        """Index into `scored` of each scored node."""
        return {node: place for place, node in enumerate(self.scored.tolist())}


def tree_packs(rows: Rows, first_scored: Sequence[int], tokens: int) -> list[Pack]:
    """The rows in lexicographic order, in packs of about `tokens` new tokens at most.

    `first_scored[r]` is the first position of row r whose logits are needed. A row longer than `tokens` is one pack.
    The trunk's logits are not stored, so scored tokens at the end of the trunk become new nodes again. Callers must not
    change the packs: equal arguments give the same objects, as long as they are among the last few.
    """
    keys = [_key(row) for row in rows]
    plan = _digest(keys, first_scored, tokens)
    if plan not in _plans:
        _plans[plan] = _packs(keys, first_scored, tokens)
    _plans.move_to_end(plan)
    while len(_plans) > PLANS:
        _plans.popitem(last=False)
    return _plans[plan]


def _key(row: list[int]) -> bytes:
    """The row as bytes that sort as the row does: four for a token, the highest first."""
    return np.array(array("I", row), np.uint32).astype(">u4").tobytes()


def _digest(keys: list[bytes], first_scored: Sequence[int], tokens: int) -> bytes:
    digest = blake2b(np.array([tokens, len(keys), *first_scored, *map(len, keys)], np.int64).tobytes())
    for key in keys:
        digest.update(key)
    return digest.digest()


def _packs(keys: list[bytes], first_scored: Sequence[int], tokens: int) -> list[Pack]:
    order = sorted(range(len(keys)), key=keys.__getitem__)
    rows = {r: np.frombuffer(keys[r], ">u4") for r in order}
    same = {r: _common(keys[before], keys[r]) for before, r in pairwise(order)}
    groups = _groups(order, same, [len(key) // 4 for key in keys], first_scored, tokens)
    carried = [*(same[group[0]] for group in groups[1:]), 0]
    return [
        _merge(rows, same, first_scored, group, count) for group, count in zip(groups, carried, strict=bool(groups))
    ]


def _common(a: bytes, b: bytes) -> int:
    """Length of the common prefix of two rows."""
    n = min(len(a), len(b)) // 4
    differs = np.frombuffer(a, np.uint32, n) != np.frombuffer(b, np.uint32, n) if n else np.zeros(0, bool)
    return int(differs.argmax()) if differs.any() else n


def _groups(
    order: list[int], same: dict[int, int], lengths: list[int], first_scored: Sequence[int], tokens: int
) -> list[list[int]]:
    """Row numbers of each pack. `same[r]` is the length of the prefix that row r shares with the row before it."""
    groups: list[list[int]] = []
    room = 0
    for r in order:
        cost = lengths[r] - same.get(r, 0)
        if groups and cost <= max(room, 0):
            groups[-1].append(r)
        else:
            groups.append([r])
            room, cost = tokens, max(cost, lengths[r] - first_scored[r])
        room -= cost
    return groups


def _merge(
    rows: dict[int, np.ndarray], same: dict[int, int], first_scored: Sequence[int], group: list[int], carried: int
) -> Pack:
    """The pack of the rows `group`. The next pack shares `carried` tokens with the last row."""
    kept = size = same.get(group[0], 0)
    path = np.arange(kept)
    shares, begins, paths, closed = [], [], [], []
    for r in group:
        shared = same.get(r, 0)
        if shared > first_scored[r] and path[first_scored[r]] < kept:
            shared = first_scored[r]  # the trunk's logits are not stored: compute them again
        begin, size = size, size + len(rows[r]) - shared
        shares.append(shared)
        begins.append(begin)
        closed.append((path[shared:], begin - 1))
        path = np.concatenate([path[:shared], np.arange(begin, size)])
        paths.append(path[first_scored[r] :])
    closed.append((path, size - 1))
    nodes = np.concatenate(paths)
    scored, positions = np.unique(nodes, return_inverse=True)
    tokens = np.concatenate([rows[r][shared:] for r, shared in zip(group, shares, strict=True)]).astype(np.int64)
    depths = np.concatenate([np.arange(shared, len(rows[r])) for r, shared in zip(group, shares, strict=True)])
    last = _last(closed, size)
    return Pack(group, kept, tokens, depths, last, scored, positions, path[:carried].copy(), shares, begins)


def _last(closed: list[tuple[np.ndarray, int]], size: int) -> np.ndarray:
    """`Pack.last` from groups of nodes with the same last descendant."""
    last = np.empty(size, np.int64)
    last[np.concatenate([nodes for nodes, _ in closed])] = np.repeat(
        [end for _, end in closed], [len(nodes) for nodes, _ in closed]
    )
    return last
