"""Find the token position at which a prompt ends and its answer begins (docs/scoring.md).

A tokenizer may merge the last characters of a prompt and the first ones of an option into one token (": C"). Then the
tokens of the prompt are not a prefix of the tokens of the full text, and the tokens after them cover only a part of the
option. `split` finds the last position at which the tokens of all full texts of a row can be split without this.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ROWS = 64  # rows whose texts are tokenized in one call; their encodings are in memory together


@dataclass(frozen=True)
class RowTexts:
    """The texts of one row: a prompt, the gap between prompt and option, the options, and the suffix after every
    option.

    If there is a suffix, only the suffix is scored. `options` is None for text generation and regression.
    """

    prompt: str
    gap: str = " "
    options: list[str] | None = None
    suffix: str = ""

    def full_texts(self) -> list[str]:
        """For each option: prompt, gap, option and suffix."""
        end = f" {self.suffix}" if self.suffix else ""
        return [f"{self.prompt}{self.gap}{option}{end}" for option in self.options or []]

    def contexts(self) -> list[str]:
        """For each option: the text before its suffix; empty without a suffix."""
        return [f"{self.prompt}{self.gap}{option}" for option in self.options or []] if self.suffix else []


@dataclass(frozen=True)
class EncodedText:
    """Tokens of one text without the special tokens after it (such as an end token), because an answer follows.

    `first` is the number of special tokens before the text. `encoding` is a fast tokenizer's encoding, else None.
    """

    ids: list[int]
    first: int
    encoding: object
    unknown: int | None

    def ends_after(self, i: int, position: int) -> bool:
        """Whether token `i` covers text after character `position`.

        Without offsets only the unknown token counts, because only it covers text that it does not spell.
        """
        if self.encoding is None:
            return self.ids[i] == self.unknown
        span = self.encoding.token_to_chars(i)
        return span is not None and span[1] > position


@dataclass(frozen=True)
class Split:
    """Tokens of one row: `query` + `options`[j] are the tokens of the full text of option j.

    `starts`: number of leading tokens of each option that are not scored. `characters`, `bytes`: length of the scored
    text (the option, its suffix, or both) in characters and in bytes of UTF-8. `prompt`: the tokens of the prompt
    alone. `moved`: whether a token crosses the boundary between prompt and option, or between option and suffix.
    `silent`: options or suffixes for which the tokenizer produces no token.
    """

    query: list[int]
    options: list[list[int]] | None
    starts: list[int] | None
    characters: list[int] | None
    bytes: list[int] | None
    prompt: EncodedText
    moved: bool
    silent: list[str]


def split_rows(rows: Iterable[RowTexts], tokenizer: object, special: bool) -> Iterator[tuple[RowTexts, Split]]:
    """Every row with its `split`. `special`: whether to put the tokenizer's special tokens before the prompt.

    Full texts are tokenized, never only their last line, because the tokens of a substring may depend on all text
    before it (merges across white space, unigram segmentation of the full text, a marker before the first word).
    """
    remaining = iter(rows)
    while batch := list(itertools.islice(remaining, ROWS)):
        texts = [text for row in batch for text in (row.prompt, *row.full_texts(), *row.contexts())]
        encoded = iter(encode_texts(tokenizer, texts, special))
        for row in batch:
            prompt, full_texts = next(encoded), [next(encoded) for _ in row.options or []]
            yield row, split(row, prompt, full_texts, [next(encoded) for _ in row.contexts()])


def split(row: RowTexts, prompt: EncodedText, full_texts: list[EncodedText], contexts: list[EncodedText]) -> Split:
    """The tokens of one row, split so that every token that covers a part of an option or its suffix is scored.

    The query is the longest prefix that the prompt's tokens share with those of *every* full text and that covers no
    character of an option. If no token crosses the boundary, the query is the complete prompt, as in
    lm-evaluation-harness. Otherwise the last tokens of the prompt are scored with the option: the same characters of
    the prompt for all options of the row, so that options stay comparable.

    `contexts` are the tokens of `RowTexts.contexts`. Their boundary with the suffix is treated in the same way,
    except that options share no tokens after the prompt: if a token crosses this boundary in any option, all options of
    the row are scored completely, together with their suffix.
    """
    if row.options is None:
        return Split(prompt.ids, None, None, None, None, prompt, False, [])
    kept = min((_shared(prompt, full, len(row.prompt)) for full in full_texts), default=len(prompt.ids))
    ends = [len(row.prompt) + len(row.gap) + len(option) for option in row.options]
    shared = [_shared(*pair) for pair in zip(contexts, full_texts, ends, strict=True)] if contexts else []
    clean = all(n == len(context.ids) for n, context in zip(shared, contexts, strict=True))
    scored = row.suffix if contexts and clean else ""
    texts = [scored or (option if clean else f"{option} {row.suffix}") for option in row.options]
    return Split(
        query=prompt.ids[:kept],
        options=[full.ids[kept:] for full in full_texts],
        starts=[n - kept for n in shared] if scored else [0] * len(full_texts),
        characters=[len(text) for text in texts],
        bytes=[len(text.encode()) for text in texts],
        prompt=prompt,
        moved=kept < len(prompt.ids) or not clean,
        silent=_silent(row, prompt, full_texts, contexts),
    )


def encode_texts(tokenizer: object, texts: list[str], special: bool) -> list[EncodedText]:
    """The tokens of each text. `special`: whether to add the tokenizer's special tokens."""
    result = tokenizer(texts, add_special_tokens=special, return_special_tokens_mask=True, verbose=False)
    encodings = result.encodings or [None] * len(texts)
    unknown = getattr(tokenizer, "unk_token_id", None)
    columns = zip(result["input_ids"], result["special_tokens_mask"], encodings, strict=True)
    return [_encoded(ids, added, encoding, unknown) for ids, added, encoding in columns]


def _encoded(ids: list[int], added: list[int], encoding: object, unknown: int | None) -> EncodedText:
    if 0 not in added:
        return EncodedText(ids, len(ids), encoding, unknown)
    return EncodedText(ids[: len(ids) - added[::-1].index(0)], added.index(0), encoding, unknown)


def _shared(before: EncodedText, full: EncodedText, boundary: int) -> int:
    """Number of leading tokens that both share and that end at or before character `boundary` of the full text."""
    pairs = zip(before.ids, full.ids, strict=False)
    n = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before.ids), len(full.ids)))
    while n > full.first and full.ends_after(n - 1, boundary):
        n -= 1
    return n


def _silent(
    row: RowTexts, prompt: EncodedText, full_texts: list[EncodedText], contexts: list[EncodedText]
) -> list[str]:
    """The options, or their suffix, for which the full text has no token."""
    start = len(row.prompt) + len(row.gap)
    pairs = zip(row.options, contexts or full_texts, strict=True)
    silent = [option for option, encoded in pairs if not _has_token(encoded, option, start, prompt)]
    for option, context, full in zip(row.options, contexts, full_texts, strict=bool(contexts)):
        if not _has_token(full, row.suffix, start + len(option) + 1, context):
            silent.append(row.suffix)
    return silent


def _has_token(full: EncodedText, text: str, start: int, before: EncodedText) -> bool:
    """Whether `full` has a token for `text`, which starts at character `start`. `before` are the tokens without it."""
    if full.encoding is None or not text.strip():
        return full.ids != before.ids
    return any(full.ends_after(i, start) for i in reversed(range(len(full.ids))))
