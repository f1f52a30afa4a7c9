"""The package is a house of floors: a module imports only from floors below its own (CONTRIBUTING.md)."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "junkdna"
FLOORS = [
    [
        "errors",
        "seeds",
        "frozen",
        "walk",
        "training_state",
        "metric_names",
        "compress.levels",
        "compress.result",
        "compress.columns",
        "programs",
        "sizes",
        "snakemake_runs",
    ],
    ["files", "local_files", "job_log"],
    ["sealed", "model_files"],
    ["probes", "rotary", "loading_checks", "model_config"],
    ["yaml_files", "provenance", "devices", "compress.registry", "difficulty", "requests_file", "tokenizer"],
    [
        "compress.packed",
        "compress.parts",
        "compress.budget",
        "compress.quant_grid",
        "compress.layer_names",
        "compress.statistics",
    ],
    ["keys", "compress.options", "compress.tensor_file", "source_spec", "compress.inputs", "tasks.knobs"],
    ["tasks.fields", "windows", "prompts", "answers", "subsets", "compress.artefact", "compress.select_rows"],
    ["tasks.columns", "sources", "compress.select", "compress.scope", "tasks.load", "encode"],
    ["tasks.schema", "raw", "model_source", "compress.masks", "models", "metrics", "token_tree", "calibration_spec"],
    ["companions"],
    ["compression_grid", "compress.magnitude", "compress.largest", "compress.random", "compress.band", "compress.nm"],
    ["compress.magnitude_layer", "compress.rtn", "compress.gptq", "compress.svd", "compress.blocks", "scope_page"],
    ["compress.wanda", "compress.sparsegpt", "compress.factor_cache", "compress.layer_report", "compress.sequential"],
    ["compression_checks", "task_page", "score", "calibration", "compressing"],
    ["study_checks", "generation", "objectives", "stored_compression"],
    ["study", "transfer", "answering"],
    ["grid", "job_settings", "cell_table", "answering_text"],
    ["model_places"],
    ["places", "cell", "collect", "bring", "checkpoint"],
    ["ahead", "stored_examples", "inference", "overview"],
    ["commands", "progress", "run_files", "run_end"],
    ["cell_time", "machine"],
    ["disk_guess"],
    ["disk"],
    ["leftovers", "status", "fetch"],
    ["watch"],
    ["figures.style"],
    ["figures.words", "figures.layout", "figures.saving"],
    ["figures.conditions", "figures.marks", "figures.lines"],
    ["figures.labels", "figures.levels", "figures.difficulty_scale", "figures.amount"],
    ["figures.headline", "figures.difficulty_panels", "figures.curves", "figures.transfer"],
    ["figures.difficulty", "figures.sparsity", "figures.budget", "figures.bands"],
    ["figures.draw", "report_words"],
    ["report_tables"],
    ["report", "workflow_inputs", "stages"],
    ["cli_stages", "show", "plan"],
    ["doctor"],
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
