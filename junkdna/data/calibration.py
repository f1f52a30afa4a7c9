"""Texts to the calibration rows of a model: token ids from which compression methods compute their statistics.

The texts that are drawn depend only on the calibration's name, the seed and the ids of the texts. All methods get the
same rows, and with windows `texts` all models get the same texts.
"""

import logging
from collections.abc import Callable, Iterator
from itertools import chain, cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from junkdna.data.calibration_file import CalibrationRows, write_calibration
from junkdna.data.rows import RawRows, load_raw
from junkdna.data.templates import check_columns, render, wanted_columns
from junkdna.data.tokenizer import context_tokens, load_tokenizer
from junkdna.data.values import plain_rows
from junkdna.data.wheel_download import wheel_file
from junkdna.errors import UserError
from junkdna.seeds import seed_for
from junkdna.storage.tables import read_parquet

if TYPE_CHECKING:
    from junkdna.study.compress_settings import CalibrationSettings

log = logging.getLogger(__name__)

CHUNK_ROWS = 1000  # a table of long texts is many times larger as Python objects
FIXES = {
    "texts": "Lower samples or name more texts.",
    "joined": "Lower samples or context_tokens, or name more texts.",
    "long": "Lower samples or context_tokens, or use windows: texts or joined.",
}


# --- texts ------------------------------------------------------------------------------------------------------------


def example_text(row: dict) -> str:
    """An example as one text: those of passage, text, second text, right answer and suffix that exist, joined by
    blanks. The right answer is the right choice, or the answer of a `generate` task as a shot shows it. A class or a
    number is not included, because no text of the data set contains it."""
    answer = row["choices"][row["answer"]] if row["choices"] else row["shown"]
    answer = answer or next(iter(row["references"] or []), None)
    return " ".join(filter(None, [row["passage"], row["text"], row["text_b"], answer, row["suffix"]]))


def texts_of(settings: "CalibrationSettings", table: pa.Table) -> list[tuple[str, str]]:
    """(id, text) of every row in stored order, including blank and equal texts, stripped of white space at both ends.

    `table` is a task's examples, whose ids are kept, or raw rows, whose ids are "row-0", "row-1", ... Raises UserError
    for a column that does not exist or that has several values in a row.
    """
    where = f"calibration {settings.calibration}"
    if settings.task is not None:
        batches = table.to_batches(max_chunksize=CHUNK_ROWS)
        return [(row["id"], example_text(row).strip()) for batch in batches for row in batch.to_pylist()]
    template = f"{{{settings.column}}}"
    check_columns(where, {"text": template}, table.schema, settings.split)
    rows = plain_rows(where, table, wanted_columns({"text": template}, table.schema))
    return [(f"row-{i}", render(f"{where}: row {i}", template, row).strip()) for i, row in enumerate(rows)]


# --- drawing ----------------------------------------------------------------------------------------------------------


class _Texts(NamedTuple):
    """The texts of a draw.

    `texts` are (id, text) in stored order without blank texts, and `order` their indices in drawn order. `encode` gives
    token ids without special tokens. `separator` goes between two joined texts, `room` is the number of tokens of a row
    without special tokens, and `key` is the key of all draws.
    """

    where: str
    texts: list[tuple[str, str]]
    order: list[int]
    encode: Callable[[str], list[int]]
    separator: list[int]
    room: int
    key: tuple[str, int]


def draw(texts: list[tuple[str, str]], tokenizer: object, settings: "CalibrationSettings") -> CalibrationRows:
    """`samples` rows of the texts, drawn without replacement under `settings`.

    Blank texts are excluded. The others are ordered by a hash of (calibration name, seed, id), so a smaller number of
    samples is a prefix of a larger one. Then, by `windows`:

    texts   The first `samples` texts, truncated to `context_tokens`; shorter texts stay short.
    joined  Each row starts with the next text in drawn order and continues with the texts after it in stored order
            (after the last one, with the first) until it is full, skipping tokens that other rows already contain.
            Every text ends with the tokenizer's end-of-text token, else its separator token, else nothing. Like GPTQ's
            windows of WikiText, rows are running text from random positions. Unlike those, they start with a text as
            long as texts remain, do not overlap, and have a token between texts instead of GPTQ's empty line.
    long    Each text of at least one row's tokens, in drawn order, gives one row from a random position. This is how
            the SparseGPT and Wanda code reads C4, except that theirs may draw a text twice and never draws one that
            fits exactly.

    Rows of `joined` and `long` have exactly `context_tokens` tokens. Every row starts and ends with the special tokens
    that the tokenizer adds to a text ([CLS] ... [SEP], <s>), as in scoring, and they count as tokens; the code named
    above adds them only at the ends of the entire stream or text. Raises UserError, with the reasons, if there are
    fewer rows than `samples`; never returns fewer.
    """
    where = f"calibration {settings.calibration}"
    key = (settings.calibration, settings.seed)
    example = tokenizer("a", return_special_tokens_mask=True, verbose=False)
    ids, special = example["input_ids"], example["special_tokens_mask"]
    front, back = ids[: special.index(0)], ids[len(ids) - special[::-1].index(0) :]
    room = settings.context_tokens - len(front) - len(back)
    if room < 1:
        raise UserError(f"{where}: context_tokens {settings.context_tokens} leaves no room for text. Raise it.")
    usable = [(text_id, text) for text_id, text in texts if text.strip()]
    order = sorted(range(len(usable)), key=lambda i: (seed_for("calibration_order", *key, usable[i][0]), i))
    separator = [token for token in (tokenizer.eos_token_id, tokenizer.sep_token_id) if token is not None][:1]

    def encode(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    drawable = _Texts(where, usable, order, encode, separator, room, key)
    drawn = list(islice(WINDOWS[settings.windows](drawable), settings.samples))
    if len(drawn) < settings.samples:
        raise _too_few(drawable, settings, len(texts), len(drawn))
    return CalibrationRows([[*front, *ids, *back] for _, ids in drawn], [sample_id for sample_id, _ in drawn])


def _texts(source: _Texts) -> Iterator[tuple[str, list[int]]]:
    for text_id, text in (source.texts[i] for i in source.order):
        ids = source.encode(text)[: source.room]
        if not ids:
            raise UserError(
                f"{source.where}: text {text_id!r} ({text[:40]!r}) has no token in this model's tokenizer. Remove it "
                "from the texts; replacing it here would calibrate models on different texts."
            )
        yield text_id, ids


def _joined(source: _Texts) -> Iterator[tuple[str, list[int]]]:
    coded: dict[int, list[int]] = {}
    used: dict[int, int] = {}  # tokens of a text that rows already contain
    for start in cycle(source.order):
        window: list[int] = []
        sample_id = ""
        for i in chain(range(start, len(source.texts)), range(start)):
            if i not in coded:
                coded[i], used[i] = [*source.encode(source.texts[i][1]), *source.separator], 0
            taken = coded[i][used[i] : used[i] + source.room - len(window)]
            if taken:
                sample_id = sample_id or f"{source.texts[i][0]}@{used[i]}"
                window += taken
                used[i] += len(taken)
            if len(window) == source.room:
                break
        if len(window) < source.room:  # this window has all remaining tokens
            return
        yield sample_id, window


def _long(source: _Texts) -> Iterator[tuple[str, list[int]]]:
    for text_id, text in (source.texts[i] for i in source.order):
        ids = source.encode(text)
        positions = len(ids) - source.room + 1
        if positions > 0:
            first = seed_for("calibration_place", *source.key, text_id) % positions
            yield f"{text_id}@{first}", ids[first : first + source.room]


WINDOWS = {"texts": _texts, "joined": _joined, "long": _long}


def _too_few(source: _Texts, settings: "CalibrationSettings", stored: int, drawn: int) -> UserError:
    windows, usable = settings.windows, len(source.texts)
    reasons = [f"{stored - usable} of {stored} texts are blank"]
    if windows == "long":
        reasons.append(f"{usable - drawn} have fewer than {source.room} tokens")
    if windows == "joined":
        reasons.append(f"the other {usable} joined fill {drawn} rows of {source.room} tokens")
    special = settings.context_tokens - source.room
    counted = f" ({settings.context_tokens} with {special} special tokens)" if special and windows != "texts" else ""
    return UserError(
        f"{source.where}: the texts give {drawn} of {settings.samples} samples (windows: {windows}): "
        f"{', '.join(reasons)}{counted}. {FIXES[windows]}"
    )


# --- files ------------------------------------------------------------------------------------------------------------


def make_calibration(
    output: Path, settings: "CalibrationSettings", model_folder: Path, examples_file: Path | None, model_digest: str
) -> None:
    """Draw and write the rows of one calibration and seed for one model.

    `examples_file` has the texts of a task; without it, texts are the raw rows of the source. `model_digest`, of the
    model folder whose tokenizer is used, is stored with the rows. Raises UserError before any text is read if
    `context_tokens` is more than the model reads.
    """
    tokenizer = load_tokenizer(model_folder)
    readable = context_tokens(model_folder, tokenizer)
    if readable is not None and settings.context_tokens > readable:
        raise UserError(
            f"calibration {settings.calibration}: context_tokens is {settings.context_tokens}, but the model in "
            f"{model_folder} reads at most {readable} tokens. Lower it to {readable} or less."
        )
    if examples_file:
        raw = RawRows(read_parquet(examples_file, "file of examples"), {}, {})
    else:
        raw = load_raw(settings.source, settings.split, wheel_file(settings.source))
    rows = draw(texts_of(settings, raw.table), tokenizer, settings)
    metadata = {"settings": settings, "texts": raw.table.num_rows, "files": raw.files, "model_digest": model_digest}
    short = sum(len(ids) < settings.context_tokens for ids in rows.ids)
    log.info("%d of %d texts drawn, %d tokens", len(rows.ids), raw.table.num_rows, sum(map(len, rows.ids)))
    log.info("%d rows have fewer than %d tokens", short, settings.context_tokens)
    write_calibration(output, rows, metadata)
