"""Fingerprints of settings and code, which stored results record to detect that they are stale."""

import ast
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from threading import Lock

from junkdna.storage.code_text import code_text

PACKAGE = Path(__file__).parents[1]
_PARSING = Lock()  # in Python 3.11.7, parsing in two threads sometimes raises SystemError
NOT_COUNTED = {
    "junkdna.errors": "messages",
    "junkdna.storage.file_errors": "compares fingerprints that are part of the settings; messages",
    "junkdna.storage.study_commands": "messages",
    "junkdna.storage.atomic": "how files are renamed",
    "junkdna.storage.checksums": "a wrong checksum raises an error and changes no number",
    "junkdna.storage.fingerprint": "a change to it changes the fingerprints anyway",
    "junkdna.storage.code_text": "the same",
    "junkdna.models.manifest": "compares the files of a model folder with their digest, which every cell file contains",
    "junkdna.study.formats": "loads an answer format; its name is part of the settings, and its file is counted",
    "junkdna.study.methods": "loads a method; the file of the method and its options are counted",
}
"""Modules that fingerprints leave out because no number depends on them -> reason."""


def canonical_json(settings: object) -> str:
    """JSON with sorted keys and no spaces: equal settings give equal text, whatever the order of their keys.

    A dataclass becomes an object without its None fields.
    """
    return json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_set_fields)


def _set_fields(settings: object) -> dict:
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    return {name: value for name, value in values.items() if value is not None}


def differing(one: Mapping[str, object], other: Mapping[str, object]) -> list[str]:
    """The names whose values differ (`canonical_json`), sorted; a name that is missing counts as None."""
    return [name for name in sorted({*one, *other}) if canonical_json(one.get(name)) != canonical_json(other.get(name))]


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
        parts = [f"{module}:{_read(file_of(module))[1]}" for module in sorted(closure(modules))]
    return digest("\n".join(parts))


def closure(modules: Iterable[str]) -> set[str]:
    """`modules` and all modules that they import at the top of their files, without `NOT_COUNTED`."""
    counted: set[str] = set()
    queue = list(modules)
    while queue:
        module = queue.pop()
        if module not in counted and module not in NOT_COUNTED:
            counted.add(module)
            queue.extend(_read(file_of(module))[0])
    return counted


def file_of(module: str) -> Path:
    """The path of a module or package of junkdna, which may not exist."""
    parts = module.split(".")[1:]
    file = PACKAGE.joinpath(*parts[:-1], f"{parts[-1]}.py") if parts else PACKAGE / "__init__.py"
    return file if file.is_file() else PACKAGE.joinpath(*parts, "__init__.py")


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
def _read(file: Path) -> tuple[tuple[str, ...], str]:
    """The modules that a file imports at its top, and its code as text. Both are needed, and parsing is slow."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return imported_modules(tree.body), code_text(tree)
