"""Raw columns of a row: looked up by path, derived from others, put into templates."""

import math
import re
from collections.abc import Container

import pyarrow as pa
from pyarrow import types

from junkdna.data.values import Wanted, is_list, spellings, text_of
from junkdna.errors import UserError, short_repr

TEMPLATES = ("text", "text_b", "passage", "suffix", "group", "shown")  # keys of `columns` that hold one template each


def template_columns(template: str) -> list[str]:
    """Raw columns that a template such as "{question} {choices.text}" names."""
    return re.findall(r"{([^{}]+)}", template)


def field(path: str, raw: dict) -> object:
    """The value of a column, of a field inside it ("choices.text"), of an item of a list ("answers.0") or of all its
    items, in one flat list ("parses.*.answers.*.name").

    A name may itself have dots: the longest name that is there is taken ("question.stem" before the field "stem" of
    "question"). None where a column on the way is null in this row, or its list is too short.
    """
    return _inside(raw, path.split("."))


def _inside(value: object, parts: list[str]) -> object:
    if value is None or not parts:
        return value
    if parts[0] == "*":
        inner = [_inside(item, parts[1:]) for item in value]
        return [one for found in inner for one in (found if isinstance(found, list) else [found])]
    if isinstance(value, list):
        return _inside(value[int(parts[0])], parts[1:]) if int(parts[0]) < len(value) else None
    length = _name_length(value, parts)  # checked against the table's schema before any row is read
    return _inside(value[".".join(parts[:length])], parts[length:])


def is_place(part: str) -> bool:
    """Whether a part of a path is an item's number. Digits of other kinds ("²") are not."""
    return part.isdecimal() and part.isascii()


def _name_length(names: Container[str], parts: list[str]) -> int:
    """How many parts of a path are the longest of `names` that it begins with; 1 where none is."""
    return next((n for n in range(len(parts), 1, -1) if ".".join(parts[:n]) in names), 1)


def list_field(where: str, path: str, raw: dict) -> list:
    """Like `field`, for a column that must hold a list of single values; UserError, `where` in front, otherwise."""
    value = field(path, raw)
    if not isinstance(value, list):
        raise UserError(f"{where}: column {path} must hold a list (holds {short_repr(value)}).")
    for item in value:
        single(where, f"{path}.*", item)
    return value


def is_empty(value: object) -> bool:
    """Whether a value of a column says nothing: null, NaN (pandas' null) or white space alone. 0 and False do not."""
    if isinstance(value, str | bytes):
        return not value.strip()
    return value is None or (isinstance(value, float) and math.isnan(value))


def single(where: str, path: str, value: object) -> str:
    """A value as text; UserError, `where` in front, for a list or a struct."""
    if isinstance(value, list | dict):
        inside = f"{path}.{'0' if isinstance(value, list) else next(iter(value), 'NAME')}"
        raise UserError(f"{where}: column {path} holds several values; name one, such as {inside}.")
    return text_of(value)


def render(where: str, template: str, raw: dict) -> str:
    """A template with its columns filled in and nulls as nothing; "" where all columns that it names are empty,
    whatever text stands around them.

    White space in the data stays as it is, at the ends too; `columns.strip` takes it off. What parts an empty value
    from the rest goes where it would begin or end the text. UserError, `where` in front, for a column that holds
    several values: a template takes one.
    """
    named = template_columns(template)
    if named and all(is_empty(field(path, raw)) for path in named):
        return ""
    between = re.split(r"{[^{}]+}", template)
    values = [_one_text(where, path, raw) for path in named]
    while values and not values[-1] and not between[-1].strip():
        values, between = values[:-1], [*between[:-2], between[-2].rstrip()]
    while values and not values[0] and not between[0].strip():
        values, between = values[1:], [between[1].lstrip(), *between[2:]]
    text = between[0] + "".join(value + after for value, after in zip(values, between[1:], strict=True))
    return text if text.strip() else ""


def _one_text(where: str, path: str, raw: dict) -> str:
    value = field(path, raw)
    if isinstance(value, list | dict):
        inside = f"{path}.{'0' if isinstance(value, list) else next(iter(value), 'NAME')}"
        raise UserError(f"{where}: column {path} holds several values; name one, such as {{{inside}}}.")
    return text_of(value)


def kept(text: str | None, key: str, columns: dict) -> str | None:
    """The text of a field as its prompt shows it: white space at its ends goes only where `columns.strip` says so."""
    return text.strip() if text and key in columns.get("strip", []) else text


def derived(where: str, columns: dict, raw: dict) -> dict:
    """The raw row with the columns that `extract`, `map` and `fill` make (see `Columns`).

    UserError, `where` in front, for a value that a pattern does not match, a map does not name, or numbers missing.
    """
    row = dict(raw)
    for column, pattern in columns.get("extract", {}).items():
        value = field(column, raw)
        found = re.fullmatch(pattern, single(where, column, value), flags=re.DOTALL)
        if found is None:
            raise UserError(
                f"{where}: columns.extract: {column} = {short_repr(value, 200)} does not match {pattern!r}."
            )
        row |= found.groupdict()
    for column, words in columns.get("map", {}).items():
        named = [word for word in words if word in spellings(row[column])]
        if len(named) != 1:
            raise UserError(
                f"{where}: columns.map names {len(named) or 'no'} text{'s' * (len(named) > 1)} for {column} = "
                f"{short_repr(row[column])} (has {', '.join(words)})."
            )
        row[column] = words[named[0]]
    for column, source in columns.get("fill", {}).items():
        numbers = single(where, source, field(source, raw)).split()
        row[column] = _filled(where, single(where, column, row[column]), numbers)
    return row


def _filled(where: str, text: str, numbers: list[str]) -> str:
    """Text with number0, number1, ... as the numbers; "8.0" is written 8, as a person would."""

    def shown(match: re.Match) -> str:
        at = int(match.group(1))
        if at >= len(numbers):
            raise UserError(f"{where}: columns.fill: number{at} stands in the text, but only {len(numbers)} are given.")
        return numbers[at].removesuffix(".0")

    return re.sub(r"\bnumber(\d+)\b", shown, text)


def check_columns(where: str, columns: dict, schema: pa.Schema, split: str) -> None:
    """UserError, `where` in front, that names the columns that are read and a split's table lacks."""
    missing = sorted({path for path in read_paths(columns) if path_steps(pa.struct(schema), path.split(".")) is None})
    if missing:
        has = ", ".join(map(_visible, _paths(schema)))
        raise UserError(f"{where}: split {split!r} has no column {', '.join(map(_visible, missing))}; it has {has}.")


def _visible(name: str) -> str:
    """A column's name, in quotes where white space is around it."""
    return name if name == name.strip() else repr(name)


def wanted_columns(columns: dict, schema: pa.Schema) -> Wanted:
    """The columns of a table, and the fields inside them, that `columns` reads (see `values.plain_rows`)."""
    found = [path_steps(pa.struct(schema), path.split(".")) for path in read_paths(columns)]
    paths = {tuple(steps) for steps in found if steps}
    wanted: Wanted = {}
    for steps in paths:
        if any(steps[:length] in paths for length in range(1, len(steps))):
            continue  # all of a column around it is wanted
        at = wanted
        for step in steps:
            at = at.setdefault(step, {})
    return wanted


def read_paths(columns: dict) -> list[str]:
    """Every raw column, and field inside one, that is read from the table itself."""
    made = {group for pattern in columns.get("extract", {}).values() for group in re.compile(pattern).groupindex}
    read_raw = [*columns.get("extract", {}), *columns.get("fill", {}).values(), *filter(None, [columns.get("id")])]
    return [path for path in _named(columns) if path not in made] + read_raw


def _named(columns: dict) -> list[str]:
    templates = [columns[key] for key in TEMPLATES if key in columns]
    named = []
    for key in ("choices", "answer"):
        value = columns.get(key)
        templates += value if isinstance(value, list) else []
        named += [value] if isinstance(value, str) else []
    named += [columns["choice_labels"]] if "choice_labels" in columns else []
    named += [*columns.get("map", {}), *columns.get("fill", {})]
    named += [name for name in columns.get("require", []) if not (name in TEMPLATES and name in columns)]
    return named + [column for template in templates for column in template_columns(template)]


def path_steps(kind: pa.DataType, path: list[str]) -> list[str] | None:
    """The names, numbers and stars that lead along a path into a column, dots inside names kept; None where none do."""
    if not path:
        return []
    if types.is_dictionary(kind) or isinstance(kind, pa.BaseExtensionType):
        return path_steps(kind.value_type if types.is_dictionary(kind) else kind.storage_type, path)
    if types.is_struct(kind):
        names = [inner.name for inner in kind]
        length = _name_length(names, path)
        name = ".".join(path[:length])
        rest = path_steps(kind.field(names.index(name)).type, path[length:]) if name in names else None
        return None if rest is None else [name, *rest]
    if types.is_map(kind):
        kind = pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)]))
    if is_list(kind) and (is_place(path[0]) or path[0] == "*"):
        rest = path_steps(kind.value_type, path[1:])
        return None if rest is None else [path[0], *rest]
    return None


def _paths(fields: pa.Schema | pa.StructType, before: str = "") -> list[str]:
    """Names of columns and of the fields inside them: "choices", "choices.text"."""
    found = []
    for inner in fields:
        found.append(before + inner.name)
        if pa.types.is_struct(inner.type):
            found += _paths(inner.type, f"{before}{inner.name}.")
    return found
