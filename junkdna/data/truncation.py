"""Token rows cut to what is allowed, and what a cut row still shows of its passage."""

from collections.abc import Callable

from junkdna.data.answer_span import find_answer


def cut_end(ids: list[int], added: list[int], limit: int) -> list[int]:
    """At most `limit` tokens: text goes from the end, what the tokenizer put behind the text stays.

    `added` is the tokenizer's special-tokens mask, 1 where it added a token.
    """
    if len(ids) <= limit:
        return ids
    n = limit - min(limit, tokens_after(added))
    return ids[:n] + ids[len(ids) - (limit - n) :]


def cut_start(ids: list[int], first: int, limit: int) -> list[int]:
    """At most `limit` tokens, more than `first`: text goes from the beginning, the `first` tokens stay."""
    if len(ids) <= limit:
        return ids
    return ids[:first] + ids[len(ids) - (limit - first) :]


def tokens_after(added: list[int]) -> int:
    """How many tokens the tokenizer put behind the text."""
    return added[::-1].index(0) if 0 in added else len(added)


def fit_row(row: dict, limit: int, cut: Callable[[int], tuple[object, str]]) -> tuple[object, bool | None]:
    """What `cut` makes of a row at `limit` tokens, and whether the passage that is left shows an answer.

    `cut(limit)` gives tokens and the part of the passage they show. A cut inside a word or a number may bring an
    answer about ("10,000" to "10"). In the masked control more is then cut, until none is shown. None where
    the row shows no passage or has no answer to look for.
    """
    tokens, passage = cut(limit)
    if row["answer_shown"] is None:
        return tokens, None
    found = find_answer(passage, row["looked_for"])
    while found and row["masked"] and limit > 1:
        limit -= 1
        tokens, passage = cut(limit)
        found = find_answer(passage, row["looked_for"])
    return tokens, found is not None


def end_of_text(tokenizer: object, code: object, kept: int, texts: list[str]) -> int:
    """How many characters of the last of `texts` (one or two) the first `kept` tokens of `code`, the tokenizer's answer
    for them, show. Without offsets the tokens are decoded and characters counted."""
    if code.encodings:
        encoding = code.encodings[0]
        inside = [i for i in range(kept) if encoding.token_to_sequence(i) == len(texts) - 1]
        return max((encoding.token_to_chars(i)[1] for i in inside), default=0)
    shown = len(tokenizer.decode(code["input_ids"][:kept], skip_special_tokens=True))
    return shown - sum(len(text) for text in texts[:-1])


def start_of_text(tokenizer: object, prompt: object, removed: int) -> int:
    """The character at which a prompt (`token_boundary.Coded`) begins whose first `removed` text tokens are cut off."""
    if prompt.encoding:
        span = prompt.encoding.token_to_chars(prompt.first + removed)
        return span[0] if span else 0
    return len(tokenizer.decode(prompt.ids[prompt.first : prompt.first + removed]))
