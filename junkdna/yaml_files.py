"""YAML in, validated models out, with every mistake named in one readable message."""

import re
from itertools import count
from pathlib import Path
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from junkdna.errors import UserError, cut, shown, unknown_name

Model = TypeVar("Model", bound=BaseModel)

MAX_BYTES = 500_000  # of a file: PyYAML reads about 100 kB a second
MAX_PARTS = 500_000  # keys, values and characters of text, each alias counted as what it stands for
MAX_DEPTH = 40
TOO_DEEP = f"lists or mappings stand more than {MAX_DEPTH} deep inside one another"
MAX_MISTAKES = 12  # that one message lists


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice and reads 1e-3 as a number. Every error knows its line."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:  # here, because what comes before is quadratic in the depth
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except (LookupError, AttributeError, TypeError) as error:  # PyYAML's own, as for `!!bool maybe`
            problem = f"a !!tag does not fit its value ({error})"
        except (ValueError, OverflowError) as error:  # as for 2024-99-01 or 5,000 digits
            problem = str(error)
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict:
    seen: set = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":  # `<<: *anchor`; construct_mapping follows it
            continue
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool) and key is not None:
            raise yaml.constructor.ConstructorError(None, None, "keys must be plain text", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)
_StrictLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def read_yaml(path: Path) -> dict:
    """Mapping read from one YAML file. Raises UserError with the line for anything that is not one.

    No tag makes an object or runs anything. A file of more than `MAX_BYTES`, or one whose aliases stand for more than
    `MAX_PARTS`, is refused before it is unfolded.
    """
    loader = _StrictLoader(_text_of(path))
    try:
        node = loader.get_single_node()
        _refuse_unfolding(node)
        data = loader.construct_document(node) if node else None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold a mapping (key: value lines), not {type(data).__name__}.")
    return data


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    if len(content) > MAX_BYTES:
        raise UserError(f"{path} has more than {MAX_BYTES:,} bytes: no study or task file is so long. Is it data?")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path} cannot be read: line {line} is not UTF-8 ({error}). Save it as UTF-8.") from None
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        line = text[: control.start()].count("\n") + 1
        raise UserError(f"{path} is not valid YAML: line {line} holds the control character {control.group()!r}.")
    return text


def _refuse_unfolding(node: yaml.Node | None) -> None:
    """ConstructorError, with its line, for a document that is too deep or, each alias counted as what it stands for,
    too large; an alias inside what it stands for is infinitely deep. Merge keys (`<<`) are aliases too."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node, depth: int) -> int:
        if id(node) in sizes:
            return sizes[id(node)]
        problem = ""
        if depth > MAX_DEPTH:
            problem = f"{TOO_DEEP} (an alias may be recursive)"
        elif isinstance(node, yaml.ScalarNode):
            total = 1 + len(node.value)
        else:
            inner = node.value if isinstance(node, yaml.SequenceNode) else [one for pair in node.value for one in pair]
            total = 1 + sum(size(one, depth + 1) for one in inner)
            if total > MAX_PARTS:
                problem = f"with its aliases (*name) unfolded this holds more than {MAX_PARTS:,} values and characters"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        sizes[id(node)] = total
        return total

    if node is not None:
        size(node, 0)


def validated(model: type[Model], data: dict, where: str) -> Model:
    """`data` as `model`, or one UserError that lists wrong keys with their places and close names."""
    _refuse_size(data, where)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [*dict.fromkeys(_line(model, item) for item in error.errors(include_url=False)[: 4 * MAX_MISTAKES])]
        more = error.error_count() - MAX_MISTAKES
        rest = [f"... and about {more} more"] if len(lines) > MAX_MISTAKES else []
        text = [f"{where}: {error.error_count()} mistake(s)", *lines[:MAX_MISTAKES], *rest]
        raise UserError("\n  ".join(text)) from None


def _refuse_size(data: object, where: str) -> None:
    """UserError, with the key, for what is too deep or too large to look at, and for numbers of more than 64 bits."""
    sizes: dict[int, int] = {}

    def size(value: object, place: tuple) -> int:
        if id(value) in sizes:
            return sizes[id(value)]
        if isinstance(value, dict):
            inner = [part for key, item in value.items() for part in ((key, "(key)"), (item, key))]
        else:
            inner = [*zip(value, count(), strict=False)] if isinstance(value, list | tuple | set) else []
        total = 1 + (len(value) if isinstance(value, str) else 0)
        if len(place) <= MAX_DEPTH:
            total += sum(size(item, (*place, name)) for item, name in inner)
        if problem := _size_problem(value, total, len(place)):
            raise UserError(f"{where}: {cut(_place(place), 200)}: {problem}.")
        if inner:
            sizes[id(value)] = total
        return total

    size(data, ())


def _size_problem(value: object, total: int, depth: int) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return "a whole number of more than 64 bits"
    if depth > MAX_DEPTH:
        return TOO_DEEP
    return f"more than {MAX_PARTS:,} values and characters, aliases unfolded" if total > MAX_PARTS else ""


def _place(parts: tuple) -> str:
    """Such as experiments.context.models.0; parts with blanks or line breaks are written as Python writes them."""
    texts = map(str, parts)
    return (
        ".".join(part if re.fullmatch(r"\S+", part) and part.isprintable() else ascii(part) for part in texts) or "file"
    )


def _line(model: type[BaseModel], item: dict) -> str:
    place = cut(_place(item["loc"]), 200)
    if item["type"] == "extra_forbidden":
        return f"{place}: {unknown_name('key', item['loc'][-1], _fields_at(model, item['loc'][:-1]))}"
    given = "" if item["type"] == "missing" else f" (given: {shown(item.get('input'))})"
    return f"{place}: {item['msg'].removeprefix('Value error, ')}{given}"


def _fields_at(model: type[BaseModel], place: tuple) -> list[str]:
    """Legal keys at a place of the model, whose parts are field names, keys of mappings and positions in lists."""
    current: list = [model]
    for part in place:
        current = [inner for annotation in current for inner in _below(annotation, part)]
    return [name for annotation in current if _is_model(annotation) for name in annotation.model_fields]


def _below(annotation: object, part: object) -> list:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(part))
        return _alternatives(field.annotation) if field else []
    return _alternatives(get_args(annotation)[-1]) if get_origin(annotation) in (dict, list) else []


def _alternatives(annotation: object) -> list:
    """The types that an annotation stands for, without `Annotated` and with the members of a union apart."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [inner for part in get_args(annotation) for inner in _alternatives(part)]
    return [annotation]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
