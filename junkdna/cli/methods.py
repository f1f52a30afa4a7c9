"""Lists of the compression methods: for the terminal, and as the tables of docs/compression.md."""

import re
from collections.abc import Iterator

from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.methods import METHODS, Method, Option

TEXTS = {"layers": "a list of texts", "calibration": "a name"}
NEEDS = {"": "", "square_sums": "norm of each input", "gram": "x x^T of the inputs"}


def methods() -> Iterator[str]:
    """One line per method: name, keys of its levels, meaning, options."""
    for method in METHODS.values():
        options = f"  [{', '.join(method.options)}]" if method.options else ""
        yield f"{method.name:<16} {_levels(method):<24} {method.meaning}{options}"


def markdown() -> Iterator[str]:
    """Two Markdown tables: the methods, and their options with type, bounds and meaning."""
    yield "| method | levels | options (default) | needs | what it does, and source |"
    yield "|---|---|---|---|---|"
    for method in METHODS.values():
        options = ", ".join(f"`{name}` ({_default(option)})" for name, option in method.options.items())
        source = f"; {_linked(method.source)}" if method.source else ""
        cells = (f"`{method.name}`", _levels(method, "`"), options, NEEDS[method.statistics], method.meaning + source)
        yield _row(cells)
    yield ""
    yield "| option | methods | value | what it does |"
    yield "|---|---|---|---|"
    for name, (option, users) in _options().items():
        yield _row((f"`{name}`", ", ".join(f"`{user}`" for user in users), _values(name, option), option.meaning))


def _levels(method: Method, quote: str = "") -> str:
    kinds = [[f"{quote}{key}{quote}" for key in LEVEL_KINDS[kind].keys] for kind in method.levels]
    return ", or ".join(" of ".join(keys) for keys in kinds)


def _options() -> dict[str, tuple[Option, list[str]]]:
    """Name -> the option as its first method declares it, and the names of all methods with this option."""
    options: dict[str, tuple[Option, list[str]]] = {}
    for method in METHODS.values():
        for name, option in method.options.items():
            options.setdefault(name, (option, []))[1].append(method.name)
    return dict(sorted(options.items()))


def _default(option: Option) -> str:
    if option.default is None:
        return "required"
    return "all" if option.default == () else str(option.default).lower()


def _values(name: str, option: Option) -> str:
    if not isinstance(option.default, int | float):
        return TEXTS[name]
    if isinstance(option.default, bool):
        return "true or false"
    kind = "whole number" if isinstance(option.default, int) else "number"
    limits = (("from", option.minimum), ("to", option.maximum))
    bounds = [f"{word} {limit:g}" for word, limit in limits if limit is not None]
    divides = ["that divides the inputs, or 0"] if option.divides_inputs else []
    return " ".join([kind, *bounds, *divides])


def _linked(source: str) -> str:
    return re.sub(r"arXiv (\d+\.\d+)", r"[arXiv \1](https://arxiv.org/abs/\1)", source)


def _row(cells: tuple[str, ...]) -> str:
    escaped = [cell.replace("|", "\\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"
