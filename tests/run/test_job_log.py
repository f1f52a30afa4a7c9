"""Logs of jobs: real processes write them, and the outcome of each is read back."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import toy_run

from junkdna.run.job_log import FINISHED, is_running, read_log, why_it_ended
from junkdna.storage.fingerprint import canonical_json
from junkdna.study import grid

STAMP = "2026-01-02 03:04:05,678 "


def junkdna(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "junkdna", *arguments], capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, **environment},
    )  # fmt: skip


def examples(log: Path, settings: dict, **environment: str) -> subprocess.CompletedProcess:
    file = "results/examples/colours/evaluate.parquet"
    return junkdna("examples", file, "--log", str(log), "--settings", canonical_json(settings), **environment)


@pytest.fixture
def settings(world: Path) -> dict:
    from junkdna.study.source_settings import example_settings

    return example_settings("colours", "evaluate", toy_run.read())


def test_a_job_that_ends_well_says_who_ran_it_and_that_it_finished(world: Path, settings: dict) -> None:
    log = world / "logs/a.log"
    assert examples(log, settings).returncode == 0
    found = read_log(log)
    assert (found.host, found.slurm_job, found.end) == (socket.gethostname(), "", FINISHED)
    assert abs(found.started_s - time.time()) < 100
    assert not is_running(found, None)
    assert "colours: 54 examples to evaluate" in log.read_text()
    assert why_it_ended(log, 3, 3)[-1] == "colours: raw rows left out: 6 with an empty passage (columns.require)"


def test_a_job_that_fails_says_so_after_its_reason(world: Path, settings: dict) -> None:
    (world / "data/colours.parquet").write_bytes(b"nothing")
    log = world / "a.log"
    assert examples(log, settings, SLURM_JOB_ID="77").returncode == 2
    found = read_log(log)
    assert (found.slurm_job, found.end) == ("77", "failed")
    assert log.read_text().rstrip().endswith("failed with exit code 2")
    [reason] = why_it_ended(log, 1, 1)
    assert "colours.parquet is not a Parquet file" in reason


def test_killed_and_running_jobs_are_distinguished(world: Path) -> None:
    resolved = toy_run.read()
    toy_run.prepare(resolved)
    cell = grid.all_cells(resolved)[0]
    log = world / "a.log"
    settings = canonical_json(toy_run.settings_of(cell, resolved))
    job = subprocess.Popen(
        [sys.executable, "-m", "junkdna", "cell", cell.path, "--log", str(log), "--settings", settings]
    )
    for _ in range(1000):
        if (found := read_log(log)) is not None or job.poll() is not None:
            break
        time.sleep(0.01)
    assert is_running(found, None) is True
    job.send_signal(signal.SIGKILL)
    job.wait()
    found = read_log(log)
    assert (found.pid, found.end, is_running(found, None)) == (job.pid, "", False)
    assert "ended without a message" in why_it_ended(log, 3, 3)[0]


def test_the_number_of_a_process_of_another_program_is_not_taken_for_the_job(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "30"]) as other:
        log = tmp_path / "a.log"
        log.write_text(f"{STAMP}started on {socket.gethostname()} as process {other.pid}\n")
        assert is_running(read_log(log), None) is False
        other.kill()


def test_jobs_of_other_machines_are_known_by_their_slurm_job_alone(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(f"{STAMP}started on far.away as process 5 in SLURM job 12\n")
    found = read_log(log)
    assert [is_running(found, jobs) for jobs in ({"12", "13"}, {"13"}, set(), None)] == [True, False, False, None]
    log.write_text(f"{STAMP}started on far.away as process 5\n")
    assert is_running(read_log(log), {"12"}) is None
    log.write_text(f"{STAMP}started on far.away as process 5\n{STAMP}failed with exit code 1\n")
    assert is_running(read_log(log), None) is False


def test_short_messages_are_shown_completely(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    lines = [f"{STAMP}started on here as process 1", f"{STAMP}before", f"{STAMP}four lines:", "  a", "  b", "", "  c"]
    log.write_text("\n".join([*lines, f"{STAMP}failed with exit code 2", ""]))
    assert why_it_ended(log, 2, 6) == ["four lines:", "  a", "  b", "  c"]
    assert why_it_ended(log, 1, 3) == why_it_ended(log, 1, 2) == ["four lines:", "...", "  c"]  # what, and what to do
    assert why_it_ended(log, 2, 3) == ["four lines:", "...", "  b", "  c"]
    assert why_it_ended(log, 5, 5)[0] == "before"
    assert why_it_ended(tmp_path / "none.log", 5, 5) == []


def test_a_long_message_keeps_its_last_sentence(tmp_path: Path) -> None:
    from junkdna.errors import UserError

    fix = "Give `labels` in the order of the source, or take the key out of the task file and run again."
    texts = [
        f"the value {'x' * 5000} is wrong. {fix}",
        "\n  ".join([f"{n} wrong values:" if n == 60 else f"value {n} is wrong" for n in range(60, 0, -1)] + [fix]),
        "\n".join(["many long lines:", *("y" * 900 for _ in range(30)), fix]),
    ]
    for text in texts:
        message = str(UserError(text))
        assert message.endswith(fix)
        assert message[:10] == text[:10]
        assert len(message) < 2100
        assert message.count("\n") < 20
        log = tmp_path / "a.log"
        log.write_text(f"{STAMP}started on here as process 1\n{STAMP}{message}\n{STAMP}failed with exit code 2\n")
        assert "\n".join(why_it_ended(log, 10, 22)) == message
        assert why_it_ended(log, 1, 6)[-1].endswith(fix)
        assert why_it_ended(log, 1, 6)[0].startswith(text[:10])


def test_other_files_are_not_logs_of_jobs(tmp_path: Path) -> None:
    assert read_log(tmp_path / "none.log") is None
    for text in ("", "Traceback\n", f"{STAMP}something else\n"):
        (tmp_path / "a.log").write_text(text)
        assert read_log(tmp_path / "a.log") is None
