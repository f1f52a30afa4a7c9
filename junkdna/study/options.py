"""Options of a compression, as text in names and as the values that its function takes. Imports no torch."""

from collections.abc import Mapping

from junkdna.errors import UserError
from junkdna.study.allocation import ALLOCATIONS, OWL_OPTIONS, number_text, read_allocation
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

    Options that nothing reads are left out: a calibration that is not set, and those of OWL with another allocation.
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
    return {name: value for name, value in values.items() if _is_read(name, value, values)}


def _is_read(name: str, value: object, values: Mapping[str, object]) -> bool:
    if name in OWL_OPTIONS:
        return values["allocation"] == "owl"
    return not (name == "calibration" and value is None)


def settings_options(method: str, options: tuple[tuple[str, str], ...]) -> dict[str, object]:
    """`option_values` as settings of jobs record them: without `layers` and `allocation` at their defaults."""
    values = option_values(method, options)
    common = {name: SCOPE_OPTIONS[name].default for name in ("layers", "allocation")}
    return {name: value for name, value in values.items() if name not in common or value != common[name]}


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
        return "+".join(each if isinstance(each, str) else number_text(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value).removesuffix(".0")


def _value(text: str, default: object) -> object:
    if isinstance(default, bool):
        return text == "true"
    if isinstance(default, int | float):
        return type(default)(text)
    if default in ALLOCATIONS:
        return read_allocation(text)
    return text.split("+") if isinstance(default, tuple) else text
