"""A new claim is one new file: tested by the workflow, printed and documented with no other file changed."""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
from project import ROOT, python_path
from workflow_run import environment

CLAIM = '''"""Claim: pruning costs something."""

from collections.abc import Iterator

from junkdna.analysis.claim_catalog import Claim
from junkdna.analysis.evidence import Block, Evidence, decision
from junkdna.analysis.findings import Finding

CLAIM = Claim(
    label="Pruning costs something",
    statement="The highest level scores less than dense.",
    effect="dense score - score of the highest level",
    supported="the drop is above 0",
    contradicted="the drop is below 0",
    source="Nobody 2026, arXiv 2601.00001",
    order=9,
)


def findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each pruning curve."""
    for curve in [curve for curves in evidence.pruned() for curve in curves]:
        block = Block(evidence, [curve])
        fit = block.panel().fit(lambda m: (m[0] - m[-1])[None])
        up, down = 2 * fit.p_above(0)[0], 2 * fit.p_below(0)[0]
        yield decision(block, fit, 0, None, unit=evidence.label(curve), p_supported=up, p_contradicted=down)
'''
STUDY = {
    "study": "new",
    "models": toy.STUDY["models"],
    "tasks": {"colours": toy.STUDY["tasks"]["colours"]},
    "experiments": {
        "new": {"title": "New", "models": ["tiny"], "tasks": ["colours"],
                "compressions": [{"method": "magnitude", "sparsity": [0.5, 1.0]}]},
    },
    "bootstrap": 500,
}  # fmt: skip
DOCS = "from junkdna.report.reference import claims; print(*claims.page(), sep='\\n')"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and its workflow with one file more."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("junkdna", "workflow", "rules", "envs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "junkdna/analysis/claims/costly.py").write_text(CLAIM)
    return folder


def run(clone: Path, folder: Path, *command: str) -> str:
    """What `python COMMAND` prints with the copy's code, in `folder`."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=environment({"PYTHONPATH": python_path(clone)}), check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_it_is_documented(clone: Path) -> None:
    page = run(clone, clone, "-c", DOCS)
    assert "## `costly`: Pruning costs something\n\nThe highest level scores less than dense." in page
    assert "| contradicted | the drop is below 0 |" in page


@pytest.mark.dag
@pytest.mark.long
def test_the_workflow_tests_it(clone: Path, world: Path) -> None:
    toy.write_yaml(world / "config.yaml", STUDY)
    run(clone, clone, "-m", "snakemake", "-s", str(clone / "workflow/Snakefile"), "-d", str(world), "--cores", "2")
    tables = world / "results/studies/new/tables"
    (row,) = pl.read_parquet(tables / "claims.parquet").filter(claim="costly").iter_rows(named=True)
    drop = pl.read_parquet(tables / "drops.parquet").filter(compression="magnitude-1").row(0, named=True)
    assert row["estimate"] == pytest.approx(drop["drop"])
    assert (row["low"], row["high"]) == pytest.approx((drop["drop_low"], drop["drop_high"]))
    assert row["levels"] == "magnitude-0.5 magnitude-1"
    assert "Pruning costs something: " in run(clone, world, "-m", "junkdna", "claims")
