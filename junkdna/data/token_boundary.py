"""Where a prompt ends and an answer begins, in tokens (docs/scoring.md).

A tokenizer may put the last characters of a prompt and the first of an option into one token (": C"). Then the tokens
of the prompt alone are not the beginning of the tokens of the whole, and what lies behind them is only a piece of the
option. `split` finds the last place where the tokens of every whole text of a row can be parted without that.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ROWS = 64  # rows whose texts are tokenized in one call: their encodings are held in memory together


@dataclass(frozen=True)
class Asked:
    """The texts of one row: a prompt, what parts it from an option, the options, and what follows every option.

    Only the suffix is scored where there is one. `options` is None where text is generated or a number is wanted.
    """

    prompt: str
    gap: str = " "
    options: list[str] | None = None
    suffix: str = ""

    def wholes(self) -> list[str]:
        """The text of each option with everything before and behind it."""
        return [f"{text} {self.suffix}" if self.suffix else text for text in self.before_suffix()]

    def before_suffix(self) -> list[str]:
        return [f"{self.prompt}{self.gap}{option}" for option in self.options or []]


@dataclass(frozen=True)
class Coded:
    """Tokens of one text, without what the tokenizer puts behind a text (an end token): an answer follows.

    `first` counts the special tokens that it puts in front. `encoding` is that of a fast tokenizer, else None.
    """

    ids: list[int]
    first: int
    encoding: object
    unknown: int | None

    def reaches_over(self, i: int, place: int) -> bool:
        """Whether token `i` holds characters of the text behind `place`.

        A tokenizer without offsets is asked by id: only the unknown token stands for text that it does not spell.
        """
        if self.encoding is None:
            return self.ids[i] == self.unknown
        span = self.encoding.token_to_chars(i)
        return span is not None and span[1] > place


@dataclass(frozen=True)
class Split:
    """Tokens of one row: `query` + `options`[j] are the tokens of the whole text of option j.

    `starts` counts the leading tokens of each option that are not scored, `characters` those of the text that is: the
    option, its suffix, or both. `prompt` are the tokens of the prompt alone. `moved`: a token spans a seam. `silent`:
    options or suffixes of which the tokenizer makes no token.
    """

    query: list[int]
    options: list[list[int]] | None
    starts: list[int] | None
    characters: list[int] | None
    prompt: Coded
    moved: bool
    silent: list[str]


def split_rows(rows: Iterable[Asked], tokenizer: object, special: bool) -> Iterator[tuple[Asked, Split]]:
    """Every row with its `split`. `special`: the tokenizer's special tokens go in front of the prompt.

    Whole texts are tokenized, never their last line alone: what a piece of text becomes may depend on all that stands
    before it (merges over white space, the likeliest pieces of a whole text, a mark in front of the first word).
    """
    waiting = iter(rows)
    while some := list(itertools.islice(waiting, ROWS)):
        texts = [text for row in some for text in (row.prompt, *row.wholes(), *_contexts(row))]
        coded = iter(code(tokenizer, texts, special))
        for row in some:
            prompt, wholes = next(coded), [next(coded) for _ in row.options or []]
            yield row, split(row, prompt, wholes, [next(coded) for _ in _contexts(row)])


def split(row: Asked, prompt: Coded, wholes: list[Coded], contexts: list[Coded]) -> Split:
    """The tokens of one row, parted so that no token of an option or of its suffix is split or left unscored.

    The query is the longest beginning that the prompt's tokens share with those of *every* whole text, and of which
    no token reaches into an option. Where no token spans the seam that is the whole prompt, as in
    lm-evaluation-harness. Else the last tokens of the prompt are scored with the option, for all options of the row
    alike: the same characters of the prompt, so that options stay comparable. `contexts` end before the suffix. The
    same holds there, but options share no token behind the prompt: where a token spans that seam in any option, the
    row's options are scored whole, with their suffix.
    """
    if row.options is None:
        return Split(prompt.ids, None, None, None, prompt, False, [])
    kept = min((_shared(prompt, whole, len(row.prompt)) for whole in wholes), default=len(prompt.ids))
    ends = [len(row.prompt) + len(row.gap) + len(option) for option in row.options]
    shared = [_shared(*each) for each in zip(contexts, wholes, ends, strict=True)] if contexts else []
    clean = all(n == len(context.ids) for n, context in zip(shared, contexts, strict=True))
    scored = row.suffix if contexts and clean else ""
    texts = [option if clean else f"{option} {row.suffix}" for option in row.options]
    return Split(
        query=prompt.ids[:kept],
        options=[whole.ids[kept:] for whole in wholes],
        starts=[n - kept for n in shared] if scored else [0] * len(wholes),
        characters=[len(scored or text) for text in texts],
        prompt=prompt,
        moved=kept < len(prompt.ids) or not clean,
        silent=_silent(row, prompt, wholes, contexts),
    )


def code(tokenizer: object, texts: list[str], special: bool) -> list[Coded]:
    """Tokens of each text."""
    if not texts:
        return []
    found = tokenizer(
        texts,
        add_special_tokens=special,
        return_special_tokens_mask=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    encodings = found.encodings or [None] * len(texts)
    unknown = getattr(tokenizer, "unk_token_id", None)
    coded = zip(found["input_ids"], found["special_tokens_mask"], encodings, strict=True)
    return [_coded(ids, added, encoding, unknown) for ids, added, encoding in coded]


def _coded(ids: list[int], added: list[int], encoding: object, unknown: int | None) -> Coded:
    if 0 not in added:
        return Coded(ids, len(ids), encoding, unknown)
    return Coded(ids[: len(ids) - added[::-1].index(0)], added.index(0), encoding, unknown)


def _contexts(row: Asked) -> list[str]:
    return row.before_suffix() if row.suffix else []


def _shared(before: Coded, whole: Coded, seam: int) -> int:
    """How many leading tokens both have, none of which reaches over character `seam` of the whole text."""
    pairs = zip(before.ids, whole.ids, strict=False)
    n = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before.ids), len(whole.ids)))
    while n > whole.first and whole.reaches_over(n - 1, seam):
        n -= 1
    return n


def _silent(row: Asked, prompt: Coded, wholes: list[Coded], contexts: list[Coded]) -> list[str]:
    """The options, or their suffix, that have no token of their own in the whole text."""
    begin = len(row.prompt) + len(row.gap)
    pairs = zip(row.options, contexts or wholes, strict=True)
    found = [option for option, coded in pairs if not _speaks(coded, option, begin, prompt)]
    for option, context, whole in zip(row.options, contexts, wholes, strict=bool(contexts)):
        if not _speaks(whole, row.suffix, begin + len(option) + 1, context):
            found.append(row.suffix)
    return found


def _speaks(whole: Coded, text: str, begin: int, before: Coded) -> bool:
    """Whether `whole` has a token for `text`, which begins at character `begin`; `before` is all in front of it."""
    if whole.encoding is None or not text.strip():
        return whole.ids != before.ids
    return any(whole.reaches_over(i, begin) for i in reversed(range(len(whole.ids))))
