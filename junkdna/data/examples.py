"""Raw rows to examples, one row each, with the fields of `SCHEMA`.

`answer` is a class id (classify, pair) or the position of the right choice (choice); `target` is the number of a
`regress` task; `references` are the accepted answers of a `generate` task. Fields that a kind lacks are null.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from junkdna.data import usable_rows
from junkdna.data.numbers import reference_number
from junkdna.data.templates import (
    TEMPLATES,
    check_columns,
    derive_columns,
    field,
    list_field,
    render,
    single_text,
    strip_ends,
    wanted_columns,
)
from junkdna.data.values import is_truth, plain_rows, spellings, text_of, truth_index, whole_number
from junkdna.errors import UserError, short_repr
from junkdna.seeds import hash_key

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("position", pa.int32()),
        *((name, pa.string()) for name in TEMPLATES),
        ("choices", pa.list_(pa.string())),
        ("answer", pa.int32()),
        ("target", pa.float64()),
        ("references", pa.list_(pa.string())),
    ]
)


def make_examples(settings: "ExampleSettings", role: str, read_split: Callable[[str], pa.Table]) -> pa.Table:
    """Examples of a task in one role (train, evaluate, shots) as a table with `SCHEMA`.

    `read_split` gives the raw table of a split's name. The numbers of raw rows left out, by reason, are in
    `usable_rows.read_notes(table)["left_out"]`; they count the entire raw split, before any limit. Raises UserError for
    a missing column, a gold answer that is not among the choices or labels, repeated ids, and a split without usable
    rows.
    """
    name, shots = settings.task, settings.shots
    left_out: Counter[str] = Counter()
    if role == "shots":
        rows = _first_of_groups(_read(settings, shots.of, read_split, left_out), shots.count)
        _check_count(name, rows, shots.count)
    else:
        cut = settings.hash_split
        whole = settings.train_split if role == "train" else settings.evaluate_split
        split = cut.of if cut else whole
        rows = _read(settings, split, read_split, left_out)
        rows = _without_shots(settings, split, rows) if cut or role == "evaluate" else rows
        rows = usable_rows.drop_equal_options(rows, left_out)
        if not rows:
            usable_rows.check_rows_left(name, split, left_out)
        rows = _hash_split(name, rows, cut.train, cut.evaluate)[role] if cut else rows
        rows = _limited(name, rows, settings.limits.get(role))
    _check_ids(name, role, rows)
    table = pa.Table.from_pylist([{**row, "split": role} for row in rows], schema=SCHEMA)
    return usable_rows.add_notes(table, left_out=left_out)


def _read(
    settings: "ExampleSettings", split: str, read_split: Callable[[str], pa.Table], left_out: Counter
) -> list[dict]:
    """Usable rows of a raw split, in source order; the others are counted in `left_out`."""
    name, columns, table = settings.task, settings.columns, read_split(split)
    check_columns(f"task {name}", columns, table.schema, split)
    answered = {"choice": _choice, "regress": _target, "generate": _references}.get(settings.kind, _class)
    rows, golds = [], Counter()
    wanted = wanted_columns(columns, table.schema)
    for number, stored in enumerate(plain_rows(f"task {name}", table, wanted)):
        row_id = _row_id(name, columns["id"], stored, number) if "id" in columns else f"{split}-{number}"
        where = f"task {name}: row {row_id!r}"
        reason = usable_rows.unmet_requirement(columns, stored) or usable_rows.no_gold(settings, stored)
        if reason is None:
            raw = derive_columns(where, columns, stored)
            texts = {key: render(where, columns[key], raw) if key in columns else None for key in TEMPLATES}
            texts = {key: strip_ends(text, key, columns) for key, text in texts.items()}
            reason = usable_rows.unmet_requirement(columns, raw, texts) or usable_rows.no_right_choice(
                where, columns, raw
            )
        if reason is not None:
            left_out[reason] += 1
            continue
        usable_rows.check_texts(where, settings.kind, texts)
        rows.append({"id": row_id, "position": number, **texts, **answered(settings, raw, row_id, where)})
        if settings.labels:
            golds[text_of(field(columns["answer"], raw)), rows[-1]["answer"]] += 1
    usable_rows.check_minus_one(settings, golds, left_out)
    if not rows:
        usable_rows.check_rows_left(name, split, left_out)
    return rows


# --- answers ----------------------------------------------------------------------------------------------------------


def _choice(settings: "ExampleSettings", raw: dict, row_id: str, where: str) -> dict:
    columns = settings.columns
    texts = usable_rows.options(where, columns, raw)
    answer = columns["answer"]
    if isinstance(answer, str):
        answer = _position(where, field(answer, raw), columns.get("choice_labels"), raw, texts)
    usable_rows.check_answer(where, texts, answer)
    order = [place for place, text in enumerate(texts) if text]
    if columns.get("shuffle", True):
        order.sort(key=lambda i: hash_key("order", row_id, i))
    return {"choices": [texts[i] for i in order], "answer": order.index(answer)}


def _position(where: str, value: object, labels_column: str | None, raw: dict, choices: list[str]) -> int:
    """The place of the right choice: its label's among the choice labels, else a whole number ("1", 1, 1.0), else, for
    true and false, that of the choice which says so ("yes" among "no" and "yes", in any order)."""
    if labels_column is not None:
        labels = [text_of(label) for label in list_field(where, labels_column, raw)]
        if text_of(value) not in labels:
            raise UserError(f"{where}: answer {_said(value)} is not among its choice labels {labels}.")
        if labels.count(text_of(value)) > 1:
            times = labels.count(text_of(value))
            raise UserError(f"{where}: answer {_said(value)} stands {times} times in its choice labels {labels}.")
        if labels.index(text_of(value)) >= len(choices):
            raise UserError(
                f"{where}: column {labels_column} has {len(labels)} labels for {len(choices)} choices, and the label "
                f"of the answer, {_said(value)}, has no choice. The lists must have the same length."
            )
        return labels.index(text_of(value))
    place = truth_index(value, choices) if is_truth(value) else whole_number(value)
    if place is not None:
        return place
    if is_truth(value):
        raise UserError(
            f"{where}: answer {text_of(value)} says true or false, but no choice does (has {choices}). Name the places "
            'in columns.map, such as {COLUMN: {"false": "0", "true": "1"}}.'
        )
    raise UserError(f"{where}: answer {_said(value)} is not a position; name columns.choice_labels.")


def _class(settings: "ExampleSettings", raw: dict, _row_id: str, where: str) -> dict:
    value = field(settings.columns["answer"], raw)
    groups = dict(sorted((settings.label_groups or {}).items()))  # JSON keeps no order
    classes = list(groups.values()) if groups else [[name] for name in settings.labels]
    ids = [number for number, members in enumerate(classes) if spellings(value) & {*members}]
    ids = ids or _same_number(value, classes)
    if not ids and not groups:
        ids = _unnamed_class(value, settings.labels, where)
    if len(ids) != 1:
        legal = list(groups) if groups else settings.labels
        raise UserError(
            f"{where}: label {_said(value)} belongs to {len(ids)} of the classes {legal}; each value must belong to "
            f"exactly one.{_boolean_hint(value)}"
        )
    return {"answer": ids[0]}


def _same_number(value: object, classes: list[list[str]]) -> list[int]:
    """Ids of the classes that are named by the whole number that the value is, written otherwise ("1" and 1.0)."""
    number = whole_number(value)
    named = [{whole_number(member) for member in members} for members in classes]
    return [] if number is None else [place for place, numbers in enumerate(named) if number in numbers]


def _unnamed_class(value: object, labels: list[str], where: str) -> list[int]:
    """Class ids of a value that names no class: one or none.

    true and false are the labels that say so ("yes" and "no", in any order), never a place. A whole number is a place,
    unless labels are numbers themselves. UserError for 1 and 0 where labels say true and false in the other order.
    """
    numbered = any(_is_number(label) and math.isfinite(float(label)) for label in labels)  # "nan" may be a name
    place = truth_index(value, labels) if is_truth(value) else whole_number(value)
    if place is None or (not is_truth(value) and numbered):
        return []
    if not is_truth(value) and place in (0, 1) and truth_index(bool(place), labels) not in (None, place):
        one, zero = (labels[truth_index(truth, labels)] for truth in (True, False))
        raise UserError(
            f"{where}: label {place} is a position among the labels {labels}, so 1 would mean {labels[1]!r}. If 1 "
            f'means {one!r}, write label_groups: {{{one}: ["1"], {zero}: ["0"]}}. If not, turn the two around.'
        )
    return [place] if 0 <= place < len(labels) else []


def _is_number(label: object) -> bool:
    try:
        float(label)
    except (TypeError, ValueError):
        return False
    return True


def _said(value: object) -> str:
    """A value in a message: numbers without quotes, stored as numbers or as text, unless white space is around them."""
    plain = _is_number(value) and str(value) == str(value).strip()
    return str(value) if plain else short_repr(value, 200)


def _boolean_hint(value: object) -> str:
    if not is_truth(value):
        return ""
    return ' Which class is true? Say so in label_groups, such as {NAME: ["true"], OTHER: ["false"]}.'


def _target(settings: "ExampleSettings", raw: dict, _row_id: str, where: str) -> dict:
    value = field(settings.columns["answer"], raw)
    try:
        target = math.nan if isinstance(value, bool) or "_" in str(value) else float(value)
    except (TypeError, ValueError):
        target = math.nan
    if not math.isfinite(target):
        raise UserError(f"{where}: answer {_said(value)} is not a finite number, which kind regress needs.")
    return {"target": target}


def _references(settings: "ExampleSettings", raw: dict, _row_id: str, where: str) -> dict:
    answer = settings.columns["answer"]
    if isinstance(answer, list):
        listed = [render(where, template, raw) for template in answer]
    else:
        value = field(answer, raw)
        listed = list_field(where, answer, raw) if isinstance(value, list) else [single_text(where, answer, value)]
    texts = (strip_ends(text_of(value), "answer", settings.columns) for value in listed)
    accepted = dict.fromkeys(text for text in texts if text.strip())
    if not accepted:
        raise UserError(f"{where}: no accepted answer in columns.answer ({answer}); kind generate needs one or more.")
    if settings.match == "number":
        for text in accepted:
            try:
                reference_number(text)
            except UserError as error:
                raise UserError(f"{where}: {error}") from None
    return {"references": list(accepted)}


# --- which rows -------------------------------------------------------------------------------------------------------


def _first_of_groups(rows: list[dict], count: int) -> list[dict]:
    taken: dict[str | None, int] = {}
    kept = []
    for row in rows:
        taken[row["group"]] = taken.get(row["group"], 0) + 1
        if taken[row["group"]] <= count:
            kept.append(row)
    return kept


def _without_shots(settings: "ExampleSettings", split: str, rows: list[dict]) -> list[dict]:
    """The rows of an evaluated split that no prompt shows as a shot."""
    shots = settings.shots
    if not shots or shots.of != split:
        return rows
    shown = {row["position"] for row in _first_of_groups(rows, shots.count)}
    return [row for row in rows if row["position"] not in shown]


def _check_count(name: str, rows: list[dict], count: int) -> None:
    sizes: dict[str | None, int] = {}
    for row in rows:
        sizes[row["group"]] = sizes.get(row["group"], 0) + 1
    if short := {group: size for group, size in sizes.items() if size < count}:
        group, size = next(iter(short.items()))
        named = f" of group {group!r}" if group is not None else ""
        raise UserError(f"task {name}: shots.count is {count}, but its split has only {size} rows{named}; lower it.")


def _by_hash(name: str, rows: Iterable[dict]) -> list[dict]:
    """Rows in hash order of their text, so that rows of equal text stand together whatever their second text."""
    words = {row["position"]: " ".join(row["text"].split()) for row in rows}
    return sorted(
        rows, key=lambda row: (hash_key("split", name, words[row["position"]], None), row["text_b"] or "", row["id"])
    )


def _limited(name: str, rows: list[dict], limit: int | None) -> list[dict]:
    return rows if limit is None else _by_hash(name, rows)[:limit]


def _hash_split(name: str, rows: list[dict], train: int, evaluate: int) -> dict[str, list[dict]]:
    ordered = _by_hash(name, rows)
    cut = train
    while cut < len(ordered) and ordered[cut]["text"].split() == ordered[cut - 1]["text"].split():
        cut += 1  # a text that stands twice must not be trained on and evaluated
    if cut + evaluate > len(ordered):
        repeats = f" and {cut - train} of them repeat a training text" if cut > train else ""
        raise UserError(
            f"task {name}: hash_split asks for {train} + {evaluate} rows, but only {len(ordered)} are usable{repeats}; "
            f"lower one."
        )
    return {"train": ordered[:train], "evaluate": ordered[cut : cut + evaluate]}


def _row_id(name: str, path: str, raw: dict, number: int) -> str:
    value = field(path, raw)
    if value is None or isinstance(value, list | dict):
        holds = "is empty (null)" if value is None else f"holds several values ({short_repr(value, 80)})"
        raise UserError(
            f"task {name}: row {number} (from 0): the id column {path} {holds}. Name a column of single values in "
            "columns.id, or leave it out: rows are then numbered."
        )
    return text_of(value)


def _check_ids(name: str, role: str, rows: list[dict]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen:
            raise UserError(
                f"task {name}: {role}: id {row['id']!r} stands twice; columns.id must name a unique column."
            )
        seen.add(row["id"])
