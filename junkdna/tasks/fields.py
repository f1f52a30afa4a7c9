"""Raw columns of a row: looked up by path, derived from others, put into templates."""

import re

import pyarrow as pa

from junkdna.errors import UserError

TEMPLATES = ("text", "text_b", "passage", "ending", "group", "shown")  # keys of `columns` that hold one template each


def template_columns(template: str) -> list[str]:
    """Raw columns that a template such as "{question} {choices.text}" names."""
    return re.findall(r"{([^{}]+)}", template)


def field(path: str, raw: dict) -> object:
    """The value of a column, of a field inside it ("choices.text"), of an item of a list ("answers.0") or of all its
    items, in one flat list ("parses.*.answers.*.name").

    None where a column on the way is null in this row, or its list is too short.
    """
    value: object = raw
    parts = path.split(".")
    for number, part in enumerate(parts):
        if value is None:
            return None
        if part == "*":
            inner = [field(".".join(["item", *parts[number + 1 :]]), {"item": item}) for item in value]
            return [one for found in inner for one in (found if isinstance(found, list) else [found])]
        if isinstance(value, list):
            value = value[int(part)] if int(part) < len(value) else None
        else:
            value = value[part]  # checked against the table's schema before any row is read
    return value


def list_field(where: str, path: str, raw: dict) -> list:
    """Like `field`, for a column that must hold a list; UserError, `where` in front, otherwise."""
    value = field(path, raw)
    if not isinstance(value, list):
        raise UserError(f"{where}: column {path} must hold a list (holds {value!r}).")
    return value


def render(where: str, template: str, raw: dict) -> str:
    """A template with its columns filled in and nulls as nothing; "" where only white space would be left.

    White space in the data stays as it is, at the ends too; `columns.strip` takes it off. What parts an empty value
    from the rest goes where it would begin or end the text. UserError, `where` in front, for a column that holds
    several values: a template takes one.
    """
    between = re.split(r"{[^{}]+}", template)
    values = [_one_text(where, path, raw) for path in template_columns(template)]
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
    return _text(value)


def derived(where: str, columns: dict, raw: dict) -> dict:
    """The raw row with the columns that `extract`, `map` and `fill` make (see `Columns`).

    UserError, `where` in front, for a value that a pattern does not match, a map does not name, or numbers missing.
    """
    row = dict(raw)
    for column, pattern in columns.get("extract", {}).items():
        value = field(column, raw)
        found = re.fullmatch(pattern, _text(value), flags=re.DOTALL)
        if found is None:
            shown = repr(value) if len(repr(value)) < 200 else repr(value)[:197] + "..."
            raise UserError(f"{where}: columns.extract: {column} = {shown} does not match {pattern!r}.")
        row |= found.groupdict()
    for column, words in columns.get("map", {}).items():
        if str(row[column]) not in words:
            raise UserError(
                f"{where}: columns.map names no text for {column} = {row[column]!r} (has {', '.join(words)})."
            )
        row[column] = words[str(row[column])]
    for column, source in columns.get("fill", {}).items():
        row[column] = _filled(where, _text(row[column]), _text(field(source, raw)).split())
    return row


def _text(value: object) -> str:
    return "" if value is None else str(value)


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
    made = {group for pattern in columns.get("extract", {}).values() for group in re.compile(pattern).groupindex}
    read_raw = [*columns.get("extract", {}), *columns.get("fill", {}).values(), *filter(None, [columns.get("id")])]
    paths = [path for path in _named(columns) if path not in made] + read_raw
    missing = sorted({path for path in paths if not _has(pa.struct(schema), path.split("."))})
    if missing:
        has = ", ".join(_paths(schema))
        raise UserError(f"{where}: split {split!r} has no column {', '.join(missing)}; it has {has}.")


def _named(columns: dict) -> list[str]:
    templates = [columns[key] for key in TEMPLATES if key in columns]
    named = []
    for key in ("choices", "answer"):
        value = columns.get(key)
        templates += value if isinstance(value, list) else []
        named += [value] if isinstance(value, str) else []
    named += [columns["choice_labels"]] if "choice_labels" in columns else []
    named += [*columns.get("map", {}), *columns.get("fill", {})]
    return named + [column for template in templates for column in template_columns(template)]


def _has(kind: pa.DataType, path: list[str]) -> bool:
    if not path:
        return True
    if pa.types.is_struct(kind):
        at = kind.get_field_index(path[0])
        return at >= 0 and _has(kind.field(at).type, path[1:])
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list and (path[0].isdigit() or path[0] == "*") and _has(kind.value_type, path[1:])


def _paths(fields: pa.Schema | pa.StructType, before: str = "") -> list[str]:
    """Names of columns and of the fields inside them: "choices", "choices.text"."""
    found = []
    for inner in fields:
        found.append(before + inner.name)
        if pa.types.is_struct(inner.type):
            found += _paths(inner.type, f"{before}{inner.name}.")
    return found
