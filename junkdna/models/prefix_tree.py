"""Run many rows of token ids through a causal language model at once, computing every common prefix once.

Rows with a common prefix (a query before several options, in-context examples before several queries) have the same
hidden states in the prefix. The rows of a pack are therefore merged into a tree of tokens that goes through the model
as one sequence. A token's position is its depth, and its attention mask covers only its ancestors and itself ("tree
attention": Miao et al. 2024, SpecInfer, doi 10.1145/3620666.3651335). There is no padding. Rows are sorted in
lexicographic order, so everything that a row shares with earlier packs is on the path of the previous row. The keys and
values of that path are kept from pack to pack, and no token is computed twice, except for a few tokens whose logits
are needed again (see `_merge`).

Shapes: T tokens of a pack, K tokens kept from earlier packs (the trunk), N scored tokens, V vocabulary.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import nn

from junkdna.errors import UserError
from junkdna.models.batching import Rows
from junkdna.models.rotary import frequency_limit
from junkdna.resumable import Loop

Done = dict[str, torch.Tensor]  # results of finished batches or packs, by name

PACK_TOKENS = {"cpu": 256, "cuda": 2048}  # T; larger packs waste more attention on masked tokens


@dataclass
class Pack:
    """Rows merged into a tree of T tokens after a trunk of `kept` tokens that are already in the cache.

    Tokens are numbered in cache order: 0 to `kept` - 1 are the trunk, followed by `tokens`. `parents` and `depths` are
    those of `tokens` (-1: no parent). `paths[k]` has the token numbers of row `rows[k]`.
    """

    rows: list[int]
    kept: int
    tokens: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    paths: list[list[int]] = field(default_factory=list)


def tree_fits(model: nn.Module, longest: int) -> bool:
    """Whether rows of up to `longest` tokens may go through this model as a tree.

    Required: attention to all earlier tokens in every layer (no state-space or convolution layers, no sliding window
    shorter than a row), explicit position ids, an attention kernel for arbitrary masks, transformers' cache of keys and
    values, and rotary frequencies that are equal for all these rows.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
    from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES

    parameters = inspect.signature(model.forward).parameters
    if not {"position_ids", "attention_mask", "past_key_values", "logits_to_keep"} <= parameters.keys():
        return False
    limit = frequency_limit(model.config)
    if limit is not None and longest > limit:
        return False
    config = model.config.get_text_config(decoder=True)
    if config._attn_implementation not in ("eager", "sdpa") or getattr(config, "alibi", False):
        return False
    # Encoders used as decoders may not count positions from 0. GPT-Neo's windows depend on the index in the sequence
    # instead of the position, which the cache of its configuration does not show.
    if config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES or config.model_type == "gpt_neo":
        return False
    return all(
        type(layer) is DynamicLayer or (type(layer) is DynamicSlidingWindowLayer and longest <= layer.sliding_window)
        for layer in DynamicCache(config=config).layers
    )


def check_context(tokens: int) -> None:
    """Raises UserError if there is no token before the first predicted one, which then has no probability."""
    if tokens == 0:
        raise UserError(
            "a query has no tokens, and the first token of a text has no probability. Add text to the template before "
            "the scored or generated text, or use a tokenizer that adds a begin-of-text token."
        )


def tree_packs(rows: Rows, first_scored: list[int], tokens: int) -> list[list[int]]:
    """Row numbers in lexicographic order, in packs of about `tokens` new tokens at most.

    `first_scored[r]` is the first position of row r whose logits are needed. A row longer than `tokens` is one pack.
    """
    packs: list[list[int]] = []
    room, before = 0, []
    for r in sorted(range(len(rows)), key=lambda r: rows[r]):
        cost = len(rows[r]) - _common(before, rows[r])
        if packs and cost <= max(room, 0):
            packs[-1].append(r)
        else:
            packs.append([r])
            room, cost = tokens, max(cost, len(rows[r]) - first_scored[r])
        room, before = room - cost, rows[r]
    return packs


def run_packs(
    model: nn.Module, rows: Rows, first_scored: list[int], packs: list[list[int]], device: str, loop: Loop, done: Done
) -> Iterator[tuple[Pack, object, torch.Tensor, dict[int, int]]]:
    """For each pack: the pack, its cache, the logits (N, V) of scored tokens, and token number -> row of the logits.

    The scored tokens of row r start at position `first_scored[r]`. `packs` is the output of `tree_packs`; `loop`
    iterates over them. `done` contains the caller's results and, from pack to pack, the keys and values of the last
    row. The caller may read the cache until the next pack but must not change it.
    """
    for numbers in loop("score", packs, done.copy, done.update):
        kept = _common(rows[int(done["last_row"])], rows[numbers[0]]) if "last_row" in done else 0
        cache = _trunk(done, kept, device)
        pack = _merge(rows, first_scored, numbers, kept)
        scored = sorted({n for r, nodes in zip(numbers, pack.paths, strict=True) for n in nodes[first_scored[r] :]})
        logits_nv = model(
            input_ids=torch.tensor([pack.tokens], device=device),
            position_ids=torch.tensor([pack.depths], device=device),
            attention_mask=_mask(pack, model.dtype).to(device)[None, None],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=torch.tensor(scored, device=device) - kept,
        ).logits[0]
        yield pack, cache, logits_nv, {n: i for i, n in enumerate(scored)}
        done["last_row"] = torch.tensor(numbers[-1])
        done |= _keep_only(cache, torch.tensor(pack.paths[-1], device=device))


def _common(a: list[int], b: list[int]) -> int:
    """Length of the common prefix of two rows."""
    n = min(len(a), len(b))
    return n if a[:n] == b[:n] else next(i for i in range(n) if a[i] != b[i])


def _merge(rows: Rows, first_scored: list[int], numbers: list[int], kept: int) -> Pack:
    pack = Pack(numbers, kept)
    before, path = rows[numbers[0]][:kept], list(range(kept))
    for r in numbers:
        shared = _common(before, rows[r])
        if shared > first_scored[r] and path[first_scored[r]] < kept:
            shared = first_scored[r]  # the trunk's logits are not stored: recompute them
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
    """Additive attention mask (T, K + T): 0 for a token's ancestors and itself, otherwise the lowest finite number."""
    mask = torch.full((len(pack.tokens), pack.kept + len(pack.tokens)), torch.finfo(dtype).min, dtype=dtype)
    for t, parent in enumerate(pack.parents):
        if parent < pack.kept:  # the trunk is one path: everything up to the parent
            mask[t, : parent + 1] = 0
        else:
            mask[t] = mask[parent - pack.kept]
        mask[t, pack.kept + t] = 0
    return mask


def _keep_only(cache: object, numbers: torch.Tensor) -> Done:
    """Reduces the cache to the tokens `numbers`, in this order, and returns the keys and values of every layer."""
    tensors = {}
    for i, layer in enumerate(cache.layers):
        layer.keys, layer.values = layer.keys[:, :, numbers], layer.values[:, :, numbers]
        tensors |= {f"keys/{i}": layer.keys, f"values/{i}": layer.values}
    return tensors


def _trunk(done: Done, kept: int, device: str) -> object:
    """A cache with the first `kept` tokens of the keys and values that `_keep_only` returned."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for i in range(sum(name.startswith("keys/") for name in done) if kept else 0):
        keys, values = (done[f"{name}/{i}"][:, :, :kept].to(device) for name in ("keys", "values"))
        cache.update(keys, values, i)
    return cache
