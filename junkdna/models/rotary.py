"""Rotary position embeddings whose frequencies depend on the longest row of a batch."""

from collections.abc import Iterator

from junkdna.errors import UserError

SWITCHING = ("longrope", "dynamic")


def frequency_limit(config: object) -> int | None:
    """The longest row, in tokens, for which the frequencies are those of short rows; None if they never change.

    LongRoPE (Ding et al. 2024) uses other factors for all positions once a batch has a position beyond
    `original_max_position_embeddings`. Dynamic NTK scaling uses another base for every length beyond it. `config` is a
    transformers configuration; parameters per layer type and those of a `text_config` are read too.
    """
    config = config.get_text_config()
    stated = [parameters.get("original_max_position_embeddings") for parameters in _switching(config)]
    if not stated:
        return None
    stated += [getattr(config, name, None) for name in ("original_max_position_embeddings", "max_position_embeddings")]
    return min(int(positions) for positions in stated if positions)


def check_length(config: object, longest: int) -> None:
    """Raises UserError if the outputs of a row of `longest` tokens would depend on earlier batches.

    With dynamic NTK, transformers keeps the frequencies of the longest row so far, so scores would depend on the order
    of the rows. The limit is the model's `max_position_embeddings`; no model is meant to read longer rows.
    """
    has_memory = any("dynamic" in _kind(parameters) for parameters in _switching(config.get_text_config()))
    limit = frequency_limit(config)
    if has_memory and longest > limit:
        raise UserError(
            f"a row has up to {longest} tokens. Beyond {limit} tokens the rotary frequencies of this model (rope_type "
            "dynamic) depend on earlier rows, so scores would not be reproducible. Lower max_length, shots, "
            f"context or max_new_tokens until rows have at most {limit} tokens."
        )


def _switching(config: object) -> Iterator[dict]:
    for name in ("rope_parameters", "rope_scaling"):
        settings = getattr(config, name, None)
        if not isinstance(settings, dict):
            continue
        for parameters in (settings, *settings.values()):
            if isinstance(parameters, dict) and any(kind in _kind(parameters) for kind in SWITCHING):
                yield parameters


def _kind(parameters: dict) -> str:
    return str(parameters.get("rope_type") or parameters.get("type") or "")
