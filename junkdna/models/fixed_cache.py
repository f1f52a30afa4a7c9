"""A cache of keys and values whose tensors keep their size and place while rows grow, as a CUDA graph needs.

Transformers' StaticCache writes all rows at the same index, so rows must be padded on the left and end together. Here
each row starts at index 0 and has its own length.

Shapes: B rows, L tokens of room in each, H heads, D numbers of a head, W tokens of the longest copied prompt.
"""

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache, DynamicLayer

from junkdna.models.batching import Rows

Layout = list[tuple[Tensor, Tensor]]
"""Keys and values (1, H, 1, D) of one token, for every layer."""


def cache_layout(model: nn.Module, device: str) -> Layout:
    """What the model caches for a token, found by running it on one token."""
    ids = torch.zeros(1, 1, dtype=torch.long, device=device)
    layers = model(input_ids=ids, use_cache=True).past_key_values.layers
    return [(layer.keys, layer.values) for layer in layers]


def token_bytes(layout: Layout) -> int:
    """Bytes that a token takes in the cache."""
    return sum(states.nbytes for pair in layout for states in pair)


class FixedCache:
    """Room for the keys and values of B rows of up to L tokens, (B, H, L, D) in each layer; 0 at first."""

    def __init__(self, layout: Layout, rows: int, length: int) -> None:
        self.rows, self.length = rows, length
        self._layers = [tuple(_room(states, rows, length) for states in pair) for pair in layout]

    def fill(self, first: int, tree_cache: object, paths: Rows) -> None:
        """Copies prompts to the rows from `first` on: `paths` has each one's token numbers in the cache of a tree."""
        width, last = max(map(len, paths)), first + len(paths)
        device = tree_cache.layers[0].keys.device
        index_bw = torch.tensor([path + [0] * (width - len(path)) for path in paths], device=device)
        for (keys, values), layer in zip(self._layers, tree_cache.layers, strict=True):
            keys[first:last, :, :width] = layer.keys[0][:, index_bw].transpose(0, 1)
            values[first:last, :, :width] = layer.values[0][:, index_bw].transpose(0, 1)

    def clear(self) -> None:
        """Sets everything to 0: a value that is not a number would count even where it is masked."""
        for pair in self._layers:
            for states in pair:
                states.zero_()

    def keep(self, index: Tensor) -> None:
        """Moves the rows `index` to the front, in this order."""
        for pair in self._layers:
            for states in pair:
                states[: len(index)] = states[index]

    def first_rows(self, position: Tensor) -> Cache:
        """The first rows as a cache of transformers. The next token of row b is written at `position[b]`."""
        rows = torch.arange(len(position), device=position.device)
        return Cache(layers=[_FixedLayer(keys, values, rows, position) for keys, values in self._layers])


def _room(states: Tensor, rows: int, length: int) -> Tensor:
    _, heads, _, size = states.shape
    return states.new_zeros(rows, heads, length, size)


class _FixedLayer(DynamicLayer):
    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor, position: Tensor) -> None:
        super().__init__()
        self.dtype, self.device, self.is_initialized = keys.dtype, keys.device, True
        self.keys, self.values = keys[: len(rows)], values[: len(rows)]
        self._rows, self._position = rows, position

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Writes one token (B, H, 1, D) of every row; returns all keys and values, (B, H, L, D)."""
        self.keys[self._rows, :, self._position] = key_states[:, :, 0]
        self.values[self._rows, :, self._position] = value_states[:, :, 0]
        return self.keys, self.values
