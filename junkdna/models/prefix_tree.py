"""Many rows of token ids through a causal language model at once, every common beginning computed once.

Rows that begin alike (one query before several options, one few-shot header before several queries) have the same
hidden states there, whatever follows. The rows of a pack are therefore merged into a tree of tokens that goes through
the model as one sequence: a token's position is its depth, and its attention mask shows it its ancestors and itself
only ("tree attention": Miao et al. 2024, SpecInfer, doi 10.1145/3620666.3651335). Nothing is padded. Rows go in
lexicographic order, so all that a row shares with earlier packs lies on the path of the row just before it: the keys
and values of that path are kept from pack to pack, and (but for a few wanted tokens, see `_merge`) no token is
computed twice.

Shapes: T tokens of a pack, K tokens kept from the packs before (the trunk), N wanted tokens, V vocabulary.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from junkdna.errors import UserError
from junkdna.models.rotary import frequency_limit
from junkdna.resumable import Loop

Rows = list[list[int]]

PACK_TOKENS = {"cpu": 256, "cuda": 2048}  # T; larger packs spend more on attention that the mask hides


@dataclass
class Pack:
    """Rows merged into a tree whose T tokens follow a trunk of `kept` tokens, which the cache holds already.

    Tokens are numbered as the cache holds them: 0 to `kept` - 1 the trunk, then `tokens` in order. `parents` and
    `depths` belong to `tokens` (-1: no parent); `paths[k]` are the numbers of the tokens of row `rows[k]`.
    """

    rows: list[int]
    kept: int
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)


def tree_fits(model: nn.Module, longest: int) -> bool:
    """Whether rows of up to `longest` tokens may go through this model as a tree.

    It needs attention to all earlier tokens in every layer (no state-space or convolution layers; sliding windows
    only where no row outgrows them), positions that the caller gives, an attention kernel that takes any mask,
    transformers' cache of keys and values, and rotary frequencies that are the same for all these rows.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    taken = inspect.signature(model.forward).parameters
    if not {"position_ids", "attention_mask", "past_key_values", "logits_to_keep"} <= taken.keys():
        return False
    limit = frequency_limit(model.config)
    if limit is not None and longest > limit:
        return False
    config = model.config.get_text_config(decoder=True)
    if config._attn_implementation not in ("eager", "sdpa") or getattr(config, "alibi", False):
        return False
    # Encoders that may serve as decoders count positions from another number than 0; GPT-Neo windows by place in the
    # sequence, not by position, and its configuration's cache does not say so.
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES or config.model_type == "gpt_neo":
        return False
    return all(
        type(layer) is DynamicLayer or (type(layer) is DynamicSlidingWindowLayer and longest <= layer.sliding_window)
        for layer in DynamicCache(config=config).layers
    )


def check_context(tokens: int) -> None:
    """UserError where no token stands before the first one to predict: no model gives a probability to that."""
    if tokens == 0:
        raise UserError(
            "a query has no tokens, and the first token of a text has no probability: let the template write "
            "something before what is scored or generated, or let the tokenizer add its begin-of-text token."
        )


def tree_packs(rows: Rows, wanted: list[int], tokens: int) -> list[list[int]]:
    """Row numbers in lexicographic order, cut into packs of about `tokens` new tokens at most.

    `wanted[r]` is the first position of row r whose logits are wanted. A row longer than `tokens` is a pack still.
    """
    packs: list[list[int]] = []
    room, before = 0, []
    for r in sorted(range(len(rows)), key=lambda r: rows[r]):
        cost = len(rows[r]) - _common(before, rows[r])
        if packs and cost <= max(room, 0):
            packs[-1].append(r)
        else:
            packs.append([r])
            room, cost = tokens, max(cost, len(rows[r]) - wanted[r])
        room, before = room - cost, rows[r]
    return packs


def run_packs(
    model: nn.Module,
    rows: Rows,
    wanted: list[int],
    packs: list[list[int]],
    device: str,
    loop: Loop,
    done: dict[str, torch.Tensor],
) -> Iterator[tuple[Pack, object, torch.Tensor, dict[int, int]]]:
    """Each pack, the cache that holds it, the wanted tokens' logits (N, V), and token number -> row of the logits.

    Wanted are the tokens of row r from position `wanted[r]` on. `packs` come from `tree_packs`; `loop` goes through
    them. `done` holds what the caller makes of them; the keys and values of the last row stand there from pack to pack.
    The cache is the caller's to read until the next pack, not to change.
    """
    for numbers in loop("score", packs, done.copy, done.update):
        kept = _common(rows[int(done["last_row"])], rows[numbers[0]]) if "last_row" in done else 0
        cache = _trunk(done, kept, device)
        pack = _merge(rows, wanted, numbers, kept)
        places = sorted({n for r, nodes in zip(numbers, pack.paths, strict=True) for n in nodes[wanted[r] :]})
        logits_nv = model(
            input_ids=torch.tensor([pack.tokens], device=device),
            position_ids=torch.tensor([pack.depths], device=device),
            attention_mask=_mask(pack, model.dtype).to(device)[None, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.tensor(places, device=device) - kept,
        ).logits[0]
        yield pack, cache, logits_nv, {n: i for i, n in enumerate(places)}
        done["last_row"] = torch.tensor(numbers[-1])
        done |= _only(cache, torch.tensor(pack.paths[-1], device=device))


def _common(a: list[int], b: list[int]) -> int:
    """Length of the common beginning of two rows."""
    n = min(len(a), len(b))
    return n if a[:n] == b[:n] else next(i for i in range(n) if a[i] != b[i])


def _merge(rows: Rows, wanted: list[int], numbers: list[int], kept: int) -> Pack:
    pack = Pack(numbers, kept)
    before, path = rows[numbers[0]][:kept], list(range(kept))
    for r in numbers:
        shared = _common(before, rows[r])
        if shared > wanted[r] and path[wanted[r]] < kept:  # the trunk's logits are gone: computed again from there
            shared = wanted[r]
        path = path[:shared]
        for token in rows[r][shared:]:
            pack.parents.append(path[-1] if path else -1)
            pack.depths.append(len(path))
            path.append(kept + len(pack.tokens))
            pack.tokens.append(token)
        pack.paths.append(path)
        before = rows[r]
    return pack


def _mask(pack: Pack, dtype: torch.dtype) -> torch.Tensor:
    """Additive attention mask (T, K + T): 0 for a token's ancestors and itself, else the least finite number."""
    mask = torch.full((len(pack.tokens), pack.kept + len(pack.tokens)), torch.finfo(dtype).min, dtype=dtype)
    for t, parent in enumerate(pack.parents):
        if parent < pack.kept:  # the trunk is one path: all of it up to the parent
            mask[t, : parent + 1] = 0
        else:
            mask[t] = mask[parent - pack.kept]
        mask[t, pack.kept + t] = 0
    return mask


def _only(cache: object, places: torch.Tensor) -> dict[str, torch.Tensor]:
    """Keys and values of every layer, of the tokens of these numbers only, in this order; the cache keeps no other."""
    found = {}
    for i, layer in enumerate(cache.layers):
        layer.keys, layer.values = layer.keys[:, :, places], layer.values[:, :, places]
        found |= {f"keys/{i}": layer.keys, f"values/{i}": layer.values}
    return found


def _trunk(done: dict[str, torch.Tensor], kept: int, device: str) -> object:
    """A cache that holds the first `kept` tokens of what `_only` gave."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for i in range(sum(name.startswith("keys/") for name in done) if kept else 0):
        keys, values = (done[f"{name}/{i}"][:, :, :kept].to(device) for name in ("keys", "values"))
        cache.update(keys, values, i)
    return cache
