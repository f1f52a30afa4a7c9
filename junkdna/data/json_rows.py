"""JSON and JSON Lines files as tables in which every number keeps its text in the file."""

import io
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa

from junkdna.data.table_parts import NUMBER_TEXT, join_tables
from junkdna.data.text_files import check_utf8, text_lines
from junkdna.errors import UserError, cut, short_repr

ROWS_AT_ONCE = 20_000
SPACE = re.compile(r"[ \t\n\r]*")
SAVE = "Write the file with json.dumps: names and texts in double quotes, no comma after the last value"
Rows = Iterable[tuple[str, dict]]  # the position of a row ("line 3"), and the row
LONGEST = len(str(-(2**63)))  # characters of an integer that fits into 64 bits


class Number(str):
    """The text of a number that Python would write differently: 1e3, 3.10, -0, 2**70."""


class NotJson(ValueError):
    """Text that Python's reader accepts and JSON does not."""


# --- reading ----------------------------------------------------------------------------------------------------------


def _integer(text: str) -> "int | Number":
    fits = len(text) <= LONGEST and -(2**63) <= int(text) < 2**63 and text != "-0"
    return int(text) if fits else Number(text)


def _decimal(text: str) -> "float | Number":
    value = float(text)
    return value if repr(value) == text else Number(text)


def _constant(text: str) -> None:
    raise NotJson(f"{text} is not a JSON value; write null, or a text in quotes")


def _object(pairs: list[tuple[str, object]]) -> dict:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"the key {short_repr(repeated)} occurs twice in one object; remove one of them")
    return entries


READER = json.JSONDecoder(parse_int=_integer, parse_float=_decimal, parse_constant=_constant, object_pairs_hook=_object)


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Turns JSON errors into a UserError that starts with `place`."""
    try:
        yield
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, " if error.lineno > 1 else ""
        raise UserError(f"{place} is not JSON: {error.msg} ({at}column {error.colno}). {SAVE}.") from None
    except NotJson as error:
        raise UserError(f"{place} is not JSON: {error}.") from None
    except RecursionError:
        raise UserError(f"{place} nests lists or objects too deeply. Flatten the data.") from None


def json_lines(lines: Iterable[bytes], where: str) -> Iterator[tuple[str, dict]]:
    """Each line's JSON object with its position ("line 3").

    Raises UserError, naming the line, for text that is not JSON or not an object, and for a key that occurs twice in an
    object. pyarrow's reader is not used because it converts text that looks like a date.
    """
    for number, text in text_lines(lines, where):
        place = f"{where}: line {number}"
        if number == 1 and text.startswith("["):
            raise UserError(
                f"{place} contains a list; every line must be a JSON object. If the file is one list of rows, rename it"
                " to end in .json."
            )
        with _reading(place):
            row = READER.decode(text)
        if not isinstance(row, dict):
            raise UserError(f"{place} contains a {_python_name(row)}; every line must be a JSON object.")
        yield f"line {number}", row


def json_rows(content: bytes, where: str) -> Iterator[tuple[str, dict]]:
    """The rows of a .json file with their positions.

    The file is a list of objects, an object with exactly one list among its values, or one object per line as in
    .jsonl. Raises UserError for any other form.
    """
    check_utf8(content, where)
    if _has_object_lines(content):
        yield from json_lines(io.BytesIO(content), where)
        return
    text = content.decode("utf-8-sig")
    rows = _entries(text, where) if text.startswith("[", SPACE.match(text).end()) else _only_list(text, where)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UserError(
                f"{where}: entry {number} contains a {_python_name(row)}; every entry must be a JSON object. If the "
                "file is one row, rename it to end in .jsonl."
            )
        yield f"entry {number}", row


def _entries(text: str, where: str) -> Iterator[object]:
    """The entries of a list, read one by one so that they are never all in memory."""
    at = SPACE.match(text, SPACE.match(text).end() + 1).end()
    more = text[at : at + 1] != "]"
    with _reading(where):
        while more:
            value, end = READER.raw_decode(text, at)
            yield value
            at = SPACE.match(text, end).end()
            more = text[at : at + 1] == ","
            if more:
                at = SPACE.match(text, at + 1).end()
        if text[at : at + 1] != "]":
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
        if (rest := SPACE.match(text, at + 1).end()) < len(text):
            raise json.JSONDecodeError("Extra data", text, rest)


def _only_list(text: str, where: str) -> list:
    """The only list among the values of an object."""
    with _reading(where):
        data = READER.decode(text)
    lists = {name: value for name, value in data.items() if isinstance(value, list)} if isinstance(data, dict) else {}
    if len(lists) != 1:
        has = f"{len(lists)} lists ({', '.join(lists)})" if lists else f"no list (it is a {_python_name(data)})"
        raise UserError(
            f"{where} has {has}; a .json file must be a list of objects, or an object with exactly one list. Save only"
            " the rows, or save one object per line as .jsonl."
        )
    return next(iter(lists.values()))


def _has_object_lines(content: bytes) -> bool:
    """Whether the file has several nonblank lines and the first one is a complete object."""
    lines = [text for _, text in islice(text_lines(io.BytesIO(content), ""), 2)]
    try:
        return len(lines) == 2 and isinstance(json.loads(lines[0]), dict)
    except (ValueError, RecursionError):
        return False


# --- rows to a table --------------------------------------------------------------------------------------------------


def json_table(rows: Rows, where: str) -> pa.Table:
    """The rows as a table, built in chunks so that a large file is never in memory as Python objects.

    Keys that a row lacks are null. The numbers of a key are int64, or float64 if Python writes each one as the file
    does; otherwise their texts are kept and marked as numbers in the schema (see `data.table_parts`). Raises UserError,
    naming both positions, for a key with text in one row and numbers, booleans, lists or objects in another, and for a
    file without keys.
    """
    rows = iter(rows)
    top = _Kind()
    tables = []
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        for place, row in chunk:
            _note(top, row, place, "", where)
        tables.append(_table(top, [row for _, row in chunk], where))
    if not tables or not top.fields:
        raise UserError(f"{where} has no rows{' with a key' if tables else ''}. Check the file.")
    return join_tables([(where, table) for table in tables], lacking=True)


@dataclass
class _Kind:
    """The values of one key in the rows so far: the first position of each type, and the kinds of nested values."""

    first: dict[type, str] = field(default_factory=dict)  # Python type -> position of the first row with it
    fields: "defaultdict[str, _Kind]" = field(default_factory=lambda: defaultdict(_Kind))  # of a list under ""


KINDS = {
    bool: "true or false", int: "a number", float: "a number", Number: "a number", str: "text", list: "a list",
    dict: "an object",
}  # fmt: skip
ARROW = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}


def _note(kind: _Kind, value: object, place: str, path: str, where: str) -> None:
    """Record the kind of a value. Raises UserError if earlier rows contain another kind; null fits every kind."""
    if value is None:
        return
    if type(value) not in kind.first:
        name = KINDS[type(value)]
        other = next((first for first in kind.first if KINDS[first] != name), None)
        if other is not None:
            raise UserError(
                f"{where}: {place}: {path} is {name} ({_as_json(value)}), but it is {KINDS[other]} in "
                f"{kind.first[other]}. Use one kind of value in all rows; a number can be written as text, in quotes."
            )
        kind.first[type(value)] = place
    if isinstance(value, dict):
        for key, inner in value.items():
            _note(kind.fields[key], inner, place, f"{path}.{key}" if path else key, where)
    elif isinstance(value, list):
        for item in value:
            _note(kind.fields[""], item, place, f"{path}.*", where)


def _as_json(value: object) -> str:
    return cut(value if isinstance(value, Number) else json.dumps(value, ensure_ascii=False), 40)


def _python_name(value: object) -> str:
    return "float" if isinstance(value, Number) else type(value).__name__


def _table(top: _Kind, rows: list[dict], where: str) -> pa.Table:
    if _has_number_text(top):
        rows = [_with_texts(row, top) for row in rows]
    try:
        return pa.Table.from_struct_array(pa.array(rows, _field("", top).type))
    except UnicodeEncodeError as error:
        raise UserError(
            f"{where}: a text contains half of a surrogate pair ({error.object[error.start : error.end]!a}), which is "
            "not a character. Fix the program that wrote the file."
        ) from None


def _field(name: str, kind: _Kind) -> pa.Field:
    """The Arrow field of a key."""
    if not kind.first:
        return pa.field(name, pa.null())
    if dict in kind.first:
        return pa.field(name, pa.struct([_field(inner, nested) for inner, nested in kind.fields.items()]))
    if list in kind.first:
        return pa.field(name, pa.list_(_field("item", kind.fields[""])))
    if _has_number_text(kind):
        return pa.field(name, pa.string(), metadata=NUMBER_TEXT)
    return pa.field(name, ARROW[next(iter(kind.first))])


def _has_number_text(kind: _Kind) -> bool:
    """Whether numbers of this key, or of one inside it, are kept as text."""
    return Number in kind.first or len(kind.first) > 1 or any(map(_has_number_text, kind.fields.values()))


def _with_texts(value: object, kind: _Kind) -> object:
    """The value with its numbers as text, for keys whose numbers are kept as text."""
    if isinstance(value, dict):
        return {name: _with_texts(inner, kind.fields[name]) for name, inner in value.items()}
    if isinstance(value, list):
        return [_with_texts(item, kind.fields[""]) for item in value]
    if isinstance(value, Number) or (type(value) in (int, float) and len(kind.first) > 1):
        return str(value)
    return value
