"""Greedy text generation: the most probable token again and again, rows of a batch side by side.

Shapes: B rows of a batch, W the longest prompt among them, H heads, V vocabulary.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from junkdna.models.batching import length_batches
from junkdna.models.prefix_tree import need_context, run_packs, tree_fits, tree_packs
from junkdna.models.rotary import check_length, frequency_limit
from junkdna.resumable import NO_CHECKPOINTS, Loop

Rows = list[list[int]]
Finished = Callable[[list[int]], bool]

PROMPT_TOKENS = 2048  # new prompt tokens of a pack: enough rows to decode side by side
CACHE_TOKENS = {"cpu": 16384, "cuda": 65536}  # B x (W + new tokens): what the cache of a batch may grow to
NOTHING = -1  # no token: what a row's tensor of new tokens is filled up with


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

    A row ends at an end-of-text token (see `end_tokens`), when its text holds one of `stop` (or the special token of
    that name comes), or after `max_new_tokens`. No sampling and no penalties, whatever the model's generation settings
    say. What queries share at their beginning is computed once (`models.prefix_tree`), then rows are decoded in
    batches, padded on the left; architectures that `tree_fits` refuses go row by row through transformers' `generate`.
    A row that grows past a limit of its rotary frequencies (`models.rotary`) is computed in full for every token, as
    the cached keys would hold the frequencies of before. The rows that run together change logits by
    rounding error only, so an answer only where its two best tokens are that close. `loop` goes through the packs of
    rows. Raises UserError for a query without tokens, and as `rotary.check_length`.
    """
    need_context(min(map(len, queries), default=1))
    ends = end_tokens(model, tokenizer) | stop_tokens(tokenizer, stop)

    def text(tokens: list[int]) -> str:
        return tokenizer.decode(tokens[:-1] if tokens[-1] in ends else tokens, skip_special_tokens=True)

    def finished(tokens: list[int]) -> bool:
        return tokens[-1] in ends or (bool(stop) and any(mark in text(tokens) for mark in stop))

    longest = max(map(len, queries), default=0) + max_new_tokens
    check_length(model.config, longest)
    run = _side_by_side if tree_fits(model, longest) else _row_by_row
    texts = [text(tokens) for tokens in run(model, queries, device, max_new_tokens, finished, loop)]
    return [answer[: min((answer.find(mark) for mark in stop if mark in answer), default=None)] for answer in texts]


def end_tokens(model: nn.Module, tokenizer: object) -> set[int]:
    """Ids that end a text, from the model's configuration, its generation settings and the tokenizer together.

    A chat model's tokenizer names the end of a turn, its configuration at times the end of a document only.
    """
    named = [model.config.get_text_config(decoder=True).eos_token_id, tokenizer.eos_token_id]
    named.append(getattr(getattr(model, "generation_config", None), "eos_token_id", None))
    ids = [token for value in named for token in (value if isinstance(value, list) else [value])]
    return {token for token in ids if token is not None}


def stop_tokens(tokenizer: object, stop: Sequence[str]) -> set[int]:
    """Ids of the added tokens, such as "<|im_end|>", that are a stop string: text without special tokens hides them."""
    return {token for token, added in tokenizer.added_tokens_decoder.items() if str(added) in stop}


def _side_by_side(
    model: nn.Module, queries: Rows, device: str, max_new_tokens: int, finished: Finished, loop: Loop
) -> Rows:
    done = {"made": torch.full((len(queries), max_new_tokens), NOTHING)}
    wanted = [len(query) - 1 for query in queries]
    packs = tree_packs(queries, wanted, PROMPT_TOKENS)
    for pack, cache, logits_nv, place in run_packs(model, queries, wanted, packs, device, loop, done):
        lengths = [len(path) + max_new_tokens for path in pack.paths]
        for batch in length_batches(lengths, CACHE_TOKENS[torch.device(device).type]):
            paths = [pack.paths[k] for k in batch]
            first = logits_nv[[place[path[-1]] for path in paths]].argmax(-1)
            answers = _decode(model, _own_rows(cache, paths, device), paths, first, max_new_tokens, finished)
            for k, tokens in zip(batch, answers, strict=True):
                done["made"][pack.rows[k], : len(tokens)] = torch.tensor(tokens)
    return _rows_of(done)


def _rows_of(done: dict[str, torch.Tensor]) -> Rows:
    return [[token for token in row if token != NOTHING] for row in done["made"].tolist()]


def _own_rows(cache: object, paths: Rows, device: str) -> object:
    """A cache of (B, H, W, ...) with each row's own copy of its prompt, on the right, from the cache of a tree."""
    from transformers import DynamicCache

    width = max(map(len, paths))
    index_bw = torch.tensor([[0] * (width - len(path)) + path for path in paths], device=device)
    own = DynamicCache()
    for i, layer in enumerate(cache.layers):
        keys, values = (held[0][:, index_bw].transpose(0, 1) for held in (layer.keys, layer.values))
        own.update(keys, values, i)
    return own


def _decode(
    model: nn.Module, cache: object, paths: Rows, tokens: torch.Tensor, max_new_tokens: int, finished: Finished
) -> Rows:
    """Answers of a batch whose prompts are in `cache` and whose first new tokens (B) are `tokens`."""
    made: Rows = [[] for _ in paths]
    device, width = tokens.device, max(map(len, paths))
    running = list(range(len(paths)))
    position = torch.tensor([len(path) for path in paths], device=device)
    mask = torch.tensor([[0] * (width - len(path)) + [1] * len(path) for path in paths], device=device)
    while True:
        for row, token in zip(running, tokens.tolist(), strict=True):
            made[row].append(token)
        going = [k for k, row in enumerate(running) if len(made[row]) < max_new_tokens and not finished(made[row])]
        if not going:
            return made
        if len(going) < len(running):
            running = [running[k] for k in going]
            at = torch.tensor(going, device=device)
            tokens, position, mask = tokens[at], position[at], mask[at]
            cache.batch_select_indices(at)
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        tokens = model(
            input_ids=tokens[:, None],
            position_ids=position[:, None],
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
        ).logits[:, -1].argmax(-1)  # fmt: skip
        position = position + 1


def _row_by_row(
    model: nn.Module, queries: Rows, device: str, max_new_tokens: int, finished: Finished, loop: Loop
) -> Rows:
    from transformers import GenerationConfig, StoppingCriteriaList

    limit = frequency_limit(model.config)

    def answer(query: list[int]) -> list[int]:
        def ended(ids: torch.Tensor, _: object, **__: object) -> torch.Tensor:
            return torch.tensor([finished(ids[0, len(query) :].tolist())], device=ids.device)

        ids = torch.tensor([query], device=device)
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=limit is None or not len(query) <= limit < len(query) + max_new_tokens,
            stopping_criteria=StoppingCriteriaList([ended]),
        )
        return made[0, len(query) :].tolist()

    done = {"made": torch.full((len(queries), max_new_tokens), NOTHING)}
    theirs, model.generation_config = model.generation_config, GenerationConfig(pad_token_id=0)
    try:
        for row in loop("score", range(len(queries)), done.copy, done.update):
            tokens = answer(queries[row])
            done["made"][row, : len(tokens)] = torch.tensor(tokens)
        return _rows_of(done)
    finally:
        model.generation_config = theirs
