"""Options of a compression, as text in names and as the values that its function takes. Imports no torch."""

from collections.abc import Mapping

from junkdna.errors import UserError
from junkdna.study.allocation import ALLOCATIONS, OWL_OPTIONS, number_text, read_allocation
from junkdna.study.cell import Compression
from junkdna.study.methods import METHODS, SCOPE_OPTIONS, Option
from junkdna.study.number_formats import NUMBER_FORMATS


def option_texts(method: str, values: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Options that are set and differ from their default, as text, sorted by name."""
    defaults = METHODS[method].defaults
    return tuple(
        (name, _text(values[name]))
        for name in sorted(defaults)
        if values.get(name) is not None and values[name] != defaults[name]
    )


def option_values(method: str, options: tuple[tuple[str, str], ...], family: str) -> dict[str, object]:
    """The value of every option of a method that applies to levels of a family (`levels.family`), including defaults;
    the inverse of `option_texts`.

    Options that nothing reads are left out: a calibration that is not set, and those of OWL with another allocation.
    Raises UserError for text that `option_texts` does not write, and for an option that does not apply.
    """
    texts = dict(options)
    defaults = {name: option.default for name, option in METHODS[method].options.items() if option.applies(family)}
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


def compression_options(compression: Compression) -> dict[str, object]:
    """The value of every option that applies to a compression; empty if it is dense."""
    if not compression.level:
        return {}
    return option_values(compression.method, compression.options, compression.family)


def settings_options(compression: Compression) -> dict[str, object]:
    """`compression_options` as settings of jobs record them: without `layers` and `allocation` at their defaults."""
    common = {name: SCOPE_OPTIONS[name].default for name in ("layers", "allocation")}
    values = compression_options(compression)
    return {name: value for name, value in values.items() if name not in common or value != common[name]}


def function_options(compression: Compression) -> dict[str, object]:
    """The options of a compression that its method's function takes, with their values."""
    return {name: value for name, value in compression_options(compression).items() if name not in SCOPE_OPTIONS}


def misplaced_option(name: str, option: Option, family: str) -> str:
    """Why an option is not for levels of a family, as text that follows the option's name."""
    block = NUMBER_FORMATS[family].block if family in NUMBER_FORMATS else 0
    fixed = f", whose blocks have {block} inputs by definition" if block else ""
    levels = " and ".join("integers (bits, int2 to int8)" if each == "bits" else each for each in option.only)
    return f"does not apply to {family}{fixed}; it is for {levels}. Leave {name} out, or write two entries"


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
