"""Raw rows to canonical examples, one row each, with the fields of `SCHEMA`.

`answer` is a class id (classify, pair) or the position of the right choice (choice); `target` is the number of a
`regress` task; `references` are the accepted answers of a `generate` task. Fields that a kind lacks are null.
"""

import math
from collections.abc import Callable, Iterable

import pyarrow as pa

from junkdna.errors import UserError
from junkdna.tasks.fields import TEMPLATES, check_columns, derived, field, list_field, render
from junkdna.tasks.knobs import hash_key

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
ROLES = ("train", "evaluate", "shots")


def canonical_examples(settings: dict, role: str, read_split: Callable[[str], pa.Table]) -> pa.Table:
    """Examples of a task in one role (train, evaluate, shots) as a table with `SCHEMA`.

    `settings` is `job_settings.example_settings`; `read_split` gives the raw table of a split's name. Raises UserError
    for a missing column, a gold answer that is not among the choices or labels, repeated ids, an empty split.
    """
    name, shots = settings["task"], settings.get("shots")
    if role == "shots":
        rows = _first_of_groups(_read(settings, shots["of"], read_split), shots["count"])
        _check_count(name, rows, shots["count"])
    elif cut := settings.get("hash_split"):
        usable = _without_shots(settings, cut["of"], _read(settings, cut["of"], read_split))
        rows = _hash_split(name, usable, cut["train"], cut["evaluate"])[role]
    else:
        split = settings[f"{role}_split"]
        rows = _read(settings, split, read_split)
        rows = _without_shots(settings, split, rows) if role == "evaluate" else rows
    rows = _limited(name, rows, settings["limits"].get(role))
    if not rows:
        raise UserError(f"task {name}: split {role!r} is empty after columns.require; check its source.")
    _check_ids(name, role, rows)
    return pa.Table.from_pylist([{**row, "split": role} for row in rows], schema=SCHEMA)


def _read(settings: dict, split: str, read_split: Callable[[str], pa.Table]) -> list[dict]:
    """Usable rows of a raw split, in source order."""
    name, columns, table = settings["task"], settings["columns"], read_split(split)
    check_columns(f"task {name}", columns, table.schema, split)
    answered = {"choice": _choice, "regress": _target, "generate": _references}.get(settings["kind"], _class)
    rows = []
    batches = table.to_batches(max_chunksize=1000)  # a table of long passages is many times larger as Python objects
    for number, stored in enumerate(row for batch in batches for row in batch.to_pylist()):
        row_id = str(field(columns["id"], stored)) if "id" in columns else f"{split}-{number}"
        where = f"task {name}: row {row_id!r}"
        raw = derived(where, columns, stored)
        texts = {key: render(where, columns[key], raw) if key in columns else None for key in TEMPLATES}
        texts = {key: _kept(text, key, columns) for key, text in texts.items()}
        if all(texts[key] for key in columns.get("require", [])):
            if not texts["text"]:
                raise UserError(f"{where}: empty text; columns.require: [text] leaves such rows out.")
            rows.append({"id": row_id, "position": number, **texts, **answered(settings, raw, row_id, where)})
    return rows


def _kept(text: str | None, key: str, columns: dict) -> str | None:
    """The text of a field as its prompt shows it: white space at its ends goes only where `columns.strip` says so."""
    return text.strip() if text and key in columns.get("strip", []) else text


# --- answers ----------------------------------------------------------------------------------------------------------


def _choice(settings: dict, raw: dict, row_id: str, where: str) -> dict:
    columns = settings["columns"]
    source = columns["choices"]
    if isinstance(source, list):
        choices = [render(where, template, raw) for template in source]
    else:
        choices = ["" if choice is None else str(choice) for choice in list_field(where, source, raw)]
    choices = [_kept(choice, "choices", columns) for choice in choices]
    if len(choices) < 2 or not all(map(str.strip, choices)):
        raise UserError(f"{where}: needs two or more choices, none empty (has: {choices}).")
    answer = columns["answer"]
    if isinstance(answer, str):
        answer = _position(where, field(answer, raw), columns.get("choice_labels"), raw)
    if not 0 <= answer < len(choices):
        raise UserError(f"{where}: answer {answer} is outside its {len(choices)} choices.")
    order = list(range(len(choices)))
    if columns.get("shuffle", True):
        order.sort(key=lambda i: hash_key("order", row_id, i))
    return {"choices": [choices[i] for i in order], "answer": order.index(answer)}


def _position(where: str, value: object, labels_column: str | None, raw: dict) -> int:
    if labels_column is None:
        try:
            if int(value) == float(value):
                return int(value)
            raise ValueError(value)
        except (TypeError, ValueError, OverflowError):
            raise UserError(f"{where}: answer {value!r} is not a position; name columns.choice_labels.") from None
    labels = [str(label) for label in list_field(where, labels_column, raw)]
    if str(value) not in labels:
        raise UserError(f"{where}: answer {value!r} is not among its choice labels {labels}.")
    return labels.index(str(value))


def _class(settings: dict, raw: dict, _row_id: str, where: str) -> dict:
    value = field(settings["columns"]["answer"], raw)
    groups = dict(sorted((settings.get("label_groups") or {}).items()))  # JSON keeps no order
    if groups:
        ids = [number for number, members in enumerate(groups.values()) if str(value) in members]
    else:
        labels = settings["labels"]
        ids = [number for number, label in enumerate(labels) if label == str(value)]
        if not any(map(str.isdigit, labels)):  # else a number is a label's name, not its place
            ids = ids or ([int(value)] if isinstance(value, int) and 0 <= value < len(labels) else [])
    if len(ids) != 1:
        legal = list(groups) if groups else settings["labels"]
        raise UserError(
            f"{where}: label {value!r} belongs to {len(ids)} of the classes {legal}; "
            f"each value must belong to exactly one."
        )
    return {"answer": ids[0]}


def _target(settings: dict, raw: dict, _row_id: str, where: str) -> dict:
    value = field(settings["columns"]["answer"], raw)
    try:
        target = float(value)
    except (TypeError, ValueError):
        target = math.nan
    if not math.isfinite(target):
        raise UserError(f"{where}: answer {value!r} is not a finite number, which kind regress needs.")
    return {"target": target}


def _references(settings: dict, raw: dict, _row_id: str, where: str) -> dict:
    answer = settings["columns"]["answer"]
    values = [render(where, template, raw) for template in answer] if isinstance(answer, list) else field(answer, raw)
    listed = values if isinstance(values, list) else [values]
    texts = (_kept(str(value), "answer", settings["columns"]) for value in listed if value is not None)
    accepted = dict.fromkeys(text for text in texts if text.strip())
    if not accepted:
        raise UserError(f"{where}: no accepted answer in columns.answer ({answer}); kind generate needs one or more.")
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


def _without_shots(settings: dict, split: str, rows: list[dict]) -> list[dict]:
    """The rows of an evaluated split that no prompt shows as a shot."""
    shots = settings.get("shots")
    if not shots or shots["of"] != split:
        return rows
    shown = {row["position"] for row in _first_of_groups(rows, shots["count"])}
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


def _check_ids(name: str, role: str, rows: list[dict]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row["id"] in seen:
            raise UserError(
                f"task {name}: {role}: id {row['id']!r} stands twice; columns.id must name a unique column."
            )
        seen.add(row["id"])
