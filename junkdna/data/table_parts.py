"""The parts of one split as one table: parts that differ in form are joined, those that differ in meaning refused."""

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from junkdna.data.values import as_text, is_list, listed
from junkdna.errors import UserError

MEANING = b"junkdna"  # in a field's metadata: what its texts are, where they are the texts of something else
NUMBER_TEXT = {MEANING: b"numbers"}


def join_tables(parts: list[tuple[str, pa.Table]], lacking: bool = False) -> pa.Table:
    """The rows of all parts, each given with its name, in the columns of all of them.

    Columns may stand in any order. Types that differ in form become one: a column without values and any type; texts of
    any width, bytes that are text and dictionary-encoded text; integers of any width; dates; timestamps and times of
    any unit; lists of any kind; structs field by field. Numbers of unlike types (integer and float, float32 and
    float64, decimals of other scales) become the text that each has in its own part, so that no value changes for
    another part's sake. A column that a part lacks is null there, if one part has all columns (or anyway, where
    `lacking`).

    UserError that names the column and two parts where types differ in meaning, such as text and numbers, and where
    each of two parts has a column that the other lacks.
    """
    if all(table.schema.equals(parts[0][1].schema, check_metadata=True) for _, table in parts):
        return pa.concat_tables([table for _, table in parts])
    if not lacking:
        _check_columns(parts)
    parts = [(name, _without_types_of_nothing(table)) for name, table in parts]
    fields: dict[str, tuple[str, pa.Field]] = {}
    for name, table in parts:
        for field in table.schema:
            known = fields.get(field.name)
            if known is None:
                fields[field.name] = (name, field)
            else:
                first = name if types.is_null(known[1].type) else known[0]
                fields[field.name] = (first, _common(known[1], field, field.name, known[0], name))
    schema = pa.schema([field for _, field in fields.values()])
    return pa.concat_tables([_as_schema(name, table, schema) for name, table in parts])


def _without_types_of_nothing(table: pa.Table) -> pa.Table:
    """The table with columns, fields and items that hold no value at all as nulls, whatever type they claim (pandas:
    float64 for a column, pyarrow: any type for lists that are all empty)."""
    for place, field in enumerate(table.schema):
        chunks = table.column(place).chunks
        kind = _held(field.type, chunks)
        if not kind.equals(field.type):
            made = [_as_type(field.name, chunk, kind) for chunk in chunks]
            table = table.set_column(place, field.name, pa.chunked_array(made, kind))
    return table


def _held(kind: pa.DataType, arrays: list[pa.Array]) -> pa.DataType:
    """The type of arrays of one type, null wherever none of them holds a value."""
    if all(pc.all(pc.is_null(array, nan_is_null=True), min_count=0).as_py() for array in arrays):
        return pa.null()
    if types.is_map(kind):
        entries = _stored(kind)
        held = _held(entries, [array.cast(entries) for array in arrays])
        return kind if held.equals(entries) else held
    if types.is_struct(kind):
        children = zip(*(array.flatten() for array in arrays), strict=True)
        return pa.struct(
            [field.with_type(_held(field.type, list(parts))) for field, parts in zip(kind, children, strict=True)]
        )
    if is_list(kind):
        item = _held(kind.value_type, [array.flatten() for array in arrays])
        return kind if item.equals(kind.value_type) else pa.large_list(pa.field("item", item))
    return kind


def _check_columns(parts: list[tuple[str, pa.Table]]) -> None:
    fullest, table = max(parts, key=lambda part: len(part[1].schema))
    for name, other in parts:
        if foreign := [column for column in other.schema.names if column not in table.schema.names]:
            lacks = [column for column in table.schema.names if column not in other.schema.names]
            raise UserError(
                f"the {len(parts)} parts do not share their columns: {name} has {', '.join(foreign)}, which {fullest} "
                f"lacks, and lacks its {', '.join(lacks)}. Name files of one form, or give columns the same names."
            )


# --- types ------------------------------------------------------------------------------------------------------------


def _common(one: pa.Field, other: pa.Field, path: str, first: str, second: str) -> pa.Field:
    """The field that holds the values of both; UserError where they differ in meaning."""
    one, other = (field.with_type(_stored(field.type)) for field in (one, other))
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
            f"column {path} holds {_meaning(one)} ({one.type}) in {first} and {_meaning(other)} ({other.type}) in "
            f"{second}, which differ in meaning. Write it alike in all parts."
        )
    return _wider(kinds.pop(), one, other, (path, first, second))


def _wider(meaning: str, one: pa.Field, other: pa.Field, about: tuple[str, str, str]) -> pa.Field:
    if meaning == "objects":
        inside = {field.name: field for field in one.type}
        for field in other.type:
            path = f"{about[0]}.{field.name}"
            inside[field.name] = _common(inside[field.name], field, path, *about[1:]) if field.name in inside else field
        return pa.field(one.name, pa.struct(list(inside.values())))
    if meaning == "lists":
        item = _common(one.type.value_field, other.type.value_field, f"{about[0]}.*", *about[1:])
        return pa.field(one.name, pa.large_list(item.with_name("item")))
    if all(types.is_integer(field.type) and field.type != pa.uint64() for field in (one, other)):
        return pa.field(one.name, pa.int64())
    metadata = None if meaning == "text" else {MEANING: meaning.encode()}
    return pa.field(one.name, pa.large_string(), metadata=metadata)


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type without what is form alone: a dictionary's or an extension's is that of its values."""
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _stored(kind.value_type)
    if isinstance(kind, pa.BaseExtensionType):
        return pa.bool_() if kind == pa.bool8() else pa.string() if kind == pa.uuid() else _stored(kind.storage_type)
    if types.is_map(kind):
        return pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)]))
    return kind


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
    """What the values of a field are, in a word; its type's own name where only equal types mean the same."""
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
        if field.name in table.schema.names:
            chunks = table.column(field.name).chunks
            made = [_as_type(f"{name}: column {field.name}", chunk, field.type) for chunk in chunks]
            columns.append(pa.chunked_array(made, field.type))
        else:
            columns.append(pa.nulls(table.num_rows, field.type))
    return pa.table(columns, schema=schema)


def _as_type(where: str, array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The array as a type that `_common` has found for it."""
    if array.type.equals(kind, check_metadata=True):
        return array
    if types.is_null(array.type) or types.is_null(kind):
        return pa.nulls(len(array), kind)
    if types.is_dictionary(array.type):
        return _as_type(where, array.dictionary_decode(), kind)
    if types.is_run_end_encoded(array.type):
        return _as_type(where, pc.run_end_decode(array), kind)
    if types.is_map(array.type):
        return _as_type(where, array.cast(_stored(array.type)), kind)
    if types.is_string(kind) or types.is_large_string(kind):
        return as_text(where, array).cast(kind)
    if isinstance(array.type, pa.BaseExtensionType):
        return _as_type(where, array.storage, kind)
    if types.is_struct(kind) and types.is_struct(array.type):
        given = {field.name: child for field, child in zip(array.type, array.flatten(), strict=True)}
        children = [
            _as_type(f"{where}.{field.name}", given[field.name], field.type)
            if field.name in given
            else pa.nulls(len(array), field.type)
            for field in kind
        ]
        return pa.StructArray.from_arrays(children, fields=list(kind), mask=array.is_null())
    if types.is_large_list(kind) and is_list(array.type):
        return listed(array, _as_type(f"{where}.*", array.flatten(), kind.value_type), kind.value_field)
    return array.cast(kind)
