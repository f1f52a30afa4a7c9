"""Lists of the compression methods: for the terminal, and as the tables of docs/compression.md."""

import re
from collections.abc import Iterator

from junkdna.report.reference.markdown import table
from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.methods import METHODS, Method, Option

TEXTS = {
    "layers": "a list of texts",
    "allocation": "uniform, owl or a list of numbers",
    "calibration": "a name",
}
NEEDS = {"": "", "square_sums": "norm of each input", "gram": "x x^T of the inputs"}


def methods(markdown: bool) -> Iterator[str]:
    """One line per method: name, keys of its levels, meaning, options; or the tables in Markdown."""
    if markdown:
        yield from _tables()
        return
    for method in METHODS.values():
        options = f"  [{', '.join(method.options)}]" if method.options else ""
        yield f"{method.name:<16} {_levels(method):<24} {method.meaning}{options}"


def _tables() -> Iterator[str]:
    """Two Markdown tables: the methods, and their options with type, bounds and meaning."""
    yield from table(
        ("method", "levels", "options (default)", "needs", "what it does, and source"), map(_row, METHODS.values())
    )
    options = {name: option for method in reversed(METHODS.values()) for name, option in method.options.items()}
    rows = []
    for name, option in sorted(options.items()):
        users = [f"`{method.name}`" for method in METHODS.values() if name in method.options]
        users = "all" if len(users) == len(METHODS) else ", ".join(users)
        rows.append((f"`{name}`", users, _values(name, option), option.meaning.replace("|", "\\|")))
    yield ""
    yield from table(("option", "methods", "value", "what it does"), rows)


def _row(method: Method) -> tuple[str, ...]:
    options = ", ".join(f"`{name}` ({_default(method, option)})" for name, option in method.options.items())
    source = re.sub(r"arXiv (\d+\.\d+)", r"[arXiv \1](https://arxiv.org/abs/\1)", method.source)
    meaning = f"{method.meaning}; {source}" if source else method.meaning
    cells = (f"`{method.name}`", _levels(method, "`"), options, NEEDS[method.statistics], meaning)
    return tuple(cell.replace("|", "\\|") for cell in cells)


def _levels(method: Method, quote: str = "") -> str:
    kinds = [[f"{quote}{key}{quote}" for key in LEVEL_KINDS[kind].keys] for kind in method.levels]
    return ", or ".join(" and ".join(keys) for keys in kinds)


def _default(method: Method, option: Option) -> str:
    if option.default is None:
        return "required" if method.statistics else "required by owl"
    return "all" if option.default == () else str(option.default).lower().removesuffix(".0")


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
