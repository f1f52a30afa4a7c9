"""Fingerprints of settings and code, which stored results record to detect that they are stale."""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from pathlib import Path
from threading import Lock

PACKAGE = Path(__file__).parents[1]
_PARSING = Lock()  # in Python 3.11.7, parsing in two threads sometimes raises SystemError
NOT_COUNTED = {
    "junkdna.errors": "messages",
    "junkdna.storage.file_errors": "compares fingerprints that are part of the settings; messages",
    "junkdna.storage.study_commands": "messages",
    "junkdna.storage.atomic": "how files are renamed",
    "junkdna.storage.checksums": "a wrong checksum raises an error and changes no number",
    "junkdna.storage.fingerprint": "a change to it changes the fingerprints anyway",
    "junkdna.models.manifest": "compares the files of a model folder with their digest, which every cell file contains",
    "junkdna.study.formats": "loads an answer format; its name is part of the settings, and its file is counted",
    "junkdna.study.methods": "loads a method; the file of the method and its options are counted",
}
"""Modules that fingerprints leave out because no number depends on them -> reason."""

DECLARATIONS = {"METHOD", "FORMAT", "FIGURE", "CLAIM"}
DISPLAY_FIELDS = {"label", "line_style", "meaning", "source", "caption", "needs"}
"""Fields of a declaration that only people read: a new caption reruns no cell."""


def canonical_json(settings: object) -> str:
    """JSON with sorted keys and no spaces: equal settings give equal text, whatever the order of their keys.

    A dataclass becomes an object without its None fields.
    """
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_set_fields)


def _set_fields(settings: object) -> dict:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if value is not None}


def digest(text: str) -> str:
    """First 16 hex digits of the SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def settings_fingerprint(settings: object) -> str:
    """`digest` of the `canonical_json` of settings."""
    return digest(canonical_json(settings))


@cache
def code_fingerprint(*modules: str) -> str:
    """Digest of the code of modules of the package and of everything that they import from it.

    Uses the syntax tree without docstrings, so comments, layout and docstrings do not count. Follows only imports at
    the top of a file: modules that are imported inside functions serve only some jobs, which list them.
    """
    with _PARSING:
        parts = [f"{module}:{_tree_text(file_of(module))}" for module in sorted(closure(modules))]
    return digest("\n".join(parts))


def closure(modules: Iterable[str]) -> set[str]:
    """`modules` and all modules that they import at the top of their files, without `NOT_COUNTED`."""
    counted: set[str] = set()
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module not in counted and module not in NOT_COUNTED:
            counted.add(module)
            queue.extend(_imports_of(file_of(module)))
    return counted


def file_of(module: str) -> Path:
    """The path of a module or package of junkdna, which may not exist."""
    parts = module.split(".")[1:]
    file = PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py") if parts else PACKAGE / "__init__.py"
    return file if file.is_file() else PACKAGE.joinpath(*parts, "__init__.py")


@cache
def _imports_of(file: Path) -> tuple[str, ...]:
    return imported_modules(ast.parse(file.read_text(encoding="utf-8")).body)


def imported_modules(nodes: Iterable[ast.AST]) -> tuple[str, ...]:
    """Modules of junkdna that the import statements among `nodes` name, sorted and without packages."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    files = {name: file_of(name) for name in names if name.startswith("junkdna.")}
    return tuple(sorted(name for name, file in files.items() if file.is_file() and file.name != "__init__.py"))


@cache
def _tree_text(file: Path) -> str:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in DECLARATIONS:
            node.value.keywords = [keyword for keyword in node.value.keywords if keyword.arg not in DISPLAY_FIELDS]
            _drop_display_keys(node.value)
    for node in ast.walk(tree):
        match node:
            case ast.AST(body=[ast.Expr(value=ast.Constant()), *rest]):
                node.body = rest
    return _dump(tree)


def _dump(tree: ast.AST) -> str:
    """`ast.dump` as Python 3.11 writes it, so that a newer Python makes no stored result stale.

    From 3.12 on, functions and classes have a list of type parameters, and some versions add an empty text to the
    format of an f-string; from 3.13 on, empty lists are left out.
    """
    for node in ast.walk(tree):
        if getattr(node, "type_params", None) == []:
            del node.type_params
        if isinstance(node, ast.JoinedStr):
            node.values = [part for part in node.values if getattr(part, "value", None) != ""]
    return ast.dump(tree, **({"show_empty": True} if sys.version_info >= (3, 13) else {}))


def _drop_display_keys(declaration: ast.AST) -> None:
    """Remove `DISPLAY_FIELDS` from the dicts in a declaration, such as the meaning of an option."""
    for node in ast.walk(declaration):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            kept = [(key, value) for key, value in pairs if getattr(key, "value", None) not in DISPLAY_FIELDS]
            node.keys, node.values = map(list, zip(*kept, strict=True)) if kept else ([], [])
