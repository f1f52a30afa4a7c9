"""Trees of tokens built slowly, token by token, to compare with `models.tree_plan`."""

from dataclasses import dataclass, field

import torch


@dataclass
class SlowPack:
    """`parents` and `depths` are those of `tokens` (-1: no parent); `paths[k]` are the nodes of row `rows[k]`."""

    rows: list[int]
    kept: int
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)


def common(a: list[int], b: list[int]) -> int:
    n = min(len(a), len(b))
    return next((i for i in range(n) if a[i] != b[i]), n)


def slow_groups(rows: list[list[int]], first_scored: list[int], tokens: int) -> list[list[int]]:
    groups: list[list[int]] = []
    room, before = 0, []
    for r in sorted(range(len(rows)), key=lambda r: rows[r]):
        cost = len(rows[r]) - common(before, rows[r])
        if groups and cost <= max(room, 0):
            groups[-1].append(r)
        else:
            groups.append([r])
            room, cost = tokens, max(cost, len(rows[r]) - first_scored[r])
        room, before = room - cost, rows[r]
    return groups


def slow_packs(rows: list[list[int]], first_scored: list[int], tokens: int) -> list[SlowPack]:
    packs, before = [], []
    for group in slow_groups(rows, first_scored, tokens):
        packs.append(_merged(rows, first_scored, group, common(before, rows[group[0]])))
        before = rows[group[-1]]
    return packs


def _merged(rows: list[list[int]], first_scored: list[int], group: list[int], kept: int) -> SlowPack:
    pack = SlowPack(group, kept)
    before, path = rows[group[0]][:kept], list(range(kept))
    for r in group:
        shared = common(before, rows[r])
        if shared > first_scored[r] and path[first_scored[r]] < kept:
            shared = first_scored[r]
        path = path[:shared]
        for token in rows[r][shared:]:
            pack.parents.append(path[-1] if path else -1)
            pack.depths.append(len(path))
            path.append(kept + len(pack.tokens))
            pack.tokens.append(token)
        pack.paths.append(path)
        before = rows[r]
    return pack


def slow_mask(pack: SlowPack, dtype: torch.dtype) -> torch.Tensor:
    """Additive mask (T, K + T) from the parents."""
    mask = torch.full((len(pack.tokens), pack.kept + len(pack.tokens)), torch.finfo(dtype).min, dtype=dtype)
    for t, parent in enumerate(pack.parents):
        mask[t, pack.kept + t] = 0
        while parent >= 0:
            mask[t, parent] = 0
            parent = parent - 1 if parent < pack.kept else pack.parents[parent - pack.kept]
    return mask
