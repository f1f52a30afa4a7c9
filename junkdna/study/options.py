"""Options of a compression, as text in names and as the values its function takes. Imports no torch."""

from collections.abc import Mapping

from junkdna.errors import UserError
from junkdna.study.methods import METHODS, SCOPE_OPTIONS


def option_texts(method: str, given: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Options that are given and not at their default, as text, in the order of their names."""
    defaults = METHODS[method].defaults
    return tuple(
        (name, _text(given[name]))
        for name in sorted(defaults)
        if given.get(name) is not None and given[name] != defaults[name]
    )


def option_values(method: str, options: tuple[tuple[str, str], ...]) -> dict[str, object]:
    """Every option of a method with its value, defaults included; undoes `option_texts`, and is a UserError for text
    that it does not write."""
    given = dict(options)
    defaults = METHODS[method].defaults
    found = {name: _value(given[name], default) if name in given else default for name, default in defaults.items()}
    if option_texts(method, found) != options:
        said = ",".join(f"{name}={value}" for name, value in options)
        legal = ", ".join(defaults) or "none"
        raise UserError(f"method {method}: options {said!r} are not as a name writes them; its options are {legal}.")
    return found


def function_options(method: str, options: tuple[tuple[str, str], ...]) -> dict[str, object]:
    """The options that a method's function takes, with their values."""
    return {name: value for name, value in option_values(method, options).items() if name not in SCOPE_OPTIONS}


def _text(value: object) -> str:
    if isinstance(value, list):
        return "+".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str, default: object) -> object:
    if isinstance(default, bool):
        return text == "true"
    if isinstance(default, int):
        return int(text)
    return text.split("+") if isinstance(default, tuple) else text
