"""Canonical examples to token ids, once per (model, task, knobs, protocol, role), in a memory-mapped Arrow file.

Columns: id, split, position, answer, target, references (as in the examples), `query` (token ids: the text for an
encoder, the prompt for a decoder), `second_start` (position in the query where a second segment begins, or the
query's length), `options` (token ids per option; null where there are none), `option_starts` (leading tokens of each
option that are not scored), `option_characters` (of the scored part), `answer_shown` (whether the answer stands in
what a row that is cut still shows of its passage; null without one), `truncated` (something was longer than allowed
and was cut).
"""

import logging
import math
from functools import partial

import pyarrow as pa

from junkdna.data import prompts, token_boundary
from junkdna.data.answer_span import find_answer
from junkdna.data.knobs import keep_options, ranks, shown_passage
from junkdna.data.tokens_file import SCHEMA
from junkdna.data.truncation import cut_end, cut_start, end_of_text, fit_row, start_of_text, tokens_after
from junkdna.errors import UserError

log = logging.getLogger(__name__)
SPANNED = (
    "task %s: in %d of %d rows a token of this model spans the prompt's end and an option (or an option and its "
    "ending). Those rows score it whole, for all their options alike (docs/scoring.md)."
)
KEPT = ("id", "split", "position", "answer", "target", "references")


def tokenize_examples(
    examples: pa.Table, shots: pa.Table | None, tokenizer: object, settings: dict, readable: int | None = None
) -> pa.Table:
    """Token ids of every example under `settings` (`settings.tokenize_settings`), as a table with `SCHEMA`.

    `shots` holds the task's in-context examples (None where the knob shots is 0). No row, its longest option or the
    text to be generated included, gets longer than the `readable` tokens of the model (None: any number).

    Encoders: the query is the text, then the second text or the passage, cut at the end to `max_length` tokens
    with special tokens; options are encoded apart, or (cross-encoder) behind the query, which is then cut to make
    room. Decoders: the query is the prompt, cut at its *start* so that the question stays; options are what follows
    it, and a token that spans both belongs to the options (`seam`). Whatever is cut is flagged in `truncated`, never
    hidden. Raises UserError for a knob that a row cannot serve (too few options or shots) and for an option of which
    nothing would be scored.
    """
    turned_shots = [] if shots is None else turned(shots, tokenizer, settings)
    return tokenize_rows(turned(examples, tokenizer, settings), turned_shots, tokenizer, settings, readable)


def tokenize_rows(
    rows: list[dict], shots: list[dict], tokenizer: object, settings: dict, readable: int | None = None
) -> pa.Table:
    """Like `tokenize_examples`, for rows and shots whose knobs are turned already."""
    limit = min(settings["max_length"], readable or settings["max_length"])
    if settings["model_kind"] == "decoder":
        coded = _decoder_rows(rows, shots, tokenizer, settings, readable)
    elif settings["choice"] == "cross":
        coded = _cross_rows(rows, tokenizer, limit)
    else:
        coded = _encoder_rows(rows, tokenizer, settings["kind"], limit)
    kept = [{name: row[name] for name in KEPT} for row in rows]
    return pa.Table.from_pylist([{**row, **more} for row, more in zip(kept, coded, strict=True)], schema=SCHEMA)


def turned(examples: pa.Table, tokenizer: object, settings: dict) -> list[dict]:
    """The examples with every knob at its value.

    Each with `answer_shown` (of the passage before anything is cut to `max_length`), the answers that are `looked_for`
    in it, and whether they are `masked`.
    """
    knobs = {**settings["knob_defaults"], **dict(settings["knobs"])}
    rows = examples.to_pylist()
    found = []
    for row, rank in zip(rows, ranks([row["id"] for row in rows]), strict=True):
        row = keep_options(row, int(knobs["options"]), rank) if "options" in knobs and row["choices"] else dict(row)
        span = knobs.get("answer_span", "kept")
        row |= {"answer_shown": None, "looked_for": [], "masked": span == "masked"}
        if "context" in knobs and row["passage"]:
            answers = [row["choices"][row["answer"]]] if row["choices"] else row["references"] or []
            row["looked_for"] = answers
            row["passage"] = shown_passage(row["passage"], answers, knobs["context"], span, tokenizer)
            if row["passage"] and answers:
                row["answer_shown"] = find_answer(row["passage"], answers) is not None
        found.append(row)
    return found


# --- encoders ---------------------------------------------------------------------------------------------------------


def _encoder_rows(rows: list[dict], tokenizer: object, kind: str, limit: int) -> list[dict]:
    texts = sorted({text for row in rows for text in _option_texts(row)})
    options = dict(zip(texts, _with_mask(tokenizer, texts), strict=True))
    found = []
    for row in rows:
        texts = _encoder_texts(row, kind)
        code = tokenizer(*texts, return_token_type_ids=True, return_special_tokens_mask=True, verbose=False)
        cut = partial(_encoder_cut, row, texts, code, tokenizer)
        (query, start), shown = fit_row(row, limit, cut)
        coded = [options[text] for text in _option_texts(row)]
        short = [cut_end(*option, limit) for option in coded]
        found.append(
            {
                "query": query,
                "second_start": start,
                "options": short if row["choices"] else None,
                "option_starts": [0] * len(short) if row["choices"] else None,
                "option_characters": [len(text) for text in _option_texts(row)] if row["choices"] else None,
                "answer_shown": shown,
                "truncated": max(map(len, [code["input_ids"], *(ids for ids, _ in coded)])) > limit,
            }
        )
    return found


def _encoder_texts(row: dict, kind: str) -> list[str]:
    """One text where options are picked (a separator token would not be in the options), else the text and what
    follows it."""
    return [_joined(row)] if kind == "choice" else [row["text"], *filter(None, [row["text_b"] or row["passage"]])]


def _encoder_cut(
    row: dict, texts: list[str], code: object, tokenizer: object, limit: int
) -> tuple[tuple[list[int], int], str]:
    """Tokens cut to `limit` and where the second segment begins in them; the part of the passage they show."""
    whole, added, passage = code["input_ids"], code["special_tokens_mask"], _passage(row)
    cut = cut_end(whole, added, limit)
    start = [*code["token_type_ids"], 1].index(1) if len(texts) > 1 else len(cut)
    if passage and len(cut) < len(whole):
        end = end_of_text(tokenizer, code, limit - tokens_after(added), texts)
        passage = passage[: max(0, end - (len(texts[-1]) - len(passage)))]
    return (cut, min(start, len(cut))), passage


def _cross_rows(rows: list[dict], tokenizer: object, limit: int) -> list[dict]:
    found = []
    for row in rows:
        code = tokenizer(_joined(row), return_special_tokens_mask=True, verbose=False)
        texts = _option_texts(row)
        fits = [fit_row(row, limit, partial(_pair, tokenizer, row, text)) for text in texts]
        query = code["input_ids"]
        found.append(
            {
                "query": cut_end(query, code["special_tokens_mask"], limit),
                "second_start": min(len(query), limit),
                "options": [ids for (ids, _, _), _ in fits],
                "option_starts": [start for (_, start, _), _ in fits],
                "option_characters": [len(text) for text in texts],
                "answer_shown": None if row["answer_shown"] is None else all(shown for _, shown in fits),
                "truncated": any(cut for (_, _, cut), _ in fits),
            }
        )
    return found


def _pair(tokenizer: object, row: dict, second: str, limit: int) -> tuple[tuple[list[int], int, bool], str]:
    """(Token ids of two segments, where the second begins, whether they were cut to `limit` tokens), and the part of
    the passage that they show. The first segment alone is cut, as long as something of it stays, else whichever is
    longer."""
    first, passage = _joined(row), _passage(row)
    code = tokenizer(first, second, return_token_type_ids=True, verbose=False)
    cut = len(code["input_ids"]) > limit
    if cut:
        spare = len(_ids(tokenizer, [first], special=False)[0]) - 1
        how = "only_first" if len(code["input_ids"]) - limit <= spare else "longest_first"
        code = tokenizer(first, second, truncation=how, max_length=limit, return_token_type_ids=True, verbose=False)
    start = [*code["token_type_ids"], 1].index(1)
    if cut and passage:
        passage = passage[: max(0, end_of_text(tokenizer, code, start, [first]) - (len(first) - len(passage)))]
    return (code["input_ids"], start, cut), passage


def _passage(row: dict) -> str:
    """The passage that an encoder reads: none beside a second text."""
    return "" if row["text_b"] else row["passage"] or ""


def _joined(row: dict) -> str:
    return " ".join(filter(None, [row["text"], row["text_b"] or row["passage"]]))


def _option_texts(row: dict) -> list[str]:
    return [f"{choice} {row['ending']}" if row["ending"] else choice for choice in row["choices"] or []]


# --- decoders ---------------------------------------------------------------------------------------------------------


def _decoder_rows(
    rows: list[dict], shots: list[dict], tokenizer: object, settings: dict, readable: int | None
) -> list[dict]:
    groups: dict[str | None, list[dict]] = {}
    for shot in shots:
        groups.setdefault(shot["group"], []).append(shot)
    asked = (_asked(row, _shots_of(row, groups, settings), tokenizer, settings) for row in rows)
    found, moved = [], 0
    for row, (texts, split) in zip(
        rows, token_boundary.split_rows(asked, tokenizer, not settings["chat_template"]), strict=True
    ):
        _refuse_silent(row, split, settings)
        behind = max(map(len, split.options or []), default=settings["new_tokens"])
        limit = min(settings["max_length"], (readable or math.inf) - behind)
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
        log.warning(SPANNED, settings["task"], moved, len(rows))
    return found


def _asked(row: dict, shots: list[dict], tokenizer: object, settings: dict) -> token_boundary.RowTexts:
    """The texts of a row. A prompt before options never ends in a blank: a tokenizer may merge it with the word that
    follows."""
    whole, gap = prompts.prompt(row, shots, settings), " "
    if settings["chat_template"]:
        whole, gap = prompts.with_chat_template(tokenizer, prompts.messages(row, shots, settings)), ""
    options = prompts.option_texts(row, settings)
    text = whole if options is None else whole.rstrip(" ")
    ending = "" if settings["choice"] == "letters" else row["ending"] or ""
    return token_boundary.RowTexts(text, whole[len(text) :] + gap, options, ending)


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


def _shots_of(row: dict, groups: dict[str | None, list[dict]], settings: dict) -> list[dict]:
    """The in-context examples of a row: the first ones of its group."""
    k = {**settings["knob_defaults"], **dict(settings["knobs"])}.get("shots", 0)
    own = groups.get(row["group"], [])
    if len(own) < k:
        raise UserError(
            f"task {settings['task']}: knob shots={k}, but there are {len(own)} in-context examples for row "
            f"{row['id']!r} (group {row['group']!r}); take fewer shots, or correct columns.group or shots.of."
        )
    return own[:k]


def _refuse_silent(row: dict, split: token_boundary.Split, settings: dict) -> None:
    if split.silent:
        raise UserError(
            f"task {settings['task']}: row {row['id']!r}: this model's tokenizer gives no token for "
            f"{split.silent[0]!r}, so nothing would be scored; leave the row out, or take another model."
        )


# --- files ------------------------------------------------------------------------------------------------------------


def _ids(tokenizer: object, texts: list[str], special: bool = True) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"] if texts else []


def _with_mask(tokenizer: object, texts: list[str]) -> list[tuple[list[int], list[int]]]:
    """Tokens of each text, and 1 for each that the tokenizer added to it."""
    if not texts:
        return []
    code = tokenizer(texts, return_special_tokens_mask=True, verbose=False)
    return [*zip(code["input_ids"], code["special_tokens_mask"], strict=True)]


def alike_options(tokens: pa.Table) -> int:
    """In how many encoded rows two options are the same tokens, although their texts differ (letter case, unknown
    words, texts that were cut): they score alike whatever the model knows."""
    return sum(len({*map(tuple, row)}) < len(row) for row in tokens["options"].to_pylist() if row)
