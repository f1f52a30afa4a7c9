"""Token rows of encoders: one or two texts, cut at their end, and the texts of options."""

from functools import partial

from junkdna.data.truncation import cut_end, end_of_text, fit_row, tokens_after
from junkdna.study.cell_settings import TokenSettings

Coded = tuple[list[int], list[int]]  # tokens of a text, and 1 for each that the tokenizer added to it


def row_limit(settings: TokenSettings, readable: int | None) -> int:
    """Tokens of a row at most, for a model that reads `readable` tokens (None: any number)."""
    return min(settings.max_length, readable or settings.max_length)


def segment_rows(rows: list[dict], tokenizer: object, limit: int) -> list[dict]:
    """Tokens of each row's text and of what follows it, the second text or else the passage, as two segments."""
    return [
        text_row(row, [row["text"], *filter(None, [row["text_b"] or row["passage"]])], tokenizer, limit) for row in rows
    ]


def text_row(row: dict, texts: list[str], tokenizer: object, limit: int) -> dict:
    """The columns of the tokens file for `texts` (one or two) of a row, cut to `limit` tokens at their end."""
    code = tokenizer(*texts, return_token_type_ids=True, return_special_tokens_mask=True, verbose=False)
    (query, start), shown = fit_row(row, limit, partial(_cut, row, texts, code, tokenizer))
    truncated = len(code["input_ids"]) > limit
    return {"query": query, "second_start": start, "answer_shown": shown, "truncated": truncated}


def _cut(row: dict, texts: list[str], code: object, tokenizer: object, limit: int) -> tuple[tuple[list[int], int], str]:
    """Tokens cut to `limit` and where the second segment begins in them; the part of the passage they show."""
    whole, added, passage = code["input_ids"], code["special_tokens_mask"], passage_of(row)
    cut = cut_end(whole, added, limit)
    start = [*code["token_type_ids"], 1].index(1) if len(texts) > 1 else len(cut)
    if passage and len(cut) < len(whole):
        end = end_of_text(tokenizer, code, limit - tokens_after(added), texts)
        passage = passage[: max(0, end - (len(texts[-1]) - len(passage)))]
    return (cut, min(start, len(cut))), passage


def passage_of(row: dict) -> str:
    """The passage that an encoder reads: none where there is a second text."""
    return "" if row["text_b"] else row["passage"] or ""


def joined(row: dict) -> str:
    """The row as one text: text, then second text or passage."""
    return " ".join(filter(None, [row["text"], row["text_b"] or row["passage"]]))


def option_texts(row: dict) -> list[str]:
    """The text of each option, with the suffix that follows all of them."""
    return [f"{choice} {row['suffix']}" if row["suffix"] else choice for choice in row["choices"]]


def code_texts(tokenizer: object, texts: list[str]) -> dict[str, Coded]:
    """The tokens of each distinct text."""
    distinct = sorted({*texts})
    if not distinct:
        return {}
    code = tokenizer(distinct, return_special_tokens_mask=True, verbose=False)
    return dict(zip(distinct, zip(code["input_ids"], code["special_tokens_mask"], strict=True), strict=True))
