"""JSON and JSON-lines files as tables in which every number keeps the text that the file shows."""

import io
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from junkdna.data.table_parts import NUMBER_TEXT, joined
from junkdna.data.text_files import check_utf8, text_lines
from junkdna.errors import UserError, cut, short_repr

ROWS_AT_ONCE = 20_000
SPACE = re.compile(r"[ \t\n\r]*")
SAVE = "Write the file as json.dumps writes it: names and texts in double quotes, no comma behind the last value"
Rows = Iterable[tuple[str, dict]]  # where a row stands ("line 3"), and the row
LONGEST = len(str(-(2**63)))  # characters of a whole number that fits into 64 bits


class Number(str):
    """A number as the file writes it, where Python would write it otherwise: 1e3, 3.10, -0, 2**70."""


class NotJson(ValueError):
    """What Python's reader lets through and JSON does not."""


# --- reading ----------------------------------------------------------------------------------------------------------


def _whole(text: str) -> "int | Number":
    fits = len(text) <= LONGEST and -(2**63) <= int(text) < 2**63 and text != "-0"
    return int(text) if fits else Number(text)


def _decimal(text: str) -> "float | Number":
    value = float(text)
    return value if repr(value) == text else Number(text)


def _constant(text: str) -> None:
    raise NotJson(f"{text} is no JSON value; write null, or a text in quotes")


def _object(pairs: list[tuple[str, object]]) -> dict:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"the key {short_repr(twice)} stands twice in one object")
    return found


READER = json.JSONDecoder(parse_int=_whole, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_object)


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """UserError, `place` in front, for a text that is no JSON."""
    try:
        yield
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise UserError(f"{place} is not JSON: {error.msg} ({at}column {error.colno}). {SAVE}.") from None
    except NotJson as error:
        raise UserError(f"{place} is not JSON: {error}.") from None
    except RecursionError:
        raise UserError(f"{place} has too many lists or objects inside one another.") from None


def json_lines(lines: Iterable[bytes], where: str) -> Iterator[tuple[str, dict]]:
    """One JSON object a line, with its place. Not pyarrow's reader, which turns text that looks like a date into one.

    UserError, with the line, for text that is no JSON or no object, and for a key that stands twice in an object.
    """
    for number, text in text_lines(lines, where):
        place = f"{where}: line {number}"
        if number == 1 and text.startswith("["):
            raise UserError(
                f"{place} holds a list; every line must be a JSON object. A list of all rows is .json: rename the file."
            )
        with _reading(place):
            row = READER.decode(text)
        if not isinstance(row, dict):
            raise UserError(f"{place} holds a {_python_name(row)}; every line must be a JSON object.")
        yield f"line {number}", row


def json_rows(content: bytes, where: str) -> Rows:
    """Rows of a .json file: the list that it is, the only list among the values of the object that it is, or one object
    a line, as in .jsonl. UserError for another form."""
    check_utf8(content, where)
    if _has_object_lines(content):
        return json_lines(io.BytesIO(content), where)
    text = content.decode("utf-8-sig")
    rows = _entries(text, where) if text.startswith("[", SPACE.match(text).end()) else _only_list(text, where)
    return ((f"entry {number}", _checked(row, f"{where}: entry {number}")) for number, row in enumerate(rows))


def _entries(text: str, where: str) -> Iterator[object]:
    """The entries of a list, one after the other, without holding all of them."""
    at = SPACE.match(text, SPACE.match(text).end() + 1).end()
    with _reading(where):
        while text[at : at + 1] != "]":
            value, end = READER.raw_decode(text, at)
            yield value
            at = SPACE.match(text, end).end()
            if text[at : at + 1] == ",":
                at = SPACE.match(text, at + 1).end()
                if text[at : at + 1] == "]":
                    raise json.JSONDecodeError("Expecting value", text, at)
            elif text[at : at + 1] != "]":
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        if SPACE.match(text, at + 1).end() < len(text):
            raise json.JSONDecodeError("Extra data", text, SPACE.match(text, at + 1).end())


def _only_list(text: str, where: str) -> list:
    """The only list among the values of an object."""
    with _reading(where):
        data = READER.decode(text)
    lists = {name: value for name, value in data.items() if isinstance(value, list)} if isinstance(data, dict) else {}
    if len(lists) != 1:
        has = f"{len(lists)} lists ({', '.join(lists)})" if lists else f"no list (it is a {_python_name(data)})"
        raise UserError(
            f"{where}: has {has}; a .json file must be a list of objects, or an object with exactly one list. Save the"
            " rows alone, or one object a line as .jsonl."
        )
    return next(iter(lists.values()))


def _checked(row: object, place: str) -> dict:
    if not isinstance(row, dict):
        raise UserError(
            f"{place} holds a {_python_name(row)}; every entry must be a JSON object. (If the file is one row, rename "
            "it to end in .jsonl.)"
        )
    return row


def _has_object_lines(content: bytes) -> bool:
    """Whether the first of several lines that are not blank is an object of its own."""
    lines = [text for _, text in islice(text_lines(io.BytesIO(content), ""), 2)]
    try:
        return len(lines) == 2 and isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False


# --- rows to a table --------------------------------------------------------------------------------------------------


def json_table(rows: Rows, where: str) -> pa.Table:
    """The rows as a table, made a piece at a time, so that a large file is never held as Python objects.

    Keys that a row lacks are null. Numbers of one key are int64, or float64 where Python writes each as the file does;
    of any others the texts are kept (marked as numbers in the schema, see `data.table_parts`). UserError, with both
    places, for a key that holds text in one row and numbers, booleans, lists or objects in another, and for rows
    without keys.
    """
    rows = iter(rows)
    top = _Kind({}, {})
    tables = []
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        for place, row in piece:
            _note_object(top, row, place, "", where)
        tables.append(_table(top, [row for _, row in piece], where))
    if not tables or not top.fields:
        raise UserError(f"{where} has no rows{' with a key' if tables else ''}.")
    return joined([(where, table) for table in tables], lacking=True)


class _Kind(NamedTuple):
    """What one key holds in the rows so far: the first place of each kind of value, and the kinds inside it."""

    first: dict[str, str]
    fields: "dict[str, _Kind]"  # of an object by key; of a list under ""


KINDS = {
    bool: "true or false", int: "number", float: "number", Number: "number", str: "text", list: "list", dict: "object",
}  # fmt: skip
EXACT = (int, float)


def _note_object(kind: _Kind, row: dict, place: str, path: str, where: str) -> None:
    for name, value in row.items():
        inside = kind.fields.setdefault(name, _Kind({}, {}))
        if value is not None:
            _note(inside, value, place, f"{path}.{name}" if path else name, where)


def _note(kind: _Kind, value: object, place: str, path: str, where: str) -> None:
    """Note the kind of a value that is not null; UserError where earlier rows hold another."""
    found = type(value).__name__
    if found not in kind.first:
        name = KINDS[type(value)]
        other = next((first for first in kind.first if BY_NAME[first] != name), None)
        if other is not None:
            raise UserError(
                f"{where}: {place}: {path} holds {_a(name)} ({_as_json(value)}), but "
                f"{_a(BY_NAME[other])} in {kind.first[other]}. Write it alike in all rows; a number can be written as "
                "a text, in quotes."
            )
        kind.first[found] = place
    if isinstance(value, dict):
        _note_object(kind, value, place, path, where)
    elif isinstance(value, list):
        inside = kind.fields.setdefault("", _Kind({}, {}))
        for item in value:
            if item is not None:
                _note(inside, item, place, f"{path}.*", where)


BY_NAME = {kind.__name__: name for kind, name in KINDS.items()}


def _a(name: str) -> str:
    return name if name in ("text", "true or false") else f"{'an' if name[0] == 'o' else 'a'} {name}"


def _as_json(value: object) -> str:
    return cut(value if isinstance(value, Number) else json.dumps(value, ensure_ascii=False), 40)


def _python_name(value: object) -> str:
    return "float" if isinstance(value, Number) else type(value).__name__


def _table(top: _Kind, rows: list[dict], where: str) -> pa.Table:
    fields = [_field(name, kind) for name, kind in top.fields.items()]
    if any(_has_number_text(field) for field in fields):
        rows = [_with_texts(row, top) for row in rows]
    try:
        return pa.Table.from_struct_array(pa.array(rows, pa.struct(fields)))
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where}: a text holds half of a surrogate pair ({error.object[error.start : error.end]!a}), which is no "
            "character. Mend the program that wrote the file."
        ) from None


def _field(name: str, kind: _Kind) -> pa.Field:
    """The Arrow field of a key."""
    held = {*kind.first}
    if not held:
        return pa.field(name, pa.null())
    if held <= {"int"}:
        return pa.field(name, pa.int64())
    if held <= {"float"}:
        return pa.field(name, pa.float64())
    if "dict" in held:
        return pa.field(name, pa.struct([_field(inner, one) for inner, one in kind.fields.items()]))
    if "list" in held:
        return pa.field(name, pa.list_(_field("item", kind.fields.get("", _Kind({}, {})))))
    if "str" in held or "bool" in held:
        return pa.field(name, pa.string() if "str" in held else pa.bool_())
    return pa.field(name, pa.string(), metadata=NUMBER_TEXT)


def _has_number_text(field: pa.Field) -> bool:
    kind = field.type
    inside = list(kind) if pa.types.is_struct(kind) else [kind.value_field] if pa.types.is_list(kind) else []
    return field.metadata == NUMBER_TEXT or any(map(_has_number_text, inside))


def _with_texts(value: object, kind: _Kind) -> object:
    """The value with numbers as text where the key's numbers are kept as text."""
    if isinstance(value, dict):
        return {name: _with_texts(inner, kind.fields[name]) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_texts(item, kind.fields.get("")) for item in value]
    if isinstance(value, Number) or (type(value) in EXACT and len(kind.first) > 1):
        return str(value)
    return value
