"""`junkdna.open_results`: the examples in docs/notebooks.md work, and a wrong folder gives a helpful error."""

import re
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from matplotlib.figure import Figure
from project import ROOT

import junkdna
from junkdna.errors import UserError
from junkdna.report import results as report_results

STUDY = "results/studies/default"
PAGE = (ROOT / "docs/notebooks.md").read_text()


def test_the_code_of_the_page_runs(finished: Path, tmp_path: Path) -> None:
    code = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    names: dict = {}
    exec(code.replace('"headline.png"', repr(str(tmp_path / "headline.png"))), names)
    assert (tmp_path / "headline.png").stat().st_size > 10_000
    assert isinstance(names["figure"], Figure)
    dense = names["results"].examples(compression="dense").collect()
    for compression in ("magnitude-0.5", "wanda-0.5,calibration=phrases"):
        other = names["results"].examples(compression=compression).collect()
        lost = set(dense.filter(correct=1)["id"]) & set(other.filter(correct=0)["id"])
        assert set(names["lost"].filter(compression=compression)["id"]) == lost


def test_tables_are_those_of_the_study(finished: Path) -> None:
    results = junkdna.open_results(STUDY)
    assert results.cells.equals(pl.read_parquet(f"{STUDY}/tables/cells.parquet"))
    assert results.drops.equals(pl.read_parquet(f"{STUDY}/tables/drops.parquet"))
    assert results.cells is results.cells
    assert repr(results) == "<Results of results/studies/default: 3 cells, 3 drops>"


def test_examples_are_lazy_and_those_of_the_cells(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = junkdna.open_results(Path(STUDY).absolute())
    monkeypatch.chdir("/")
    rows = results.examples()
    assert isinstance(rows, pl.LazyFrame)
    table = rows.collect()
    assert table.columns[:8] == [*report_results.NAMES]
    means = table.group_by("cell").agg(score=pl.col("correct").mean(), n_examples=pl.len())
    both = results.cells.join(means, on="cell", suffix="_here")
    assert both.height == 3
    assert both["n_examples"].to_list() == both["n_examples_here"].to_list()
    assert both["score"].to_list() == pytest.approx(both["score_here"].to_list())
    with pytest.raises(UserError, match=r"no cell of .* matches"):
        results.examples(task="nothing")


def test_figures_are_those_of_the_study(finished: Path) -> None:
    results = junkdna.open_results(STUDY)
    assert {"headline", "claims", "sparsity_pruned", "sparsity-score_pruned"} <= set(results.figure_names())
    assert all(isinstance(results.figure(name), Figure) for name in results.figure_names())
    assert {"x", "y", "low", "high", "label"} <= set(results.marks("sparsity_pruned").columns)
    with pytest.raises(UserError, match=r"unknown figure 'headlin'\. Did you mean 'headline'"):
        results.figure("headlin")


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("results/studies/defalt", "does not exist (relative to '{here}'). Studies with tables: '" + STUDY + "'."),
        ("results", "has no tables/drops.parquet or tables/cells.parquet"),
        (f"{STUDY}/tables", f"Studies with tables: '{STUDY}'"),
        ("config.yaml", "is a file. Give the folder of a study."),
    ],
)
def test_a_wrong_folder_names_nearby_studies_and_the_command_to_run(finished: Path, folder: str, words: str) -> None:
    with pytest.raises(UserError) as error:
        junkdna.open_results(folder)
    assert words.format(here=finished) in str(error.value)
    assert str(error.value).startswith(repr(folder))
    assert "`snakemake --cores all` runs a study" in str(error.value)


def test_an_unfinished_study_leads_to_its_partial_tables(tmp_path: Path) -> None:
    tables = tmp_path / "study/partial/tables"
    tables.mkdir(parents=True)
    (tables / "drops.parquet").write_bytes(b"")
    with pytest.raises(UserError, match=r"Tables of the finished cells are in '.*/study/partial'"):
        junkdna.open_results(tmp_path / "study")


def test_a_study_without_its_cell_files_says_so(finished: Path, tmp_path: Path) -> None:
    tables = tmp_path / "moved/tables"
    tables.mkdir(parents=True)
    for name in ("cells", "drops"):
        (tables / f"{name}.parquet").write_bytes(Path(f"{STUDY}/tables/{name}.parquet").read_bytes())
    results = junkdna.open_results(tmp_path / "moved")
    assert results.drops.height == 3
    with pytest.raises(UserError, match=r"does not exist \(3 of 3 cell files are missing\)"):
        results.examples()


def test_importing_and_opening_load_neither_torch_nor_matplotlib(finished: Path) -> None:
    code = f"""
import sys, junkdna
assert not [name for name in sys.modules if name.startswith("junkdna.")]
junkdna.open_results({STUDY!r}).examples(method="dense").collect()
assert not {{"torch", "transformers", "matplotlib"}} & {{*sys.modules}}, "heavy"
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=finished)


def test_other_names_are_unknown() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = junkdna.nothing
