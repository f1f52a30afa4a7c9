"""A module imports from its own package and from those below it in one list, for types too (docs/architecture.md)."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "junkdna"
LAYERS = [
    "__init__",
    "__main__",
    "cli",
    "compare",
    "grade",
    "dag",
    "report",
    "analysis",
    "run",
    "train",
    "evaluate",
    "compress",
    "models",
    "data",
    "study",
    "storage",
]
BOTTOM = ["errors", "seeds", "resumable"]
HEIGHT = {name: -at for at, name in enumerate(LAYERS)} | {name: -len(LAYERS) for name in BOTTOM}


def test_imports_only_point_down() -> None:
    wrong = []
    for file in sorted(PACKAGE.rglob("*.py")):
        layer = file.relative_to(PACKAGE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            modules += [f"junkdna.{alias.name}" for alias in node.names] if modules == ["junkdna"] else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            used = {module.split(".")[1] for module in modules if module.startswith("junkdna.")}
            wrong += [
                f"{file}:{node.lineno}: {name} is not below {layer}"
                for name in used
                if HEIGHT.get(name, 9) > HEIGHT.get(layer, -99)
            ]
    assert not wrong, "\n".join(wrong)


def test_packages_hold_no_code_of_their_own() -> None:
    """Apart from the top one, which imports when it is asked for a name (docs/notebooks.md)."""
    below_top = [file for file in PACKAGE.rglob("__init__.py") if file.parent != PACKAGE]
    assert not [file for file in below_top if file.read_text(encoding="utf-8")]
