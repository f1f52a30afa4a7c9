"""Token rows of encoders: one or two texts, truncated at their end, and the texts of options."""

from functools import partial

from junkdna.data.truncation import cut_end, end_of_text, fit_row, tokens_after
from junkdna.study.cell_settings import TokenSettings


def row_limit(settings: TokenSettings, readable: int | None) -> int:
    """Maximum number of tokens of a row, for a model that reads `readable` tokens (None: no limit)."""
    return min(settings.max_length, readable or settings.max_length)


def segment_rows(rows: list[dict], tokenizer: object, limit: int) -> list[dict]:
    """Tokens of each row: its text and, as a second segment, its second text or else its passage."""
    return [
        text_row(row, [row["text"], *filter(None, [row["text_b"] or row["passage"]])], tokenizer, limit) for row in rows
    ]


def text_row(row: dict, texts: list[str], tokenizer: object, limit: int) -> dict:
    """The columns of the tokens file for one or two `texts` of a row, truncated at the end to `limit` tokens."""
    code = tokenizer(*texts, return_token_type_ids=True, return_special_tokens_mask=True, verbose=False)
    (query, start), shown = fit_row(row, limit, partial(_cut, row, texts, code, tokenizer))
    truncated = len(code["input_ids"]) > limit
    return {"query": query, "second_start": start, "answer_shown": shown, "truncated": truncated}


def _cut(row: dict, texts: list[str], code: object, tokenizer: object, limit: int) -> tuple[tuple[list[int], int], str]:
    """(Tokens truncated to `limit`, position of the second segment in them), and the part of the passage they show."""
    ids, added, passage = code["input_ids"], code["special_tokens_mask"], passage_of(row)
    cut = cut_end(ids, added, limit)
    start = [*code["token_type_ids"], 1].index(1) if len(texts) > 1 else len(cut)
    if passage and len(cut) < len(ids):
        end = end_of_text(tokenizer, code, limit - tokens_after(added), texts)
        passage = passage[: max(0, end - (len(texts[-1]) - len(passage)))]
    return (cut, min(start, len(cut))), passage


def passage_of(row: dict) -> str:
    """The passage that an encoder reads; empty if the row has a second text."""
    return "" if row["text_b"] else row["passage"] or ""


def joined(row: dict) -> str:
    """The row as one text: its text, then its second text or else its passage."""
    return " ".join(filter(None, [row["text"], row["text_b"] or row["passage"]]))


def option_texts(row: dict) -> list[str]:
    """The text of each option with the row's suffix."""
    return [f"{choice} {row['suffix']}" if row["suffix"] else choice for choice in row["choices"]]


def code_texts(tokenizer: object, texts: list[str]) -> dict[str, tuple[list[int], list[int]]]:
    """Distinct text -> its tokens, and 1 for each special token."""
    distinct = sorted({*texts})
    if not distinct:
        return {}
    code = tokenizer(distinct, return_special_tokens_mask=True, verbose=False)
    return dict(zip(distinct, zip(code["input_ids"], code["special_tokens_mask"], strict=True), strict=True))
