"""Class names that the source itself stores: a stored label number is replaced by its name in the source's schema."""

import json
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import types

from junkdna.data.templates import extracted, is_index, path_steps, read_paths
from junkdna.data.usable_rows import answer_paths
from junkdna.data.values import is_list, listed, whole_number
from junkdna.errors import UserError

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings

FEATURES = b"huggingface"  # key of the schema's metadata in which `datasets` keeps its features


def label_names(schema: pa.Schema, where: str) -> dict[str, list[str]]:
    """Class names by column ("label", "meta.label", "labels.*"), from the features that `datasets` stores in a schema.

    Raises UserError if the metadata cannot be read.
    """
    try:
        metadata = json.loads((schema.metadata or {}).get(FEATURES, b"{}"))
        features = (metadata.get("info") or {}).get("features") or {}
        return feature_names(features)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{where}: the column metadata that `datasets` writes cannot be read ({error}). Save the data again."
        ) from None


def feature_names(features: object, path: str = "") -> dict[str, list[str]]:
    """Class names by column, from the output of `datasets.Features.to_dict` or the part of it at `path`."""
    before = f"{path}." if path else ""
    if isinstance(features, list):  # of one element, the feature of every item
        features = {"*": features[0]} if features else {}
    kind = features.get("_type") if isinstance(features, dict) else "no feature"
    if kind == "ClassLabel":
        return {path: list(map(str, features["names"]))} if features.get("names") else {}
    if kind == "Sequence" and "_type" not in features.get("feature", {}):  # of structs: stored as a struct of lists
        return {f"{inner}.*": classes for inner, classes in feature_names(features.get("feature"), path).items()}
    if kind in ("Sequence", "List", "LargeList"):
        return feature_names(features.get("feature"), f"{before}*")
    if isinstance(kind, str):
        return {}
    inside = [feature_names(inner, f"{before}{name}") for name, inner in features.items()]
    return {column: classes for names in inside for column, classes in names.items()}


def apply_class_names(table: pa.Table, names: dict[str, list[str]], settings: "ExampleSettings") -> pa.Table:
    """The table with class numbers replaced by class names in every label column that the task reads.

    `names` maps a column's path to the source's class names. Numbers are replaced wherever a task reads such a column:
    as the answer (directly, through `extract` or in a template), in `columns.map`, in templates, as options and as
    `choice_labels`. -1 (no label) becomes null. Numbers stay numbers in two cases:

    - The task names the classes by the stored numbers ("0", "1") in `labels`, `label_groups` or the keys of
      `columns.map`, and the source's names are not such numbers.
    - Kind `choice`: the column is the answer and there are no `choice_labels`, so the number is a position.

    `labels`, `label_groups` and the keys of `columns.map` may list all or some of the names, in any order. Raises
    UserError if they differ from the source's names, and for a number without a name in the source. In other columns a
    number is the label's position (see `data.examples`).
    """
    row_type = pa.struct(table.schema)
    paths = [path_steps(row_type, path.split(".")) for path in read_paths(settings.columns)]
    read = {_starred(steps) for steps in paths if steps}
    for labeled, stored in names.items():
        steps = path_steps(row_type, labeled.split("."))
        if steps and {labeled, labeled.removesuffix(".*")} & read:
            table = _apply_at(table, labeled, steps, stored, settings)
    return table


def _apply_at(table: pa.Table, path: str, steps: list[str], stored: list[str], settings: "ExampleSettings") -> pa.Table:
    stated, complete = _stated(path, settings)
    if stated is None:
        return table
    unknown = [name for name in stated if name not in stored]
    if unknown and all(whole_number(name) is not None for name in stated):
        return table
    if unknown and complete:
        raise UserError(
            f"task {settings.task}: the source names its classes {', '.join(stored)}, but the task file names "
            f"{', '.join(stated)}, so {', '.join(unknown)} matches no class. List the source's names in `labels`, in "
            "any order (`verbalizers` are the words a model reads), or set `label_groups: {NAME: [SOURCE CLASS]}`."
        )
    index = table.schema.get_field_index(steps[0])
    where = f"task {settings.task}: column {path}"
    chunks = [_names_at(chunk, steps[1:], stored, where) for chunk in table.column(index).chunks]
    return table.set_column(index, steps[0], pa.chunked_array(chunks)) if chunks else table


def _stated(path: str, settings: "ExampleSettings") -> tuple[list[str] | None, bool]:
    """The classes that the task names for a label column, and whether these are complete names.

    A text taken by `extract` may be a part of a name. None instead of the classes if the column has positions.
    """
    columns = settings.columns
    spelled = {path, path.removesuffix(".*")}
    groups_of_pattern = [name for name, column in extracted(columns).items() if _starred(column.split(".")) in spelled]
    for name, words in columns.get("map", {}).items():
        if _starred(name.split(".")) in spelled or name in groups_of_pattern:
            return list(words), name not in groups_of_pattern
    if not any(_starred(answer.split(".")) in spelled for answer in answer_paths(columns)):
        return [], True
    if settings.kind == "choice" and "choice_labels" not in columns:
        return None, True
    named = [member for members in (settings.label_groups or {}).values() for member in members]
    return [*(settings.labels or []), *named], not groups_of_pattern


def _starred(steps: list[str]) -> str:
    """A path with a star for every list index."""
    return ".".join("*" if is_index(step) else step for step in steps)


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
    names = [_name(value, stored, where) for value in coded.dictionary.to_pylist()]
    return pa.array(names, pa.string()).take(coded.indices)


def _name(value: object, stored: list[str], where: str) -> str | None:
    """The name of a class, stored as its name or as its position (a number, or text with a number); None for -1."""
    number = whole_number(value)
    if value in stored or number is None:
        return value if value is None else str(value)
    if not -1 <= number < len(stored):
        raise UserError(
            f"{where} contains class {number}, but the source names only {len(stored)} classes: {', '.join(stored)} (0 "
            f"to {len(stored) - 1}; -1 means no label). Fix the row or the source's class names."
        )
    return None if number == -1 else stored[number]
