"""Greedy text generation: always the most probable next token, for all rows of a batch together."""

from collections.abc import Sequence

import torch
from torch import nn

from junkdna.evaluate.greedy_groups import decode_groups
from junkdna.evaluate.greedy_packs import NO_TOKEN, decode_packs
from junkdna.evaluate.greedy_rows import decode_rows
from junkdna.models.batching import Rows
from junkdna.models.prefix_tree import check_context, tree_fits
from junkdna.models.rotary import check_length
from junkdna.resumable import NO_CHECKPOINTS, Loop


@torch.inference_mode()
def greedy_texts(
    model: nn.Module,
    tokenizer: object,
    queries: Rows,
    device: str,
    max_new_tokens: int,
    stop: Sequence[str],
    loop: Loop = NO_CHECKPOINTS,
) -> list[str]:
    """The greedy continuation of each query: text without special tokens, cut before the first stop string.

    A row ends at an end-of-text token (`end_tokens`), at a string of `stop` in its text or the special token of that
    name, or after `max_new_tokens`. The model's generation settings are ignored: no sampling, no penalties.

    Shared prefixes of queries are computed once (`models.prefix_tree`); rows are then decoded in batches, on CUDA with
    a cache of fixed size and a captured step (`greedy_groups`), elsewhere with a growing cache (`greedy_packs`).
    Architectures that `tree_fits` refuses run row by row (`greedy_rows`). Batching changes logits by rounding error
    only, so it changes an answer only if the two best tokens are that close. `loop` iterates over the batches. Raises
    UserError for a query without tokens and whenever `rotary.check_length` does.
    """
    check_context(min(map(len, queries), default=1))
    ends = end_tokens(model, tokenizer) | stop_tokens(tokenizer, stop)

    def text(tokens: list[int]) -> str:
        return tokenizer.decode(tokens[:-1] if tokens[-1] in ends else tokens, skip_special_tokens=True)

    def finished(tokens: list[int]) -> bool:
        return tokens[-1] in ends or (bool(stop) and any(mark in text(tokens) for mark in stop))

    longest = max(map(len, queries), default=0) + max_new_tokens
    check_length(model.config, longest)
    batched = decode_groups if torch.device(device).type == "cuda" else decode_packs
    run = batched if tree_fits(model, longest) else decode_rows
    done = {"new_tokens": torch.full((len(queries), max_new_tokens), NO_TOKEN)}
    run(model, queries, device, max_new_tokens, finished, loop, done)
    texts = [text([token for token in row if token != NO_TOKEN]) for row in done["new_tokens"].tolist()]
    return [answer[: min((answer.find(mark) for mark in stop if mark in answer), default=None)] for answer in texts]


def end_tokens(model: nn.Module, tokenizer: object) -> set[int]:
    """Token ids that end a text: the union of those in the model's configuration, generation settings and tokenizer.

    A chat model's tokenizer names the end of a turn; its configuration sometimes names only the end of a document.
    """
    eos = [model.config.get_text_config(decoder=True).eos_token_id, tokenizer.eos_token_id]
    eos.append(getattr(getattr(model, "generation_config", None), "eos_token_id", None))
    ids = [token for value in eos for token in (value if isinstance(value, list) else [value])]
    return {token for token in ids if token is not None}


def stop_tokens(tokenizer: object, stop: Sequence[str]) -> set[int]:
    """Ids of added tokens that are stop strings, such as "<|im_end|>", which decoded text does not show."""
    return {token for token, added in tokenizer.added_tokens_decoder.items() if str(added) in stop}
