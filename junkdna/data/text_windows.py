"""Token rows of texts that a language model reads without a question, in windows as long as it may read."""

import math
from collections.abc import Iterator

from junkdna.data.token_boundary import ROWS, EncodedText, encode_texts
from junkdna.errors import UserError
from junkdna.study.cell_settings import TokenSettings


def window_rows(rows: list[dict], tokenizer: object, settings: TokenSettings, readable: int | None) -> list[dict]:
    """The columns of the tokens file for the text (the only reference) of each row: its windows as options.

    Windows do not overlap, every token of a text is scored exactly once, and a window has at most `max_length` and
    `readable` tokens with what precedes it. The first token of the text is predicted from the special tokens that the
    tokenizer adds or, without any, from `begin_token`; that of a later window from these special tokens and the token
    before it (as in `loglikelihood_rolling` of lm-evaluation-harness, which has no special tokens there). Raises
    UserError for a text without tokens and for a limit that leaves no room.
    """
    limit = min(settings.max_length, readable or math.inf)
    columns = []
    for first in range(0, len(rows), ROWS):
        batch = rows[first : first + ROWS]
        codes = encode_texts(tokenizer, [row["references"][0] for row in batch], special=True)
        for row, code in zip(batch, codes, strict=True):
            where = f"task {settings.task}: row {row['id']!r}"
            if len(code.ids) == code.first:
                raise UserError(f"{where}: this model's tokenizer has no token for its text. Exclude the row.")
            if limit <= code.first + 1:
                raise UserError(f"{where}: the model reads only {limit} tokens, so no window fits. Raise max_length.")
            columns.append(_columns(list(_windows(code, tokenizer, int(limit)))))
    return columns


def _columns(windows: list[tuple[list[int], int]]) -> dict:
    return {
        "query": [],
        "second_start": 0,
        "options": [ids for ids, _ in windows],
        "option_starts": [start for _, start in windows],
        "truncated": False,
    }


def _windows(code: EncodedText, tokenizer: object, limit: int) -> Iterator[tuple[list[int], int]]:
    """Each window with the tokens before it, and the number of these."""
    special, tokens, at = code.ids[: code.first], code.ids[code.first :], 0
    while at < len(tokens):
        before = [*special, tokens[at - 1]] if at else special or [begin_token(tokenizer)]
        window = tokens[at : at + limit - len(before)]
        yield before + window, len(before)
        at += len(window)


def begin_token(tokenizer: object) -> int:
    """The token before a text: begin-of-text or, without one, end-of-text, which stands between training texts.

    Raises UserError if the tokenizer has neither.
    """
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return token
    raise UserError(
        "this model's tokenizer has neither a begin-of-text nor an end-of-text token, so the first token of a text has "
        "no probability. Use another model, or a task with a question."
    )
