"""Canonical examples to token ids, once per (model, task, knobs, protocol, role), in a memory-mapped Arrow file.

Columns: id, split, position, answer, target, references (as in the examples), `query` (token ids: the text for an
encoder, the prompt for a decoder), `second_start` (position in the query where a second segment begins, or the
query's length), `options` (token ids per option; null where there are none), `option_starts` (leading tokens of each
option that are not scored), `option_characters` (of the scored part), `answer_shown` (whether the answer stands in
the passage shown; null without one), `truncated` (something was longer than allowed and was cut).
"""

import math
import mmap
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from junkdna import prompts
from junkdna.errors import UserError
from junkdna.files import replacing
from junkdna.sealed import SLOT, check_seal, not_whole, seal
from junkdna.tasks.knobs import keep_options, ranks
from junkdna.windows import answer_place, shown_passage

INTEGERS = pa.list_(pa.int32())
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("position", pa.int32()),
        ("answer", pa.int32()),
        ("target", pa.float64()),
        ("references", pa.list_(pa.string())),
        ("query", INTEGERS),
        ("second_start", pa.int32()),
        ("options", pa.list_(INTEGERS)),
        ("option_starts", INTEGERS),
        ("option_characters", INTEGERS),
        ("answer_shown", pa.bool_()),
        ("truncated", pa.bool_()),
    ]
)
KEPT = ("id", "split", "position", "answer", "target", "references")


def encode(
    examples: pa.Table, shots: pa.Table | None, tokenizer: object, settings: dict, readable: int | None = None
) -> pa.Table:
    """Token ids of every example under `settings` (`job_settings.encode_settings`), as a table with `SCHEMA`.

    `shots` holds the task's in-context examples (None where the knob shots is 0). No row, its longest option or the
    text to be generated included, gets longer than the `readable` tokens of the model (None: any number).

    Encoders: the query is the text, then the second text or the passage, cut at the end to `max_length` tokens
    with special tokens; options are encoded apart, or (cross-encoder) behind the query, which is then cut to make
    room. Decoders: the query is the prompt, cut at its *start* so that the question stays; options are what follows
    it. Whatever is cut is flagged in `truncated`, never hidden. Raises UserError for a knob that a row cannot serve
    (too few options or shots) and for an option of which nothing would be scored.
    """
    turned_shots = [] if shots is None else turned(shots, tokenizer, settings)
    return encode_rows(turned(examples, tokenizer, settings), turned_shots, tokenizer, settings, readable)


def encode_rows(
    rows: list[dict], shots: list[dict], tokenizer: object, settings: dict, readable: int | None = None
) -> pa.Table:
    """Like `encode`, for rows and shots whose knobs are turned already."""
    limit = min(settings["max_length"], readable or settings["max_length"])
    if settings["model_kind"] == "decoder":
        coded = _decoder_rows(rows, shots, tokenizer, settings, readable)
    elif settings["choice"] == "cross":
        coded = _cross_rows(rows, tokenizer, limit)
    else:
        coded = _encoder_rows(rows, tokenizer, settings["kind"], limit)
    kept = [{name: row[name] for name in (*KEPT, "answer_shown")} for row in rows]
    return pa.Table.from_pylist([{**row, **more} for row, more in zip(kept, coded, strict=True)], schema=SCHEMA)


def turned(examples: pa.Table, tokenizer: object, settings: dict) -> list[dict]:
    """The examples with every knob at its value, and `answer_shown`."""
    knobs = {**settings["knob_defaults"], **dict(settings["knobs"])}
    rows = examples.to_pylist()
    found = []
    for row, rank in zip(rows, ranks([row["id"] for row in rows]), strict=True):
        row = keep_options(row, int(knobs["options"]), rank) if "options" in knobs and row["choices"] else dict(row)
        row["answer_shown"] = None
        if "context" in knobs and row["passage"]:
            answers = [row["choices"][row["answer"]]] if row["choices"] else row["references"] or []
            span = knobs.get("answer_span", "kept")
            row["passage"] = shown_passage(row["passage"], answers, knobs["context"], span, tokenizer)
            if row["passage"] and answers:
                row["answer_shown"] = answer_place(row["passage"], answers) is not None
        found.append(row)
    return found


# --- encoders ---------------------------------------------------------------------------------------------------------


def _encoder_rows(rows: list[dict], tokenizer: object, kind: str, limit: int) -> list[dict]:
    texts = sorted({text for row in rows for text in _option_texts(row)})
    options = dict(zip(texts, _ids(tokenizer, texts), strict=True))
    found = []
    for row in rows:
        first, second = row["text"], row["text_b"] or row["passage"]
        if kind == "choice":  # one text: a separator token would not be in the options
            query, start = tokenizer(_joined(row), verbose=False)["input_ids"], None
        else:
            code = tokenizer(first, *filter(None, [second]), return_token_type_ids=True, verbose=False)
            query, start = code["input_ids"], (code["token_type_ids"] + [1]).index(1)
        coded = [options[text] for text in _option_texts(row)]
        short = [_cut_end(option, tokenizer, limit) for option in coded]
        cut = _cut_end(query, tokenizer, limit)
        found.append(
            {
                "query": cut,
                "second_start": min(len(cut) if start is None else start, len(cut)),
                "options": short if row["choices"] else None,
                "option_starts": [0] * len(short) if row["choices"] else None,
                "option_characters": [len(text) for text in _option_texts(row)] if row["choices"] else None,
                "truncated": max(map(len, [query, *coded])) > limit,
            }
        )
    return found


def _cross_rows(rows: list[dict], tokenizer: object, limit: int) -> list[dict]:
    found = []
    for row in rows:
        query = tokenizer(_joined(row), verbose=False)["input_ids"]
        texts = _option_texts(row)
        pairs = [_pair(tokenizer, _joined(row), text, limit) for text in texts]
        found.append(
            {
                "query": _cut_end(query, tokenizer, limit),
                "second_start": min(len(query), limit),
                "options": [ids for ids, _, _ in pairs],
                "option_starts": [start for _, start, _ in pairs],
                "option_characters": [len(text) for text in texts],
                "truncated": any(cut for *_, cut in pairs),
            }
        )
    return found


def _pair(tokenizer: object, first: str, second: str, limit: int) -> tuple[list[int], int, bool]:
    """Token ids of two segments, where the second begins, and whether they were cut to `limit` tokens: the first one
    alone, as long as something of it stays, else whichever is longer."""
    code = tokenizer(first, second, return_token_type_ids=True, verbose=False)
    cut = len(code["input_ids"]) > limit
    if cut:
        spare = len(_ids(tokenizer, [first], special=False)[0]) - 1
        how = "only_first" if len(code["input_ids"]) - limit <= spare else "longest_first"
        code = tokenizer(first, second, truncation=how, max_length=limit, return_token_type_ids=True, verbose=False)
    return code["input_ids"], [*code["token_type_ids"], 1].index(1), cut


def _joined(row: dict) -> str:
    return " ".join(filter(None, [row["text"], row["text_b"] or row["passage"]]))


def _option_texts(row: dict) -> list[str]:
    return [f"{choice} {row['ending']}" if row["ending"] else choice for choice in row["choices"] or []]


def _cut_end(query: list[int], tokenizer: object, max_length: int) -> list[int]:
    if len(query) <= max_length:
        return query
    tail = query[-1:] if query[-1] in set(tokenizer.all_special_ids) else []
    return query[: max_length - len(tail)] + tail


# --- decoders ---------------------------------------------------------------------------------------------------------


def _decoder_rows(
    rows: list[dict], shots: list[dict], tokenizer: object, settings: dict, readable: int | None
) -> list[dict]:
    groups: dict[str | None, list[dict]] = {}
    for shot in shots:
        groups.setdefault(shot["group"], []).append(shot)
    chat = settings["chat_template"]
    code = continuation_coder(tokenizer)
    found = []
    for row in rows:
        shown = _shots_of(row, groups, settings)
        if chat:
            whole, gap = prompts.with_chat_template(tokenizer, prompts.messages(row, shown, settings)), ""
        else:
            whole, gap = prompts.prompt(row, shown, settings), " "
        scored = prompts.option_texts(row, settings) is not None
        text = whole.rstrip(" ") if scored else whole
        gap = whole[len(text) :] + gap  # a tokenizer may merge the blank with the word that follows
        query = _prompt_ids(tokenizer, text, special=not chat)
        following = _continuations(row, text, gap, code, settings)
        behind = max(map(len, following["options"] or []), default=settings["new_tokens"])
        limit = min(settings["max_length"], (readable or math.inf) - behind)
        if limit < 1:
            raise UserError(
                f"example {row['id']!r}: {behind} tokens are to follow the prompt, but the model reads only {readable}."
            )
        cut = _cut_start(query, tokenizer, limit)
        found.append({"query": cut, "second_start": len(cut), "truncated": len(query) > limit, **following})
    return found


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


def _prompt_ids(tokenizer: object, text: str, special: bool) -> list[int]:
    """Token ids of a prompt, without what the tokenizer puts behind a text (an end token): an answer follows."""
    code = tokenizer(text, add_special_tokens=special, return_special_tokens_mask=True, verbose=False)
    ids, added = code["input_ids"], code["special_tokens_mask"]
    return ids[: len(ids) - added[::-1].index(0)] if 0 in added else ids


def _continuations(row: dict, text: str, gap: str, code: Callable, settings: dict) -> dict:
    """The option columns of one row: what follows the prompt `text` after `gap`."""
    texts = prompts.option_texts(row, settings)
    if texts is None:
        return {"options": None, "option_starts": None, "option_characters": None}
    ending = "" if settings["choice"] == "letters" else row["ending"] or ""
    coded = [code(text, f"{gap}{option} {ending}" if ending else gap + option) for option in texts]
    starts = [len(code(text, gap + option)) if ending else 0 for option in texts]
    for option, ids, start in zip(texts, coded, starts, strict=True):
        if len(ids) <= start:
            raise UserError(
                f"task {settings['task']}: row {row['id']!r}: this model's tokenizer gives no token for "
                f"{ending or option!r}, so nothing would be scored; leave the row out, or take another model."
            )
    lengths = [len(ending or option) for option in texts]
    return {"options": coded, "option_starts": starts, "option_characters": lengths}


def continuation_coder(tokenizer: object) -> Callable[[str, str], list[int]]:
    """A function of (text, continuation) that gives the tokens which the continuation adds behind the text.

    As tokens of the whole, less those of the text alone (so lm-eval splits them): a tokenizer may merge across the
    seam, or put a mark in front of whatever comes first. Only the last line is tokenised anew, each pair once.
    """
    known: dict[tuple[str, str], list[int]] = {}

    def code(text: str, continuation: str) -> list[int]:
        key = (text[text.rstrip().rfind("\n") + 1 :][-200:], continuation)
        if key not in known:
            alone, whole = (_ids(tokenizer, [part], special=False)[0] for part in (key[0], "".join(key)))
            known[key] = whole[len(alone) :]
        return known[key]

    return code


def _cut_start(query: list[int], tokenizer: object, max_length: int) -> list[int]:
    if len(query) <= max_length:
        return query
    head = query[:1] if query[0] in set(tokenizer.all_special_ids) else []
    return head + query[-(max_length - len(head)) :]


# --- files ------------------------------------------------------------------------------------------------------------


def _ids(tokenizer: object, texts: list[str], special: bool = True) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"] if texts else []


def write_tokens(table: pa.Table, destination: Path) -> None:
    """Write uncompressed Arrow IPC (so that it can be memory-mapped), sealed: whole or not at all."""
    with replacing(destination) as temporary:
        with (
            pa.OSFile(str(temporary), "wb") as sink,
            pa.ipc.new_file(sink, table.schema, metadata=SLOT) as writer,
        ):
            writer.write_table(table)
        seal(temporary)


def read_tokens(path: Path) -> pa.Table:
    """Memory-mapped table of an encoded file, every byte checked; UserError where it cannot be read or is damaged."""
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise not_whole(path, "encoded file", error) from None
    check_seal(data, path, "encoded file")
    return pa.ipc.open_file(pa.py_buffer(data)).read_all()
