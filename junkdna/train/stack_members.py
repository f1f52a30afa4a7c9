"""The cells of a stack: the weights they start from, and the weights that their masks hold.

Shapes: K cells of the stack; a stacked weight is (K, *shape of the model's weight).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from junkdna.compress.scope import Prunable

HELD_MODES = ("sparse", "dense_freeze")  # masked weights do not move


@dataclass(frozen=True)
class Member:
    """One cell of a stack: its transfer mode, the weights it starts from by parameter name, and the masks (out, in) of
    the matrices that it compresses by the same names, True = kept."""

    mode: str
    weights: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)


class StackedWeights(nn.Module):
    """The weights of all cells of a stack as parameters, named as in the model with ":" for "."."""

    def __init__(self, model: nn.Module, members: Sequence[Member], size: int) -> None:
        super().__init__()
        filled = [*members, *[members[-1]] * (size - len(members))]
        for name, weight in model.named_parameters():
            stacked = torch.stack([member.weights[name].to(weight.device) for member in filled])
            self.register_parameter(name.replace(".", ":"), nn.Parameter(stacked))

    def by_name(self) -> dict[str, nn.Parameter]:
        """The stacked parameters by the model's names."""
        return {name.replace(":", "."): weight for name, weight in self.named_parameters()}


class HeldWeights:
    """The masked weights of a stack, and the values to which every optimizer step returns them: 0 (mode sparse) or the
    pre-trained ones (dense_freeze)."""

    def __init__(self, prunables: Sequence[Prunable], members: Sequence[Member], size: int) -> None:
        filled = [*members, *[members[-1]] * (size - len(members))]
        self._kept: dict[str, Tensor] = {}
        self._held: dict[str, Tensor] = {}
        for each in prunables:
            held = [member.masks.get(each.name) if member.mode in HELD_MODES else None for member in filled]
            masks = [None if mask is None else _stored(each, mask) for mask in held]
            if any(mask is not None for mask in masks):
                weight = each.parameter.detach()
                free = torch.ones_like(weight, dtype=torch.bool)
                self._kept[each.name] = torch.stack([free if mask is None else mask for mask in masks])
                frozen = [member.mode == "dense_freeze" for member in filled]
                values = [weight if is_frozen else torch.zeros_like(weight) for is_frozen in frozen]
                self._held[each.name] = torch.stack(values)

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Write the held values to the masked places of stacked weights, in place."""
        for name, kept in self._kept.items():
            torch.where(kept, weights[name], self._held[name], out=weights[name].data)

    @torch.no_grad()
    def moved(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Number of masked weights (K,) that are not exactly at their held values."""
        counts = [((weights[name] != self._held[name]) & ~kept).flatten(1).sum(1) for name, kept in self._kept.items()]
        return sum(counts) if counts else torch.zeros(1, dtype=torch.int64)


def _stored(prunable: Prunable, matrix: Tensor) -> Tensor:
    """A matrix (out, in) in the layout of the parameter, on its device."""
    stored = matrix.t() if prunable.transposed else matrix
    return stored.to(prunable.parameter.device)
