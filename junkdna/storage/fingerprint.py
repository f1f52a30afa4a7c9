"""Digests of settings and of code, so that a stored result knows what made it."""

import ast
import hashlib
import json
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PACKAGE = Path(__file__).parents[1]
_PARSING = Lock()  # Python 3.11.7 fails now and then when two threads make syntax trees (SystemError)
NOT_COUNTED = {
    "junkdna.errors": "words of messages",
    "junkdna.storage.file_errors": "compares fingerprints that are part of the settings, and words messages",
    "junkdna.storage.study_commands": "words of messages",
    "junkdna.storage.atomic": "how a file gets its name",
    "junkdna.storage.checksums": "a wrong checksum is an error, never another number",
    "junkdna.storage.fingerprint": "another rule gives other fingerprints by itself",
    "junkdna.models.manifest": "compares the files of a model folder with their digest, which every cell file holds",
    "junkdna.study.formats": "finds an answer format; its name is part of the settings, its own file is counted",
    "junkdna.study.methods": "finds a method; the method's own file and its options are counted",
}
"""Modules that fingerprints leave out because no number depends on them -> why."""

DECLARATIONS = {"METHOD", "FORMAT", "FIGURE", "CLAIM"}
DISPLAY_FIELDS = {"label", "line_style", "meaning", "source", "caption"}
"""Fields of a declaration that people read and no number depends on: a better caption re-runs no cell."""


def canonical_json(settings: object) -> str:
    """JSON with sorted keys and no spaces: equal settings give equal text whatever order they were written in.

    Dataclasses are written as objects, without the fields that are None.
    """
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_given_fields)


def _given_fields(settings: "DataclassInstance") -> dict:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if value is not None}


def digest(text: str) -> str:
    """First 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings_fingerprint(settings: object) -> str:
    """`digest` of settings as `canonical_json`."""
    return digest(canonical_json(settings))


@cache
def code_fingerprint(*modules: str) -> str:
    """Digest of the code of some modules of the package and of everything they import from it.

    Taken over the syntax tree with docstrings removed, so comments, layout and docstrings do not count. Only imports at
    the top of a file are followed: a module that is imported inside a function serves some jobs only, and those jobs
    name it.
    """
    with _PARSING:
        parts = [f"{module}:{_tree_text(file_of(module))}" for module in sorted(closure(modules))]
    return digest("\n".join(parts))


def closure(modules: Iterable[str]) -> set[str]:
    """The modules whose code counts for a job that lists `modules`: these, and what they import at the top."""
    found: set[str] = set()
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module not in found and module not in NOT_COUNTED:
            found.add(module)
            queue.extend(_imports_of(file_of(module)))
    return found


def file_of(module: str) -> Path:
    """The file of a module or package of junkdna; it need not exist."""
    parts = module.split(".")[1:]
    file = PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py") if parts else PACKAGE / "__init__.py"
    return file if file.is_file() else PACKAGE.joinpath(*parts, "__init__.py")


@cache
def _imports_of(file: Path) -> tuple[str, ...]:
    return own_modules(ast.parse(file.read_text(encoding="utf-8")).body)


def own_modules(nodes: Iterable[ast.AST]) -> tuple[str, ...]:
    """Modules of junkdna that the import statements among `nodes` name, sorted. Packages, whose files are empty, are
    left out."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in names if name.startswith("junkdna.") and _is_module(name)))


def _is_module(name: str) -> bool:
    file = file_of(name)
    return file.is_file() and file.name != "__init__.py"


@cache
def _tree_text(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in DECLARATIONS:
            node.value.keywords = [keyword for keyword in node.value.keywords if keyword.arg not in DISPLAY_FIELDS]
            _drop_display_keys(node.value)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]
    return ast.dump(tree)


def _drop_display_keys(declaration: ast.AST) -> None:
    """Removes `DISPLAY_FIELDS` from the dicts inside a declaration, such as the meaning of an option."""
    for node in ast.walk(declaration):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            kept = [(key, value) for key, value in pairs if getattr(key, "value", None) not in DISPLAY_FIELDS]
            node.keys, node.values = map(list, zip(*kept, strict=True)) if kept else ([], [])
