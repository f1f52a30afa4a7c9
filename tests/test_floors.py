"""The package is a house of floors: a module imports only from floors below its own (CONTRIBUTING.md)."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "junkdna"
FLOORS = [
    [
        "answer_place",
        "cli_parser",
        "compress.budget",
        "compress.columns",
        "compress.levels",
        "compress.packed",
        "compress.parts",
        "compress.quant_grid",
        "compress.result",
        "compress.select_rows",
        "compress.tensor_header",
        "difficulty",
        "errors",
        "figures.style",
        "frozen",
        "given",
        "metric_names",
        "metrics",
        "probes",
        "programs",
        "provenance",
        "report_words",
        "schema_places",
        "seam",
        "seeds",
        "sizes",
        "snakemake_runs",
        "training_state",
        "walk",
    ],
    [
        "answers",
        "compress.inputs",
        "compress.layer_names",
        "compress.registry",
        "compress.statistics",
        "cutting",
        "devices",
        "document_kinds",
        "figures.layout",
        "figures.words",
        "files",
        "job_log",
        "level_hints",
        "loading_checks",
        "local_files",
        "made_from",
        "missing_files",
        "model_config",
        "prompts",
        "requests_file",
        "rotary",
        "subsets",
        "tasks.knobs",
        "tasks.label_checks",
        "tasks.values",
        "text_files",
        "tokenizer",
        "unreadable",
        "windows",
        "workflow_errors",
        "yaml_text",
    ],
    [
        "causes",
        "compress.gptq",
        "compress.layer_report",
        "compress.nm",
        "compress.options",
        "compress.rtn",
        "compress.scope",
        "compress.select",
        "compress.svd",
        "compress.tensor_file",
        "compression_checks",
        "delimited",
        "figures.conditions",
        "figures.marks",
        "figures.saving",
        "keys",
        "local_digests",
        "machine",
        "models",
        "sealed",
        "table_parts",
        "tasks.fields",
        "token_tree",
        "yaml_messages",
    ],
    [
        "checkpoint",
        "companions",
        "compress.artefact",
        "compress.band",
        "compress.blocks",
        "compress.factor_cache",
        "compress.largest",
        "compress.magnitude",
        "compress.magnitude_layer",
        "compress.masks",
        "compress.random",
        "compress.sparsegpt",
        "compress.wanda",
        "compressing",
        "compression_grid",
        "encode",
        "figures.difficulty_scale",
        "figures.labels",
        "figures.lines",
        "generation",
        "json_rows",
        "model_files",
        "report_missing",
        "scope_page",
        "tasks.usable",
        "yaml_files",
    ],
    [
        "cell_inputs",
        "class_names",
        "compress.sequential",
        "figures.amount",
        "figures.levels",
        "recorded",
        "report_tables",
        "score",
        "source_spec",
        "tasks.load",
    ],
    [
        "answering",
        "calibration_spec",
        "figures.curves",
        "figures.difficulty_panels",
        "figures.headline",
        "figures.transfer",
        "objectives",
        "sources",
        "tasks.columns",
    ],
    [
        "answering_text",
        "cell_table",
        "figures.bands",
        "figures.budget",
        "figures.difficulty",
        "figures.sparsity",
        "model_source",
        "raw",
        "tasks.schema",
        "transfer",
    ],
    ["calibration", "cell", "figures.draw", "study_checks", "task_page"],
    ["report", "stored_compression", "study"],
    ["grid", "job_settings"],
    ["bring", "collect", "model_names", "model_places", "overview"],
    ["ahead", "commands", "inference", "places"],
    ["progress", "run_files", "stored_examples", "workflow_inputs"],
    ["cell_time", "missing", "stages"],
    ["disk_guess", "partial", "show", "status"],
    ["cli_stages", "disk", "run_end", "watch"],
    ["fetch", "leftovers", "plan"],
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
