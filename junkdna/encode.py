"""Canonical examples to token ids, once per (model, task, knobs, protocol), in a memory-mapped Arrow file.

Columns: id, split, answer, `query` (token ids: the text for an encoder, the prompt for a decoder),
`second_start` (position in the query where a second segment begins, or the query's length), `options` (token ids
per choice; null for `classify`), `option_characters`, `truncated` (the query was longer than allowed).
"""

from pathlib import Path

import pyarrow as pa

from junkdna.files import replacing
from junkdna.tasks.knobs import apply_knobs

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("answer", pa.int32()),
        ("query", pa.list_(pa.int32())),
        ("second_start", pa.int32()),
        ("options", pa.list_(pa.list_(pa.int32()))),
        ("option_characters", pa.list_(pa.int32())),
        ("truncated", pa.bool_()),
    ]
)


def encode(examples: pa.Table, tokenizer: object, settings: dict) -> pa.Table:
    """Token ids of every example under `settings` (`grid.encode_settings`), as a table with `SCHEMA`.

    Encoders: the query is the text, then the second text or the passage, cut at the end to `max_length` tokens
    with special tokens; options are encoded apart with special tokens. Decoders: the query is the task's prompt
    with the passage in front, cut at its *start* so that the question stays; options begin with a space and
    get no special tokens. Cut queries are flagged in `truncated`, never hidden.
    """
    knobs = {**settings["knob_defaults"], **dict(settings["knobs"])}
    rows = [apply_knobs(example, knobs) for example in examples.to_pylist()]
    make = _decoder_rows if settings["model_kind"] == "decoder" else _encoder_rows
    queries, starts, options = make(rows, tokenizer, settings)
    cut_start = settings["model_kind"] == "decoder"
    columns: dict[str, list] = {name: [row[name] for row in rows] for name in ("id", "split", "answer")}
    columns["query"], columns["truncated"] = _cut(queries, tokenizer, settings["max_length"], cut_start)
    columns["second_start"] = [min(a, len(q)) for a, q in zip(starts, columns["query"], strict=True)]
    columns["options"] = options
    columns["option_characters"] = [row["choices"] and [len(c) for c in row["choices"]] for row in rows]
    return pa.table(columns, schema=SCHEMA)


def _encoder_rows(rows: list[dict], tokenizer: object, settings: dict) -> tuple[list, list, list]:
    pairs = [[row["text"], *filter(None, [row["text_b"] or row["passage"]])] for row in rows]
    if settings["kind"] == "choice":  # a similarity query is one text: a separator token would not be in the options
        queries = _ids(tokenizer, [" ".join(pair) for pair in pairs])
        starts = [len(query) for query in queries]
    else:
        coded = [tokenizer(*pair, return_token_type_ids=True, verbose=False) for pair in pairs]
        queries = [code["input_ids"] for code in coded]
        starts = [(code["token_type_ids"] + [1]).index(1) for code in coded]
    return queries, starts, _options(rows, tokenizer, special=True)


def _decoder_rows(rows: list[dict], tokenizer: object, settings: dict) -> tuple[list, list, list]:
    prompts = []
    for row in rows:
        passage = f"{row['passage']}\n" if row["passage"] else ""
        prompts.append(settings["prompt"].format(passage=passage, text=row["text"], text_b=row["text_b"] or ""))
    queries = _ids(tokenizer, prompts)
    return queries, [len(query) for query in queries], _options(rows, tokenizer, special=False, before=" ")


def _options(rows: list[dict], tokenizer: object, special: bool, before: str = "") -> list:
    """Token ids of every row's choices, each distinct choice tokenised once."""
    texts = sorted({choice for row in rows for choice in row["choices"] or []})
    coded = _ids(tokenizer, [before + text for text in texts], special) if texts else []
    ids = dict(zip(texts, coded, strict=True))
    return [row["choices"] and [ids[choice] for choice in row["choices"]] for row in rows]


def _ids(tokenizer: object, texts: list[str], special: bool = True) -> list[list[int]]:
    return tokenizer(texts, add_special_tokens=special, verbose=False)["input_ids"]


def _cut(queries: list, tokenizer: object, max_length: int, cut_start: bool) -> tuple[list, list]:
    cut = [_cut_one(query, tokenizer, max_length, cut_start) if len(query) > max_length else query for query in queries]
    return cut, [len(query) > max_length for query in queries]


def _cut_one(query: list[int], tokenizer: object, max_length: int, cut_start: bool) -> list[int]:
    special = set(tokenizer.all_special_ids)
    if cut_start:
        head = query[:1] if query[0] in special else []
        return head + query[-(max_length - len(head)) :]
    tail = query[-1:] if query[-1] in special else []
    return query[: max_length - len(tail)] + tail


def write_tokens(table: pa.Table, destination: Path) -> None:
    """Write uncompressed Arrow IPC (so that it can be memory-mapped): whole or not at all."""
    with (
        replacing(destination) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def read_tokens(path: Path) -> pa.Table:
    """Memory-mapped table of an encoded file; nothing is copied until a column is read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()
