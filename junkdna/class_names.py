"""Class labels whose names the source itself gives: a stored number means the class that its own schema names."""

import json

import pyarrow as pa
from pyarrow import types

from junkdna.errors import UserError
from junkdna.tasks.values import is_list, listed, whole_number

FEATURES = b"huggingface"  # key of the schema's metadata in which `datasets` keeps its features


def label_names(schema: pa.Schema, where: str) -> dict[str, list[str]]:
    """Class names by column ("label", "meta.label", "labels.*"), from the features that `datasets` keeps in a schema.

    UserError where the metadata cannot be read.
    """
    try:
        metadata = json.loads((schema.metadata or {}).get(FEATURES, b"{}"))
        features = (metadata.get("info") or {}).get("features") or {}
        return dict(_named(features))
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(
            f"{where}: the notes of `datasets` on the columns cannot be read ({error}). Save the data again."
        ) from None


def feature_names(features: dict) -> dict[str, list[str]]:
    """Class names by column, from features as `datasets.Features.to_dict` writes them."""
    return dict(_named(features))


def _named(features: object, path: str = "") -> list[tuple[str, list[str]]]:
    before = f"{path}." if path else ""
    if isinstance(features, list):
        return [found for inner in features for found in _named(inner, f"{before}*")]
    if not isinstance(features, dict):
        return []
    kind = features.get("_type")
    if kind == "ClassLabel":
        return [(path, list(map(str, features["names"])))] if features.get("names") else []
    if kind == "Sequence" and "_type" not in features.get("feature", {}):  # of structs: stored as a struct of lists
        return [(f"{inner}.*", classes) for inner, classes in _named(features.get("feature"), path)]
    if kind in ("Sequence", "List", "LargeList"):
        return _named(features.get("feature"), f"{before}*")
    if isinstance(kind, str):
        return []
    return [found for name, inner in features.items() for found in _named(inner, f"{before}{name}")]


def with_names(table: pa.Table, names: dict[str, list[str]], settings: dict) -> pa.Table:
    """The table with the class numbers of the task's label column as the names that the source gives them.

    For a task with `labels` or `label_groups` whose source names the classes of the column: the task lists these names,
    in any order, all or some of them. -1 (no label) becomes null. A task that names classes by the stored numbers ("0",
    "1") keeps the numbers, unless the names are such numbers. Also where `columns.map` gives the texts of the classes,
    and where the answer is a text: of kind `generate`, or looked up in `choice_labels`.

    UserError where the task's names and the source's differ, and for a number that the source does not name. Other
    tables are returned as they are: a number is then the label's place (see `tasks.load`).
    """
    columns, stored = settings["columns"], names.get(_starred(settings["columns"]["answer"]))
    groups = settings.get("label_groups") or {}
    mapped = columns.get("map", {}).get(columns["answer"]) if isinstance(columns["answer"], str) else None
    stated = [*(settings.get("labels") or [])] + [member for members in groups.values() for member in members]
    stated = list(mapped) if mapped is not None else stated
    is_text = settings.get("kind") == "generate" or "choice_labels" in columns
    if not stored or not (stated or is_text):
        return table
    if unknown := [name for name in stated if name not in stored]:
        if all(whole_number(name) is not None for name in stated):
            return table
        raise UserError(
            f"task {settings['task']}: the source names its classes {', '.join(stored)}, the task file "
            f"{', '.join(stated)}: which of them is {', '.join(unknown)}? Give `labels` as the source names them, in "
            "any order (`label_words` are what a model reads), or `label_groups` such as {NAME: [CLASS OF THE SOURCE]}."
        )
    return _renamed(table, columns["answer"], stored, f"task {settings['task']}: column {columns['answer']}")


def _starred(path: object) -> str:
    """A column's path with every item of a list as a star."""
    return ".".join("*" if part.isdigit() else part for part in str(path).split("."))


def _renamed(table: pa.Table, path: str, stored: list[str], where: str) -> pa.Table:
    """The table with the numbers at a path as names."""
    at, inside = (path, []) if path in table.schema.names else (path.split(".")[0], path.split(".")[1:])
    place = table.schema.get_field_index(at)
    chunks = [_names_at(chunk, inside, stored, where) for chunk in table.column(place).chunks]
    return table.set_column(place, at, pa.chunked_array(chunks)) if chunks else table


def _names_at(array: pa.Array, path: list[str], stored: list[str], where: str) -> pa.Array:
    kind = array.type
    if types.is_struct(kind) and path:
        children = [
            _names_at(child, path[1:], stored, where) if field.name == path[0] else child
            for field, child in zip(kind, array.flatten(), strict=True)
        ]
        return pa.StructArray.from_arrays(children, names=[field.name for field in kind], mask=array.is_null())
    if is_list(kind) and path:
        return listed(array, _names_at(array.flatten(), path[1:], stored, where))
    coded = array.dictionary_encode()
    found = [_name(value, stored, where) for value in coded.dictionary.to_pylist()]
    return pa.array(found, pa.string()).take(coded.indices)


def _name(value: object, stored: list[str], where: str) -> str | None:
    """The name of a class that is stored by its name or, as a number or its text, by its place; None for -1."""
    number = whole_number(value)
    if value in stored or number is None:
        return value if value is None else str(value)
    if not -1 <= number < len(stored):
        raise UserError(
            f"{where} holds the class {number}, but the source names {len(stored)}: {', '.join(stored)} (0 to "
            f"{len(stored) - 1}, and -1 for none)."
        )
    return None if number == -1 else stored[number]
