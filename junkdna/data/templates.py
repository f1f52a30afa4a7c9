"""Look up a row's raw columns by path, derive columns from others, and fill templates."""

import re
from collections.abc import Container

import pyarrow as pa
from pyarrow import types

from junkdna.data.values import Wanted, is_empty, is_list, spellings, stored_type, text_of
from junkdna.errors import UserError, short_repr

TEMPLATES = ("text", "text_b", "passage", "suffix", "group", "shown")  # keys of `columns` with one template each


def template_columns(template: str) -> list[str]:
    """The raw columns in a template such as "{question} {choices.text}"."""
    return re.findall(r"{([^{}]+)}", template)


def field(path: str, raw: dict) -> object:
    """The value at a path: a column, a field in it ("choices.text") or an item of a list ("answers.0").

    A star selects all items of a list, as one flat list ("parses.*.answers.*.name"). Names may contain dots: the
    longest existing name is used ("question.stem" before the field "stem" of "question"). None if a column on the path
    is null in this row, or if its list is too short.
    """
    return _inside(raw, path.split("."))


def _inside(value: object, steps: list[str]) -> object:
    if value is None or not steps:
        return value
    if steps[0] == "*":
        nested = [_inside(item, steps[1:]) for item in value]
        return [item for inner in nested for item in (inner if isinstance(inner, list) else [inner])]
    if isinstance(value, list):
        return _inside(value[int(steps[0])], steps[1:]) if int(steps[0]) < len(value) else None
    length = _name_length(value, steps)  # checked against the table's schema before any row is read
    return _inside(value[".".join(steps[:length])], steps[length:])


def is_index(step: str) -> bool:
    """Whether a step of a path is the index of an item. Only ASCII digits count, not "²"."""
    return step.isdecimal() and step.isascii()


def _name_length(names: Container[str], steps: list[str]) -> int:
    """Number of steps in the longest of `names` that the path starts with; 1 without such a name."""
    return next((n for n in range(len(steps), 1, -1) if ".".join(steps[:n]) in names), 1)


def list_field(where: str, path: str, raw: dict) -> list:
    """Like `field`, for a list of single values. Raises UserError, starting with `where`, for anything else."""
    value = field(path, raw)
    if not isinstance(value, list):
        raise UserError(
            f"{where}: column {path} must be a list, but is {short_repr(value)}. Correct the path in `columns`."
        )
    for item in value:
        single_text(where, f"{path}.*", item)
    return value


def single_text(where: str, path: str, value: object, example: str = "{}") -> str:
    """A single value as text. Raises UserError, starting with `where`, for a list or a struct.

    The error names a path inside it, written as in `example`.
    """
    if isinstance(value, list | dict):
        inside = f"{path}.{'0' if isinstance(value, list) else next(iter(value), 'NAME')}"
        raise UserError(
            f"{where}: column {path} has several values; name one of them, such as {example.format(inside)}."
        )
    return text_of(value)


def render(where: str, template: str, raw: dict) -> str:
    """A template with its columns filled in, nulls as empty text; "" if all of its columns are empty.

    White space in the data is kept, also at the ends; `columns.strip` removes it. White space between an empty value
    and the rest is removed if it would start or end the text. Raises UserError, starting with `where`, for a column
    with several values.
    """
    named = template_columns(template)
    if named and all(is_empty(field(path, raw)) for path in named):
        return ""
    between = re.split(r"{[^{}]+}", template)
    values = [single_text(where, path, field(path, raw), "{{{}}}") for path in named]
    while values and not values[-1] and not between[-1].strip():
        values, between = values[:-1], [*between[:-2], between[-2].rstrip()]
    while values and not values[0] and not between[0].strip():
        values, between = values[1:], [between[1].lstrip(), *between[2:]]
    text = between[0] + "".join(value + after for value, after in zip(values, between[1:], strict=True))
    return text if text.strip() else ""


def strip_ends(text: str, key: str, columns: dict) -> str:
    """The text of a field as the prompt shows it: without white space at its ends if `columns.strip` names it."""
    return text.strip() if key in columns.get("strip", []) else text


def derive_columns(where: str, columns: dict, raw: dict) -> dict:
    """The raw row with the columns that `extract`, `map` and `fill` create (see `Columns`).

    Raises UserError, starting with `where`, for a value that its pattern does not match or its map does not contain,
    and for missing numbers.
    """
    row = dict(raw)
    for column, pattern in columns.get("extract", {}).items():
        value = field(column, raw)
        match = re.fullmatch(pattern, single_text(where, column, value), flags=re.DOTALL)
        if match is None:
            raise UserError(
                f"{where}: columns.extract: {column} = {short_repr(value, 200)} does not match {pattern!r}. "
                "Correct the pattern or the row."
            )
        row |= match.groupdict()
    for column, words in columns.get("map", {}).items():
        named = [word for word in words if word in spellings(row[column])]
        if len(named) != 1:
            raise UserError(
                f"{where}: columns.map has {len(named) or 'no'} {'entries' if len(named) > 1 else 'entry'} for "
                f"{column} = {short_repr(row[column])} (its keys: {', '.join(words)}). Each value needs exactly "
                "one entry."
            )
        row[column] = words[named[0]]
    for column, source in columns.get("fill", {}).items():
        numbers = single_text(where, source, field(source, raw)).split()
        row[column] = _filled(where, single_text(where, column, row[column]), numbers)
    return row


def _filled(where: str, text: str, numbers: list[str]) -> str:
    """Text with number0, number1, ... replaced by the numbers; "8.0" becomes 8, as a person would write it."""

    def shown(match: re.Match) -> str:
        at = int(match.group(1))
        if at >= len(numbers):
            raise UserError(
                f"{where}: columns.fill: the text contains number{at}, but the row has only {len(numbers)} numbers."
            )
        return numbers[at].removesuffix(".0")

    return re.sub(r"\bnumber(\d+)\b", shown, text)


def check_columns(where: str, columns: dict, schema: pa.Schema, split: str) -> None:
    """Raises UserError, starting with `where`, if a split's table lacks columns that the task reads."""
    missing = sorted({path for path in read_paths(columns) if path_steps(pa.struct(schema), path.split(".")) is None})
    if missing:
        has = ", ".join(map(_visible, _paths(schema)))
        hints = filter(None, (_list_hint(pa.struct(schema), path) for path in missing))
        raise UserError(
            f"{where}: split {split!r} has no column {', '.join(map(_visible, missing))}. It has {has}."
            f"{next(hints, '')}"
        )


def _list_hint(kind: pa.DataType, path: str) -> str:
    """How to write a path that goes through a list without an index or a star; "" for another mistake."""
    steps = path.split(".")
    for at in range(1, len(steps)):
        before, after = steps[:at], steps[at:]
        if path_steps(kind, [*before, "*", *after]) is not None:
            name, rest = ".".join(before), ".".join(after)
            return f" {name} is a list: write {name}.*.{rest} for all of its items, or {name}.0.{rest} for one."
    return ""


def _visible(name: str) -> str:
    """A column's name, in quotes if it starts or ends with white space."""
    return name if name == name.strip() else repr(name)


def wanted_columns(columns: dict, schema: pa.Schema) -> Wanted:
    """The columns of a table, and the fields inside them, that `columns` reads (see `values.plain_rows`)."""
    all_steps = (path_steps(pa.struct(schema), path.split(".")) for path in read_paths(columns))
    paths = {tuple(steps) for steps in all_steps if steps}
    wanted: Wanted = {}
    for steps in paths:
        if any(steps[:length] in paths for length in range(1, len(steps))):
            continue  # a shorter path already keeps the entire column or field
        at = wanted
        for step in steps:
            at = at.setdefault(step, {})
    return wanted


def read_paths(columns: dict) -> list[str]:
    """Every raw column, and field in a column, that the task reads from the table."""
    templates = {key: columns[key] for key in TEMPLATES if key in columns}
    named = [*columns.get("map", {}), *columns.get("fill", {})]
    named += [name for name in columns.get("require", []) if name not in templates]
    several = [*templates.values(), *([columns["difficulty"]["template"]] if "difficulty" in columns else [])]
    for value in (columns.get(key) for key in ("choices", "answer", "choice_labels")):
        several += value if isinstance(value, list) else []
        named += [value] if isinstance(value, str) else []
    named += [column for template in several for column in template_columns(template)]
    stored = [*columns.get("extract", {}), *columns.get("fill", {}).values(), *filter(None, [columns.get("id")])]
    return [path for path in named if path not in extracted(columns)] + stored


def extracted(columns: dict) -> dict[str, str]:
    """The columns that `extract` creates -> the column that each is extracted from."""
    patterns = columns.get("extract", {})
    return {name: column for column, pattern in patterns.items() for name in re.compile(pattern).groupindex}


def path_steps(kind: pa.DataType, path: list[str]) -> list[str] | None:
    """The steps of a path (names with their dots, indices and stars) in a column's type; None if it does not exist."""
    if not path:
        return []
    kind = stored_type(kind)
    if types.is_struct(kind):
        names = [inner.name for inner in kind]
        length = _name_length(names, path)
        name = ".".join(path[:length])
        rest = path_steps(kind.field(names.index(name)).type, path[length:]) if name in names else None
        return None if rest is None else [name, *rest]
    if is_list(kind) and (is_index(path[0]) or path[0] == "*"):
        rest = path_steps(kind.value_type, path[1:])
        return None if rest is None else [path[0], *rest]
    return None


def _paths(fields: pa.Schema | pa.StructType, before: str = "") -> list[str]:
    """Names of columns and of the fields inside them: "choices", "choices.text"."""
    paths = []
    for inner in fields:
        paths.append(before + inner.name)
        if pa.types.is_struct(inner.type):
            paths += _paths(inner.type, f"{before}{inner.name}.")
    return paths
