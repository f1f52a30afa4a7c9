"""Token rows of decoders: a prompt, cut at its start, and the options that may follow it."""

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
    "task %s: in %d of %d rows a token of this model spans the prompt's end and an option (or an option and its "
    "suffix). Those rows score it whole, for all their options alike (docs/scoring.md)."
)


def prompt_rows(
    rows: list[dict],
    shots: list[dict],
    tokenizer: object,
    settings: TokenSettings,
    readable: int | None,
    wording: Wording,
) -> list[dict]:
    """The columns of the tokens file for the prompt of each row in the words of an answer format.

    No prompt gets longer than `max_length`, nor with its longest option, or the text to be generated, longer than the
    `readable` tokens of the model (None: any number). A token that spans prompt and option belongs to the option
    (`token_boundary`).
    """
    groups: dict[str | None, list[dict]] = {}
    for shot in shots:
        groups.setdefault(shot["group"], []).append(shot)
    asked = (_asked(row, _shots_of(row, groups, settings), tokenizer, settings, wording) for row in rows)
    found, moved = [], 0
    for row, (texts, split) in zip(
        rows, token_boundary.split_rows(asked, tokenizer, not settings.chat_template), strict=True
    ):
        _refuse_silent(row, split, settings)
        behind = max(map(len, split.options or []), default=settings.new_tokens)
        limit = min(settings.max_length, (readable or math.inf) - behind)
        if limit <= split.prompt.first:
            raise UserError(
                f"example {row['id']!r}: {behind} tokens are to follow the prompt, but the model reads only {readable}."
            )
        query, shown = fit_row(row, limit, partial(_decoder_cut, row, texts.prompt, split, tokenizer))
        moved += split.moved
        found.append(
            {
                "query": query,
                "second_start": len(query),
                "options": split.options,
                "option_starts": split.starts,
                "option_characters": split.characters,
                "answer_shown": shown,
                "truncated": len(split.query) > limit,
            }
        )
    if moved:
        log.warning(SPANNED, settings.task, moved, len(rows))
    return found


def _asked(
    row: dict, shots: list[dict], tokenizer: object, settings: TokenSettings, wording: Wording
) -> token_boundary.RowTexts:
    """The texts of a row. A prompt before options never ends in a blank: a tokenizer may merge it with the word that
    follows."""
    whole, gap = prompts.prompt(row, shots, wording), " "
    if settings.chat_template:
        whole, gap = prompts.with_chat_template(tokenizer, prompts.messages(row, shots, wording)), ""
    options = wording.options(row)
    text = whole if options is None else whole.rstrip(" ")
    return token_boundary.RowTexts(text, whole[len(text) :] + gap, options, wording.suffix(row))


def _decoder_cut(
    row: dict, text: str, split: token_boundary.Split, tokenizer: object, limit: int
) -> tuple[list[int], str]:
    """The prompt's tokens cut to `limit`, and the part of the passage that they show."""
    cut, passage = cut_start(split.query, split.prompt.first, limit), (row["passage"] or "").strip()
    at = text.rfind(passage)  # the row's own question is the last part of a prompt
    if not passage or at < 0:
        return cut, ""
    removed = len(split.query) - len(cut)
    start = start_of_text(tokenizer, split.prompt, removed) if removed else 0
    return cut, passage[max(0, start - at) :]


def _shots_of(row: dict, groups: dict[str | None, list[dict]], settings: TokenSettings) -> list[dict]:
    """The in-context examples of a row: the first ones of its group."""
    k = settings.knob_values.get("shots", 0)
    own = groups.get(row["group"], [])
    if len(own) < k:
        raise UserError(
            f"task {settings.task}: knob shots={k}, but there are {len(own)} in-context examples for row "
            f"{row['id']!r} (group {row['group']!r}); take fewer shots, or correct columns.group or shots.of."
        )
    return own[:k]


def _refuse_silent(row: dict, split: token_boundary.Split, settings: TokenSettings) -> None:
    if split.silent:
        raise UserError(
            f"task {settings.task}: row {row['id']!r}: this model's tokenizer gives no token for "
            f"{split.silent[0]!r}, so nothing would be scored; leave the row out, or take another model."
        )
