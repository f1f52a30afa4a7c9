"""Places inside a pydantic model: from the path of an error to the keys a person wrote, and what may stand there."""

import re
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel

WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
KEY = "[key]"  # the last part of an error's path where a key, not its value, is wrong


def steps(model: type[BaseModel], path: tuple) -> list:
    """The keys and positions of an error's path. Leaves out what pydantic puts between them: names of the alternatives
    of a union, and `KEY`."""
    current, found = [model], []
    for part in path:
        if part == KEY:
            continue
        if len(current) > 1:  # the part names an alternative
            current = [one for one in current if get_origin(one) in (dict, list, tuple)]
            current = current[:1] or [NoneType]
        else:
            found.append(part)
            current = [inner for annotation in current for inner in _below(annotation, part)]
    return found


def in_words(place: list | tuple) -> str:
    """Such as experiments.context.models.0; parts with blanks or line breaks are written as Python writes them."""
    texts = map(str, place)
    return (
        ".".join(part if re.fullmatch(r"\S+", part) and part.isprintable() else ascii(part) for part in texts) or "file"
    )


def keys_at(model: type[BaseModel], place: list) -> list[str]:
    """Legal keys at a place of the model; none where it is no place of named keys."""
    return [name for annotation in _at(model, place) if _is_model(annotation) for name in annotation.model_fields]


def wanted_at(model: type[BaseModel], place: list) -> str:
    """What may stand at a place: "a text", "encoder or decoder", "a list or a text"."""
    return " or ".join(dict.fromkeys(map(_words, _at(model, place))))


def _words(annotation: object) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (list, tuple):
        return "a list"
    return WORDS.get(annotation, "`key: value` lines")


def places_of_key(model: type[BaseModel], key: str) -> list[str]:
    """Every place of the model where `key` is legal, as a person would say it: "experiments.NAME"."""
    return [*dict.fromkeys(place for place, keys in _mappings([model], "") if key in keys)]


def _mappings(annotations: list, place: str) -> list[tuple[str, list[str]]]:
    """(place, its named keys) of everything below."""
    found = []
    for annotation in annotations:
        args = get_args(annotation)
        if _is_model(annotation):
            found.append((place or "the top level", [*annotation.model_fields]))
            for name, field in annotation.model_fields.items():
                found += _mappings(_alternatives(field.annotation), f"{place}.{name}".lstrip("."))
        elif get_origin(annotation) is dict:
            keys = _alternatives(args[0])[0]
            named = [*get_args(keys)] if get_origin(keys) is Literal else []
            found += [(place, named)] if named else []
            found += _mappings(_alternatives(args[1]), f"{place}.NAME")
        elif get_origin(annotation) is list:
            found += _mappings(_alternatives(args[0]), f"an entry of {place}")
    return found


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
    """The types that an annotation stands for, without `Annotated` and None, and with the members of a union apart."""
    if get_origin(annotation) is Annotated:
        return _alternatives(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [inner for part in get_args(annotation) for inner in _alternatives(part)]
    return [] if annotation is NoneType else [annotation]


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
