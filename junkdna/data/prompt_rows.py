"""Token rows of decoders: a prompt, truncated at its start, and the options that may follow it."""

import logging
import math
from functools import partial

from junkdna.data import prompts, token_boundary
from junkdna.data.prompts import Wording
from junkdna.data.truncation import cut_start, fit_row, start_of_text
from junkdna.errors import UserError
from junkdna.study.cell_settings import TokenSettings

log = logging.getLogger(__name__)
SPANNED = (
    "task %s: in %d of %d rows, a token of this model spans the end of the prompt and an option, or an option and its "
    "suffix. In these rows the entire token is scored, for all options (docs/scoring.md)."
)


def prompt_rows(
    rows: list[dict],
    shots: list[dict],
    tokenizer: object,
    settings: TokenSettings,
    readable: int | None,
    wording: Wording,
) -> list[dict]:
    """The columns of the tokens file for the prompt of each row in the `wording` of an answer format.

    A prompt has at most `max_length` tokens and, with its longest option or the text to generate, at most `readable`
    tokens, the model's context length (None: no limit). A token that spans prompt and option belongs to the option
    (`token_boundary`). Raises UserError for too few shots, an option without tokens, and a prompt without room.
    """
    groups: dict[str | None, list[dict]] = {}
    for shot in shots:
        groups.setdefault(shot["group"], []).append(shot)
    asked = (_asked(row, _shots_of(row, groups, settings), tokenizer, settings, wording) for row in rows)
    splits = token_boundary.split_rows(asked, tokenizer, not settings.chat_template)
    columns, moved = [], 0
    for row, (texts, split) in zip(rows, splits, strict=True):
        if split.silent:
            raise UserError(
                f"task {settings.task}: row {row['id']!r}: this model's tokenizer has no token for "
                f"{split.silent[0]!r}, so there would be nothing to score. Exclude the row or use another model."
            )
        following = max(map(len, split.options or []), default=settings.new_tokens)
        limit = min(settings.max_length, (readable or math.inf) - following)
        if limit <= split.prompt.first:
            raise UserError(
                f"task {settings.task}: row {row['id']!r}: the model reads only {readable} tokens, but {following} "
                "follow the prompt. Lower generate.max_new_tokens, exclude the row, or use another model."
            )
        query, shown = fit_row(row, limit, partial(_decoder_cut, row, texts.prompt, split, tokenizer))
        moved += split.moved
        columns.append(
            {
                "query": query,
                "second_start": len(query),
                "options": split.options,
                "option_starts": split.starts,
                "option_characters": split.characters,
                "option_bytes": split.bytes,
                "answer_shown": shown,
                "truncated": len(split.query) > limit,
            }
        )
    if moved:
        log.warning(SPANNED, settings.task, moved, len(rows))
    return columns


def _asked(
    row: dict, shots: list[dict], tokenizer: object, settings: TokenSettings, wording: Wording
) -> token_boundary.RowTexts:
    """The texts of a row. A prompt before options does not end in a blank, which a tokenizer may merge with the next
    word."""
    prompt, gap = prompts.prompt(row, shots, wording), " "
    if settings.chat_template:
        prompt, gap = prompts.with_chat_template(tokenizer, prompts.messages(row, shots, wording)), ""
    options = wording.options(row)
    text = prompt if options is None else prompt.rstrip(" ")
    return token_boundary.RowTexts(text, prompt[len(text) :] + gap, options, wording.suffix(row))


def _decoder_cut(
    row: dict, text: str, split: token_boundary.Split, tokenizer: object, limit: int
) -> tuple[list[int], str]:
    """The prompt's tokens truncated to `limit`, and the part of the passage that they show."""
    cut, passage = cut_start(split.query, split.prompt.first, limit), (row["passage"] or "").strip()
    position = text.rfind(passage)  # the last one: the row's question ends the prompt
    if not passage or position < 0:
        return cut, ""
    removed = len(split.query) - len(cut)
    start = start_of_text(tokenizer, split.prompt, removed) if removed else 0
    return cut, passage[max(0, start - position) :]


def _shots_of(row: dict, groups: dict[str | None, list[dict]], settings: TokenSettings) -> list[dict]:
    """The in-context examples of a row: the first ones of its group."""
    k = settings.knob_values.get("shots", 0)
    shots = groups.get(row["group"], [])
    if len(shots) < k:
        raise UserError(
            f"task {settings.task}: knob shots={k}, but row {row['id']!r} (group {row['group']!r}) has only "
            f"{len(shots)} in-context examples. Use fewer shots, or correct columns.group or shots.of."
        )
    return shots[:k]
