"""`junkdna published`: the table of reproduction as text, or why nothing is covered."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy_run
from figure_tables import Condition, drops_table

from junkdna.analysis.published_overlay import reproduction
from junkdna.cli.published import published
from junkdna.cli.table_jobs import write_table
from junkdna.errors import UserError
from junkdna.storage.tables import write_frame

LARGE = "FacebookAI/roberta-large"
RTE = {0.1: 94.218, 0.3: 83.084, 0.5: 62.527}  # percent of dense


def plant(drops: pl.DataFrame) -> list[str]:
    """What the command prints for the study of the folder with these drops."""
    resolved = toy_run.read()
    folder = Path("results/studies") / resolved.study.study / "tables"
    write_frame(drops, folder / "drops.parquet")
    write_table(reproduction(drops), folder / "reproduction.parquet")
    return list(published(resolved))


def rows(task: str, **more) -> pl.DataFrame:
    own = {"model": "big", "hub": LARGE, "transfers": ("dense", "sparse"), "levels": tuple(RTE), "experiment": "pairs"}
    own |= more
    drops = drops_table([Condition(task, own.pop("knobs", ""), task.upper(), 0.5, 0.9, 0.5, **own)])
    return drops.with_columns(achieved_sparsity="sparsity")


def test_a_row_for_each_curve_with_numbers_by_hand(study, world: Path) -> None:
    """Shifts of 1, -1 and 4 points; the intervals reach 2 points to each side."""
    drops = rows("rte").filter(pl.col("method") != "dense").sort("sparsity")
    relative = [value + shift for value, shift in zip(RTE.values(), (1, -1, 4), strict=True)]
    planted = pl.Series("relative_score", relative)
    drops = drops.with_columns(planted, relative_score_low=planted - 2, relative_score_high=planted + 2)
    name, header, line, empty, *notes = plant(drops)
    assert name == "pairs"
    assert header.split("  ")[1] == "condition"
    assert line.split()[:9] == ["RTE", "big", "magnitude", "unstructured", "sparse", "llm", "3", "of", "9"]
    assert line.split()[9:11] == ["0", "2.4"]  # sqrt((1 + 1 + 16) / 3)
    assert line.split()[-1] == "67"
    assert empty == ""
    assert "arXiv 2310.02277" in notes[0]


def test_a_curve_without_a_common_level(study, world: Path) -> None:
    line = plant(rows("rte", levels=(0.15,)))[2]
    assert line.split()[6:] == ["0", "of", "9", "0", "-", "-", "-"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hub": ""}, "none of its models is that of a published curve"),
        ({"task": "mrpc"}, "no published curve has one of its tasks"),
        ({"transfers": ("none",)}, "no published curve has one of its transfer modes"),
        ({"knobs": "data_fraction=10"}, "no published curve has the same knobs"),
        ({"methods": ("random",)}, "other methods or other options"),
    ],
)
def test_nothing_covered_says_why_and_what_is_covered(study, world: Path, change, words) -> None:
    first, *others = plant(rows(**{"task": "rte"} | change))
    assert first.startswith("No published curve shows a condition of study ")
    assert words in first
    covered = [line.split() for line in others if line.startswith("  ")]
    assert [LARGE, "rte", "sparse", "magnitude,", "nm", "defaults"] in covered
    assert {line[1] for line in covered if line[0] == "lmsys/vicuna-7b-v1.3"} == {"trivia_qa"}


def test_of_a_study_that_was_run(finished: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "junkdna", "published"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("No published curve shows a condition of study default: none of its models is")


def test_an_unfinished_study_says_what_to_run(study, world: Path) -> None:
    with pytest.raises(UserError, match=r"reproduction\.parquet does not exist.*snakemake"):
        list(published(toy_run.read()))
