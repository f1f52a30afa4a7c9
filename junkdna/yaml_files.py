"""YAML in, validated models out, with every mistake named in one readable message."""

import re
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from junkdna.errors import UserError, unknown_name

Model = TypeVar("Model", bound=BaseModel)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice and reads 1e-3 as a number."""


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict:
    seen: set = set()
    for key_node, _ in node.value:
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
    """Legal keys at a place of the model: follows field names, skipping mapping keys and list positions."""
    current = model
    for part in place:
        field = current.model_fields.get(str(part))
        inner = _models_in(field.annotation) if field else []
        if inner:
            current = inner[0]
    return list(current.model_fields)


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in getattr(annotation, "__args__", ()) for model in _models_in(part)]
