"""The code that a job runs is in its fingerprint, but for listed modules on which no number depends."""

import ast
import inspect
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
import toy_run

from junkdna.storage import fingerprint
from junkdna.study import compress_settings, grid, settings_from_study, source_settings
from junkdna.study.cell import Cell
from junkdna.study.grid import used_examples

NO_NUMBER_DEPENDS_ON = fingerprint.NOT_COUNTED | {
    "junkdna.cli.jobs": "compares inputs with the settings and calls the code that makes the output",
    "junkdna.run.batched_files": "which process runs a cell",
    "junkdna.run.batches": "which process runs a cell",
    "junkdna.run.companions": "which process runs a cell",
    "junkdna.run.stack_jobs": "which process runs a cell, and by which engine, which settings and device determine",
    "junkdna.run.stack_checkpoint": "a resumed stack gives the same numbers (test_stack_kills)",
    "junkdna.run.plain_jobs": "which process runs a cell",
    "junkdna.run.shared_inputs": "a cell with shared inputs gives the same numbers (test_shared_inputs)",
    "junkdna.run.trained_weights": "writes the weights of a cell; none of its numbers depends on it",
    "junkdna.run.compile_cache": "where compiled kernels are kept",
    "junkdna.run.process": "the age of the process",
    "junkdna.storage.tensor_header": "reads which cells a checkpoint is of",
    "junkdna.run.checkpoint": "a resumed cell gives the same numbers (test_checkpoint)",
    "junkdna.run.gpus": "which device is free",
    "junkdna.run.full_memory": "messages",
    "junkdna.run.job_log": "the log",
    "junkdna.storage.local_file_hashes": "hashes of local files, which are part of the settings",
    "junkdna.study.compress_settings": "makes settings, which are part of the fingerprint",
    "junkdna.study.settings_from_study": "makes settings, which are part of the fingerprint",
    "junkdna.study.settings_base": "reads settings",
    "junkdna.study.source_settings": "makes settings, which are part of the fingerprint",
    "junkdna.study.sources": "makes settings, which are part of the fingerprint",
}
LOADERS = {
    "analysis/claim_catalog.py",
    "report/draw.py",
    "study/formats.py",
    "study/methods.py",
}  # load a file by the name of an extension, which the job's list holds
KINDS = ("examples", "tokenize", "calibration", "compress", "cell")
"""The jobs `wheel` and `model` copy pinned bytes, of which cells hold the digest: no code is in their settings."""


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """In settings, the list of modules in place of their fingerprint."""
    for module in (settings_from_study, source_settings, compress_settings):
        monkeypatch.setattr(module, "code_fingerprint", lambda *modules: ",".join(modules))


def listed(of: object) -> tuple[str, ...]:
    """The modules that a job lists."""
    return tuple((of["code"] if isinstance(of, dict) else of.code).split(","))


def imported_in_functions(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {*fingerprint.imported_modules(node for function in functions for node in ast.walk(function))}


def lists_of(cell: Cell, resolved: object) -> dict[str, tuple[str, ...]]:
    """Kind of job -> the modules that the job lists, of a cell and of everything that is made before it."""
    place = (cell.model, cell.task, cell.token_knobs, cell.protocol)
    of = {
        "cell": settings_from_study.cell_settings(cell, resolved),
        "tokenize": settings_from_study.tokenize_settings(*place, resolved),
    }
    of["examples"] = source_settings.example_settings(cell.task, "evaluate", resolved)
    if cell.compressed_path is not None:
        stored = (cell.model, cell.compression, cell.seed, resolved)
        of["compress"] = compress_settings.compressed_settings(*stored)
        if "calibration" in dict(cell.compression.options):
            name = compress_settings.calibration_of(cell.compression)
            of["calibration"] = compress_settings.calibration_file_settings(cell.model, name, cell.seed, resolved)
    return {kind: listed(each) for kind, each in of.items()}


@pytest.mark.usefixtures("world", "lists")
def test_a_module_that_is_imported_inside_a_function_is_listed_by_some_job_of_its_kind():
    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for file in ("settings.yaml", "methods.yaml"):
        resolved = toy_run.read(file)
        for cell in grid.all_cells(resolved):
            for kind, modules in lists_of(cell, resolved).items():
                found[kind].add(modules)
            if resolved.study.models[cell.model].kind == "decoder" and resolved.tasks[cell.task].trains:
                trained = settings_from_study.cell_settings(replace(cell, transfer="dense"), resolved)
                found["cell"].add(listed(trained))  # the toy studies train no language model
    assert {*found} == {*KINDS}
    for kind, variants in found.items():
        known = {*NO_NUMBER_DEPENDS_ON}.union(*map(fingerprint.closure, variants))
        for module in {*known} - {*NO_NUMBER_DEPENDS_ON}:
            if kind == "tokenize" and module.startswith("junkdna.evaluate.formats."):
                continue  # what scoring and training import, which this job does not
            missing = imported_in_functions(fingerprint.file_of(module)) - known
            assert not missing, f"{module} imports {missing} inside a function: list it in the settings of {kind}"


def run_modules(job: Callable, *args: object, **named: object) -> set[str]:
    """Modules of the package of which a function runs during a call, but not those only imported."""
    seen: set[str] = set()

    def profile(frame: object, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:  # a function: no module, no class body
            seen.add(frame.f_globals.get("__name__") or "")

    sys.setprofile(profile)
    try:
        job(*args, **named)
    finally:
        sys.setprofile(None)
    return {name for name in seen if name.startswith("junkdna.")}


def one_of_each(cells: list[Cell]) -> list[Cell]:
    """Cells that differ in what code they run: compressed, calibrated, stored, trained or not, and the task."""
    kinds = {}
    for cell in cells:
        calibrated = "calibration" in dict(cell.compression.options)
        compressed = (bool(cell.compression.level), calibrated, cell.compressed_path is None)
        kinds[(*compressed, cell.transfer == "none", cell.task)] = cell
    return [*kinds.values()]


@pytest.mark.usefixtures("world", "lists")
@pytest.mark.parametrize("study", ["settings.yaml", "methods.yaml"])
def test_the_code_of_a_job_is_in_its_fingerprint(monkeypatch, study):
    for package in ("data", "models", "compress", "compress/methods", "evaluate", "evaluate/formats", "train", "run"):
        for file in (fingerprint.PACKAGE / package).glob("*.py"):
            import_module(f"junkdna.{package.replace('/', '.')}.{file.stem}".removesuffix(".__init__"))
    ran = defaultdict(set)

    def watched(kind: str) -> Callable:
        job = getattr(toy_run.jobs, kind)

        def run(output: Path, of: object, *args: object, **named: object) -> None:
            counted = {*fingerprint.closure(listed(of)), *NO_NUMBER_DEPENDS_ON}
            ran[kind] |= {(listed(of), name) for name in run_modules(job, output, of, *args, **named) - counted}

        return run

    for kind in KINDS:
        monkeypatch.setattr(toy_run.jobs, kind, watched(kind))
    resolved = toy_run.read(study)
    cells = one_of_each(grid.all_cells(resolved))
    assert used_examples(cells, resolved)
    toy_run.prepare(resolved, cells)
    for cell in cells:
        toy_run.run(cell, resolved)
    assert {"examples", "tokenize", "cell"} <= {*ran}
    assert {kind: missing for kind, missing in ran.items() if missing} == {}


def test_no_module_is_imported_by_a_name_in_a_string():
    for file in fingerprint.PACKAGE.rglob("*.py"):
        if file.relative_to(fingerprint.PACKAGE).as_posix() not in LOADERS:
            names = {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}
            assert not names & {"import_module", "__import__"}, f"{file}: fingerprints cannot see what it imports"
