"""Determine which rows may share a batch without changing each other's outputs.

Attention masks hide padding and other rows in most models, but not in all: convolutions and Fourier mixing read
padding, capacity-based routing and batch statistics read other rows, and some rotary frequencies depend on the longest
row. `batch_rule` tests the model once with a few tokens. `row_groups` then groups the rows that may share batches: all
rows (the usual case), rows of equal length, or single rows. Rows on different sides of a rotary frequency limit never
share a batch. `isolated_batches` splits these groups into batches of similar lengths.

Training follows the same rule: an optimizer step keeps the rows of the data order, and only rows of one group go
through the model together. Except for dropout, a row's loss then does not depend on the other rows.

The probe cannot detect effects that start beyond its few tokens. Rotary frequencies are therefore read from the
configuration (`rotary`), and loading refuses BigBird's sparse attention.
"""

from collections.abc import Callable, Sequence
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from junkdna.errors import UserError
from junkdna.models.batching import length_batches, pad
from junkdna.models.probes import NOISE, influence, outputs, probe_tokens, undisturbed
from junkdna.models.rotary import check_length, frequency_limit

ANY, EQUAL, NONE = "any rows", "rows of equal length", "no other row"
CLOSE = {torch.float32: 1e-3, torch.bfloat16: 0.05, torch.float16: 0.02}  # relative to the largest output
SAME = 4  # units of rounding: two equal runs differ by no more, even where a GPU adds in another order
HIDDEN = "last_hidden_state"
SHORT, LONG = 3, 6  # tokens of the probe's rows

_rules: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


def batch_rule(model: nn.Module) -> str:
    """Which rows a row may share a batch with: ANY, EQUAL or NONE. Tested once per model, then cached.

    Raises UserError if two equal runs differ: the forward pass is random, so its scores are not reproducible.
    """
    if model not in _rules:
        with undisturbed(model):
            try:
                _rules[model] = _tested_rule(model)
            except RuntimeError:  # the rows are too short for the model, such as CANINE, which downsamples them
                _rules[model] = NONE
    return _rules[model]


def _tested_rule(model: nn.Module) -> str:
    tokens = probe_tokens(model, LONG + SHORT)
    row, longer = tokens[:SHORT], tokens[SHORT:]
    alone, again = (outputs(model, torch.tensor([row]))[0] for _ in range(2))
    if _differ(alone, again, SAME * torch.finfo(alone.dtype).eps):
        raise UserError(
            f"{type(model).__name__} returns different outputs for the same text with dropout off: its forward pass is "
            "random, so its scores are not reproducible. Use another model."
        )
    if _is_isolated(model, alone, row, longer):
        return ANY
    return EQUAL if _is_isolated(model, alone, row, longer[:SHORT]) else NONE


def _is_isolated(model: nn.Module, alone: Tensor, row: list[int], other: list[int]) -> bool:
    """Whether the outputs of `row` equal `alone` if `other` runs in the same batch."""
    ids, mask = pad([row, other], "cpu", model.config.pad_token_id if alone.ndim == 1 else 0)
    batched = outputs(model, ids, mask)[0]
    close = CLOSE.get(alone.dtype, CLOSE[torch.float32])
    if _differ(alone, batched[: len(row)] if batched.ndim > 1 else batched, close):
        return False
    influences = influence(model, ids, mask, len(row))
    if influences is None:
        return True
    of_row = torch.zeros_like(influences, dtype=torch.bool)
    of_row[0, : len(row)] = True
    return not bool(influences[~of_row].max() > NOISE * influences.max())


def _differ(one: Tensor, two: Tensor, tolerance: float) -> bool:
    """Whether two outputs differ by more than `tolerance` times the largest. False if they are not finite."""
    change = (one.float() - two.float()).abs().max()
    return bool(change > tolerance * one.float().abs().max())


def forget_rule(model: nn.Module) -> None:
    """Probe the model again when its rule is next asked for; call it after the weights have changed."""
    _rules.pop(model, None)


def row_groups(model: nn.Module, lengths: Sequence[int]) -> list[list[int]]:
    """Groups of positions of rows that may share batches, shortest rows first; a group keeps the order of `lengths`.

    Raises UserError for a row that `rotary.check_length` refuses.
    """
    limit = frequency_limit(model.config)
    check_length(model.config, max(lengths, default=0))
    rule = batch_rule(model) if len(lengths) > 1 else ANY
    groups: dict[object, list[int]] = {}
    for row, length in enumerate(lengths):
        beyond = limit is not None and length > limit
        key = (beyond,) if rule == ANY else (beyond, length) if rule == EQUAL else (beyond, length, row)
        groups.setdefault(key, []).append(row)
    return [groups[key] for key in sorted(groups)]


def outputs_of_rows(model: Callable, inputs: dict[str, Tensor], name: str) -> Tensor:
    """An output (rows, ...) of `model` by name for padded rows, without effects of rows on each other.

    `inputs` are keyword arguments (rows, T), `attention_mask` among them. Rows that may not share a batch run in groups
    without the padding that they do not need; in hidden states (rows, T, D), what is past a row's group is 0. A
    `model` that is no module is called with all rows at once: whoever makes it has asked `batch_rule`.
    """
    groups = groups_of(model, inputs["attention_mask"]) if isinstance(model, nn.Module) else []
    if len(groups) < 2:
        return model(**inputs)[name]
    width = inputs["attention_mask"].shape[1]
    found = []
    for group in groups:
        longest = int(inputs["attention_mask"][group].sum(1).max())
        out = model(**{key: value[group, :longest] for key, value in inputs.items()})[name]
        found.append(nn.functional.pad(out, (0, 0, 0, width - out.shape[1])) if name == HIDDEN else out)
    order = torch.tensor([row for group in groups for row in group]).argsort()
    return torch.cat(found)[order.to(found[0].device)]


def groups_of(model: nn.Module, mask_bt: Tensor) -> list[list[int]]:
    """The `row_groups` of right-padded rows (attention mask of ones and zeros)."""
    rows = len(mask_bt)
    if frequency_limit(model.config) is None and (rows == 1 or batch_rule(model) == ANY):
        return [[*range(rows)]]  # without reading the lengths back from a GPU
    return row_groups(model, mask_bt.sum(1).tolist())


def isolated_batches(model: nn.Module, lengths: Sequence[int], tokens: int = 2048) -> list[list[int]]:
    """Positions of rows in batches of similar lengths, each within one of the `row_groups` and with at most `tokens`
    tokens (rows x longest row).

    2,048 tokens keep the activations of a small encoder in a CPU core's cache; larger batches were not faster.
    """
    groups = row_groups(model, lengths)
    return [
        [group[i] for i in batch] for group in groups for batch in length_batches([lengths[r] for r in group], tokens)
    ]
