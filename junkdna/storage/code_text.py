"""The code of a file as text: what runs, without comments, layout, docstrings and what only people read.

Written by a function of its own, because planning reads most files of the package: `ast.dump` takes longer, and its
text differs between versions of Python, whose trees get new fields. Empty fields are left out here.
"""

import ast
from collections.abc import Callable

DECLARATIONS = {"METHOD", "FORMAT", "FIGURE", "CLAIM"}
DISPLAY_FIELDS = {"label", "line_style", "meaning", "source", "caption"}
"""Fields of a declaration that only people read: a new caption reruns no cell."""
IMPLIED = ("ctx", "kind", "type_comment")
"""Fields that the place of a node implies, or that change nothing that runs."""


def code_text(tree: ast.Module) -> str:
    """The text of a file's syntax tree; changes the tree."""
    for node in tree.body:
        named = isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in DECLARATIONS
        if named and isinstance(node.value, ast.Call):
            node.value.keywords = [keyword for keyword in node.value.keywords if keyword.arg not in DISPLAY_FIELDS]
            _drop_display_keys(node.value)
    parts: list[str] = []
    _add(tree, parts.append)
    return "".join(parts)


def _drop_display_keys(declaration: ast.AST) -> None:
    """Remove `DISPLAY_FIELDS` from the dicts in a declaration, such as the meaning of an option."""
    for node in ast.walk(declaration):
        if isinstance(node, ast.Dict):
            pairs = zip(node.keys, node.values, strict=True)
            kept = [(key, value) for key, value in pairs if getattr(key, "value", None) not in DISPLAY_FIELDS]
            node.keys, node.values = map(list, zip(*kept, strict=True)) if kept else ([], [])


def _add(node: ast.AST, write: Callable[[str], None]) -> None:
    """Write a node with its fields in parentheses; lists in brackets."""
    kind = node.__class__
    if kind is ast.Constant:
        write(f"{node.value!r},")
        return
    write(f"{kind.__name__}(")
    for name in kind._fields:
        value = None if name in IMPLIED else getattr(node, name, None)
        if value.__class__ is list:
            _add_list(name, _counted(kind, name, value), write)
        elif isinstance(value, ast.AST):
            write(f"{name}=")
            _add(value, write)
        elif value is not None:
            write(f"{name}={value!r},")
    write(")")


def _add_list(name: str, items: list, write: Callable[[str], None]) -> None:
    if items:
        write(f"{name}=[")
        for each in items:
            if isinstance(each, ast.AST):
                _add(each, write)
            else:  # a name, or nothing, such as the key of `**more` in a dict
                write("," if each is None else f"{each!r},")
        write("]")


def _counted(kind: type, name: str, items: list) -> list:
    """The items of a field without a docstring, and without the empty texts that some versions add to f-strings."""
    if name == "body" and items and isinstance(items[0], ast.Expr) and isinstance(items[0].value, ast.Constant):
        return items[1:]
    if kind is ast.JoinedStr:
        return [each for each in items if getattr(each, "value", None) != ""]
    return items
