"""Options of a compression, as text in names and as the values that its function takes. Imports no torch."""

from collections.abc import Mapping

from junkdna.errors import UserError
from junkdna.study.methods import METHODS, SCOPE_OPTIONS, Option


def option_texts(method: str, values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Options that are set and differ from their default, as text, sorted by name."""
    defaults = METHODS[method].defaults
    return tuple(
        (name, _text(values[name]))
        for name in sorted(defaults)
        if values.get(name) is not None and values[name] != defaults[name]
    )


def option_values(method: str, options: tuple[tuple[str, str], ...]) -> dict[str, object]:
    """The value of every option of a method, including defaults; the inverse of `option_texts`.

    Raises UserError for text that `option_texts` does not write.
    """
    texts = dict(options)
    defaults = METHODS[method].defaults
    try:
        values = defaults | {name: _value(texts[name], defaults[name]) for name in defaults.keys() & texts}
    except ValueError:
        values = {}
    if option_texts(method, values) != options:
        text = ",".join(f"{name}={value}" for name, value in options)
        names = ", ".join(defaults) or "none"
        raise UserError(
            f"method {method}: options {text!r} are not written as in a compression name; its options: {names}."
        )
    return values


def function_options(method: str, options: tuple[tuple[str, str], ...]) -> dict[str, object]:
    """The options that a method's function takes, with their values."""
    return {name: value for name, value in option_values(method, options).items() if name not in SCOPE_OPTIONS}


def option_error(option: Option, value: object) -> str:
    """The problem with an option's value, as text that follows the option's name; "" if there is none."""
    low, high = option.minimum, option.maximum
    if low is not None and value < low:
        return f"must be at least {low:g} (given: {value})"
    return f"must be at most {high:g} (given: {value})" if high is not None and value > high else ""


def _text(value: object) -> str:
    if isinstance(value, list):
        return "+".join(value)
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")


def _value(text: str, default: object) -> object:
    if isinstance(default, bool):
        return text == "true"
    if isinstance(default, int | float):
        return type(default)(text)
    return text.split("+") if isinstance(default, tuple) else text
