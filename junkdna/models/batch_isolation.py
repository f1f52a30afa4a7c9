"""Which rows may run in one batch, so that no row's numbers depend on the rows beside it.

Attention masks keep padding and other rows out of most models, not of all: convolutions and Fourier mixing read
padding, routing by capacity and batch statistics read other rows, and some rotary frequencies follow the longest row.
`batch_rule` asks the model itself, once, with a few tokens; `row_groups` then says which rows may share batches: all
(the usual case), those of equal length, or none. Rows on the two sides of a rotary frequency limit never share one.

Training follows the same rule: the rows of an optimizer step stay those of the data order, and only rows of one group
go through the model together. Dropout aside, a row's loss does not depend on its companions then.

Not seen: what changes with length only behind the few tokens of the probe. Rotary frequencies are read from the
configuration for that reason (`rotary`), and BigBird's sparse attention is refused where models are loaded.
"""

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from junkdna.errors import UserError
from junkdna.models.batching import pad
from junkdna.models.probes import NOISE, influence, outputs, probe_tokens, undisturbed
from junkdna.models.rotary import check_length, frequency_limit

ANY, EQUAL, NONE = "any rows", "rows of equal length", "no other row"
CLOSE = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.02}  # of the largest output: rounding, and room
SHORT, LONG = 3, 6  # tokens of the rows of the probe

_found: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


def batch_rule(model: nn.Module) -> str:
    """With which rows a row may share a batch: ANY, EQUAL or NONE. Asked of the model once, then remembered.

    Raises UserError where two equal runs differ: the forward pass draws at random, so no score of it can be repeated.
    """
    if model not in _found:
        with undisturbed(model):
            try:
                _found[model] = _asked(model)
            except RuntimeError:  # rows as short as these do not run, as in CANINE, which halves them
                _found[model] = NONE
    return _found[model]


def _asked(model: nn.Module) -> str:
    tokens = probe_tokens(model, LONG + SHORT)
    row, longer = tokens[:SHORT], tokens[SHORT:]
    alone = outputs(model, torch.tensor([row]))[0]
    if _keeps_apart(model, alone, row, longer):
        return ANY
    if _differ(alone, outputs(model, torch.tensor([row]))[0]):
        raise UserError(
            f"{type(model).__name__} gives two answers to one text, with dropout off: its forward pass draws at "
            "random, so its scores cannot be repeated. Use another model."
        )
    return EQUAL if _keeps_apart(model, alone, row, longer[:SHORT]) else NONE


def _keeps_apart(model: nn.Module, alone: Tensor, row: list[int], other: list[int]) -> bool:
    """Whether the outputs of `row` stay what they are `alone` when `other` runs in the same batch."""
    ids, mask = pad([row, other], "cpu", model.config.pad_token_id if alone.ndim == 1 else 0)
    beside = outputs(model, ids, mask)[0]
    if _differ(alone, beside[: len(row)] if beside.ndim > 1 else beside):
        return False
    found = influence(model, ids, mask, len(row))
    if found is None:
        return True
    own = torch.zeros_like(found, dtype=torch.bool)
    own[0, : len(row)] = True
    return not bool(found[~own].max() > NOISE * found.max())


def _differ(one: Tensor, two: Tensor) -> bool:
    """By more than rounding does. Outputs that are not finite are none of this module's business."""
    change = (one.float() - two.float()).abs().max()
    return bool(change > CLOSE.get(one.dtype, CLOSE[torch.float32]) * one.float().abs().max())


def row_groups(model: nn.Module, lengths: Sequence[int]) -> list[list[int]]:
    """Positions of rows that may share batches, in the order given; the shortest rows first where groups are several.

    Raises UserError for a row that `rotary.check_length` refuses.
    """
    limit = frequency_limit(model.config)
    check_length(model.config, max(lengths, default=0))
    shared = batch_rule(model) if len(lengths) > 1 else ANY
    groups: dict[object, list[int]] = {}
    for row, length in enumerate(lengths):
        side = limit is not None and length > limit
        key = (side,) if shared == ANY else (side, length) if shared == EQUAL else (side, length, row)
        groups.setdefault(key, []).append(row)
    return [groups[key] for key in sorted(groups)]
