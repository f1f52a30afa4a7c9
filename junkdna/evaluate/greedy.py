"""Greedy text generation: always the most probable next token, for all rows of a batch together.

Shapes: B rows of a batch, W tokens of its longest prompt, H heads, V vocabulary.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from junkdna.models.batching import Rows, length_batches
from junkdna.models.prefix_tree import Done, check_context, run_packs, tree_fits
from junkdna.models.rotary import check_length, frequency_limit
from junkdna.models.tree_plan import tree_packs
from junkdna.resumable import NO_CHECKPOINTS, Loop

Finished = Callable[[list[int]], bool]

PROMPT_TOKENS = 2048  # new prompt tokens in a pack: enough rows to decode together
CACHE_TOKENS = {"cpu": 16384, "cuda": 65536}  # maximum of B x (W + new tokens), the size of a batch's cache
NO_TOKEN = -1  # pads the new tokens of a row


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

    Shared prefixes of queries are computed once (`models.prefix_tree`); rows are then decoded in batches, padded on the
    left. Architectures that `tree_fits` refuses run row by row through `generate` of transformers, without a cache if a
    row may grow past a limit of its rotary frequencies (`models.rotary`), because cached keys would keep the old
    frequencies. Batching changes logits by rounding error only, so it changes an answer only if the two best tokens are
    that close. `loop` iterates over the packs of rows. Raises UserError for a query without tokens and whenever
    `rotary.check_length` does.
    """
    check_context(min(map(len, queries), default=1))
    ends = end_tokens(model, tokenizer) | stop_tokens(tokenizer, stop)

    def text(tokens: list[int]) -> str:
        return tokenizer.decode(tokens[:-1] if tokens[-1] in ends else tokens, skip_special_tokens=True)

    def finished(tokens: list[int]) -> bool:
        return tokens[-1] in ends or (bool(stop) and any(mark in text(tokens) for mark in stop))

    longest = max(map(len, queries), default=0) + max_new_tokens
    check_length(model.config, longest)
    run = _batched if tree_fits(model, longest) else _row_by_row
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


def _batched(
    model: nn.Module, queries: Rows, device: str, max_new_tokens: int, finished: Finished, loop: Loop, done: Done
) -> None:
    """Writes the new tokens of all queries to `done`."""
    last = [len(query) - 1 for query in queries]
    packs = tree_packs(queries, last, PROMPT_TOKENS)
    for pack, cache, logits_nv, place in run_packs(model, packs, device, loop, done):
        rows = pack.paths
        lengths = [len(path) + max_new_tokens for path in rows]
        for batch in length_batches(lengths, CACHE_TOKENS[torch.device(device).type]):
            paths = [rows[k] for k in batch]
            first = logits_nv[[place[path[-1]] for path in paths]].argmax(-1)
            answers = _decode(model, _row_caches(cache, paths, device), paths, first, max_new_tokens, finished)
            for k, tokens in zip(batch, answers, strict=True):
                done["new_tokens"][pack.rows[k], : len(tokens)] = torch.tensor(tokens)


def _row_caches(cache: object, paths: Rows, device: str) -> object:
    """A cache (B, H, W, ...) with a copy of each row's prompt, aligned right, gathered from the cache of a tree."""
    from transformers import DynamicCache

    width = max(map(len, paths))
    index_bw = torch.tensor([[0] * (width - len(path)) + path for path in paths], device=device)
    copies = DynamicCache()
    for i, layer in enumerate(cache.layers):
        keys, values = (states[0][:, index_bw].transpose(0, 1) for states in (layer.keys, layer.values))
        copies.update(keys, values, i)
    return copies


def _decode(
    model: nn.Module, cache: object, paths: Rows, tokens: torch.Tensor, max_new_tokens: int, finished: Finished
) -> Rows:
    """Answers of a batch whose prompts are in `cache` and whose first new tokens (B) are `tokens`."""
    answers: Rows = [[] for _ in paths]
    device, width = tokens.device, max(map(len, paths))
    running = list(range(len(paths)))
    position = torch.tensor([len(path) for path in paths], device=device)
    mask = torch.tensor([[0] * (width - len(path)) + [1] * len(path) for path in paths], device=device)
    while True:
        for row, token in zip(running, tokens.tolist(), strict=True):
            answers[row].append(token)
        active = [
            k for k, row in enumerate(running) if len(answers[row]) < max_new_tokens and not finished(answers[row])
        ]
        if not active:
            return answers
        if len(active) < len(running):
            running = [running[k] for k in active]
            index = torch.tensor(active, device=device)
            tokens, position, mask = tokens[index], position[index], mask[index]
            cache.batch_select_indices(index)
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
    model: nn.Module, queries: Rows, device: str, max_new_tokens: int, finished: Finished, loop: Loop, done: Done
) -> None:
    """As `_batched`, with `generate` of transformers."""
    from transformers import GenerationConfig, StoppingCriteriaList

    limit = frequency_limit(model.config)

    def answer(query: list[int]) -> list[int]:
        def ended(ids: torch.Tensor, _: object, **__: object) -> torch.Tensor:
            return torch.tensor([finished(ids[0, len(query) :].tolist())], device=ids.device)

        ids = torch.tensor([query], device=device)
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=max_new_tokens,
            do_sample=False,
            use_cache=limit is None or not len(query) <= limit < len(query) + max_new_tokens,
            stopping_criteria=StoppingCriteriaList([ended]),
        )
        return output[0, len(query) :].tolist()

    before, model.generation_config = model.generation_config, GenerationConfig(pad_token_id=0)
    try:
        for row in loop("score", range(len(queries)), done.copy, done.update):
            tokens = answer(queries[row])
            done["new_tokens"][row, : len(tokens)] = torch.tensor(tokens)
    finally:
        model.generation_config = before
