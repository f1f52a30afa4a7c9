"""YAML in, validated models out, with every mistake named in one readable message."""

import re
from pathlib import Path
from types import UnionType
from typing import Annotated, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from junkdna.errors import UserError, unknown_name

Model = TypeVar("Model", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice and reads 1e-3 as a number."""


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
    """Mapping read from one YAML file. Raises UserError with the line for anything that is not one."""
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}.") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    except (LookupError, AttributeError, TypeError) as error:  # PyYAML's own, as for `!!bool maybe`
        raise UserError(f"{path} is not valid YAML: a !!tag does not fit its value ({error}).") from None
    if not isinstance(data, dict):
        raise UserError(f"{path} must hold a mapping (key: value lines), not {type(data).__name__}.")
    return data


def validated(model: type[Model], data: dict, where: str) -> Model:
    """`data` as `model`, or one UserError that lists every wrong key with its place and close names."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_line(model, item) for item in error.errors()]
        raise UserError("\n  ".join([f"{where}: {len(lines)} mistake(s)", *dict.fromkeys(lines)])) from None


def _line(model: type[BaseModel], item: dict) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{place}: {unknown_name('key', item['loc'][-1], _fields_at(model, item['loc'][:-1]))}"
    shown = repr(item.get("input"))
    given = "" if item["type"] == "missing" else f" (given: {shown if len(shown) < 80 else shown[:77] + '...'})"
    return f"{place or 'file'}: {item['msg'].removeprefix('Value error, ')}{given}"


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
