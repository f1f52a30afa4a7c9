"""Examples to token ids in an answer format, once per (model, task, knobs, protocol, role).

Columns (`tokens_file.SCHEMA`): id, split, position, answer, target, references (as in the examples), `query` (token
ids: the text for an encoder, the prompt for a decoder), `second_start` (position in the query where a second segment
begins, or the query's length), `options` (token ids per option; null where there are none), `option_starts` (leading
tokens of each option that are not scored), `option_characters` (of the scored part), `answer_shown` (whether what a row
that is cut still shows of its passage holds the answer; null without one), `truncated` (something was longer than
allowed and was cut).
"""

import pyarrow as pa

from junkdna.data.knobs import apply_knobs
from junkdna.data.tokens_file import SCHEMA
from junkdna.study import formats
from junkdna.study.cell_settings import TokenSettings

KEPT = ("id", "split", "position", "answer", "target", "references")


def tokenize_examples(
    examples: pa.Table, shots: pa.Table | None, tokenizer: object, settings: TokenSettings, readable: int | None = None
) -> pa.Table:
    """Token ids of every example under `settings` (`settings.tokenize_settings`), as a table with `SCHEMA`.

    `shots` holds the task's in-context examples (None where the knob shots is 0). No row, its longest option or the
    text to be generated included, gets longer than the `readable` tokens of the model (None: any number). Encoders lose
    the end of the text, decoders the *start* of the prompt, so that the question stays. Whatever is cut is flagged in
    `truncated`. Raises UserError for a knob that a row cannot serve (too few options or shots) and for an option of
    which nothing would be scored.
    """
    shot_rows = [] if shots is None else apply_knobs(shots, tokenizer, settings)
    return tokenize_rows(apply_knobs(examples, tokenizer, settings), shot_rows, tokenizer, settings, readable)


def tokenize_rows(
    rows: list[dict], shots: list[dict], tokenizer: object, settings: TokenSettings, readable: int | None = None
) -> pa.Table:
    """Like `tokenize_examples`, for rows and shots whose knobs are applied already."""
    coded = formats.load(settings.format).tokenize(rows, shots, tokenizer, settings, readable)
    kept = [{name: row[name] for name in KEPT} for row in rows]
    return pa.Table.from_pylist([{**row, **more} for row, more in zip(kept, coded, strict=True)], schema=SCHEMA)


def alike_options(tokens: pa.Table) -> int:
    """In how many rows two options are the same tokens, although their texts differ (letter case, unknown words, texts
    that were cut): they score alike whatever the model knows."""
    return sum(len({*map(tuple, row)}) < len(row) for row in tokens["options"].to_pylist() if row)
