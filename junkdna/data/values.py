"""Convert stored values to the form that tasks read: one rule per Arrow type, independent of other rows."""

import math
import re
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from junkdna.data.text_files import is_utf8
from junkdna.errors import UserError, short_repr

ROWS_AT_ONCE = 1000  # long passages take many times more memory as Python objects
Wanted = dict[str, "Wanted"]  # the fields of a column to keep, by name; empty: all
WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")
TRUTH_WORDS = [("false", "true"), ("no", "yes"), ("n", "y"), ("f", "t"), ("0", "1"), ("incorrect", "correct")]
TRUTH_WORDS += [("wrong", "right"), ("off", "on")]
SAFE = "Save the column as text, or remove it from the task's `columns`"


def plain_rows(where: str, table: pa.Table, wanted: Wanted) -> Iterator[dict]:
    """The rows of a table with the columns and fields in `wanted`, as Python objects (str, int, None, list, dict).

    | stored as | read as |
    |---|---|
    | text, dictionary-encoded values | the value |
    | boolean | true, false |
    | integer | its digits (a Python int) |
    | float16, float32, float64 | the shortest decimal that gives this number in its width: 0.1, 3.0, 1e-05; NaN: null |
    | decimal | all stored digits: 3.10 |
    | date, timestamp, time | ISO 8601 with a space: 2017-01-31, 2017-01-31 12:00:00, 12:00:00, with the offset if any |
    | bytes | UTF-8 text |
    | UUID | its 36 characters |
    | null | None |
    | list of any kind | its items, by index ("answers.0", "answers.*") |
    | struct | its fields, by name ("choices.text") |
    | map | a list of structs with the fields `key` and `value` |

    Raises UserError, starting with `where` and the column, for bytes that are not UTF-8, impossible dates, durations,
    intervals, unions and other types. Other columns and fields are not read.
    """
    kept = {name: wanted[name] for name in table.schema.names if name in wanted}
    if not kept:
        yield from ({} for _ in range(table.num_rows))
    for batch in table.select(list(kept)).to_batches(max_chunksize=ROWS_AT_ONCE):
        columns = [plain(f"{where}: column {name}", batch.column(name), inner) for name, inner in kept.items()]
        yield from pa.RecordBatch.from_arrays(columns, names=list(kept)).to_pylist()


def plain(where: str, array: pa.Array, wanted: Wanted) -> pa.Array:
    """The array with every leaf as text or integers (see `plain_rows`); lists and structs keep their structure."""
    kind = array.type
    if types.is_struct(kind):
        return _plain_struct(where, array, wanted)
    if types.is_map(kind):
        return plain(where, stored(array), wanted)
    if is_list(kind):  # keep the union of the fields wanted of its items
        items = wanted.values()
        inner = {name: fields for item in items for name, fields in item.items()} if all(items) else {}
        return listed(array, plain(f"{where}.*", array.flatten(), inner))
    if types.is_integer(kind) or types.is_null(kind):
        return array
    return as_text(where, array)


def _plain_struct(where: str, array: pa.StructArray, wanted: Wanted) -> pa.Array:
    names = [inner.name for inner in array.type]
    if repeated := {name for name in names if names.count(name) > 1 and (not wanted or name in wanted)}:
        raise UserError(f"{where}: the field {min(repeated)!r} occurs twice in it; rename one.")
    kept = {
        name: plain(f"{where}.{name}", child, wanted.get(name, {}))
        for name, child in zip(names, array.flatten(), strict=True)
        if not wanted or name in wanted
    }
    return pa.StructArray.from_arrays(list(kept.values()), names=list(kept), mask=array.is_null())


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list of any kind; maps do not count."""
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)
    return any(is_kind(kind) for is_kind in lists)


def listed(array: pa.Array, items: pa.Array, item: pa.Field | None = None) -> pa.Array:
    """`items` (converted from `array.flatten()`) in lists of the same lengths as those in `array`; `item` is their
    field.
    """
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
    kind = pa.large_list(item or pa.field("item", items.type))
    return pa.LargeListArray.from_arrays(offsets, items, type=kind, mask=array.is_null())


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values: without dictionary encoding, run-end encoding and extension types, and with a map as a
    list of structs."""
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return stored_type(kind.value_type)
    if kind == pa.uuid():
        return pa.string()
    if isinstance(kind, pa.BaseExtensionType):
        return pa.bool_() if kind == pa.bool8() else stored_type(kind.storage_type)
    if types.is_map(kind):
        return pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)]))
    return kind


def stored(array: pa.Array) -> pa.Array:
    """The array in its `stored_type`."""
    kind = array.type
    if types.is_dictionary(kind):
        return stored(array.dictionary_decode())
    if types.is_run_end_encoded(kind):
        return stored(pc.run_end_decode(array))
    if kind == pa.uuid():
        return pa.array([None if value is None else str(value) for value in array.to_pylist()], pa.string())
    if isinstance(kind, pa.BaseExtensionType):
        return array.storage.cast(pa.bool_()) if kind == pa.bool8() else stored(array.storage)
    return array.cast(stored_type(kind)) if types.is_map(kind) else array


# --- leaves -----------------------------------------------------------------------------------------------------------


def as_text(where: str, array: pa.Array) -> pa.Array:
    """A column of single values as text (see `plain_rows`). Raises UserError, starting with `where`, if impossible."""
    array = stored(array)
    kind = array.type
    if is_list(kind) or types.is_struct(kind):  # from a dictionary or an extension type
        return plain(where, array, {})
    for kinds, convert in CONVERTERS:
        if any(is_kind(kind) for is_kind in kinds):
            return convert(where, array)
    raise UserError(f"{where} contains {kind} values, which junkdna cannot read. {SAFE}.")


def _decoded(where: str, array: pa.Array) -> pa.Array:
    try:
        return array.cast(pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        stored_bytes = array.cast(pa.large_binary()).to_pylist()
        bad = next(value for value in stored_bytes if value is not None and not is_utf8(value))
        raise UserError(
            f"{where} contains bytes that are not UTF-8 text, such as {short_repr(bad, 40)}. Save the column as text "
            "in UTF-8, or remove it from the task's `columns`."
        ) from None


def _cast(_where: str, array: pa.Array) -> pa.Array:
    return array.cast(pa.large_string())


def _floats(_where: str, array: pa.Array) -> pa.Array:
    """Floats as the shortest text in their width: the float32 nearest to 0.1 is "0.1", not "0.10000000149011612"."""
    numbers = array.to_numpy(zero_copy_only=False)  # nulls become NaN
    return pa.array([None if number != number else repr(float(str(number))) for number in numbers], pa.string())


def _decimals(_where: str, array: pa.Array) -> pa.Array:
    return pa.array([None if value is None else format(value, "f") for value in array.to_pylist()], pa.string())


def _times(where: str, array: pa.Array) -> pa.Array:
    try:
        values = _as_python(array)
    except TIME_ERRORS:  # caused by one value; the text of the others must not change
        values = [_one_time(where, array.slice(i, 1)) for i in range(len(array))]
    return pa.array([None if value is None else str(value) for value in values], pa.string())


TIME_ERRORS = (pa.ArrowInvalid, ValueError, OverflowError)  # not whole microseconds; years after 9999


def _as_python(array: pa.Array) -> list:
    kind = array.type
    if getattr(kind, "unit", "") == "ns":
        array = array.cast(pa.timestamp("us", kind.tz) if types.is_timestamp(kind) else pa.time64("us"))
    return array.to_pylist()


def _one_time(where: str, array: pa.Array) -> object:
    """The value of a one-element array: Python's, or Arrow's text in Python's form if Python cannot represent it."""
    try:
        return _as_python(array)[0]
    except TIME_ERRORS:
        pass
    try:
        text = array.cast(pa.string())[0].as_py()
    except pa.ArrowInvalid as error:  # an unknown time zone
        raise UserError(f"{where} contains {array.type} values that cannot be read ({error}). {SAFE}.") from None
    if "out of range" in text:
        raise UserError(f"{where} contains an impossible date ({text}); its unit is probably wrong. {SAFE}.")
    text = re.sub(r"([+-][0-9]{2})([0-9]{2})$", r"\1:\2", re.sub(r"Z$", "+00:00", text))
    return re.sub(r"(:[0-9]{2})\.([0-9]+)", lambda match: match[1] + _fraction(match[2]), text)


def _fraction(digits: str) -> str:
    """The fraction of a second with no, six or nine digits."""
    digits = digits.rstrip("0")
    return f".{digits.ljust(6 if len(digits) <= 6 else 9, '0')}" if digits else ""


CONVERTERS = [
    ([types.is_string, types.is_large_string, types.is_string_view], _decoded),  # some writers check no text
    ([types.is_boolean, types.is_integer, types.is_null], _cast),
    ([types.is_floating], _floats),
    ([types.is_decimal], _decimals),
    ([types.is_date, types.is_time, types.is_timestamp], _times),
    ([types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary], _decoded),
]


# --- single values ----------------------------------------------------------------------------------------------------


def text_of(value: object) -> str:
    """A single value as text: "" for None, true and false in lower case, everything else as `str` writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def is_empty(value: object) -> bool:
    """Whether a value is null, NaN (pandas' null) or only white space. 0 and False are not empty."""
    if isinstance(value, str | bytes):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def whole_number(value: object) -> int | None:
    """The integer that a value is or that its text gives ("3", "3.0", "-1"); None otherwise, also for booleans."""
    match = None if isinstance(value, bool) or value is None else WHOLE.fullmatch(str(value))
    return int(match[1]) if match else None


def is_truth(value: object) -> bool:
    """Whether a value is a boolean, or the text "true" or "false" in any letter case."""
    return text_of(value).lower() in ("true", "false")


def spellings(value: object) -> set[str]:
    """The texts that can name a value: its text, and for booleans all three letter cases (true, True, TRUE)."""
    text = text_of(value)
    return {text.lower(), text.capitalize(), text.upper()} if is_truth(value) else {text}


def truth_index(value: object, names: list[str]) -> int | None:
    """The index of true or false among `names`, if these contain exactly one pair of truth words (no and yes, ...).

    Order and letter case of the names do not matter: true is not always 1. None without such a pair, or with several.
    """
    plain_names = [name.strip().lower() for name in names]
    pairs = [pair for pair in TRUTH_WORDS if all(plain_names.count(word) == 1 for word in pair)]
    return plain_names.index(pairs[0][text_of(value).lower() == "true"]) if len(pairs) == 1 else None
