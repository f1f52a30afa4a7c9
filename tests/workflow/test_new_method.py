"""A new compression method is one new file: listed, validated, run, drawn and documented with no other file changed."""

import filecmp
import shutil
import subprocess
from pathlib import Path

import polars as pl
import pytest
import toy
from job_server import DRAWN, python_folder, quick_python
from project import ROOT, python_path
from workflow_run import environment

METHOD = '''"""Pruning by |w| times a power of the norm of its column: inputs that carry little go first."""

from torch import Tensor

from junkdna.compress.checks import check_matrix, prune_count
from junkdna.compress.masks import MatrixResult
from junkdna.compress.select_rows import keep_highest_per_row
from junkdna.study.methods import Method

METHOD = Method(
    label="column norm",
    caption="small weights of small columns pruned",
    line_style=(0, (9, 1)),
    meaning="prune the smallest |w| x norm of its column in each output row",
    source="Nobody 2026, arXiv 2601.00001",
    over="matrix",
    levels=("sparsity",),
    options={
        "power": {
            "default": 1.0,
            "minimum": 0,
            "maximum": 4,
            "meaning": "the power that the norm is raised to",
            "label": {"*": "norm to the power {}"},
        },
    },
    guarantee="row",
)


def compress(weight: Tensor, statistics: None, level: float, power: float = 1.0) -> MatrixResult:
    """The mask of one (out, in) matrix; floor(in * level) weights of each row go."""
    check_matrix(weight)
    scores = weight.detach().abs() * weight.detach().norm(dim=0) ** power
    inputs = weight.shape[1]
    return MatrixResult(keep_highest_per_row(scores, inputs - prune_count(inputs, level)), None)
'''
FILE = "junkdna/compress/methods/column_norm.py"
CODE = ("junkdna", "workflow", "rules", "envs")
STUDY = {
    "study": "new",
    "models": toy.STUDY["models"],
    "tasks": {"colours": toy.STUDY["tasks"]["colours"]},
    "experiments": {
        "new": {"title": "A new method", "models": ["tiny"], "tasks": ["colours"],
                "compressions": [{"method": "magnitude", "sparsity": [0.3, 0.5]},
                                 {"method": "column_norm", "sparsity": [0.3, 0.5], "power": 2}]},
    },
    "bootstrap": 200,
}  # fmt: skip


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its workflow with one file more."""
    folder = tmp_path_factory.mktemp("clone")
    for name in CODE:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / FILE).write_text(METHOD)
    return folder


def run(clone: Path, folder: Path, *command: str) -> subprocess.CompletedProcess:
    """`python -m COMMAND` with the copy's code (`job_server`), in `folder`; stdout and stderr come back together."""
    return subprocess.run(
        [quick_python(clone), "-m", *command], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment({"PYTHONPATH": python_path(clone), DRAWN: "svg"}, python_folder(clone)), check=False,
        timeout=900,
    )  # fmt: skip


def refused(clone: Path, world: Path, **compression: object) -> str:
    """What `junkdna plan` says of a study with this compression."""
    study = {**STUDY, "experiments": {"new": {**STUDY["experiments"]["new"], "compressions": [compression]}}}
    toy.write_yaml(world / "config.yaml", study)
    done = run(clone, world, "junkdna", "plan")
    assert done.returncode == 2, done.stdout
    return done.stdout


def test_it_is_listed_and_documented(clone: Path) -> None:
    listed = run(clone, clone, "junkdna", "methods").stdout
    line = next(line for line in listed.splitlines() if line.startswith("column_norm "))
    assert "prune the smallest |w| x norm of its column in each output row  [power, layers, allocation, " in line
    table = run(clone, clone, "junkdna", "methods", "--markdown").stdout
    assert "| `column_norm` | `sparsity` | `power` (1), `layers` (all), `allocation` (uniform), " in table
    assert "[arXiv 2601.00001](https://arxiv.org/abs/2601.00001) |" in table
    assert "| `power` | `column_norm` | number from 0 to 4 | the power that the norm is raised to |" in table


def test_its_levels_and_options_are_validated(clone: Path, world: Path) -> None:
    new = {"method": "column_norm", "sparsity": 0.5}
    assert "option power of method column_norm must be at most 4 (given: 9.0)" in refused(clone, world, **new, power=9)
    assert "power: must be a number (given: 'high')" in refused(clone, world, **new, power="high")
    assert "unknown key 'powr'. Did you mean 'power'" in refused(clone, world, **new, powr=2)
    assert "Did you mean 'column_norm'" in refused(clone, world, method="colum_norm", sparsity=0.5)
    assert "method column_norm takes sparsity: [0.3, 0.5]" in refused(clone, world, method="column_norm", bits=4)
    other = refused(clone, world, method="magnitude", sparsity=0.5, power=2)
    assert "method magnitude has no option power; its options: reference_ties, embeddings" in other


@pytest.fixture(scope="module")
def finished(clone: Path, toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy world in which the copy's workflow ran a study with the new method."""
    world = tmp_path_factory.mktemp("new") / "world"
    shutil.copytree(toy_world_once, world)
    toy.write_yaml(world / "config.yaml", STUDY)
    done = run(clone, clone, "snakemake", "-s", str(clone / "workflow/Snakefile"), "-d", str(world), "--cores", "2")
    assert done.returncode == 0, done.stdout
    return world


@pytest.mark.dag
def test_the_workflow_runs_it_and_checks_its_guarantee(finished: Path) -> None:
    drops = pl.read_parquet(finished / "results/studies/new/tables/drops.parquet")
    achieved = dict(drops.select("compression", "achieved_sparsity").iter_rows())
    assert achieved["column_norm-0.5,power=2"] == 0.5
    assert achieved["column_norm-0.3,power=2"] == pytest.approx(0.3, abs=0.02)  # floor(32 * 0.3) = 9 of each row


@pytest.mark.dag
def test_it_is_drawn_under_its_own_name_and_line_style(finished: Path) -> None:
    figure = (finished / "results/studies/new/figures/sparsity_new.svg").read_text()
    assert "<!-- small weights of small columns pruned" in figure
    assert "norm to the power 2" in figure
    assert "stroke-dasharray: 9.9,1.1" in figure  # (9, 1) times the line width of 1.1


@pytest.mark.dag
def test_no_other_file_changed(clone: Path, finished: Path) -> None:
    def files(root: Path) -> set[str]:
        found = (file for name in CODE for file in (root / name).rglob("*") if "__pycache__" not in file.parts)
        return {str(file.relative_to(root)) for file in found if file.is_file()}

    assert files(clone) - files(ROOT) == {FILE}
    _, differing, unreadable = filecmp.cmpfiles(clone, ROOT, files(ROOT), shallow=False)
    assert (differing, unreadable) == ([], [])
