"""Run many rows of token ids through a causal language model at once, computing every common prefix once.

Rows with a common prefix (a query before several options, in-context examples before several queries) have the same
hidden states in the prefix. The rows of a pack are therefore merged into a tree of tokens that goes through the model
as one sequence. A token's position is its depth, and its attention mask covers only its ancestors and itself ("tree
attention": Miao et al. 2024, SpecInfer, doi 10.1145/3620666.3651335). Rows are sorted in lexicographic order, so
everything that a row shares with earlier packs is on the path of the previous row. The keys and values of that path
are kept from pack to pack, and no token is computed twice, except for a few tokens whose logits are needed again
(`models.tree_plan`). There is no padding on a CPU. On a GPU, packs are padded to few sizes, because kernels load for
every new one, and attention runs in tiles (`models.tree_attention`).

Shapes: T tokens of a pack, K tokens kept from earlier packs (the trunk), N scored tokens, V vocabulary.
"""

import inspect
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from junkdna.errors import UserError
from junkdna.models.rotary import frequency_limit
from junkdna.models.tree_attention import (
    padded,
    padded_nodes,
    padded_scored,
    tile_attention,
    tiles_of,
    to_device,
    tree_mask,
    uses_tiles,
)
from junkdna.models.tree_plan import Pack
from junkdna.resumable import Loop

Done = dict[str, torch.Tensor]  # results of finished batches or packs, by name

PACK_TOKENS = {"cpu": 256, "cuda": 2048, "tiles": 4096}  # T; without tiles, larger packs mask more of the attention


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


def pack_tokens(model: nn.Module, device: str) -> int:
    """New tokens in a pack for which this model is fastest on this device."""
    return PACK_TOKENS["tiles" if uses_tiles(model, device) else torch.device(device).type]


def run_packs(
    model: nn.Module, packs: list[Pack], device: str, loop: Loop, done: Done
) -> Iterator[tuple[Pack, object, Tensor, dict[int, int]]]:
    """For each pack: the pack, its cache, the logits (N, V) of scored nodes, and node -> row of the logits.

    `packs` is the output of `tree_plan.tree_packs`; `loop` iterates over them. `done` contains the caller's results
    and, from pack to pack, the keys and values of the trunk. The caller may read the cache until the next pack but must
    not change it. On a GPU, the cache has nodes of padding after those of the pack.
    """
    forward = _padded if uses_tiles(model, device) else _exact
    for pack in loop("score", packs, done.copy, done.update):
        cache = _trunk(done, pack.kept, device)
        yield pack, cache, forward(model, pack, cache, device), pack.places
        _keep(done, cache, to_device(pack.carried, device))


def _exact(model: nn.Module, pack: Pack, cache: object, device: str) -> Tensor:
    """Logits (N, V) of a pack without padding, under the mask over all its nodes."""
    return model(
        input_ids=to_device(pack.tokens, device)[None],
        position_ids=to_device(pack.depths, device)[None],
        attention_mask=tree_mask(pack, model.dtype, device)[None, None],
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=to_device(pack.scored - pack.kept, device),
    ).logits[0]  # fmt: skip


def _padded(model: nn.Module, pack: Pack, cache: object, device: str) -> Tensor:
    """As `_exact`, padded to few shapes, in tiles.

    The mask given to the model is not a number: a model that used it instead of the tiles would return no number.
    """
    size, scored = padded_nodes(len(pack.tokens)), pack.scored - pack.kept
    with tile_attention(tiles_of(pack, size, model.dtype, device)):
        logits = model(
            input_ids=to_device(padded(pack.tokens, size), device)[None],
            position_ids=to_device(padded(pack.depths, size), device)[None],
            attention_mask=torch.full((1, 1, 1, 1), torch.nan, dtype=model.dtype, device=device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=to_device(padded(scored, padded_scored(len(scored))), device),
        ).logits[0]  # fmt: skip
    return logits[: len(scored)]


def _keep(done: Done, cache: object, nodes: Tensor) -> None:
    """Reduces the cache to `nodes`, in this order, and puts the keys and values of every layer into `done`."""
    for i, layer in enumerate(cache.layers):
        layer.keys, layer.values = layer.keys[:, :, nodes], layer.values[:, :, nodes]
        done |= {f"keys/{i}": layer.keys, f"values/{i}": layer.values}


def _trunk(done: Done, kept: int, device: str) -> object:
    """A cache with the `kept` nodes whose keys and values `_keep` has stored."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for i in range(sum(name.startswith("keys/") for name in done) if kept else 0):
        cache.update(*(done[f"{name}/{i}"].to(device) for name in ("keys", "values")), i)
    return cache
