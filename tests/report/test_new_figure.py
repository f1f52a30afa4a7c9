"""A new figure is one new file: named as a target, drawn, captioned and documented with no other file changed."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import page_tables
import pytest
import toy
from figure_tables import Condition, drops_table
from other_tables import write_tables
from PIL import Image
from project import ROOT, SUPPORT, python_path

from junkdna.storage.tables import write_frame

FIGURE = '''"""Drop against score: a dot for each compression."""

import polars as pl

from junkdna.report.catalog import Figure
from junkdna.report.plotting import text, ticks
from junkdna.report.plotting.drawing import Axis, Drawing, Mark, Panel

FIGURE = Figure(
    label="Drop against score",
    caption="One dot for each compression & condition; harder ones are at the left.",
    order=9,
    levels=("bits", "rank"),
)


def marks(drops: pl.DataFrame, experiment: str) -> Drawing:
    """A dot for each row of the experiment."""
    rows = drops.filter(pl.col("experiment") == experiment)
    pairs = rows.select("score", "drop").rows()
    dots = tuple(Mark(panel=0, kind="point", x=x, y=y, marker="circle") for x, y in pairs)
    x, y = (Axis(label=name, limits=(0.0, 1.0), ticks=ticks.round_ticks(0, 1)) for name in ("score", "drop"))
    panels = (Panel(title="", x=x, y=y),)
    return Drawing(title=f"{FIGURE.label}: {experiment}", panels=panels, marks=dots, caption=text.facts(rows, "Dots"))
'''
TARGETS = """
from junkdna.dag.inputs import figure_files
from junkdna.study.load import load_study
from pathlib import Path
print(*figure_files(load_study(Path("config.yaml")), "f"), sep="\\n")
"""
DOCS = "from junkdna.report.reference import figures; print(*figures.page(), sep='\\n')"
WITHOUT_PDF = f"""
import sys
sys.path.append({str(SUPPORT)!r})
import drawing
from junkdna.cli.main import main
drawing.only("png", "svg")
main()
"""
BITS, SPARSITY = {"method": "rtn", "bits": [4]}, {"method": "magnitude", "sparsity": [0.5]}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with one file more."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "junkdna", folder / "junkdna", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "junkdna/report/figures/dots.py").write_text(FIGURE)
    return folder


def run(clone: Path, *command: object) -> str:
    """What `python COMMAND` prints with the copy's code, in the working folder."""
    env = {**os.environ, "PYTHONPATH": python_path(clone)}
    done = subprocess.run([sys.executable, *map(str, command)], env=env, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_workflow_names_it_for_the_experiments_that_have_it(clone: Path, world: Path, study: dict) -> None:
    base = study["experiments"]["context"]
    study["experiments"] = {"bits": {**base, "compressions": [BITS]}, "pruned": {**base, "compressions": [SPARSITY]}}
    toy.write_yaml(world / "config.yaml", study)
    targets = set(run(clone, "-c", TARGETS).split())
    assert {f"f/figures/dots_bits.{ending}" for ending in ("pdf", "svg", "png", "csv")} <= targets
    assert not [target for target in targets if "dots_pruned" in target]


def test_the_jobs_draw_it_and_show_its_caption(clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    drops = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, "x", methods=(), compressions=("rtn-4bit",))])
    write_tables(drops, tmp_path / "drops.parquet")
    write_frame(page_tables.cells_table(drops), tmp_path / "cells.parquet")
    (tmp_path / "study.json").write_text(json.dumps({"study": {"study": "mine"}}))
    run(clone, "-c", WITHOUT_PDF, "figures", "drawn", "--drops", "drops.parquet")
    assert {file.name for file in Path("drawn").glob("dots*")} == {
        f"dots_x.{end}" for end in ("pdf", "svg", "png", "csv")
    }
    assert min(Image.open("drawn/dots_x.png").size) > 400
    run(clone, "-m", "junkdna", "report", "report.html", "--tables", ".", "--study", "study.json")
    caption = "One dot for each compression &amp; condition; harder ones are at the left."
    assert caption in Path("report.html").read_text(encoding="utf-8")


def test_the_docs_list_it(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(clone)
    page = run(clone, "-c", DOCS)
    assert "## `dots_EXPERIMENT`\n\nDrop against score. Drawn for every experiment with levels of kind `bits`" in page
    assert "One dot for each compression & condition" in page
