"""Apply the knobs for options and passages to an example, and compute the hash order that knobs and splits share."""

import numpy as np
import pyarrow as pa

from junkdna.data.answer_span import find_answer, find_answers
from junkdna.errors import UserError
from junkdna.seeds import hash_key
from junkdna.study.cell_settings import TokenSettings


def keep_options(example: dict, n: int, rank: int) -> dict:
    """A copy of the example with its right choice and n - 1 distractors.

    A hash of the example's id and the distractor's position selects the distractors. It does not depend on n, so a
    smaller set is a subset of a larger one. The right choice goes to position `rank` modulo n, so over rows of rank
    0, 1, 2, ... it is at every position equally often. The distractors keep their order. If n is the number of choices,
    nothing changes. Raises UserError if the example has fewer than n choices.
    """
    choices, answer = example["choices"], example["answer"]
    if not 2 <= n <= len(choices):
        raise UserError(
            f"knob options={n}: example {example['id']!r} has {len(choices)} choices, so n must be 2 to "
            f"{len(choices)}. Remove the value from the task's knob or from the experiment."
        )
    if n == len(choices):
        return dict(example)
    by_hash = sorted(range(len(choices)), key=lambda i: hash_key("options", example["id"], i))
    kept = sorted([i for i in by_hash if i != answer][: n - 1])
    kept.insert(rank % n, answer)
    return {**example, "choices": [choices[i] for i in kept], "answer": rank % n}


def ranks(ids: list[str]) -> list[int]:
    """The rank of each id when all ids are sorted by hash."""
    order = sorted(range(len(ids)), key=lambda i: hash_key("rank", ids[i]))
    return np.argsort(order).tolist()  # the inverse permutation


def apply_knobs(examples: pa.Table, tokenizer: object, settings: TokenSettings) -> list[dict]:
    """The examples with every knob at its value.

    Each with `answer_shown` (of the passage before anything is cut to `max_length`), the answers that are `looked_for`
    in it, whether they are `masked`, and its `cluster`: the same for all examples of one passage, whatever part of it
    is shown; null without a passage.
    """
    knobs, rows = settings.knob_values, examples.to_pylist()
    span = knobs.get("answer_span", "kept")
    applied = []
    for row, rank in zip(rows, ranks([row["id"] for row in rows]), strict=True):
        row = keep_options(row, int(knobs["options"]), rank) if "options" in knobs and row["choices"] else dict(row)
        row |= {"answer_shown": None, "looked_for": [], "masked": span == "masked"}
        row["cluster"] = hash_key(row["passage"])[:CLUSTER_DIGITS] if row["passage"] else None
        if "context" in knobs and row["passage"]:
            answers = [row["choices"][row["answer"]]] if row["choices"] else row["references"] or []
            row["looked_for"] = answers
            row["passage"] = shown_passage(row["passage"], answers, knobs["context"], span, tokenizer)
            if row["passage"] and answers:
                row["answer_shown"] = find_answer(row["passage"], answers) is not None
        applied.append(row)
    return applied


MASK = "___"
CLUSTER_DIGITS = 16  # hex digits, 64 bits: two of a million passages are equal by chance with a probability of 3e-8


def shown_passage(passage: str, answers: list[str], context: int | str, span: str, tokenizer: object) -> str | None:
    """The part of a passage that a prompt shows at `context` (none, a number of tokens, passage) and `span`.

    For n tokens the passage window has n tokens of `tokenizer` around the first match of one of `answers`
    (`find_answer`), with equally many before and after it. At the ends of the passage it is shifted, so a longer window
    contains every shorter one. An answer of more than n tokens is kept completely. Without a match the window is at the
    start of the passage. A window may start and end inside a word. Tokens are counted in the passage alone; the prompt
    may have a token more or less.

    `span` masked is the answer-absent control: every match of an answer becomes "___" and the window is around the
    first of them, so length and topic are the same without the answer. If cutting the window creates an answer
    ("10,000" to "10"), that is masked too; if masking does not help (an answer "___"), no passage is shown. A passage
    that consists of its answer becomes "___".

    Raises UserError for a tokenizer without character offsets.
    """
    if context == "none":
        return None
    match = find_answer(passage, answers)
    if span == "masked":
        passage = _masked(passage, answers)
        match = (match[0], match[0] + len(MASK)) if match else None
    shown = passage if context == "passage" else _window(passage, match or (0, 0), int(context), tokenizer)
    if span == "masked" and find_answer(shown, answers):
        shown = _masked(shown, answers)
        return None if find_answer(shown, answers) else shown
    return shown


def _masked(passage: str, answers: list[str]) -> str:
    for start, end in reversed(find_answers(passage, answers)):
        passage = passage[:start] + MASK + passage[end:]
    return passage


def _window(passage: str, match: tuple[int, int], tokens: int, tokenizer: object) -> str:
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"context {tokens}: the tokenizer {type(tokenizer).__name__} gives no character offsets, which the passage "
            f"window needs. Use context none or passage, or a model with a fast tokenizer (tokenizer.json)."
        )
    encoded = tokenizer(passage, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = [span for span in encoded["offset_mapping"] if span[1] > span[0]]
    if len(offsets) <= tokens:
        return passage
    inside = [i for i, (start, end) in enumerate(offsets) if end > match[0] and start < match[1]]
    first, last = (inside[0], inside[-1] + 1) if inside else (0, 0)
    before = max(0, tokens - (last - first)) // 2
    start = max(0, min(first - before, len(offsets) - tokens))
    left, right = offsets[start][0], offsets[start + tokens - 1][1]
    if inside:  # for long answers and characters that the tokenizer drops, such as combining accents
        left, right = min(left, match[0]), max(right, match[1])
    return passage[left:right].strip()
