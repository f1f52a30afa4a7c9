"""Greedy decoding row by row with `generate` of transformers: what `prefix_tree.tree_fits` refuses."""

import torch
from torch import nn

from junkdna.evaluate.greedy_packs import Finished
from junkdna.models.batching import Rows
from junkdna.models.prefix_tree import Done
from junkdna.models.rotary import frequency_limit
from junkdna.resumable import Loop


def decode_rows(
    model: nn.Module, queries: Rows, device: str, max_new_tokens: int, finished: Finished, loop: Loop, done: Done
) -> None:
    """As `greedy_packs.decode_packs`. `loop` iterates over rows.

    Without a cache if a row may grow past a limit of its rotary frequencies (`models.rotary`), because cached keys
    would keep the old frequencies.
    """
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
