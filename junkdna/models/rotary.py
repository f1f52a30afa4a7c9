"""Rotary positions whose frequencies depend on how long the longest row of a batch is."""

from collections.abc import Iterator

from junkdna.errors import UserError

SWITCHING = ("longrope", "dynamic")


def frequency_limit(config: object) -> int | None:
    """The most tokens of a row for which the frequencies stay those of short rows; None where they never change.

    LongRoPE (Ding et al. 2024) takes other factors for all positions once a batch holds a position behind
    `original_max_position_embeddings`; dynamic NTK scaling another base for every length behind it. `config` is a
    transformers configuration; parameters by layer type, and those of a text part, are read too.
    """
    config = config.get_text_config()
    limits = [_limit(parameters, config) for parameters in _switching(config)]
    return min(limits, default=None)


def check_length(config: object, longest: int) -> None:
    """UserError where a row of `longest` tokens would depend on batches that ran before it.

    transformers keeps the frequencies of the longest row so far (dynamic NTK), so a score would depend on the order of
    all rows. No model is meant to read that far: the limit is its `max_position_embeddings`.
    """
    remembers = any("dynamic" in _kind(parameters) for parameters in _switching(config.get_text_config()))
    limit = frequency_limit(config)
    if remembers and longest > limit:
        raise UserError(
            f"a row has up to {longest} tokens. Beyond {limit} tokens the rotary frequencies of this model (rope_type "
            "dynamic) depend on the rows that ran before, so no score could be repeated. Lower max_length, shots, "
            f"context or max_new_tokens until rows have at most {limit} tokens."
        )


def _switching(config: object) -> Iterator[dict]:
    for name in ("rope_parameters", "rope_scaling"):
        given = getattr(config, name, None)
        if not isinstance(given, dict):
            continue
        for parameters in (given, *given.values()):
            if isinstance(parameters, dict) and any(kind in _kind(parameters) for kind in SWITCHING):
                yield parameters


def _kind(parameters: dict) -> str:
    return str(parameters.get("rope_type") or parameters.get("type") or "")


def _limit(parameters: dict, config: object) -> int:
    stated = (
        parameters.get("original_max_position_embeddings"),
        getattr(config, "original_max_position_embeddings", None),
        getattr(config, "max_position_embeddings", None),
    )
    return min(int(places) for places in stated if places)
