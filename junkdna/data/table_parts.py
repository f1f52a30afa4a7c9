"""Join the files of one split into one table: types that differ only in form are unified, all others are refused."""

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from junkdna.data.values import as_text, is_list, listed, stored, stored_type
from junkdna.errors import UserError

MEANING = b"junkdna"  # key of a field's metadata: what its texts represent if they are not plain text
NUMBER_TEXT = {MEANING: b"numbers"}


def join_tables(parts: list[tuple[str, pa.Table]], lacking: bool = False) -> pa.Table:
    """The rows of all parts, given as (name, table), in one table with all of their columns.

    The order of the columns may differ. Types that differ only in form are unified: a column without values and any
    type; text of any width, bytes that are text and dictionary-encoded text; integers of any width; dates; timestamps
    and times of any unit; lists of any kind; structs field by field. Numbers of different types (integer and float,
    float32 and float64, decimals of different scales) become text, each as its part writes it, so no part changes the
    values of another. A column that a part lacks is null in its rows if one part has all columns, or in any case if
    `lacking` is true.

    Raises UserError, naming the column and two parts, if types differ in meaning (such as text and numbers), and if
    each of two parts has a column that the other lacks.
    """
    if all(table.schema.equals(parts[0][1].schema, check_metadata=True) for _, table in parts):
        return pa.concat_tables([table for _, table in parts])
    if not lacking:
        _check_columns(parts)
    parts = [(name, _without_empty_types(table)) for name, table in parts]
    fields: dict[str, tuple[str, pa.Field]] = {}
    for name, table in parts:
        for field in table.schema:
            first, known = fields.get(field.name, (name, None))
            common = _common(known, field, field.name, first, name) if known else field
            fields[field.name] = (name if known and types.is_null(known.type) else first, common)
    schema = pa.schema([field for _, field in fields.values()])
    return pa.concat_tables([_as_schema(name, table, schema) for name, table in parts])


def _without_empty_types(table: pa.Table) -> pa.Table:
    """The table with type null for columns, fields and items that have no values, whatever their declared type.

    pandas declares float64 for such a column, and pyarrow any type for lists that are all empty.
    """
    for index, field in enumerate(table.schema):
        chunks = table.column(index).chunks
        kind = _used_type(field.type, chunks)
        if not kind.equals(field.type):
            chunks = [_as_type(field.name, chunk, kind) for chunk in chunks]
            table = table.set_column(index, field.name, pa.chunked_array(chunks, kind))
    return table


def _used_type(kind: pa.DataType, arrays: list[pa.Array]) -> pa.DataType:
    """The common type of the arrays, with null for everything in it that has no values."""
    if all(pc.all(pc.is_null(array, nan_is_null=True), min_count=0).as_py() for array in arrays):
        return pa.null()
    if types.is_map(kind):
        entries = stored_type(kind)
        used = _used_type(entries, [stored(array) for array in arrays])
        return kind if used.equals(entries) else used
    if types.is_struct(kind):
        children = zip(kind, *(array.flatten() for array in arrays), strict=True)
        return pa.struct([field.with_type(_used_type(field.type, fields)) for field, *fields in children])
    if is_list(kind):
        item = _used_type(kind.value_type, [array.flatten() for array in arrays])
        return kind if item.equals(kind.value_type) else pa.large_list(pa.field("item", item))
    return kind


def _check_columns(parts: list[tuple[str, pa.Table]]) -> None:
    fullest, table = max(parts, key=lambda part: len(part[1].schema))
    for name, other in parts:
        if foreign := [column for column in other.schema.names if column not in table.schema.names]:
            lacks = [column for column in table.schema.names if column not in other.schema.names]
            raise UserError(
                f"the {len(parts)} files have different columns: {name} has {', '.join(foreign)}, which {fullest} "
                f"lacks, but lacks {', '.join(lacks)}. Name files with the same columns, or rename the columns."
            )


# --- types ------------------------------------------------------------------------------------------------------------


def _common(one: pa.Field, other: pa.Field, path: str, first: str, second: str) -> pa.Field:
    """The field that can contain the values of both. Raises UserError if they differ in meaning."""
    one, other = (field.with_type(stored_type(field.type)) for field in (one, other))
    if types.is_null(one.type):
        return other
    if types.is_null(other.type):
        return one
    if one.type.equals(other.type, check_metadata=True) and one.metadata == other.metadata:
        return one
    kinds = {_meaning(one), _meaning(other)}
    if len(kinds) > 1:
        if kinds == {"text", "bytes"}:
            return pa.field(one.name, pa.large_string())
        raise UserError(
            f"column {path} contains {_meaning(one)} ({one.type}) in {first} and {_meaning(other)} ({other.type}) in "
            f"{second}. Write the column with the same type in all files."
        )
    return _wider(kinds.pop(), one, other, path, first, second)


def _wider(meaning: str, one: pa.Field, other: pa.Field, path: str, first: str, second: str) -> pa.Field:
    if meaning == "objects":
        inside = {field.name: field for field in one.type}
        for field in other.type:
            known = inside.get(field.name)
            inside[field.name] = _common(known, field, f"{path}.{field.name}", first, second) if known else field
        return pa.field(one.name, pa.struct(list(inside.values())))
    if meaning == "lists":
        item = _common(one.type.value_field, other.type.value_field, f"{path}.*", first, second)
        return pa.field(one.name, pa.large_list(item.with_name("item")))
    if all(types.is_integer(field.type) and field.type != pa.uint64() for field in (one, other)):
        return pa.field(one.name, pa.int64())
    metadata = None if meaning == "text" else {MEANING: meaning.encode()}
    return pa.field(one.name, pa.large_string(), metadata=metadata)


MEANINGS = [
    (types.is_boolean, "true or false"),
    (lambda kind: types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind), "numbers"),
    (lambda kind: types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind), "text"),
    (lambda kind: types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind), "bytes"),
    (types.is_date, "dates"),
    (types.is_struct, "objects"),
    (is_list, "lists"),
]


def _meaning(field: pa.Field) -> str:
    """What the values of a field are, in a word; the type's name if values of other types never mean the same."""
    if MEANING in (field.metadata or {}):
        return field.metadata[MEANING].decode()
    kind = field.type
    if types.is_timestamp(kind):
        return f"timestamps{f' in {kind.tz}' if kind.tz else ''}"
    return "times" if types.is_time(kind) else next((word for is_kind, word in MEANINGS if is_kind(kind)), str(kind))


# --- arrays -----------------------------------------------------------------------------------------------------------


def _as_schema(name: str, table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        lacking = field.name not in table.schema.names
        chunks = [pa.nulls(table.num_rows)] if lacking else table.column(field.name).chunks
        chunks = [_as_type(f"{name}: column {field.name}", chunk, field.type) for chunk in chunks]
        columns.append(pa.chunked_array(chunks, field.type))
    return pa.table(columns, schema=schema)


def _as_type(where: str, array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array converted to a type that `_common` returned for it."""
    if array.type.equals(kind, check_metadata=True):
        return array
    if types.is_null(array.type) or types.is_null(kind):
        return pa.nulls(len(array), kind)
    array = stored(array)
    if types.is_string(kind) or types.is_large_string(kind):
        return as_text(where, array).cast(kind)
    if types.is_struct(kind) and types.is_struct(array.type):
        by_name = {field.name: child for field, child in zip(array.type, array.flatten(), strict=True)}
        children = [
            _as_type(f"{where}.{field.name}", by_name.get(field.name, pa.nulls(len(array))), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if types.is_large_list(kind) and is_list(array.type):
        return listed(array, _as_type(f"{where}.*", array.flatten(), kind.value_type), kind.value_field)
    return array.cast(kind)
