"""Examples to token ids in an answer format, once per (model, task, knobs, protocol, role).

Columns (`tokens_file.SCHEMA`):

id, split, position, answer, target, references: as in the examples
cluster: hash of the example's passage, whether shown or not; null without one
query: token ids of the text for an encoder, of the prompt for a decoder
second_start: position in the query at which the second segment begins, or the query's length
options: token ids of each option; null if there are no options
option_starts: number of leading tokens of each option that are not scored
option_characters: characters of each option's scored part
option_bytes: bytes of its UTF-8 text; null for encoders
blind: token ids of the prompt without the row's question, and of the option after it (kind likelihood, if the row has
    a question); otherwise null
answer_shown: whether the passage, as far as the row shows it after truncation, contains the answer; null without one
truncated: whether any part of the row was longer than allowed and was truncated
"""

import pyarrow as pa

from junkdna.data.knobs import apply_knobs
from junkdna.data.tokens_file import SCHEMA
from junkdna.study import formats
from junkdna.study.cell_settings import TokenSettings

COPIED = ("id", "split", "position", "answer", "target", "references", "cluster")


def tokenize_examples(
    examples: pa.Table, shots: pa.Table | None, tokenizer: object, settings: TokenSettings, readable: int | None = None
) -> pa.Table:
    """Token ids of every example under `settings`, as a table with `SCHEMA`.

    `shots` are the task's in-context examples (None if the knob shots is 0). Including its longest option or the text
    to be generated, a row has at most `readable` tokens, the model's context length (None: no limit). Encoders lose the
    end of the text, decoders the *start* of the prompt, so the question stays. Raises UserError if a row has too few
    options or shots for a knob, and for an option without a token to score.
    """
    shot_rows = [] if shots is None else apply_knobs(shots, tokenizer, settings)
    return tokenize_rows(apply_knobs(examples, tokenizer, settings), shot_rows, tokenizer, settings, readable)


def tokenize_rows(
    rows: list[dict], shots: list[dict], tokenizer: object, settings: TokenSettings, readable: int | None = None
) -> pa.Table:
    """Like `tokenize_examples`, for rows and shots to which the knobs are already applied."""
    coded = formats.load(settings.format).tokenize(rows, shots, tokenizer, settings, readable)
    copied = [{name: row[name] for name in COPIED} for row in rows]
    return pa.Table.from_pylist([{**row, **more} for row, more in zip(copied, coded, strict=True)], schema=SCHEMA)


def alike_options(tokens: pa.Table) -> int:
    """Number of rows in which two options have the same tokens although their texts differ (letter case, unknown words,
    truncation). Such options always get the same score."""
    return sum(len({*map(tuple, row)}) < len(row) for row in tokens["options"].to_pylist() if row)
