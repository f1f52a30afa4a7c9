"""Which raw rows a task can use: rows without gold, without a required value or with equal options are left out.

Rows that are left out are counted by their reason, never left out in silence. A row is left out where

- a template field or raw column that `columns.require` names is empty;
- it has no gold answer: null, NaN, an empty list or blank text, and for kinds classify, pair and choice also -1 and "-"
  unless a label, `columns.map` or a choice label has that name (hidden test sets, SNLI). For kind regress -1 is a
  number, for kind generate a text. Also where `columns.answer` is a place and that choice is empty;
- kind choice: two options are equal, byte for byte, as a model is asked them: equal options score alike, and which of
  them counts as the answer says nothing about the model. Shots keep such rows, because a shown example is not scored.

Whatever else is wrong with a row is an error that names it. Empty options (null, NaN, blank) are padding: they are not
options, and the gold answer still names its text.
"""

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from junkdna.data.templates import TEMPLATES, field, is_empty, kept, list_field, render, template_columns
from junkdna.data.values import spellings, text_of
from junkdna.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

    from junkdna.study.source_settings import ExampleSettings

NOTES = b"rows"  # key of the notes in the metadata of a table of examples
NO_GOLD = "without a gold answer"
EQUAL = "with two equal options"
NO_LABEL = ("-1", "-1.0", "-")


def lacks(columns: dict, raw: dict, texts: dict | None = None) -> str | None:
    """The reason why a row lacks what `columns.require` names, None where it lacks nothing.

    Without `texts` (the rendered templates) only raw columns are looked at, before any column is derived.
    """
    for name in columns.get("require", []):
        if name in TEMPLATES and name in columns:
            empty = texts is not None and not texts[name].strip()
        else:
            there = texts is not None or name.split(".")[0] not in extracted(columns)
            empty = there and _all_empty(field(name, raw))
        if empty:
            return f"with an empty {name} (columns.require)"
    return None


def answer_paths(columns: dict) -> list[str]:
    """The raw columns that a row's answer is read from, directly or through `extract`."""
    answer, made = columns["answer"], extracted(columns)
    named = [answer] if isinstance(answer, str) else []
    if isinstance(answer, list):
        named = [path for one in answer for path in template_columns(one)]
    return list(dict.fromkeys(made.get(path.split(".")[0], path) for path in named))


def extracted(columns: dict) -> dict[str, str]:
    """The columns that `extract` makes, and the column that each is made from."""
    patterns = columns.get("extract", {})
    return {made: column for column, pattern in patterns.items() for made in re.compile(pattern).groupindex}


def _all_empty(value: object) -> bool:
    return all(map(_all_empty, value)) if isinstance(value, list) else is_empty(value)


# --- gold -------------------------------------------------------------------------------------------------------------


def no_gold(settings: "ExampleSettings", raw: dict) -> str | None:
    """The reason why a raw row, of which no column is derived yet, has no gold answer; None where it has one."""
    columns = settings.columns
    if isinstance(columns["answer"], int):
        return None  # see no_right_choice
    paths = answer_paths(columns)
    marks = NO_LABEL if settings.kind in ("classify", "pair", "choice") else ()
    values = [field(path, raw) for path in paths]
    if not values or not all(_is_missing(value, marks) for value in values):
        return None
    if _has_meaning(settings, paths[0], values[0], raw):
        return None
    nothing = "empty" if isinstance(values[0], str | bytes | list) else "null"
    shown = nothing if _all_empty(values[0]) else values[0]
    return f"{NO_GOLD} ({paths[0]}: {shown})"


def _is_missing(value: object, marks: tuple[str, ...]) -> bool:
    return _all_empty(value) or (not isinstance(value, bool | list) and text_of(value).strip() in marks)


def _has_meaning(settings: "ExampleSettings", path: str, value: object, raw: dict) -> bool:
    """Whether the task itself names the value: as a label, in a map, or as the label of one of the row's choices."""
    if value is None or isinstance(value, list):
        return False
    columns = settings.columns
    names = {*(settings.labels or [])}
    for name in {path, *(made for made, column in extracted(columns).items() if column == path)}:
        names |= {*columns.get("map", {}).get(name, {})}
    names.update(*(settings.label_groups or {}).values())
    labels = field(columns["choice_labels"], raw) if "choice_labels" in columns else None
    names |= {text_of(label) for label in labels if not is_empty(label)} if isinstance(labels, list) else set()
    return bool(names & {*spellings(value), text_of(value).strip().removesuffix(".0")})


def no_right_choice(where: str, columns: dict, raw: dict) -> str | None:
    """The reason why a row whose right choice stands at a fixed place has none; None where it has one."""
    answer, source = columns["answer"], columns.get("choices")
    if not isinstance(answer, int):
        return None
    places = source if isinstance(source, list) else field(source, raw)
    if not isinstance(places, list) or answer >= len(places):
        return None  # an error, raised where the row is read
    empty = not render(where, places[answer], raw) if isinstance(source, list) else is_empty(places[answer])
    return f"{NO_GOLD} (choice {answer} is empty)" if empty else None


def check_minus_one(settings: "ExampleSettings", golds: Counter, left_out: Counter) -> None:
    """UserError where -1 may be a class: rows have it, and none has the last class, as if classes counted from -1.

    `golds` counts the pairs (stored label as text, class id) of the rows that have gold; labels that are no whole
    numbers tell that classes are named.
    """
    labels = settings.labels
    minus = sum(number for reason, number in left_out.items() if re.fullmatch(rf"{NO_GOLD} \(.*: -1(\.0)?\)", reason))
    numbered = all(re.fullmatch(r"[0-9]+(\.0)?", value) for value, _ in golds)
    if labels and minus and golds and numbered and len(labels) - 1 not in {place for _, place in golds}:
        rows = "row has" if minus == 1 else "rows have"
        raise UserError(
            f"task {settings.task}: {minus:,} {rows} the label -1, which by convention says that there is no "
            f"gold, but no row has the class {labels[-1]!r} either. If classes are numbered from -1, give `labels` as "
            'they are stored ("-1", "0", ...), or name a text for each number in columns.map.'
        )


# --- texts and options ------------------------------------------------------------------------------------------------


def check_texts(where: str, kind: str, texts: dict) -> None:
    """UserError, `where` in front, for a row without a text, or of kinds that compare two texts without the second."""
    for name in ("text", "text_b"):
        needed = texts[name] is not None and (name == "text" or kind in ("pair", "regress"))
        if needed and not texts[name].strip():
            raise UserError(f"{where}: empty {name}; columns.require: [{name}] leaves such rows out.")


def options(where: str, columns: dict, raw: dict) -> list[str]:
    """The texts at all places of a row's options, "" at empty ones.

    UserError, `where` in front, for a row without a list of options and where fewer than two places are filled.
    """
    source = columns["choices"]
    if isinstance(source, list):
        texts = [render(where, template, raw) for template in source]
    else:
        texts = ["" if is_empty(choice) else text_of(choice) for choice in list_field(where, source, raw)]
    texts = [kept(text, "choices", columns) for text in texts]
    if sum(map(bool, texts)) < 2:
        second = template_columns(source[1])[:1] if isinstance(source, list) else [f"{source}.1"]
        hint = f"; columns.require: [{second[0]}] leaves out rows without a second choice" if second else ""
        raise UserError(f"{where}: needs two or more choices that are not empty (has: {texts}){hint}.")
    return texts


def check_answer(where: str, texts: list[str], answer: int) -> None:
    """UserError, `where` in front, where the gold position names no option."""
    from_zero = "positions count from 0; if the data counts from 1, turn them with columns.map"
    if not 0 <= answer < len(texts):
        raise UserError(f"{where}: answer {answer} is outside its {len(texts)} choices ({from_zero}).")
    if not texts[answer]:
        raise UserError(f"{where}: answer {answer} names an empty choice of {texts} ({from_zero}; else mend the row).")


def asked(rows: list[dict], left_out: Counter) -> list[dict]:
    """The rows that can be trained on or evaluated: those without equal options. The others are counted."""
    kept = [row for row in rows if len({*(row.get("choices") or [])}) == len(row.get("choices") or [])]
    if len(kept) < len(rows):
        left_out[EQUAL] += len(rows) - len(kept)
    return kept


# --- counts -----------------------------------------------------------------------------------------------------------


def refuse_none_left(task: str, split: str, left_out: Counter) -> None:
    """UserError for a split of which no row can be used, with the reasons."""
    if not left_out:
        raise UserError(f"task {task}: split {split!r} is empty; check its source.")
    hint = "check `columns` of the task"
    if all(reason.startswith(NO_GOLD) for reason in left_out):
        hint = "its labels are hidden, as in many test sets: evaluate another split, or correct columns.answer"
    if {*left_out} == {EQUAL}:
        hint = "check columns.choices"
    raise UserError(f"task {task}: no row of split {split!r} can be used: {counted(left_out)}; {hint}.")


def counted(left_out: dict[str, int]) -> str:
    """Numbers of rows left out, in words: "24 with two equal options, 3 without a gold answer (label: -1)"."""
    return ", ".join(f"{number:,} {reason}" for reason, number in sorted(left_out.items()))


def noted(table: "pa.Table", **notes: object) -> "pa.Table":
    """The table of examples with notes on its rows (`left_out`, `warnings`) added to its metadata."""
    return table.replace_schema_metadata({NOTES: json.dumps({**notes_of(table), **notes}, sort_keys=True)})


def notes_of(table: "pa.Table") -> dict:
    """What `noted` has added to a table, by name."""
    return json.loads((table.schema.metadata or {}).get(NOTES, b"{}"))
