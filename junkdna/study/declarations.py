"""Declarations: the literal at the top of a file that adds a method, an answer format, a figure or a claim.

Such a file starts with one statement, such as `METHOD = Method(label="...", ...)`, whose values are literals. It is
parsed, not imported, so validation and planning know every method without torch. A job imports only the one it runs.
"""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PACKAGE = Path(__file__).parents[1]


def build_declarations(package: str, name: str, build: Callable[[str, dict], T]) -> dict[str, T]:
    """File stem -> `build(stem, keyword arguments)` of `name = Class(...)`, for each file of a package of junkdna,
    sorted by name.

    `package` is dotted, such as "compress.methods". Raises ValueError, with file and line, for a file without the
    declaration, a positional argument, or a value that is not a literal, and with the file for what `build` rejects.
    """
    files = sorted(PACKAGE.joinpath(*package.split(".")).glob("*.py"))
    built = {}
    for file in (file for file in files if file.stem != "__init__"):
        declared = _arguments(file, name)
        try:
            built[file.stem] = build(file.stem, declared)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{package.replace('.', '/')}/{file.name}: {name}: {error}") from None
    return built


def _arguments(file: Path, name: str) -> dict:
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return _literals(file, name, node.value)
    raise ValueError(f"{file}: no declaration; the file must start with {name} = {name.title()}(...)")


def _literals(file: Path, name: str, call: ast.expr) -> dict:
    if not isinstance(call, ast.Call) or call.args or any(keyword.arg is None for keyword in call.keywords):
        raise ValueError(f"{file}:{call.lineno}: {name} must be a call with keyword arguments only")
    values = {}
    for keyword in call.keywords:
        try:
            values[keyword.arg] = ast.literal_eval(keyword.value)
        except ValueError:
            raise ValueError(f"{file}:{keyword.value.lineno}: {keyword.arg} must be a literal") from None
    return values
