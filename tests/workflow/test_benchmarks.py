"""The scripts of `benchmarks/` start, say what they ran on, and are all listed."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from project import ROOT

FOLDER = ROOT / "benchmarks"
SCRIPTS = sorted(file.name for file in FOLDER.glob("*.py") if "__main__" in file.read_text(encoding="utf-8"))
WRITERS = {"lm_eval_golden.py", "lm_eval_logs.py", "lm_eval_prompts.py"}  # of files for tests; they measure no time
ELSEWHERE = {"stack_equivalence.py"}  # its runs are lines of JSON, which name the card


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_explains_its_options_and_the_readme_names_those_that_exist(name: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    monkeypatch.syspath_prepend(str(FOLDER))
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(FOLDER / name), run_name="__main__")
    assert ended.value.code == 0
    explained = capsys.readouterr().out
    assert f"usage: {name}" in explained
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    commands = re.findall(rf"`[^`]*\b{re.escape(name)}[^`]*`", readme)
    assert commands
    options = {option for command in commands for option in re.findall(r"(?<!\S)--[a-z-]+", command)}
    if "{" not in explained.split("options:")[0]:  # else they belong to its commands
        assert not {option for option in options if not re.search(rf"{option}\b", explained)}


@pytest.mark.parametrize("name", sorted({*SCRIPTS} - WRITERS - ELSEWHERE))
def test_it_prints_the_machine_and_versions(name: str) -> None:
    assert re.search(r"\bmachine\(", Path(FOLDER / name).read_text(encoding="utf-8"))


def test_the_machine_is_a_processor_or_gpu_with_cores_load_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    from machine import machine

    text = machine("numpy", "no-such-package")
    assert re.search(
        r"\S, \d+ cores, load [\d.]+, Python 3\.\d+\.\d+, numpy \d\S*, no-such-package not installed$", text
    )
    assert machine("numpy", gpu="NVIDIA H100").startswith("NVIDIA H100, load ")


@pytest.mark.parametrize(("wanted", "made"), [(1, 4), (20, 22), (100, 100), (150, 152), (1000, 1000), (20_000, 20_000)])
def test_join_cells_has_a_study_for_any_number_of_cells(
    wanted: int, made: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(FOLDER))
    script = runpy.run_path(str(FOLDER / "join_cells.py"))
    assert len(script["all_cells"](script["study"](wanted))) == made
