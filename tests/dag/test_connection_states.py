"""Which lines are left to score, and which cells of a run keep their weights for them."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import toy_connections
import toy_run

from junkdna.cli.plan import commands
from junkdna.dag.connection_states import connections_left, outputs_of, plan_line, want_weights, wanted_by
from junkdna.run.trained_weights import TRAINED, folder_of
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import Cell
from junkdna.study.connections import Connection, all_connections, connect_settings
from junkdna.study.study import Resolved


@pytest.fixture
def resolved(lines_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    monkeypatch.chdir(shutil.copytree(lines_once, tmp_path / "world"))
    return toy_connections.read()


def wanted(resolved: Resolved) -> set[tuple[Cell, str]]:
    """Pairs of a cell and the path of a line for which it keeps its weights."""
    found = set()
    for line in all_connections(resolved):
        mark = f"{settings_fingerprint(connect_settings(line, resolved))}.wanted"
        found |= {
            (cell, line.path) for cell in line.cells if (folder_of(toy_run.settings_of(cell, resolved)) / mark).exists()
        }
    return found


def ends(*lines: Connection) -> set[tuple[Cell, str]]:
    return {(cell, line.path) for line in lines for cell in line.cells}


def test_nothing_is_kept_for_lines_that_are_scored(resolved: Resolved) -> None:
    assert connections_left(resolved) == []
    want_weights(resolved, [all_connections(resolved)[0].end.path.replace("sparse", "dense_freeze")])
    assert wanted(resolved) == set()
    assert not [*TRAINED.iterdir()]


def test_a_line_is_left_if_a_file_of_its_cells_is_gone(resolved: Resolved) -> None:
    """The file of the line is still that of its settings, but Snakemake scores it again after the cell."""
    first, second, control = all_connections(resolved)
    Path(first.end.path).unlink()
    assert connections_left(resolved) == [first]
    want_weights(resolved)
    assert wanted(resolved) == ends(first)
    line = next(iter(plan_line(resolved)))
    assert line.startswith("lines   3 lines between trained cells, 1 to score (1 of them have a file of other")
    Path(control.end.path).unlink()  # also the start of the second line
    assert connections_left(resolved) == [first, second, control]


def test_lines_of_cells_that_run_again_for_other_reasons_keep_weights(resolved: Resolved) -> None:
    first, second, control = all_connections(resolved)
    want_weights(resolved, [first.end.path])
    assert wanted(resolved) == ends(first)
    want_weights(resolved, [second.start.path])
    assert wanted(resolved) == ends(second, control)
    want_weights(resolved, [control.path])
    assert wanted(resolved) == ends(control)


def test_the_outputs_of_a_run_are_those_of_the_jobs_that_snakemake_runs() -> None:
    jobs = [SimpleNamespace(output=["a", "b"]), SimpleNamespace(output=["c"])]
    assert outputs_of(SimpleNamespace(dag=SimpleNamespace(needrun_jobs=lambda: iter(jobs)))) == {"a", "b", "c"}


def test_the_command_of_a_cell_names_the_lines_for_which_it_keeps_weights(resolved: Resolved) -> None:
    first, _, control = all_connections(resolved)
    untrained = [cell for cell in toy_run.grid.all_cells(resolved) if cell.transfer == "none"]
    assert all("--keep-weights-for" not in line for line in commands(resolved, untrained))
    [line] = commands(resolved, [first.start])
    prints = [settings_fingerprint(connect_settings(each, resolved)) for each in (first, control)]
    assert wanted_by(first.start, resolved) == prints
    assert f" --keep-weights-for {','.join(prints)} --settings " in line
