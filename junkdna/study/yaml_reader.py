"""Reads YAML files and validates them as models, with one readable message for all mistakes."""

import re
from itertools import count
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from junkdna.errors import SCREEN_TEXT, UserError, cut
from junkdna.study.schema_keys import in_words
from junkdna.study.yaml_messages import sentences
from junkdna.study.yaml_text import syntax_message, text_of

Model = TypeVar("Model", bound=BaseModel)

MAX_PARTS = 500_000  # keys, values and characters of text, with aliases expanded
MAX_DEPTH = 40
TOO_DEEP = f"lists or mappings are nested more than {MAX_DEPTH} levels deep"
MAX_MISTAKES = 10  # in one message
MANY = 5  # with more mistakes than this, each gets at most two rows of a screen
TWO_ROWS = 236


class _StrictLoader(yaml.SafeLoader):
    """A SafeLoader that rejects duplicate keys and gives every error a line.

    Plain words follow YAML 1.2, unlike in PyYAML: yes, no, on and off are texts (boolean fields accept them anyway),
    and so are dates, 12:30 (750 in YAML 1.1), 1_000, 0x1F and 0o12; 1e3 is a number. Whole numbers that begin with 0
    are rejected, because 010 is 8 in YAML 1.1 and 10 in YAML 1.2.
    """

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:  # checked here, because PyYAML's time is quadratic in the depth
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except (LookupError, AttributeError, TypeError) as error:  # of PyYAML, as for `!!bool maybe`
            problem = f"a !!tag does not fit its value ({error})"
        except (ValueError, OverflowError) as error:  # as for !!timestamp 2024-99-01 or 5,000 digits
            problem = str(error).partition(";")[0]
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
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} occurs twice", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _whole(loader: _StrictLoader, node: yaml.ScalarNode) -> int:
    digits = node.value.lstrip("+-")
    if digits.isdigit() and len(digits) > 1 and digits.startswith("0"):
        plain = node.value.rstrip(digits).lstrip("+") + (digits.lstrip("0") or "0")
        problem = (
            f"{node.value[:80]} begins with 0, which some programs read as octal; write {plain[:80]} or, for a text, "
            f'put it in quotes: "{node.value[:80]}"'
        )
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    if len(digits) > 4000:  # Python rejects more than 4,300
        problem = f"a whole number of {len(digits):,} digits"
        raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
    return loader.construct_yaml_int(node)


PLAIN_WORDS = {  # type of a plain word other than text -> its pattern and first characters
    "bool": (r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    "int": (r"^[-+]?[0-9]+$", "-+0123456789"),
    "float": (
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$",
        "-+0123456789.",
    ),
    "null": (r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    "merge": (r"^<<$", "<"),
}
_StrictLoader.yaml_implicit_resolvers = {}
for _type, (_pattern, _first) in PLAIN_WORDS.items():
    _StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_type}", re.compile(_pattern), list(_first))
_StrictLoader.add_constructor("tag:yaml.org,2002:int", _whole)


def read_yaml(path: Path) -> dict:
    """The mapping in a YAML file. Raises UserError, with the line, for any other content.

    Tags create no objects and run no code. A file of more than `MAX_BYTES`, or of more than `MAX_PARTS` with expanded
    aliases, is rejected before aliases are expanded.
    """
    text = text_of(path)
    loader = _StrictLoader(text)
    try:
        node = loader.get_single_node()
        _check_expanded_size(node)
        data = loader.construct_document(node) if node else None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path} is not valid YAML: {syntax_message(error, text)}") from None
    finally:
        loader.dispose()
    if data is None:
        raise UserError(f"{path} is empty, but must contain a mapping (`key: value` lines).")
    if not isinstance(data, dict):
        kind = {list: "a list", str: "one text"}.get(type(data), "one value")
        raise UserError(f"{path} must contain a mapping (`key: value` lines, a blank after each colon), not {kind}.")
    return data


def _check_expanded_size(node: yaml.Node | None) -> None:
    """Raise ConstructorError, with the line, for a document that is too deep or, with expanded aliases, too large. A
    recursive alias is infinitely deep. Merge keys (`<<`) are aliases too."""
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
            inner = (
                node.value if isinstance(node, yaml.SequenceNode) else [each for pair in node.value for each in pair]
            )
            total = 1 + sum(size(each, depth + 1) for each in inner)
            if total > MAX_PARTS:
                problem = f"with expanded aliases (*name) this has more than {MAX_PARTS:,} values and characters"
        if problem:
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        sizes[id(node)] = total
        return total

    if node is not None:
        size(node, 0)


def validated(model: type[Model], data: dict, where: str) -> Model:
    """`data` as a `model`. Raises one UserError with all wrong keys, their paths and close names."""
    _check_size(data, where)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = sentences(model, error.errors(include_url=False)[: 4 * MAX_MISTAKES])
        total = max(len(lines), error.error_count() if error.error_count() > 4 * MAX_MISTAKES else 0)
        rest = [f"... and about {total - MAX_MISTAKES} more"] if total > MAX_MISTAKES else []
        most = TWO_ROWS if len(lines) > MANY else SCREEN_TEXT
        shortened = [cut(line, most) for line in lines[:MAX_MISTAKES]]
        text = [f"{where}: {total} {'mistake' if total == 1 else 'mistakes'}", *shortened, *rest]
        raise UserError("\n  ".join(text)) from None


def _check_size(data: object, where: str) -> None:
    """Raise UserError, with the key, for data that is too deep or too large and for integers of more than 64 bits."""
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
            raise UserError(f"{where}: {cut(in_words(place), 200)}: {problem}.")
        if inner:
            sizes[id(value)] = total
        return total

    size(data, ())


def _size_problem(value: object, total: int, depth: int) -> str:
    if isinstance(value, int) and value.bit_length() > 64:
        return "a whole number of more than 64 bits"
    if depth > MAX_DEPTH:
        return TOO_DEEP
    return f"more than {MAX_PARTS:,} values and characters with expanded aliases" if total > MAX_PARTS else ""
