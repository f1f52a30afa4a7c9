"""What a person waits for at every start (help, validation, planning, parsing the workflow) imports nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "datasets", "matplotlib", "sklearn", "scipy")

REPORT = f"""
import atexit, os, sys
def report(code=0):
    heavy = [name for name in {HEAVY!r} if name in sys.modules]
    sys.stdout.flush()
    if heavy:
        print("HEAVY", *heavy, file=sys.stderr, flush=True)
    real_exit(3 if heavy else code)
real_exit = os._exit
os._exit = report  # the command line ends the process this way
atexit.register(report)
"""
COMMANDS = {
    "help": """
from junkdna.cli.main import main
try:
    main(["--help"])
except SystemExit as end:
    assert not end.code
""",
    "plan": 'from junkdna.cli.main import main\nmain(["plan"])',
    "plan --list": 'from junkdna.cli.main import main\nmain(["plan", "--list"])',
    "plan --commands": 'from junkdna.cli.main import main\nmain(["plan", "--commands", "--cell", "*/seed-1"])',
    "status": 'from junkdna.cli.main import main\nmain(["status"])',
    "tasks": 'from junkdna.cli.main import main\nmain(["tasks"])',
    "workflow inputs": "import junkdna.dag.inputs",
    "settings": """
from pathlib import Path
from junkdna.dag import inputs as workflow_inputs
from junkdna.study import grid, settings_from_study as job_settings
from junkdna.dag.source_checks import check_sources
from junkdna.study.grid import used_examples
from junkdna.study.load import load_study
resolved = load_study(Path("settings.yaml"))
check_sources(resolved)
cells = grid.all_cells(resolved)
assert len(cells) == 32 and all(job_settings.settings_text(cell, resolved) for cell in cells)
for cell in cells:
    job_settings.tokenize_settings(cell.model, cell.task, cell.token_knobs, cell.protocol, resolved)
    job_settings.model_settings(cell.model, resolved)
for task, role in used_examples(cells, resolved):
    job_settings.example_settings(task, role, resolved)
workflow_inputs.study_text(resolved)
print(len(workflow_inputs.figure_files(resolved, "f")), "figures")
""",
    "a mistake": """
from junkdna.cli.main import main
main(["plan", "--experiments", "nonsense"])
""",
}


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", REPORT + code], capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_heavy_is_imported(world, name):
    done = run(COMMANDS[name])
    assert "HEAVY" not in done.stderr, done.stderr
    assert done.returncode == (2 if name == "a mistake" else 0), done.stderr
    assert "Traceback" not in done.stderr
    if name != "workflow inputs":
        assert done.stdout or name == "a mistake"
    if name == "a mistake":
        assert "unknown experiment 'nonsense'" in done.stderr


def test_the_check_sees_a_heavy_import(world):
    done = run("import scipy")
    assert done.returncode == 3
    assert "HEAVY scipy" in done.stderr
