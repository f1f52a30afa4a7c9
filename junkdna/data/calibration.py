"""Texts to the calibration rows of one model: token ids that compression methods read their statistics from.

Which texts are drawn depends on the calibration's name, the seed and the texts' ids alone: every method that
calibrates gets the same rows, and with windows `texts` every model the same texts.
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

ROWS_AT_ONCE = 1000  # a table of long texts is many times larger as Python objects
FIXES = {
    "texts": "Lower samples, or name more texts.",
    "joined": "Lower samples or context_tokens, or name more texts.",
    "long": "Lower samples or context_tokens, or take windows: texts or joined.",
}


# --- texts ------------------------------------------------------------------------------------------------------------


def example_text(row: dict) -> str:
    """A canonical example as one text: passage, text, second text, right answer and suffix, those that there are,
    joined by a blank. The right answer is the right choice, or what is accepted of a `generate` task (as a shot shows
    it); a class or a number is none, since no text of the data set holds it."""
    answer = row["choices"][row["answer"]] if row["choices"] else row["shown"]
    answer = answer or next(iter(row["references"] or []), None)
    return " ".join(filter(None, [row["passage"], row["text"], row["text_b"], answer, row["suffix"]]))


def texts_of(settings: "CalibrationSettings", table: pa.Table) -> list[tuple[str, str]]:
    """(id, text) of every row in stored order, blank ones too.

    `table` holds a task's examples, whose ids are kept; or raw rows, whose ids are "row-0", "row-1", ...
    Blanks at the ends of a text are taken off. Raises UserError for a column that is not there or holds no single
    value. Equal texts in two rows stay two texts.
    """
    where = f"calibration {settings.calibration}"
    if settings.task is not None:
        batches = table.to_batches(max_chunksize=ROWS_AT_ONCE)
        return [(row["id"], example_text(row).strip()) for batch in batches for row in batch.to_pylist()]
    template = f"{{{settings.column}}}"
    check_columns(where, {"text": template}, table.schema, settings.split)
    rows = plain_rows(where, table, wanted_columns({"text": template}, table.schema))
    return [(f"row-{i}", render(f"{where}: row {i}", template, row).strip()) for i, row in enumerate(rows)]


# --- drawing ----------------------------------------------------------------------------------------------------------


class _Texts(NamedTuple):
    """Texts that are not blank, in stored order; their numbers in drawn order; how one becomes token ids, without
    special tokens; the tokens put between two joined texts; tokens that a row has room for; the key of all draws."""

    where: str
    texts: list[tuple[str, str]]
    order: list[int]
    code: Callable[[str], list[int]]
    between: list[int]
    room: int
    key: tuple[str, int]


def draw(texts: list[tuple[str, str]], tokenizer: object, settings: "CalibrationSettings") -> CalibrationRows:
    """`samples` rows of the texts, without replacement, under `settings`.

    Blank texts are left out. The others are put in an order by a hash of (calibration name, seed, id); a smaller
    number of samples is the beginning of a larger one. Then, by `windows`:

    texts   the first `samples` texts, the end cut off at `context_tokens`; shorter ones stay short.
    joined  each row begins with the next text of the drawn order and goes on, in stored order, with the texts behind
            it (after the last one, with the first), until it is full; what other rows hold already is passed over.
            Every text ends with the tokenizer's end-of-text token, or its separator where it has none (or nothing
            where it has neither). Like GPTQ's windows of WikiText these are running text from random places, but they
            begin with a text as long as there is one, do not overlap, and have a token between texts for GPTQ's empty
            line.
    long    the next text of at least a row's tokens gives one row, at a random place: the C4 way of the SparseGPT and
            Wanda code, which may draw a text twice and never takes one that fits exactly.

    Rows of `joined` and `long` have exactly `context_tokens` tokens. In every row the special tokens that the
    tokenizer puts in front of and behind a text ([CLS] ... [SEP], <s>) frame the text, as when a cell is scored, and
    count as tokens; the codes named put them at the ends of their whole stream or text only. Raises UserError where
    there are fewer rows than `samples`, saying what was left out and why; never returns fewer.
    """
    where = f"calibration {settings.calibration}"
    key = (settings.calibration, settings.seed)
    front, back = _frame(tokenizer)
    room = settings.context_tokens - len(front) - len(back)
    if room < 1:
        raise UserError(f"{where}: context_tokens {settings.context_tokens} leaves no room beside special tokens.")
    usable = [(text_id, text) for text_id, text in texts if text.strip()]
    order = sorted(range(len(usable)), key=lambda i: (seed_for("calibration_order", *key, usable[i][0]), i))
    end = next((token for token in (tokenizer.eos_token_id, tokenizer.sep_token_id) if token is not None), None)

    def code(text: str) -> list[int]:
        return tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]

    given = _Texts(where, usable, order, code, [] if end is None else [end], room, key)
    drawn = list(islice(WINDOWS[settings.windows](given), settings.samples))
    if len(drawn) < settings.samples:
        raise _too_few(given, settings, len(texts), len(drawn))
    return CalibrationRows([[*front, *ids, *back] for _, ids in drawn], [sample_id for sample_id, _ in drawn])


def _frame(tokenizer: object) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer puts in front of a text and behind it."""
    code = tokenizer("a", return_special_tokens_mask=True, verbose=False)
    ids, added = code["input_ids"], code["special_tokens_mask"]
    return ids[: added.index(0)], ids[len(ids) - added[::-1].index(0) :]


def _whole(given: _Texts) -> Iterator[tuple[str, list[int]]]:
    for text_id, text in (given.texts[i] for i in given.order):
        ids = given.code(text)[: given.room]
        if not ids:
            raise UserError(
                f"{given.where}: text {text_id!r} ({text[:40]!r}) has no token in this model's tokenizer. Take it out "
                "of the texts: with another in its place models would be calibrated on different texts."
            )
        yield text_id, ids


def _joined(given: _Texts) -> Iterator[tuple[str, list[int]]]:
    coded: dict[int, list[int]] = {}
    used: dict[int, int] = {}  # tokens of a text that rows hold already
    for start in cycle(given.order):
        window: list[int] = []
        sample_id = ""
        for i in chain(range(start, len(given.texts)), range(start)):
            if i not in coded:
                coded[i], used[i] = [*given.code(given.texts[i][1]), *given.between], 0
            taken = coded[i][used[i] : used[i] + given.room - len(window)]
            if taken:
                sample_id = sample_id or f"{given.texts[i][0]}@{used[i]}"
                window += taken
                used[i] += len(taken)
            if len(window) == given.room:
                break
        if len(window) < given.room:  # all that was left is in this window
            return
        yield sample_id, window


def _long(given: _Texts) -> Iterator[tuple[str, list[int]]]:
    for text_id, text in (given.texts[i] for i in given.order):
        ids = given.code(text)
        places = len(ids) - given.room + 1
        if places > 0:
            first = seed_for("calibration_place", *given.key, text_id) % places
            yield f"{text_id}@{first}", ids[first : first + given.room]


WINDOWS = {"texts": _whole, "joined": _joined, "long": _long}


def _too_few(given: _Texts, settings: "CalibrationSettings", stored: int, found: int) -> UserError:
    windows, usable = settings.windows, len(given.texts)
    reasons = [f"{stored - usable} of {stored} texts are blank"]
    if windows == "long":
        reasons.append(f"{usable - found} have fewer than {given.room} tokens")
    if windows == "joined":
        reasons.append(f"the other {usable} joined fill {found} rows of {given.room} tokens")
    beside = settings.context_tokens - given.room
    counted = f"; {beside} special tokens make {settings.context_tokens}" if beside and windows != "texts" else ""
    return UserError(
        f"{given.where}: {settings.samples} samples are asked for, but the texts give {found} (windows: {windows}): "
        f"{', '.join(reasons)}{counted}. {FIXES[windows]}"
    )


# --- files ------------------------------------------------------------------------------------------------------------


def make_calibration(
    output: Path, settings: "CalibrationSettings", model_folder: Path, examples_file: Path | None, model_digest: str
) -> None:
    """Draw and write the rows of one calibration and seed for one model. `examples_file` is for a task's texts;
    `model_digest`, of the model folder whose tokenizer is used, is kept with the rows.

    Raises UserError, before any text is read, where `context_tokens` is more than the model reads.
    """
    tokenizer = load_tokenizer(model_folder)
    readable = context_tokens(model_folder, tokenizer)
    if readable is not None and settings.context_tokens > readable:
        raise UserError(
            f"calibration {settings.calibration}: context_tokens is {settings.context_tokens}, but the model in "
            f"{model_folder} reads {readable} tokens. Lower it to {readable} or less."
        )
    if examples_file:
        raw = RawRows(read_parquet(examples_file, "file of examples"), {}, {})
    else:
        raw = load_raw(settings.source, settings.split, wheel_file(settings.source))
    rows = draw(texts_of(settings, raw.table), tokenizer, settings)
    facts = {"settings": settings, "texts": raw.table.num_rows, "files": raw.files, "model_digest": model_digest}
    short = sum(len(ids) < settings.context_tokens for ids in rows.ids)
    log.info("%d of %d texts drawn, %d tokens", len(rows.ids), raw.table.num_rows, sum(map(len, rows.ids)))
    log.info("%d rows have fewer than %d tokens", short, settings.context_tokens)
    write_calibration(output, rows, facts)
