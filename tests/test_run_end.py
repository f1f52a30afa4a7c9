"""The end of a failed run: which jobs are shown, with what, and how many."""

import shlex
from pathlib import Path

import pytest

from junkdna.run_end import LOG_LINES, SHOWN, failed_jobs, failure_lines, snakemake_line

STAMP = "2026-01-02 03:04:05,678 "
TEMPLATE = """[Sun Nov 22 15:24:11 2026]
Error in rule {rule}:
    message: None
    jobid: {number}
    input: in/a b.arrow, in/c.arrow
    output: results/{name}.parquet, results/{name}.csv
    log: logs/{name}.log{more} (check log file(s) for error details)
    shell:
        python -m junkdna cell --log x
        (command exited with non-zero exit code)
Removing output files of failed job {rule} since they might be corrupted:
"""


def failed(number: int, name: str, rule: str = "cell", more: str = "") -> str:
    return TEMPLATE.format(number=number, name=name, rule=rule, more=more)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    return tmp_path


def lines(text: str) -> list[str]:
    Path("run.log").write_text(text)
    return list(failure_lines(["run.log"], "snakemake --"))


def log_of(name: str, *said: str, end: str = "failed with exit code 2") -> None:
    text = "".join(f"{STAMP}{line}\n" for line in ("started on far as process 1", *said, *([end] if end else [])))
    Path(f"logs/{name}.log").write_text(text)


def test_a_failed_job_is_shown_with_the_end_of_its_log_and_its_command(folder: Path) -> None:
    log_of("a,b=1", *(f"line {n}" for n in range(30)))
    said = lines(failed(3, "a,b=1"))
    assert said[1] == "FAILED  cell results/a,b=1.parquet"
    assert said[2:-3] == [f"    line {n}" for n in range(30 - LOG_LINES, 30)]
    assert said[-3:] == ["  log:    logs/a,b=1.log", "  again:  snakemake -- results/a,b=1.parquet",
                         "1 job(s) failed. How far the study is: junkdna status"]  # fmt: skip


def test_a_job_that_a_later_attempt_finished_did_not_fail(folder: Path) -> None:
    text = failed(3, "a") + failed(4, "b") + failed(4, "b") + "Finished jobid: 3 (Rule: cell)\n"
    assert [job.output for job in failed_jobs(text)] == ["results/b.parquet"]
    assert failed_jobs(failed(3, "a") + "Finished jobid: 33 (Rule: cell)\n")[0].output == "results/a.parquet"


def test_jobs_of_a_submission_that_went_well_or_never_began_are_told_apart(folder: Path) -> None:
    """A group: Snakemake reports every job of it as failed, indented."""
    log_of("well", "score 0.5", end="finished")
    log_of("bad", "the data are wrong")
    group = "".join(f"    {line}\n" for name in ("well", "later", "bad") for line in failed(9, name).splitlines())
    numbered = group.replace("jobid: 9", "jobid: 1", 1).replace("jobid: 9", "jobid: 2", 1)
    said = lines("Error in group cells:\n" + numbered)
    assert [line for line in said if line.startswith("FAILED")] == [
        "FAILED  cell results/bad.parquet", "FAILED  cell results/later.parquet",
    ]  # fmt: skip
    assert said[said.index("FAILED  cell results/later.parquet") + 1] == "    (no log: it ended before it began)"


def test_a_job_tried_again_under_another_number_is_shown_once_with_its_last_logs(folder: Path) -> None:
    text = failed(7, "a", more=", slurm/1.log") + failed(9, "b") + failed(8, "a", more=", slurm/2.log")
    assert [(job.output, job.logs) for job in failed_jobs(text)] == [
        ("results/a.parquet", ("logs/a.log", "slurm/2.log")), ("results/b.parquet", ("logs/b.log",)),
    ]  # fmt: skip


def test_a_job_that_was_ended_from_outside_and_one_whose_scheduler_says_why(folder: Path) -> None:
    log_of("a", end="")
    assert "ended without a word" in lines(failed(1, "a"))[2]
    Path("slurm.log").write_text("CANCELLED DUE TO TIME LIMIT\n")
    said = lines(failed(1, "b", more=", slurm.log"))
    assert said[2:4] == ["    CANCELLED DUE TO TIME LIMIT", "  log:    logs/b.log slurm.log"]


def test_at_most_two_screens(folder: Path) -> None:
    for n in range(40):
        log_of(str(n), *("x" * 5000 for _ in range(100)))
    said = lines("".join(failed(n, str(n)) for n in range(40)))
    assert said[-2] == f"and {40 - SHOWN} more failed job(s)"
    assert len(said) < 80
    assert max(map(len, said)) < 400


def test_nothing_is_said_where_no_job_failed(folder: Path) -> None:
    assert lines("Building DAG of jobs...\nFinished jobid: 1 (Rule: cell)\n") == []
    assert list(failure_lines([], "snakemake --")) == list(failure_lines(["none.log"], "snakemake --")) == []


def test_the_command_is_that_of_the_run(folder: Path) -> None:
    Path("workflow").mkdir()
    Path("workflow/Snakefile").touch()
    here = str(folder / "workflow/Snakefile")
    assert snakemake_line(here, [], {}) == "snakemake --cores 1 --"
    line = snakemake_line("/else where/Snakefile", ["my study.yaml"], {"run": ["a"]})
    assert shlex.split(line) == [
        "snakemake", "--cores", "1", "-s", "/else where/Snakefile", "--configfile", "my study.yaml",
        "--config", "run=['a']", "--",
    ]  # fmt: skip
