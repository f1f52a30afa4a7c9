"""`Settings`, the base of the typed settings of jobs: frozen dataclasses that are written as canonical JSON."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from junkdna.errors import UserError, short_repr, unknown_name

SETTINGS_VERSION = 3  # raise it if the same settings would no longer give the same result


@dataclass(frozen=True)
class Settings:
    """Base of the settings of a kind of job: everything that its output depends on.

    Fields without a default are required. `canonical_json` omits fields that are None, also in nested settings, so an
    unused optional key changes no fingerprint.
    """

    @classmethod
    def read(cls, data: Mapping[str, Any], where: str) -> Self:
        """The settings in a JSON object. Raises UserError, prefixed with `where`, for the first unknown, missing or
        mistyped key. Items of lists and values of mappings are not checked."""
        hints = _hints(cls)
        if unknown := [key for key in data if key not in hints]:
            raise unknown_name("key", unknown[0], hints, where)
        for field in fields(cls):
            if field.name not in data and field.default is MISSING and field.default_factory is MISSING:
                raise UserError(f"{where}: the key {field.name} is missing.")
        return cls(**{key: _value(value, hints[key], f"{where}: {key}") for key, value in data.items()})


@cache
def _hints(settings: type[Settings]) -> dict[str, Any]:
    return get_type_hints(settings)


def _value(value: object, hint: Any, where: str) -> object:
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if isinstance(option, type) and issubclass(option, Settings) and isinstance(value, dict):
            return option.read(value, where)
        if _fits(value, option):
            return value
    expected = " or ".join(_in_words(option) for option in options if option is not NoneType)
    raise UserError(f"{where}: {short_repr(value)} must be {expected}.")


def _in_words(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, get_args(hint)))
    kinds = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", list: "a list"}
    return kinds.get(get_origin(hint) or hint, "an object")


def _fits(value: object, hint: Any) -> bool:
    if hint is Any:
        return True
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kind = get_origin(hint) or hint
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    return isinstance(value, (int, float) if kind is float else kind)
