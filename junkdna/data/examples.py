"""A task's raw rows to examples, one example per row, with the fields of `SCHEMA`.

`answer` is a class id (classify, pair) or the position of the right choice (choice). `target` is the number of a
`regress` task. `references` are the accepted answers of a `generate` task. Fields that a kind does not have are null.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pyarrow as pa

from junkdna.data import usable_rows
from junkdna.data.class_names import apply_class_names
from junkdna.data.gold_answers import gold_answer
from junkdna.data.label_checks import check_labels
from junkdna.data.published_difficulty import published_difficulty
from junkdna.data.rows import load_raw
from junkdna.data.templates import TEMPLATES, check_columns, derive_columns, field, render, strip_ends, wanted_columns
from junkdna.data.values import plain_rows, text_of
from junkdna.data.wheel_download import wheel_file
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
DIFFICULTY_SCHEMA = pa.schema([("id", pa.string()), ("difficulty", pa.string())])


def load_examples(settings: "ExampleSettings", raw: dict[str, dict] | None = None) -> pa.Table:
    """The examples that `settings` describe, with notes on excluded rows and warnings about answers in the metadata
    (`usable_rows.read_notes`). A source's wheel must be downloaded already.

    If `raw` is given, each raw split adds its number of rows and the SHA-256 of its files to it. Raises UserError if a
    constant answer would be right in every row to train on or to evaluate.
    """
    file = wheel_file(settings.source)

    def read(split: str) -> pa.Table:
        rows = load_raw(settings.source, settings.splits[split], file)
        if raw is not None:
            raw[split] = {"rows": rows.table.num_rows, "files": rows.files}
        return apply_class_names(rows.table, rows.label_names, settings)

    table = make_examples(settings, settings.role, read)
    labeled = settings.role in ("train", "evaluate")
    return usable_rows.add_notes(table, warnings=check_labels(settings, settings.role, table) if labeled else [])


def make_examples(settings: "ExampleSettings", role: str, read_split: Callable[[str], pa.Table]) -> pa.Table:
    """Examples of a task in one role (train, evaluate, shots) as a table with `SCHEMA`.

    The role `difficulty` gives the published difficulty of the rows of role evaluate, with `DIFFICULTY_SCHEMA`. It is a
    file of its own, so that a difficulty can be added or corrected without new tokens and cells.

    `read_split` returns the raw table of a split, by the split's name. `usable_rows.read_notes(table)["left_out"]`
    counts the excluded rows of the raw split by reason, before any limit. Raises UserError for a missing column, a gold
    answer that is not one of the choices or labels, repeated ids, and a split without a usable row.
    """
    if role == "difficulty":
        return _make(settings, "evaluate", read_split, DIFFICULTY_SCHEMA)
    return _make(settings, role, read_split, SCHEMA)


def _make(settings: "ExampleSettings", role: str, read_split: Callable[[str], pa.Table], schema: pa.Schema) -> pa.Table:
    name, shots = settings.task, settings.shots
    left_out: Counter[str] = Counter()
    if role == "shots":
        rows = _first_of_groups(_read(settings, shots.of, read_split, left_out), shots.count)
        _check_count(name, rows, shots.count)
    else:
        cut = settings.hash_split
        split = cut.of if cut else settings.train_split if role == "train" else settings.evaluate_split
        rows = _read(settings, split, read_split, left_out)
        if shots and shots.of == split and (cut or role == "evaluate"):  # rows that prompts show are not evaluated
            shot_positions = {row["position"] for row in _first_of_groups(rows, shots.count)}
            rows = [row for row in rows if row["position"] not in shot_positions]
        rows = usable_rows.drop_equal_options(rows, left_out)
        usable_rows.check_rows_left(name, split, rows, left_out)
        rows = _hash_split(name, rows, cut.train, cut.evaluate)[role] if cut else rows
        if role in settings.limits:
            rows = _by_hash(name, rows)[: settings.limits[role]]
    _check_ids(name, role, rows)
    table = pa.Table.from_pylist([{**row, "split": role} for row in rows], schema=schema)
    return usable_rows.add_notes(table, left_out=left_out)


def _read(
    settings: "ExampleSettings", split: str, read_split: Callable[[str], pa.Table], left_out: Counter
) -> list[dict]:
    """The usable rows of a raw split, in source order. The others are counted in `left_out` by reason."""
    name, columns, table = settings.task, settings.columns, read_split(split)
    check_columns(f"task {name}", columns, table.schema, split)
    rows, golds = [], Counter()
    wanted = wanted_columns(columns, table.schema)
    for number, stored in enumerate(plain_rows(f"task {name}", table, wanted)):
        row_id = _row_id(name, columns["id"], stored, number) if "id" in columns else f"{split}-{number}"
        where = f"task {name}: row {row_id!r}"
        reason = usable_rows.unmet_requirement(columns, stored) or usable_rows.no_gold(settings, stored)
        if reason is None:
            raw = derive_columns(where, columns, stored)
            texts = dict.fromkeys(TEMPLATES)
            texts |= {
                key: strip_ends(render(where, columns[key], raw), key, columns) for key in TEMPLATES if key in columns
            }
            reason = usable_rows.unmet_requirement(columns, raw, texts)
            reason = reason or usable_rows.no_right_choice(where, columns, raw)
        if reason is not None:
            left_out[reason] += 1
            continue
        usable_rows.check_texts(where, settings.kind, texts)
        rows.append({"id": row_id, "position": number, **texts, **gold_answer(settings, raw, row_id, where)})
        if "difficulty" in columns:
            rows[-1]["difficulty"] = published_difficulty(where, columns, raw)
        if settings.labels:
            golds[text_of(field(columns["answer"], raw)), rows[-1]["answer"]] += 1
    usable_rows.check_minus_one(settings, golds, left_out)
    usable_rows.check_rows_left(name, split, rows, left_out)
    return rows


def _first_of_groups(rows: list[dict], count: int) -> list[dict]:
    place_in_group = defaultdict(itertools.count)
    return [row for row in rows if next(place_in_group[row["group"]]) < count]


def _check_count(name: str, rows: list[dict], count: int) -> None:
    for group, size in Counter(row["group"] for row in rows).items():
        if size < count:
            of_group = f" of group {group!r}" if group is not None else ""
            raise UserError(
                f"task {name}: shots.count is {count}, but its split has only {size} rows{of_group}. Lower it."
            )


def _by_hash(name: str, rows: Iterable[dict]) -> list[dict]:
    """Rows in the hash order of their text, so rows of equal text are adjacent whatever their second text is."""

    def order(row: dict) -> tuple[str, str, str]:
        return hash_key("split", name, " ".join(row["text"].split()), None), row["text_b"] or "", row["id"]

    return sorted(rows, key=order)


def _hash_split(name: str, rows: list[dict], train: int, evaluate: int) -> dict[str, list[dict]]:
    ordered = _by_hash(name, rows)
    cut = train
    while cut < len(ordered) and ordered[cut]["text"].split() == ordered[cut - 1]["text"].split():
        cut += 1  # a text that occurs twice must not be both trained on and evaluated
    if cut + evaluate > len(ordered):
        repeats = f" and {cut - train} of them repeat a training text" if cut > train else ""
        raise UserError(
            f"task {name}: hash_split needs {train} + {evaluate} rows, but only {len(ordered)} are usable{repeats}. "
            "Lower one of the two."
        )
    return {"train": ordered[:train], "evaluate": ordered[cut : cut + evaluate]}


def _row_id(name: str, path: str, raw: dict, number: int) -> str:
    value = field(path, raw)
    if value is None or isinstance(value, list | dict):
        problem = "is empty (null)" if value is None else f"has several values ({short_repr(value, 80)})"
        raise UserError(
            f"task {name}: row {number} (from 0): the id column {path} {problem}. Name a column of single values in "
            "columns.id, or remove columns.id to number the rows."
        )
    return text_of(value)


def _check_ids(name: str, role: str, rows: list[dict]) -> None:
    for row_id, count in Counter(row["id"] for row in rows).items():
        if count > 1:
            raise UserError(
                f"task {name}: {role}: the id {row_id!r} occurs twice. Name a column of unique values in columns.id."
            )
