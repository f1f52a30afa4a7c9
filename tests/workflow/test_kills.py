"""A few rounds of `kill_rounds`; JUNKDNA_KILL_ROUNDS=50 runs that many, and JUNKDNA_KILL_SEED picks others.

And what becomes of files that a kill left half-written.
"""

import os
import subprocess
import sys
from pathlib import Path

import kill_rounds
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kill_rounds import Round

from junkdna.storage.atomic import atomic_write


def check(folder: Path, rounds: list[Round], seed: int = 0) -> None:
    done = kill_rounds.run_rounds(folder, rounds, seed)
    assert not {one.number: one.wrong for one in done if one.wrong}
    assert all(one.files_opened >= 7 for one in done), "the watcher saw next to nothing"


@pytest.mark.dag
def test_a_killed_study_that_is_run_again_has_the_numbers_of_an_undisturbed_one(tmp_path: Path) -> None:
    count, seed = int(os.environ.get("JUNKDNA_KILL_ROUNDS", 0)), int(os.environ.get("JUNKDNA_KILL_SEED", 0))
    usual = Round(0, "snakemake", "SIGKILL", cells_per_job=1, bare=False, orphans="wait")
    check(tmp_path, kill_rounds.plan(count, seed) if count else [usual], seed)


@pytest.mark.dag
@pytest.mark.long
def test_a_killed_job_of_several_cells_that_is_run_again_leaves_the_same_numbers(tmp_path: Path) -> None:
    check(tmp_path, [Round(1, "cell", "SIGKILL", cells_per_job=4, bare=False, orphans="wait")])


def test_a_round_would_see_a_half_file_another_number_and_what_is_left_behind(tmp_path: Path) -> None:
    cell = tmp_path / "results/cells/seed-0.parquet"
    cell.parent.mkdir(parents=True)
    watcher = kill_rounds.Watcher(tmp_path)
    pq.write_table(pa.table({"score": [0.5]}), cell)
    watcher.look()
    assert watcher.wrong == []
    whole = cell.read_bytes()
    cell.write_bytes(whole[:-9])
    watcher.look()
    assert "unreadable results/cells/seed-0.parquet" in watcher.wrong[0]
    cell.write_bytes(whole)
    joined = tmp_path / kill_rounds.TABLE
    joined.parent.mkdir(parents=True)
    pl.DataFrame({"score": [0.5], "wall_s": [1.0]}).write_parquet(joined)
    for score, wrong in ((0.5, 0), (0.25, 2)):
        table = pa.table({"score": [score]})
        cells, frame = {"results/cells/seed-0.parquet": table}, pl.from_arrow(table).with_columns(wall_s=2.0)
        worlds = kill_rounds.Worlds(tmp_path, tmp_path, cells, frame)
        assert len(kill_rounds.differences(worlds, tmp_path)) == wrong
    assert kill_rounds.leftovers(tmp_path) == []
    (cell.parent / ".seed-0.parquet.x.tmp").touch()
    assert kill_rounds.leftovers(tmp_path) == ["left behind: results/cells/.seed-0.parquet.x.tmp"]


WRITER = """
import sys
from pathlib import Path
from junkdna.storage.atomic import atomic_write
with atomic_write(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    sys.stdin.readline()
    temporary.write_text("whole")
"""


def writer(target: Path) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(target)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "writing\n"
    return process


@pytest.mark.parametrize("name", ["seed-0.parquet", "a[1]b*.txt", 100 * "n"])
def test_the_next_writer_removes_what_a_kill_left_and_nothing_of_the_living(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    other = writer(tmp_path / "other")
    killed, living = writer(target), writer(target)
    assert len([*tmp_path.iterdir()]) == 3
    killed.kill()
    killed.communicate()
    assert len([*tmp_path.iterdir()]) == 3
    with atomic_write(target) as temporary:
        temporary.write_text("next")
    assert target.read_text() == "next"
    assert len([*tmp_path.glob(".*.tmp")]) == 2
    for each in (living, other):
        each.communicate("\n")
        assert each.returncode == 0
    assert target.read_text() == "whole"
    assert {file.name for file in tmp_path.iterdir()} == {name, "other"}
