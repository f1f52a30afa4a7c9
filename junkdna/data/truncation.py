"""Truncate token rows to a limit and compute which part of the passage a truncated row still shows."""

from collections.abc import Callable

from junkdna.data.answer_span import find_answer


def cut_end(ids: list[int], added: list[int], limit: int) -> list[int]:
    """At most `limit` tokens: text is cut at its end; the special tokens after it are kept.

    `added` is the tokenizer's special-tokens mask, 1 where it added a token.
    """
    if len(ids) <= limit:
        return ids
    n = limit - min(limit, tokens_after(added))
    return ids[:n] + ids[len(ids) - (limit - n) :]


def cut_start(ids: list[int], first: int, limit: int) -> list[int]:
    """At most `limit` (> `first`) tokens: text is cut at its start; the `first` special tokens are kept."""
    if len(ids) <= limit:
        return ids
    return ids[:first] + ids[len(ids) - (limit - first) :]


def tokens_after(added: list[int]) -> int:
    """Number of special tokens after the text, from the special-tokens mask `added`."""
    return added[::-1].index(0) if 0 in added else len(added)


def fit_row(row: dict, limit: int, cut: Callable[[int], tuple[object, str]]) -> tuple[object, bool | None]:
    """The row cut to `limit` tokens, and whether the rest of its passage shows an answer.

    `cut(limit)` returns the tokens and the part of the passage that they show. A cut inside a word or a number may
    create an answer ("10,000" to "10"). For the masked control, more is then cut until no answer is shown. The second
    value is None if the row shows no passage or has no answer to search for.
    """
    tokens, passage = cut(limit)
    if row["answer_shown"] is None:
        return tokens, None
    span = find_answer(passage, row["looked_for"])
    while span and row["masked"] and limit > 1:
        limit -= 1
        tokens, passage = cut(limit)
        span = find_answer(passage, row["looked_for"])
    return tokens, span is not None


def end_of_text(tokenizer: object, code: object, kept: int, texts: list[str]) -> int:
    """Number of characters of the last of `texts` (one or two) that the first `kept` tokens show.

    `code` is the tokenizer's output for `texts`. Without offsets the tokens are decoded and characters counted.
    """
    if code.encodings:
        encoding = code.encodings[0]
        inside = [i for i in range(kept) if encoding.token_to_sequence(i) == len(texts) - 1]
        return max((encoding.token_to_chars(i)[1] for i in inside), default=0)
    shown = len(tokenizer.decode(code["input_ids"][:kept], skip_special_tokens=True))
    return shown - sum(len(text) for text in texts[:-1])


def start_of_text(tokenizer: object, prompt: object, removed: int) -> int:
    """The first character of a prompt that is left after its first `removed` text tokens are cut.

    `prompt` is a `token_boundary.EncodedText`.
    """
    if prompt.encoding:
        span = prompt.encoding.token_to_chars(prompt.first + removed)
        return span[0] if span else 0
    return len(tokenizer.decode(prompt.ids[prompt.first : prompt.first + removed]))
