"""Class labels whose names the source itself gives: a stored number means the class that its own schema names."""

import json
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import types

from junkdna.data.templates import is_place, path_steps, read_paths
from junkdna.data.usable_rows import answer_paths, extracted
from junkdna.data.values import is_list, listed, whole_number
from junkdna.errors import UserError

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings

FEATURES = b"huggingface"  # key of the schema's metadata in which `datasets` keeps its features


def label_names(schema: pa.Schema, where: str) -> dict[str, list[str]]:
    """Class names by column ("label", "meta.label", "labels.*"), from the features that `datasets` keeps in a schema.

    UserError where the metadata cannot be read.
    """
    try:
        metadata = json.loads((schema.metadata or {}).get(FEATURES, b"{}"))
        features = (metadata.get("info") or {}).get("features") or {}
        return dict(_named(features))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
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


def with_names(table: pa.Table, names: dict[str, list[str]], settings: "ExampleSettings") -> pa.Table:
    """The table with the class numbers of every label column that the task reads as the names that the source gives.

    `names` are those names by path. They go wherever a task reads such a column: as the answer (itself, through
    `extract` or in a template), in `columns.map`, in templates, as options and as `choice_labels`. -1 (no label)
    becomes null. Numbers stay numbers in two cases:

    - the task names the classes by the stored numbers ("0", "1") in `labels`, `label_groups` or the keys of
      `columns.map`, unless the source's names are such numbers;
    - kind `choice`: the column is the answer and there are no `choice_labels`, so it holds a position.

    The `labels`, `label_groups` and keys of `columns.map` may list the names in any order, all or some of them.
    UserError where they and the source's names differ, and for a number that the source does not name. A number in
    other columns is the label's position (see `data.examples`).
    """
    whole = pa.struct(table.schema)
    found = [path_steps(whole, path.split(".")) for path in read_paths(settings.columns)]
    read = {_starred(steps) for steps in found if steps}
    for labeled, stored in names.items():
        steps = path_steps(whole, labeled.split("."))
        if steps and {labeled, labeled.removesuffix(".*")} & read:
            table = _with_names_at(table, labeled, steps, stored, settings)
    return table


def _with_names_at(
    table: pa.Table, path: str, steps: list[str], stored: list[str], settings: "ExampleSettings"
) -> pa.Table:
    stated, whole = _stated(path, settings)
    if stated is None:
        return table
    unknown = [name for name in stated if name not in stored]
    if unknown and all(whole_number(name) is not None for name in stated):
        return table
    if unknown and whole:
        raise UserError(
            f"task {settings.task}: the source names its classes {', '.join(stored)}, the task file "
            f"{', '.join(stated)}: which of them is {', '.join(unknown)}? Give `labels` as the source names them, in "
            "any order (`verbalizers` are what a model reads), or `label_groups` such as {NAME: [CLASS OF THE SOURCE]}."
        )
    place = table.schema.get_field_index(steps[0])
    where = f"task {settings.task}: column {path}"
    chunks = [_names_at(chunk, steps[1:], stored, where) for chunk in table.column(place).chunks]
    return table.set_column(place, steps[0], pa.chunked_array(chunks)) if chunks else table


def _stated(path: str, settings: "ExampleSettings") -> tuple[list[str] | None, bool]:
    """The classes that the task itself names for a label column, and whether these are whole names: what `extract`
    takes out may be a part of one. None instead of the classes where the column holds a position."""
    columns = settings.columns
    spelled = {path, path.removesuffix(".*")}
    made = [name for name, column in extracted(columns).items() if _starred(column.split(".")) in spelled]
    for name, words in columns.get("map", {}).items():
        if _starred(name.split(".")) in spelled or name in made:
            return list(words), name not in made
    if not any(_starred(answer.split(".")) in spelled for answer in answer_paths(columns)):
        return [], True
    if settings.kind == "choice" and "choice_labels" not in columns:
        return None, True
    groups = settings.label_groups or {}
    named = [member for members in groups.values() for member in members]
    return [*(settings.labels or []), *named], not made


def _starred(steps: list[str]) -> str:
    """A path with every item of a list as a star."""
    return ".".join("*" if is_place(step) else step for step in steps)


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
