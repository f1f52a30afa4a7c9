"""`junkdna status`, once and with --watch: states from real cell files and logs; only changed files are read again."""

import io
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy
import toy_run
from toy_studies import TEN_CELLS

from junkdna.cli import status as cli_status
from junkdna.cli.status import stale_files, status
from junkdna.dag import state as dag_state
from junkdna.dag.state import Progress, log_path
from junkdna.storage.fingerprint import digest
from junkdna.study import grid
from junkdna.study.cell import Cell
from junkdna.study.paths import BATCHES
from junkdna.study.settings_from_study import settings_text
from junkdna.study.study import Resolved

STUDY = {
    **TEN_CELLS,
    "tasks": {"colours": TEN_CELLS["tasks"]["colours"]},
    "experiments": {"context": TEN_CELLS["experiments"]["context"]},
}


@pytest.fixture
def resolved(ten_cells_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Resolved:
    """`STUDY` (six cells, all done) in a copy of the finished world, which is the working folder."""
    monkeypatch.chdir(shutil.copytree(ten_cells_once, tmp_path / "world"))
    toy.write_yaml(Path("config.yaml"), STUDY)
    return toy_run.read()


def log_of(cell: Cell, *lines: str, process: int | None = None) -> None:
    path = log_path(cell.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S,000")
    first = f"started on {socket.gethostname()} as process {process or os.getpid()}"
    path.write_text("".join(f"{stamp} {line}\n" for line in (first, *lines)))


def test_all_done(resolved: Resolved) -> None:
    first, experiment, *rest = status(resolved)
    assert first == "6 of 6 cells done, 0 missing, 0 stale"
    assert experiment.split() == ["context", "6", "of", "6", "done"]
    assert rest[-1].startswith("finished cells took ")
    assert not any("nothing is running" in line for line in rest)


def test_every_state_is_counted_and_named(resolved: Resolved) -> None:
    one, two, three, four, five, six = grid.all_cells(resolved)
    BATCHES.mkdir(parents=True)
    Path(one.path).rename(BATCHES / f"{digest(settings_text(one, resolved))}.parquet")
    Path(two.path).unlink()
    log_of(two, "the data are wrong", "failed with exit code 2")
    Path(three.path).write_bytes(Path(three.path).read_bytes()[:-40])
    Path(four.path).unlink()
    log_of(four, process=subprocess_number())
    Path(five.path).unlink()
    log_of(five, "colours: 0.5", "finished")
    lines = list(status(resolved))
    assert lines[0] == "1 of 6 cells done, 1 batched, 1 running, 1 failed, 1 missing, 0 stale, 1 broken"
    assert f"broken: {three.path}" in lines
    assert lines[lines.index(f"failed: {two.path}") + 1] == "    the data are wrong"
    assert stale_files(resolved) == [three.path]
    assert six.path in [cell.path for cell, state in Progress(resolved).look().states.items() if state == "done"]


def subprocess_number() -> int:
    """A process that lives for a while and has the program's name among its words."""
    number = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "junkdna"]).pid
    while b"junkdna" not in Path(f"/proc/{number}/cmdline").read_bytes():
        time.sleep(0.01)
    return number


def test_a_changed_setting_makes_its_cells_stale(resolved: Resolved) -> None:
    study = {**STUDY, "tasks": {"colours": {**STUDY["tasks"]["colours"], "protocol": {"max_length": 32}}}}
    toy.write_yaml(Path("config.yaml"), study)
    changed = toy_run.read()
    assert next(status(changed)).startswith("0 of 6 cells done, 0 missing, 6 stale")
    assert len(stale_files(changed)) == 6


def test_only_so_many_are_named(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("junkdna.cli.status.SHOWN", 2)
    for cell in grid.all_cells(resolved):
        Path(cell.path).write_bytes(b"x")
    lines = list(status(resolved))
    assert sum(line.startswith("broken: results/") for line in lines) == 2
    assert "broken: 4 more; list all: junkdna status --stale" in lines


def test_failures_of_one_cause_are_shown_once(resolved: Resolved) -> None:
    cells = grid.all_cells(resolved)
    fix = "Save it as UTF-8 and run again."
    for cell in cells:
        Path(cell.path).unlink()
        message = "its own trouble" if cell == cells[2] else f"{cell.path}: {'x' * 900} is no text. {fix}"
        log_of(cell, f"about {cell.key}", message, "failed with exit code 2")
    lines = list(status(resolved))
    assert sum(line.endswith(fix) for line in lines) == 1
    assert "    its own trouble" in lines
    assert "failed: 1 more with the same message" in lines
    assert [line for line in lines if line.startswith("failed: results/")] == [
        f"failed: {cell.path}" for cell in (*cells[:2], *cells[3:5], cells[2])
    ]


def test_a_second_look_opens_only_what_has_changed(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = dag_state.open_cell
    monkeypatch.setattr(dag_state, "open_cell", lambda cell, study: opened.append(cell) or real(cell, study))
    looked = Progress(resolved)
    looked.look()
    assert len(opened) == 6
    looked.look()
    assert len(opened) == 6
    changed = grid.all_cells(resolved)[2]
    os.utime(changed.path, (1, 1))
    Path(grid.all_cells(resolved)[3].path).unlink()
    assert looked.look().counts() == {"done": 5, "missing": 1}
    assert opened[6:] == [changed]


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_watch_of_a_finished_study_prints_one_line_and_ends(resolved: Resolved) -> None:
    out = io.StringIO()
    assert cli_status.watch(resolved, 60, out) == 0
    assert out.getvalue()[8:] == "  6/6 done, 0 running, 0 failed\n"


def test_a_watch_draws_on_a_terminal(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    out = Screen()
    cli_status.watch(resolved, 60, out)
    assert out.getvalue().startswith("\x1b[H\x1b[Jstudy toy, ")
    assert "6 of 6 cells done" in out.getvalue()
    monkeypatch.setenv("TERM", "dumb")
    out = Screen()
    cli_status.watch(resolved, 60, out)
    assert "\x1b" not in out.getvalue()


def test_a_watch_ends_with_the_run_it_saw(resolved: Resolved, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(grid.all_cells(resolved)[0].path).unlink()
    lock = Path(".snakemake/locks/0.input.lock")
    lock.parent.mkdir(parents=True)
    lock.touch()
    monkeypatch.setattr(cli_status.time, "sleep", lambda seconds: lock.unlink())
    out = io.StringIO()
    assert cli_status.watch(resolved, 1, out) == 1
    assert out.getvalue().endswith("the run ended with 1 cells not done; for the reasons, run `junkdna status`\n")
    assert out.getvalue().count("5/6 done") == 2


def test_ctrl_c_leaves_a_watch_quietly(resolved: Resolved) -> None:
    Path(grid.all_cells(resolved)[0].path).unlink()
    command = [sys.executable, "-m", "junkdna", "status", "--watch", "30"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, stderr = process.communicate(timeout=60)
    assert "5/6 done" in line
    assert (process.returncode, rest, stderr) == (130, "", "")
