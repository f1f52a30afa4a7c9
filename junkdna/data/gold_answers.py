"""The gold answer of a raw row, by kind of task: the fields of an example that hold it."""

import math
from typing import TYPE_CHECKING

from junkdna.data import usable_rows
from junkdna.data.numbers import reference_number
from junkdna.data.templates import field, list_field, render, single_text, strip_ends
from junkdna.data.values import is_truth, spellings, text_of, truth_index, whole_number
from junkdna.errors import UserError, short_repr
from junkdna.seeds import hash_key

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings


def gold_answer(settings: "ExampleSettings", raw: dict, row_id: str, where: str) -> dict:
    """The fields of an example that hold its gold answer: `choices` and `answer` (kind choice), `answer` (classify,
    pair), `target` (regress) or `references` (generate and, with one text, likelihood).

    `raw` is the raw row with derived columns. Raises UserError, prefixed with `where`, for an answer that does not fit
    the kind, the labels or the choices.
    """
    if settings.kind == "choice":
        return _choice(settings, raw, row_id, where)
    read = {"regress": _target, "generate": _references, "likelihood": _scored_text}.get(settings.kind, _class)
    return read(settings, raw, where)


def _choice(settings: "ExampleSettings", raw: dict, row_id: str, where: str) -> dict:
    columns = settings.columns
    texts = usable_rows.options(where, columns, raw)
    answer = columns["answer"]
    if isinstance(answer, str):
        answer = _position(where, field(answer, raw), columns.get("choice_labels"), raw, texts)
    usable_rows.check_answer(where, texts, answer)
    order = [i for i, text in enumerate(texts) if text]
    if columns.get("shuffle", True):
        order.sort(key=lambda i: hash_key("order", row_id, i))
    return {"choices": [texts[i] for i in order], "answer": order.index(answer)}


def _position(where: str, value: object, labels_column: str | None, raw: dict, choices: list[str]) -> int:
    """Position of the right choice that the answer column names.

    With `choice_labels`, that of the answer's label. Otherwise a whole number ("1", 1, 1.0) is the position, and true
    or false picks the choice that means the same ("yes" among "no" and "yes", in any order).
    """
    if labels_column is not None:
        labels = [text_of(label) for label in list_field(where, labels_column, raw)]
        if text_of(value) not in labels:
            raise UserError(f"{where}: answer {_plain(value)} is not one of its choice labels {labels}.")
        if (times := labels.count(text_of(value))) > 1:
            raise UserError(f"{where}: answer {_plain(value)} occurs {times} times in its choice labels {labels}.")
        if labels.index(text_of(value)) >= len(choices):
            raise UserError(
                f"{where}: column {labels_column} has {len(labels)} labels for {len(choices)} choices, so the answer's "
                f"label, {_plain(value)}, has no choice. The two lists must have the same length."
            )
        return labels.index(text_of(value))
    position = truth_index(value, choices) if is_truth(value) else whole_number(value)
    if position is not None:
        return position
    if is_truth(value):
        raise UserError(
            f"{where}: answer {text_of(value)} is true or false, but none of its choices is ({choices}). Map it "
            'to positions in columns.map, such as {COLUMN: {"false": "0", "true": "1"}}.'
        )
    raise UserError(f"{where}: answer {_plain(value)} is not a position among its choices. Set columns.choice_labels.")


def _class(settings: "ExampleSettings", raw: dict, where: str) -> dict:
    value = field(settings.columns["answer"], raw)
    groups = dict(sorted((settings.label_groups or {}).items()))  # JSON keeps no order
    classes = list(groups.values()) if groups else [[name] for name in settings.labels]
    ids = [number for number, members in enumerate(classes) if spellings(value) & {*members}]
    if not ids and (same := whole_number(value)) is not None:  # written differently ("1" and 1.0)
        ids = [number for number, members in enumerate(classes) if same in map(whole_number, members)]
    if not ids and not groups:
        ids = _unnamed_class(value, settings.labels, where)
    if len(ids) != 1:
        legal = list(groups) if groups else settings.labels
        raise UserError(
            f"{where}: label {_plain(value)} belongs to {len(ids)} of the classes {legal}, but must belong to "
            f"exactly one. {_label_fix(value, classes, bool(groups))}"
        )
    return {"answer": ids[0]}


def _label_fix(value: object, classes: list[list[str]], groups: bool) -> str:
    """The likely cause and the fix for a label that belongs to no class, or to several."""
    if is_truth(value):
        return 'Assign true and false in label_groups, such as {NAME: ["true"], OTHER: ["false"]}.'
    near = [name for members in classes for name in members if name.strip().lower() == text_of(value).strip().lower()]
    if near:
        return f"It differs from {near[0]!r} in letter case or white space: correct the data, or `map` the value."
    if whole_number(value) is not None and not groups:
        return (
            f"Numbers count `labels` from 0 (here to {len(classes) - 1}). If yours count from 1, or mean something "
            'else, list them in label_groups, such as {NAME: ["1"], OTHER: ["2"]}.'
        )
    return f"Add it to {'label_groups' if groups else 'labels'}, or correct columns.answer or the row."


def _unnamed_class(value: object, labels: list[str], where: str) -> list[int]:
    """Class ids, one or none, of a value that is no class name.

    true and false belong to the label that means the same ("yes" and "no", in any order). A whole number is a position
    in `labels`, unless labels are numbers themselves. Raises UserError for 1 and 0 if the labels mean true and false in
    the opposite order.
    """
    numbers = [number for number in map(_float, labels) if number is not None and math.isfinite(number)]  # not "nan"
    position = truth_index(value, labels) if is_truth(value) else whole_number(value)
    if position is None or (not is_truth(value) and numbers):
        return []
    if not is_truth(value) and position in (0, 1) and truth_index(bool(position), labels) not in (None, position):
        one, zero = (labels[truth_index(truth, labels)] for truth in (True, False))
        raise UserError(
            f"{where}: label {position} would be a position in labels {labels}, so 1 would mean {labels[1]!r}. If 1 "
            f'means {one!r}, write label_groups: {{{one}: ["1"], {zero}: ["0"]}}. Otherwise swap "1" and "0" in it.'
        )
    return [position] if 0 <= position < len(labels) else []


def _float(value: object) -> float | None:
    """The number that Python reads in a value; None if it reads none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _plain(value: object) -> str:
    """A value in a message. Numbers, also those stored as text, have no quotes unless white space surrounds them."""
    number = _float(value) is not None and str(value) == str(value).strip()
    return str(value) if number and len(str(value)) <= 40 else short_repr(value, 200)


def _target(settings: "ExampleSettings", raw: dict, where: str) -> dict:
    value = field(settings.columns["answer"], raw)
    target = None if isinstance(value, bool) or "_" in str(value) else _float(value)
    if target is None or not math.isfinite(target):
        raise UserError(f"{where}: answer {_plain(value)} is not a finite number, but kind regress needs one.")
    return {"target": target}


def _references(settings: "ExampleSettings", raw: dict, where: str) -> dict:
    answer = settings.columns["answer"]
    if isinstance(answer, list):
        values = [render(where, template, raw) for template in answer]
    else:
        value = field(answer, raw)
        values = list_field(where, answer, raw) if isinstance(value, list) else [single_text(where, answer, value)]
    texts = (strip_ends(text_of(value), "answer", settings.columns) for value in values)
    accepted = dict.fromkeys(text for text in texts if text.strip())
    if not accepted:
        raise UserError(
            f"{where}: no accepted answer in columns.answer ({answer}), but kind generate needs at least one."
        )
    if settings.match == "number":
        for text in accepted:
            reference_number(text, f"{where}: ")
    return {"references": list(accepted)}


def _scored_text(settings: "ExampleSettings", raw: dict, where: str) -> dict:
    answer = settings.columns["answer"]
    template = answer[0] if isinstance(answer, list) else f"{{{answer}}}"
    text = strip_ends(render(where, template, raw), "answer", settings.columns)
    if not text.strip():
        raise UserError(f"{where}: the text in columns.answer ({answer}) is empty, so there is nothing to score.")
    return {"references": [text]}
