"""Knobs on the choices and the passage of an example, and the hash order that knobs and splits share."""

import pyarrow as pa

from junkdna.data.answer_span import answer_place, answer_places
from junkdna.errors import UserError
from junkdna.seeds import hash_key
from junkdna.study.cell_settings import TokenSettings


def keep_options(example: dict, n: int, rank: int) -> dict:
    """The example with its right choice and n - 1 distractors (a new dict; the example is left alone).

    Which distractors stay is fixed by a hash of the example's id and the distractor's position, the same for every
    n, so a smaller set lies inside a larger one. The right choice is put at position `rank` modulo n, so that over
    rows of rank 0, 1, 2, ... every position holds it equally often; the distractors keep their order.
    With all its choices an example stays as it is. Raises UserError when it has fewer than n.
    """
    choices, answer = example["choices"], example["answer"]
    if not 2 <= n <= len(choices):
        raise UserError(
            f"knob options={n}: example {example['id']!r} has {len(choices)} choices; n must lie in 2..{len(choices)}. "
            f"Take the value off the task's knob, or off the experiment."
        )
    if n == len(choices):
        return dict(example)
    distractors = [i for i in range(len(choices)) if i != answer]
    distractors.sort(key=lambda i: hash_key("options", example["id"], i))
    kept = sorted(distractors[: n - 1])
    kept.insert(rank % n, answer)
    return {**example, "choices": [choices[i] for i in kept], "answer": rank % n}


def ranks(ids: list[str]) -> list[int]:
    """Rank of each id in the hash order of all of them."""
    order = sorted(range(len(ids)), key=lambda i: hash_key("rank", ids[i]))
    found = [0] * len(ids)
    for rank, i in enumerate(order):
        found[i] = rank
    return found


def apply_knobs(examples: pa.Table, tokenizer: object, settings: TokenSettings) -> list[dict]:
    """The examples with every knob at its value.

    Each with `answer_shown` (of the passage before anything is cut to `max_length`), the answers that are `looked_for`
    in it, and whether they are `masked`.
    """
    knobs, rows = settings.knob_values, examples.to_pylist()
    span = knobs.get("answer_span", "kept")
    applied = []
    for row, rank in zip(rows, ranks([row["id"] for row in rows]), strict=True):
        row = keep_options(row, int(knobs["options"]), rank) if "options" in knobs and row["choices"] else dict(row)
        row |= {"answer_shown": None, "looked_for": [], "masked": span == "masked"}
        if "context" in knobs and row["passage"]:
            answers = [row["choices"][row["answer"]]] if row["choices"] else row["references"] or []
            row["looked_for"] = answers
            row["passage"] = shown_passage(row["passage"], answers, knobs["context"], span, tokenizer)
            if row["passage"] and answers:
                row["answer_shown"] = answer_place(row["passage"], answers) is not None
        applied.append(row)
    return applied


MASK = "___"


def shown_passage(passage: str, answers: list[str], context: int | str, span: str, tokenizer: object) -> str | None:
    """The part of a passage that a prompt shows at `context` (none, a number of tokens, passage) and `span`.

    A number of tokens n cuts a window of n tokens of `tokenizer` around the first place where one of `answers`
    stands (`answer_place`): as many before as after it, shifted where the passage ends, so that a longer window holds
    every shorter one. An answer longer than n is kept whole. Where no answer stands the window begins the passage.
    `span` masked is the answer-absent control: every place of an answer reads "___", and the window is cut around the
    first of them: same length, same topic, no answer. Where the cut itself brings an answer about ("10,000" to "10")
    that is masked too, and where masking cannot help (an answer that reads "___") no passage is shown. A passage
    that is nothing but its answer becomes "___". Raises UserError for a tokenizer without character offsets. Tokens
    are counted in the passage alone; in the prompt a token more or less may result. A window may begin and end inside
    a word.
    """
    if context == "none":
        return None
    place = answer_place(passage, answers)
    if span == "masked":
        passage = _masked(passage, answers)
        place = (place[0], place[0] + len(MASK)) if place else None
    shown = passage if context == "passage" else _window(passage, place or (0, 0), int(context), tokenizer)
    if span == "masked" and answer_place(shown, answers):
        shown = _masked(shown, answers)
        return None if answer_place(shown, answers) else shown
    return shown


def _masked(passage: str, answers: list[str]) -> str:
    for start, end in reversed(answer_places(passage, answers)):
        passage = passage[:start] + MASK + passage[end:]
    return passage


def _window(passage: str, place: tuple[int, int], tokens: int, tokenizer: object) -> str:
    if not getattr(tokenizer, "is_fast", False):
        raise UserError(
            f"context {tokens}: the tokenizer {type(tokenizer).__name__} gives no character offsets, so no window can "
            f"be cut; use context none or passage, or a model with a fast tokenizer (tokenizer.json)."
        )
    coded = tokenizer(passage, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    offsets = [span for span in coded["offset_mapping"] if span[1] > span[0]]
    if len(offsets) <= tokens:
        return passage
    inside = [i for i, (start, end) in enumerate(offsets) if end > place[0] and start < place[1]]
    first, last = (inside[0], inside[-1] + 1) if inside else (0, 0)
    before = max(0, tokens - (last - first)) // 2
    start = max(0, min(first - before, len(offsets) - tokens))
    left, right = offsets[start][0], offsets[start + tokens - 1][1]
    if inside:  # a long answer, and characters that the tokenizer drops, such as accents apart from their letter
        left, right = min(left, place[0]), max(right, place[1])
    return passage[left:right].strip()
