"""Select the raw rows that a task can use: rows without gold, without a required value or with equal options are
skipped.

Skipped rows are counted by reason and reported. A row is skipped if

- a template field or raw column listed in `columns.require` is empty;
- it has no gold answer: null, NaN, an empty list or blank text; for kinds classify, pair and choice also -1 and "-",
  unless a label, `columns.map` or a choice label has that name (hidden test sets, SNLI). For kind regress -1 is a
  number, for kind generate a text. A row also has no gold answer if `columns.answer` is a position and that choice is
  empty;
- kind choice: two options are equal, byte for byte, as the model sees them. Equal options get equal scores, so the
  answer would say nothing about the model. Shots keep such rows, because an in-context example is not scored.

Any other problem of a row is an error that names the row. Empty options (null, NaN, blank) are padding: they are
removed, and the gold answer still refers to the same text.
"""

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from junkdna.data.templates import TEMPLATES, extracted, field, list_field, render, strip_ends, template_columns
from junkdna.data.values import is_empty, spellings, text_of
from junkdna.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from junkdna.study.source_settings import ExampleSettings

NOTES = b"rows"  # key of the notes in the metadata of a table of examples
NO_GOLD = "without a gold answer"
EQUAL = "with two equal options"
NO_LABEL = ("-1", "-1.0", "-")


def unmet_requirement(columns: dict, raw: dict, texts: dict | None = None) -> str | None:
    """The reason why a row does not meet `columns.require`; None if it does.

    Without `texts` (the rendered templates) only raw columns are checked, before any column is derived.
    """
    for name in columns.get("require", []):
        if name in TEMPLATES and name in columns:
            empty = texts is not None and not texts[name].strip()
        else:
            available = texts is not None or name.split(".")[0] not in extracted(columns)
            empty = available and _all_empty(field(name, raw))
        if empty:
            return f"with an empty {name} (columns.require)"
    return None


def answer_paths(columns: dict) -> list[str]:
    """The raw columns that a row's answer is read from, directly or through `extract`."""
    answer, sources = columns["answer"], extracted(columns)
    named = [answer] if isinstance(answer, str) else []
    if isinstance(answer, list):
        named = [path for template in answer for path in template_columns(template)]
    return list(dict.fromkeys(sources.get(path.split(".")[0], path) for path in named))


def _all_empty(value: object) -> bool:
    return all(map(_all_empty, value)) if isinstance(value, list) else is_empty(value)


# --- gold -------------------------------------------------------------------------------------------------------------


def no_gold(settings: "ExampleSettings", raw: dict) -> str | None:
    """The reason why a raw row, before any column is derived, has no gold answer; None if it has one."""
    columns = settings.columns
    if isinstance(columns["answer"], int):
        return None  # see no_right_choice
    paths = answer_paths(columns)
    marks = NO_LABEL if settings.kind in ("classify", "pair", "choice") else ()
    values = [field(path, raw) for path in paths]
    missing = values and all(_is_missing(value, marks) for value in values)
    if not missing or _has_meaning(settings, paths[0], values[0], raw):
        return None
    nothing = "empty" if isinstance(values[0], str | bytes | list) else "null"
    shown = nothing if _all_empty(values[0]) else values[0]
    return f"{NO_GOLD} ({paths[0]}: {shown})"


def _is_missing(value: object, marks: tuple[str, ...]) -> bool:
    return _all_empty(value) or (not isinstance(value, bool | list) and text_of(value).strip() in marks)


def _has_meaning(settings: "ExampleSettings", path: str, value: object, raw: dict) -> bool:
    """Whether the task names the value as a label, in a map, or as the label of one of the row's choices."""
    if value is None or isinstance(value, list):
        return False
    columns = settings.columns
    names = {*(settings.labels or [])}
    for name in {path, *(group for group, column in extracted(columns).items() if column == path)}:
        names |= {*columns.get("map", {}).get(name, {})}
    names.update(*(settings.label_groups or {}).values())
    labels = field(columns["choice_labels"], raw) if "choice_labels" in columns else None
    names |= {text_of(label) for label in labels if not is_empty(label)} if isinstance(labels, list) else set()
    return bool(names & {*spellings(value), text_of(value).strip().removesuffix(".0")})


def no_right_choice(where: str, columns: dict, raw: dict) -> str | None:
    """The reason why a row has no right choice although `columns.answer` is its fixed position; None if it has one."""
    answer, source = columns["answer"], columns.get("choices")
    if not isinstance(answer, int):
        return None
    choices = source if isinstance(source, list) else field(source, raw)
    if not isinstance(choices, list) or answer >= len(choices):
        return None  # an error, which reading the row raises
    empty = not render(where, choices[answer], raw) if isinstance(source, list) else is_empty(choices[answer])
    return f"{NO_GOLD} (choice {answer} is empty)" if empty else None


def check_minus_one(settings: "ExampleSettings", golds: Counter, left_out: Counter) -> None:
    """Raises UserError if -1 may be a class: some rows have it and none has the last class, as if numbering began at
    -1.

    `golds` counts the pairs (stored label as text, class id) of the rows with gold. Labels that are not integers show
    that classes are stored by name.
    """
    labels = settings.labels
    minus = sum(number for reason, number in left_out.items() if re.fullmatch(rf"{NO_GOLD} \(.*: -1(\.0)?\)", reason))
    numbered = all(re.fullmatch(r"[0-9]+(\.0)?", value) for value, _ in golds)
    if labels and minus and golds and numbered and len(labels) - 1 not in {class_id for _, class_id in golds}:
        rows = "row has" if minus == 1 else "rows have"
        raise UserError(
            f"task {settings.task}: {minus:,} {rows} the label -1, which usually means that there is no "
            f"gold answer, but no row has the class {labels[-1]!r} either. If classes are numbered from -1, write "
            '`labels` as stored ("-1", "0", ...), or map each number to a text in columns.map.'
        )


# --- texts and options ------------------------------------------------------------------------------------------------


def check_texts(where: str, kind: str, texts: dict) -> None:
    """Raises UserError, starting with `where`, for a row without a text, or without text_b if its kind has two."""
    for name in ("text", "text_b"):
        needed = texts[name] is not None and (name == "text" or kind in ("pair", "regress"))
        if needed and not texts[name].strip():
            raise UserError(f"{where}: empty {name}. To skip such rows, set columns.require: [{name}].")


def options(where: str, columns: dict, raw: dict) -> list[str]:
    """The texts of a row's options by position, "" for empty ones.

    Raises UserError, starting with `where`, for a row without a list of options or with fewer than two nonempty ones.
    """
    source = columns["choices"]
    if isinstance(source, list):
        texts = [render(where, template, raw) for template in source]
    else:
        texts = ["" if is_empty(choice) else text_of(choice) for choice in list_field(where, source, raw)]
    texts = [strip_ends(text, "choices", columns) for text in texts]
    if sum(map(bool, texts)) < 2:
        second = template_columns(source[1])[:1] if isinstance(source, list) else [f"{source}.1"]
        hint = f" To skip rows without a second choice, set columns.require: [{second[0]}]." if second else ""
        raise UserError(f"{where}: needs two or more nonempty choices (has: {texts}).{hint}")
    return texts


def check_answer(where: str, texts: list[str], answer: int) -> None:
    """Raises UserError, starting with `where`, if there is no option at the gold position."""
    from_zero = "positions start at 0; if the data starts at 1, map them with columns.map"
    if not 0 <= answer < len(texts):
        raise UserError(f"{where}: answer {answer} is not one of its {len(texts)} choices ({from_zero}).")
    if not texts[answer]:
        raise UserError(
            f"{where}: answer {answer} refers to an empty choice of {texts} ({from_zero}; otherwise fix the row)."
        )


def drop_equal_options(rows: list[dict], left_out: Counter) -> list[dict]:
    """The rows without equal options, for training and evaluation. The others are counted in `left_out`."""
    kept = [row for row in rows if len({*(row.get("choices") or [])}) == len(row.get("choices") or [])]
    if len(kept) < len(rows):
        left_out[EQUAL] += len(rows) - len(kept)
    return kept


# --- counts -----------------------------------------------------------------------------------------------------------


def check_rows_left(task: str, split: str, rows: list[dict], left_out: Counter) -> None:
    """Raises UserError, with the counted reasons, for a split without any usable row."""
    if rows:
        return
    if not left_out:
        raise UserError(f"task {task}: split {split!r} is empty. Check its source.")
    hint = "Check the task's `columns`"
    if all(reason.startswith(NO_GOLD) for reason in left_out):
        hint = "Its labels are hidden, as in many test sets: evaluate another split, or correct columns.answer"
    if {*left_out} == {EQUAL}:
        hint = "Check columns.choices"
    raise UserError(f"task {task}: no row of split {split!r} can be used: {counted(left_out)}. {hint}.")


def counted(left_out: dict[str, int]) -> str:
    """Counts of skipped rows as text: "24 with two equal options, 3 without a gold answer (label: -1)"."""
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(left_out.items()))


def add_notes(table: "pa.Table", **notes: object) -> "pa.Table":
    """The examples table with notes on its rows (`left_out`, `warnings`) added to its metadata."""
    return table.replace_schema_metadata({NOTES: json.dumps({**read_notes(table), **notes}, sort_keys=True)})


def read_notes(table: "pa.Table") -> dict:
    """The notes that `add_notes` wrote, by name."""
    return json.loads((table.schema.metadata or {}).get(NOTES, b"{}"))
