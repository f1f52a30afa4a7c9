"""Attention over the tree of a pack: every node attends to its ancestors and itself.

`tree_mask` is the mask over all nodes, for any model. It has T x (K + T) entries, of which a tree needs few. `Tiles` is
for packs on a GPU: the new nodes are cut into tiles of Q queries. Nodes are numbered in preorder, so the ancestors of
all queries in a tile are the ancestors of its first query and nodes of the tile. A tile therefore attends to at most
depth + Q keys, which are gathered, instead of K + T. All tiles are one batch of ordinary attention, not compiled.

Shapes: K nodes kept from earlier packs, T new nodes, C tiles of Q queries (C x Q is T, padded), L keys of a tile,
H heads, D width of a head.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from junkdna.models.tree_plan import Pack

TILED_DEVICES = {"cuda"}  # on a CPU, the mask over all nodes keeps the numbers of earlier versions
QUERIES = 256  # Q; longer tiles gather fewer keys, shorter ones mask fewer
KEYS = 128  # L is a multiple of it: kernels want masks with aligned rows
SIZES = (256, 512, 1024, 2048)  # padded numbers of new nodes; beyond them, multiples of 1024
CHANGES_SCORES = ("softcap", "position_bias", "s_aux")  # arguments of some models' attention that tiles do not support
SCORED = 64  # the smallest padded number of scored nodes; the others are its doubles


@dataclass
class Tiles:
    """Keys of each tile: `keys` (C x L) are nodes, and `mask` (C, 1, Q, L) is 0 or, where not attended to, -inf."""

    keys: Tensor
    mask: Tensor


def uses_tiles(model: nn.Module, device: str) -> bool:
    """Whether the packs of this model run in tiles.

    Required: a device of `TILED_DEVICES` and a model that takes its attention from transformers' common table.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    table = getattr(sys.modules[type(model).__module__], "ALL_ATTENTION_FUNCTIONS", None)
    return (
        torch.device(device).type in TILED_DEVICES
        and model.config.get_text_config(decoder=True)._attn_implementation == "sdpa"
        and getattr(model, "_supports_attention_backend", False)
        and table is ALL_ATTENTION_FUNCTIONS
    )


def padded_nodes(nodes: int) -> int:
    """The smallest size of a pack with room for `nodes`. Few sizes, so that matrix kernels load once."""
    return next((size for size in SIZES if nodes <= size), -(-nodes // 1024) * 1024)


def padded_scored(scored: int) -> int:
    """The smallest number of rows of logits with room for `scored`."""
    return max(SCORED, 1 << (scored - 1).bit_length())


def padded(values: np.ndarray, size: int, fill: int = 0) -> np.ndarray:
    """`values` and copies of `fill` up to `size`."""
    return np.pad(values, (0, size - len(values)), constant_values=fill)


def to_device(values: np.ndarray, device: str) -> Tensor:
    """The array as a tensor on `device`. A GPU gets it through pinned memory, so the host need not wait for the GPU."""
    tensor = torch.from_numpy(values)
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def tree_mask(pack: Pack, dtype: torch.dtype, device: str) -> Tensor:
    """Additive mask (T, K + T): 0 for a node's ancestors and itself, otherwise the lowest finite number."""
    last = to_device(pack.last, device)
    key = torch.arange(len(last), device=device)
    query = key[pack.kept :, None]
    hidden = (key > query) | (query > last)
    return torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, torch.finfo(dtype).min)


def tiles_of(pack: Pack, size: int, dtype: torch.dtype, device: str) -> Tiles:
    """The tiles of a pack whose new nodes are padded to `size`, a multiple of Q. Padding attends to itself only."""
    nodes = pack.kept + size
    last = np.concatenate([pack.last, np.arange(len(pack.last), nodes)])
    starts = np.arange(pack.kept, nodes, QUERIES)
    keys = [np.append(np.flatnonzero(last[:start] >= start), np.arange(start, start + QUERIES)) for start in starts]
    width = -(-max(map(len, keys)) // KEYS) * KEYS
    key_cl = to_device(np.stack([padded(tile, width) for tile in keys]), device)
    last_cl = to_device(np.stack([padded(last[tile], width, -1) for tile in keys]), device)  # -1: padding
    query_cq1 = torch.arange(pack.kept, nodes, device=device).view(-1, QUERIES, 1)
    hidden = (key_cl[:, None] > query_cq1) | (query_cq1 > last_cl[:, None])
    mask = torch.zeros(hidden.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)
    return Tiles(key_cl.flatten(), mask[:, None])


@contextmanager
def tile_attention(tiles: Tiles) -> Iterator[None]:
    """Models in transformers whose attention is "sdpa" attend in tiles inside the block.

    cuDNN's attention is left out: it builds a plan for each new shape, which takes longer than the attention.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    def attend(_: nn.Module, query: Tensor, key: Tensor, value: Tensor, *__: Tensor, **more: object) -> tuple:
        assert not [name for name in CHANGES_SCORES if more.get(name) is not None], f"attention with {more}"
        return _attend(query, key, value, tiles, more.get("scaling")), None

    ALL_ATTENTION_FUNCTIONS["sdpa"] = attend
    try:
        with sdpa_kernel([SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]):
            yield
    finally:
        del ALL_ATTENTION_FUNCTIONS["sdpa"]


def _attend(query: Tensor, key: Tensor, value: Tensor, tiles: Tiles, scaling: float | None) -> Tensor:
    """Attention (1, T, H, D) of queries (1, H, T, D) to keys and values (1, H or fewer, K + T, D)."""
    count = len(tiles.mask)
    query_chqd = query[0].unflatten(1, (count, -1)).transpose(0, 1)
    key_chld, value_chld = (_gathered(each[0], tiles.keys, count, query.shape[1]) for each in (key, value))
    out_chqd = nn.functional.scaled_dot_product_attention(
        query_chqd, key_chld, value_chld, attn_mask=tiles.mask.to(query.dtype), scale=scaling
    )
    return out_chqd.transpose(1, 2).reshape(1, query.shape[2], query.shape[1], -1)


def _gathered(states: Tensor, nodes: Tensor, count: int, heads: int) -> Tensor:
    """Keys or values (C, H, L, D) of each tile from those of all nodes."""
    picked = states.index_select(1, nodes).unflatten(1, (count, -1)).transpose(0, 1)
    return picked.repeat_interleave(heads // picked.shape[1], 1) if heads != picked.shape[1] else picked
