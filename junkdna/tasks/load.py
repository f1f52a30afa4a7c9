"""Raw rows to canonical examples: id, split, text, text_b, passage, choices, answer.

One row per example. `choices` is null for `classify` tasks, whose `answer` is the class id; for `choice` tasks
`answer` is the position of the right choice. Choices are put into a hash order, because in some data sets the
right one always stands first and a model that scores all choices alike would then look perfect.
"""

import re
from collections.abc import Callable, Iterable

import pyarrow as pa

from junkdna.errors import UserError
from junkdna.tasks.knobs import hash_key
from junkdna.tasks.schema import template_columns

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("split", pa.string()),
        ("text", pa.string()),
        ("text_b", pa.string()),
        ("passage", pa.string()),
        ("choices", pa.list_(pa.string())),
        ("answer", pa.int32()),
    ]
)


def canonical_examples(settings: dict, read_split: Callable[[str], pa.Table]) -> pa.Table:
    """Examples of a task as a table with `SCHEMA`, the train rows first.

    `settings` is `grid.example_settings`; `read_split` gives the raw table of a split's name. Raises UserError
    for a missing column, a gold answer that is not among the choices or labels, repeated ids, an empty split.
    """
    name = settings["task"]
    if cut := settings.get("hash_split"):
        rows = _rows(settings, read_split(cut["of"]), cut["of"])
        splits = _hash_split(name, rows, cut["train"], cut["evaluate"])
    else:
        named = {"train": settings.get("train_split"), "evaluate": settings["evaluate_split"]}
        splits = {role: _rows(settings, read_split(raw), raw) for role, raw in named.items() if raw}
    examples = []
    for role, rows in splits.items():
        kept = _limited(name, rows, settings["limits"].get(role))
        if not kept:
            raise UserError(f"task {name}: split {role!r} is empty after columns.require; check its source.")
        examples += [{**row, "split": role} for row in kept]
    _check_ids(name, examples)
    return pa.Table.from_pylist(examples, schema=SCHEMA)


def _rows(settings: dict, table: pa.Table, split: str) -> list[dict]:
    name, columns = settings["task"], settings["columns"]
    _check_columns(name, columns, table.schema, split)
    make = _choice if settings["kind"] == "choice" else _class
    rows = []
    for number, raw in enumerate(table.to_pylist()):
        row_id = str(raw[columns["id"]]) if "id" in columns else f"{split}-{number}"
        fields = {"id": row_id, **_texts(columns, raw)}
        if all(fields[field] for field in columns.get("require", [])):
            if not fields["text"]:
                raise UserError(
                    f"task {name}: row {row_id!r}: empty text; columns.require: [text] leaves such rows out."
                )
            rows.append({**fields, **make(settings, raw, row_id)})
    return rows


def _texts(columns: dict, raw: dict) -> dict:
    fields = ("text", "text_b", "passage")
    return {field: _render(columns[field], raw) if field in columns else None for field in fields}


def _choice(settings: dict, raw: dict, row_id: str) -> dict:
    name, columns = settings["task"], settings["columns"]
    source = columns["choices"]
    if isinstance(source, list):
        choices = [_render(template, raw) for template in source]
    else:
        choices = ["" if choice is None else str(choice) for choice in _list_field(name, row_id, source, raw)]
    if len(choices) < 2 or not all(choices):
        raise UserError(f"task {name}: row {row_id!r}: needs two or more choices, none empty (has: {choices}).")
    answer = columns["answer"]
    if isinstance(answer, str):
        answer = _position(name, row_id, _field(answer, raw), columns.get("choice_labels"), raw)
    if not 0 <= answer < len(choices):
        raise UserError(f"task {name}: row {row_id!r}: answer {answer} is outside its {len(choices)} choices.")
    order = sorted(range(len(choices)), key=lambda i: hash_key("order", row_id, i))
    return {"choices": [choices[i] for i in order], "answer": order.index(answer)}


def _position(name: str, row_id: str, value: object, labels_column: str | None, raw: dict) -> int:
    if labels_column is None:
        try:
            if int(value) == float(value):
                return int(value)
            raise ValueError(value)
        except (TypeError, ValueError, OverflowError):
            raise UserError(
                f"task {name}: row {row_id!r}: answer {value!r} is not a position; name columns.choice_labels."
            ) from None
    labels = [str(label) for label in _list_field(name, row_id, labels_column, raw)]
    if str(value) not in labels:
        raise UserError(f"task {name}: row {row_id!r}: answer {value!r} is not among its choice labels {labels}.")
    return labels.index(str(value))


def _class(settings: dict, raw: dict, row_id: str) -> dict:
    value = _field(settings["columns"]["answer"], raw)
    groups = dict(sorted((settings.get("label_groups") or {}).items()))  # JSON keeps no order
    if groups:
        ids = [number for number, members in enumerate(groups.values()) if str(value) in members]
    else:
        labels = settings["labels"]
        ids = [value] if isinstance(value, int) and 0 <= value < len(labels) else []
        ids = ids or [number for number, label in enumerate(labels) if label == str(value)]
    if len(ids) != 1:
        legal = list(groups) if groups else settings["labels"]
        raise UserError(
            f"task {settings['task']}: row {row_id!r}: label {value!r} belongs to {len(ids)} of the classes {legal}; "
            f"each value must belong to exactly one."
        )
    return {"choices": None, "answer": ids[0]}


def _render(template: str, raw: dict) -> str:
    def shown(match: re.Match) -> str:
        value = _field(match.group(1), raw)
        return "" if value is None else str(value)

    return " ".join(re.sub(r"{([^{}]+)}", shown, template).split())


def _field(path: str, raw: dict) -> object:
    """The value of a column, or of a field inside it ("choices.text"); None where the column is null in this row."""
    value: object = raw
    for part in path.split("."):
        if value is None:
            return None
        value = value[part]  # checked against the table's schema before any row is read
    return value


def _list_field(name: str, row_id: str, path: str, raw: dict) -> list:
    value = _field(path, raw)
    if not isinstance(value, list):
        raise UserError(f"task {name}: row {row_id!r}: column {path} must hold a list (holds {value!r}).")
    return value


def _check_columns(name: str, columns: dict, schema: pa.Schema, split: str) -> None:
    templates = [columns[field] for field in ("text", "text_b", "passage") if field in columns]
    named = [column for template in templates for column in template_columns(template)]
    choices = columns.get("choices", [])
    named += [c for t in choices for c in template_columns(t)] if isinstance(choices, list) else [choices]
    named += [columns[key] for key in ("id", "choice_labels") if key in columns]
    named += [columns["answer"]] if isinstance(columns["answer"], str) else []
    have = _paths(schema)
    missing = sorted({column for column in named if column not in have})
    if missing:
        raise UserError(f"task {name}: split {split!r} has no column {', '.join(missing)}; it has {', '.join(have)}.")


def _paths(fields: Iterable[pa.Field], before: str = "") -> list[str]:
    """Names of columns and of the fields inside them: "choices", "choices.text"."""
    found = []
    for field in fields:
        found.append(before + field.name)
        if pa.types.is_struct(field.type):
            found += _paths(field.type, f"{before}{field.name}.")
    return found


def _by_hash(name: str, rows: Iterable[dict]) -> list[dict]:
    """Rows in hash order of their text, so that rows of equal text stand together whatever their second text."""
    return sorted(rows, key=lambda row: (hash_key("split", name, row["text"], None), row["text_b"] or "", row["id"]))


def _limited(name: str, rows: list[dict], limit: int | None) -> list[dict]:
    return rows if limit is None else _by_hash(name, rows)[:limit]


def _hash_split(name: str, rows: list[dict], train: int, evaluate: int) -> dict[str, list[dict]]:
    ordered = _by_hash(name, rows)
    cut = train
    while cut < len(ordered) and ordered[cut]["text"] == ordered[cut - 1]["text"]:
        cut += 1  # a text that stands twice must not be trained on and evaluated
    if cut + evaluate > len(ordered):
        repeats = f" and {cut - train} of them repeat a training text" if cut > train else ""
        raise UserError(
            f"task {name}: hash_split asks for {train} + {evaluate} rows, but only {len(ordered)} are usable{repeats}; "
            f"lower one."
        )
    return {"train": ordered[:train], "evaluate": ordered[cut : cut + evaluate]}


def _check_ids(name: str, examples: list[dict]) -> None:
    seen: set[tuple[str, str]] = set()
    for example in examples:
        key = (example["split"], example["id"])
        if key in seen:
            raise UserError(f"task {name}: id {example['id']!r} stands twice; columns.id must name a unique column.")
        seen.add(key)
