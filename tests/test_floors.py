"""The package is a house of floors: a module imports only from floors below its own (CONTRIBUTING.md)."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "junkdna"
FLOORS = [
    ["errors", "seeds", "files"],
    ["yaml_files", "provenance", "devices", "keys", "compress.registry", "difficulty"],
    ["source_spec", "compress.inputs", "tasks.knobs"],
    ["tasks.schema"],
    ["study", "sources", "compress.select", "compress.scope", "tasks.load"],
    ["grid", "raw", "model_source", "encode", "compress.masks"],
    ["compress.magnitude", "compress.largest", "compress.random", "compress.nm", "places", "models", "metrics"],
    ["score"],
    ["transfer"],
    ["cell", "collect"],
    ["inference", "overview"],
    ["figures.style"],
    ["figures.headline", "figures.sparsity", "figures.transfer"],
    ["figures.draw"],
    ["report", "workflow_inputs", "stages"],
    ["cli_stages"],
    ["cli"],
    ["__main__"],
]


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


def imports(file: Path) -> set[str]:
    """Modules of the package that a file imports at run time, inside functions too (type-checking blocks apart)."""
    found: set[str] = set()
    tree = ast.parse(file.read_text())
    skipped = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in skipped and (node.module or "").startswith("junkdna"):
            inside = node.module.removeprefix("junkdna").lstrip(".")
            names = {".".join(filter(None, (inside, alias.name))) for alias in node.names}
            known = {name for name in names if (PACKAGE / f"{name.replace('.', '/')}.py").is_file()}
            found |= known or {inside}
    return found


def test_every_module_has_a_floor() -> None:
    files = {name_of(file) for file in PACKAGE.rglob("*.py") if file.name != "__init__.py"}
    assert files == {module for floor in FLOORS for module in floor}


def test_modules_import_only_from_floors_below() -> None:
    height = {module: number for number, floor in enumerate(FLOORS) for module in floor}
    wrong = [
        f"{name_of(file)} (floor {height[name_of(file)]}) imports {other} (floor {height[other]})"
        for file in PACKAGE.rglob("*.py")
        if file.name != "__init__.py"
        for other in imports(file)
        if height[other] >= height[name_of(file)]
    ]
    assert not wrong, "\n".join(wrong)
