"""One decoding step for many rows at once, on tensors that stay where they are.

Shapes: B slots (rows side by side), b of them in use, L tokens of room in each.
"""

from functools import partial

import torch
from torch import Tensor, nn

from junkdna.models.batching import Rows
from junkdna.models.cuda_graph import RepeatedStep
from junkdna.models.fixed_cache import FixedCache

CAPTURE_FROM = 8
"""Remaining steps from which a capture pays: it takes about as long as two steps that are not captured."""


class Slots:
    """Rows that are decoded together. `tokens` (B) are the newest tokens, `position` (B) their places in the rows.

    The step of the first b slots is captured once for each b that is used. b is B, half of B, and so on, so that there
    are few. With `capture` false, nothing is captured; the arithmetic is the same. It becomes false when a capture
    fails.
    """

    def __init__(self, model: nn.Module, cache: FixedCache, device: str, capture: bool) -> None:
        self._model, self._cache, self.capture = model, cache, capture
        self.tokens = torch.zeros(cache.rows, dtype=torch.long, device=device)
        self.position = torch.zeros(cache.rows, dtype=torch.long, device=device)
        self._index = torch.arange(cache.length, device=device)
        self._steps: dict[int, RepeatedStep] = {}

    def clear(self) -> None:
        """Empties all slots."""
        self.tokens.zero_()
        self.position.zero_()
        self._cache.clear()

    def fill(self, first: int, tree_cache: object, paths: Rows, tokens: Tensor) -> None:
        """Puts rows into the slots from `first` on: their prompts (see `FixedCache.fill`) and first new tokens."""
        self._cache.fill(first, tree_cache, paths)
        self.tokens[first : first + len(paths)] = tokens
        lengths = torch.tensor([len(path) for path in paths], device=self.position.device)
        self.position[first : first + len(paths)] = lengths

    def size(self, rows: int) -> int:
        """The number of slots that a step of `rows` rows computes."""
        size = self._cache.rows
        while -(-size // 2) >= rows and size > 1:
            size = -(-size // 2)
        return size

    def keep(self, slots: list[int]) -> None:
        """Moves the rows in `slots` to the first slots and drops the others."""
        index = torch.tensor(slots, device=self.tokens.device)
        self._cache.keep(index)
        for state in (self.tokens, self.position):
            state[: len(slots)] = state[index]

    def step(self, rows: int, remaining: int) -> None:
        """Replaces the newest tokens of the first `rows` slots by the next ones. `remaining` steps are still to come,
        this one included.
        """
        size = self.size(rows)
        if size not in self._steps:
            self._steps[size] = RepeatedStep(self._first_slots_step(size), "decoding")
        self._steps[size](self.capture and remaining >= CAPTURE_FROM)
        self.capture = self.capture and not self._steps[size].refused

    def _first_slots_step(self, size: int) -> partial:
        """Holds no reference to this object: a cycle would keep the cache until the garbage collector runs."""
        tokens, position = self.tokens[:size], self.position[:size]
        return partial(_next_tokens, self._model, self._cache.first_rows(position), self._index, tokens, position)


def _next_tokens(model: nn.Module, cache: object, index: Tensor, tokens: Tensor, position: Tensor) -> None:
    """Replaces the newest tokens (b) by the most probable next ones. `index` is 0 to L - 1."""
    mask_bl = torch.zeros(len(tokens), len(index), dtype=model.dtype, device=tokens.device)
    mask_bl.masked_fill_(index > position[:, None], torch.finfo(mask_bl.dtype).min)
    logits_b1v = model(
        input_ids=tokens[:, None],
        position_ids=position[:, None],
        attention_mask=mask_bl[:, None, None],
        past_key_values=cache,
        use_cache=True,
    ).logits
    tokens.copy_(logits_b1v[:, -1].argmax(-1))
    position.add_(1)
