"""Keys of a pydantic model: the keys on the path of an error, and the valid keys and values at a path."""

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel

WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
KEY = "[key]"  # last part of an error's path if a key is wrong, not its value


def steps(model: type[BaseModel], path: tuple) -> list:
    """The keys and list positions in the path of a pydantic error, without the names of union alternatives and `KEY`,
    which pydantic inserts."""
    current, keys = [model], []
    for part in path:
        if part == KEY:
            continue
        if len(current) > 1:  # the part names an alternative
            current = [each for each in current if get_origin(each) in (dict, list, tuple)]
            current = current[:1] or [NoneType]
        else:
            keys.append(part)
            current = [inner for annotation in current for inner in _below(annotation, part)]
    return keys


def in_words(place: list | tuple) -> str:
    """A path as text, such as experiments.context.models.0; parts with white space are quoted as in Python."""
    texts = map(str, place)
    parts = [part if re.fullmatch(r"\S+", part) and part.isprintable() else ascii(part) for part in texts]
    return ".".join(parts) or "file"


def keys_at(model: type[BaseModel], place: list) -> list[str]:
    """Valid keys at a path of the model; none if there is no mapping with named keys."""
    return [name for annotation in _at(model, place) if _is_model(annotation) for name in annotation.model_fields]


def wanted_at(model: type[BaseModel], place: list) -> str:
    """The valid values at a path in words: "a text", "encoder or decoder", "a list or a text"."""
    return " or ".join(dict.fromkeys(map(_words, _at(model, place))))


def _words(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (list, tuple):
        return "a list"
    return WORDS.get(annotation, "`key: value` lines")


def places_of_key(model: type[BaseModel], key: str) -> list[str]:
    """Every path of the model at which `key` is valid, such as "experiments.NAME"."""
    return [*dict.fromkeys(place for place, keys in _mappings([model], "") if key in keys)]


def _mappings(annotations: list, place: str) -> Iterator[tuple[str, list[str]]]:
    """(path, its named keys) of every mapping at or below `place`."""
    for annotation in annotations:
        args = get_args(annotation)
        if _is_model(annotation):
            yield place or "the top level", [*annotation.model_fields]
            for name, field in annotation.model_fields.items():
                yield from _mappings(_alternatives(field.annotation), f"{place}.{name}".lstrip("."))
        elif get_origin(annotation) is dict:
            keys = _alternatives(args[0])[0]
            if get_origin(keys) is Literal:
                yield place, [*get_args(keys)]
            yield from _mappings(_alternatives(args[1]), f"{place}.NAME")
        elif get_origin(annotation) is list:
            yield from _mappings(_alternatives(args[0]), f"an entry of {place}")


def _at(model: type[BaseModel], place: list) -> list:
    current: list = [model]
    for part in place:
        current = [inner for annotation in current for inner in _below(annotation, part)]
    return current


def _below(annotation: object, part: object) -> list:
    if _is_model(annotation):
        field = annotation.model_fields.get(str(part))
        return _alternatives(field.annotation) if field else []
    return _alternatives(get_args(annotation)[-1]) if get_origin(annotation) in (dict, list, tuple) else []


def _alternatives(annotation: object) -> list:
    """The types that an annotation allows: without `Annotated` and None, each member of a union separately."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [inner for part in get_args(annotation) for inner in _alternatives(part)]
    return [] if annotation is NoneType else [annotation]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
