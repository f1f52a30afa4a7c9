"""The messages at the end of a failed run."""

import shlex
from pathlib import Path

import pytest
import toy

from junkdna.cli.table_jobs import study as keep_study
from junkdna.dag.failures import JOBS, LOG_LINES, SHOWN, Run, commands_of, failed_jobs, failure_lines, snakemake_line
from junkdna.run.job_log import MESSAGE_TEXT
from junkdna.storage.study_commands import StudyCommands
from junkdna.study.load import load_study, study_document
from junkdna.study.study import Resolved

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


def lines(text: str, resolved: Resolved | None = None) -> list[str]:
    Path("run.log").write_text(text)
    return list(failure_lines(["run.log"], Run(StudyCommands("other.yaml"), "snakemake"), resolved or toy_study()))


def toy_study(**keys: dict):
    from junkdna.study.study import Study
    from junkdna.study.task import Task

    mood = Task(**toy.CLASSIFY_TASK, **keys)
    facts = {**toy.STUDY, "tasks": {"mood": {}}, "experiments": {"modes": toy.STUDY["experiments"]["modes"]}}
    return Resolved(Study(**facts), {"mood": mood})


def log_of(name: str, *said: str, end: str = "failed with exit code 2") -> None:
    text = "".join(f"{STAMP}{line}\n" for line in ("started on far as process 1", *said, *([end] if end else [])))
    Path(f"logs/{name}.log").write_text(text)


def test_a_failed_job_is_shown_with_the_end_of_its_log_and_its_command(folder: Path) -> None:
    log_of("a,b=1", *(f"line {n}" for n in range(30)))
    said = lines(failed(3, "a,b=1"))
    assert said[1] == "FAILED  cell results/a,b=1.parquet"
    assert said[2:-4] == [f"    line {n}" for n in range(30 - LOG_LINES, 30)]
    assert said[-4:] == ["  log:    logs/a,b=1.log", "  rerun:  snakemake -- results/a,b=1.parquet",
                         "1 job(s) failed, 1 cause(s).",
                         "  progress of the study:           junkdna status --study other.yaml"]  # fmt: skip


def test_jobs_of_one_cause_are_shown_once(folder: Path) -> None:
    """One broken file fails the examples of two roles, and a model all of its cells: each is one cause."""
    for role in ("train", "evaluate"):
        log_of(role, f"reading for {role}", "data/mood.csv is broken")
    for n in range(9):
        log_of(f"cell{n}", f"results/cell{n}.parquet: logs/cell{n}.log names what the model m lacks")
    log_of("other", "data/other.csv is broken")
    names = ["train", "evaluate", *(f"cell{n}" for n in range(9)), "other"]
    said = lines("".join(failed(n, name) for n, name in enumerate(names)))
    assert sum("data/mood.csv is broken" in line for line in said) == 1
    assert sum("names what the model m lacks" in line for line in said) == 1
    assert sum(line.startswith("FAILED") for line in said) == 2 + JOBS + 1
    assert f"        and {9 - JOBS} more job(s) with the same message" in said
    assert "  rerun:  snakemake -- results/train.parquet results/evaluate.parquet" in said
    assert "12 job(s) failed, 3 cause(s)." in said


def test_killed_jobs_are_of_one_cause_whatever_their_numbers(folder: Path) -> None:
    for n in range(3):
        Path(f"logs/{n}.log").write_text(f"{STAMP}started on far as process {n}\n")
    assert "3 job(s) failed, 1 cause(s)." in lines("".join(failed(n, str(n)) for n in range(3)))


def test_a_long_message_is_shown_with_its_fix(folder: Path) -> None:
    fix = "Delete the folder results/examples/mood and rerun to rebuild examples and cells."
    log_of("a", f"{'x' * 1500} is wrong. {fix}")
    assert any(line.endswith(fix) for line in lines(failed(1, "a")))


def test_what_is_complete_can_be_had_where_some_cells_are_there(folder: Path) -> None:
    from junkdna.study.grid import all_cells

    log_of("a", "bad")
    assert not any("junkdna partial" in line for line in lines(failed(1, "a")))
    first = Path(all_cells(toy_study())[0].path)
    first.parent.mkdir(parents=True)
    first.touch()
    assert lines(failed(1, "a"))[-1] == "  results of the finished cells:   junkdna partial --study other.yaml"


def test_the_rest_can_be_had_where_only_a_difficulty_is_missing(folder: Path) -> None:
    from junkdna.study.grid import all_cells

    rating = {"title": "t", "source": "s", "from": "level", "bins": {"low": [1], "high": [2]}}
    rated = toy_study(difficulty=rating)
    for cell in all_cells(rated):
        Path(cell.path).parent.mkdir(parents=True, exist_ok=True)
        Path(cell.path).touch()
    log_of("a", "bad")
    hint = "  results of the finished cells:   junkdna partial --study other.yaml"
    assert lines(failed(1, "a"), rated)[-1] == hint
    assert hint not in lines(failed(1, "a"))
    file = Path("results/examples/mood/difficulty.parquet")
    file.parent.mkdir(parents=True)
    file.touch()
    assert hint not in lines(failed(1, "a"), rated)


def test_under_make_the_environment_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUNKDNA_MAKE_VENV", ".venv")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    log_of("a", "bad")
    assert "  activate the environment first:  . .venv/bin/activate" in lines(failed(1, "a"))
    monkeypatch.setenv("VIRTUAL_ENV", str(folder / ".venv"))
    assert not any("activate" in line for line in lines(failed(1, "a")))


def test_a_job_that_a_later_attempt_finished_did_not_fail(folder: Path) -> None:
    text = failed(3, "a") + failed(4, "b") + failed(4, "b") + "Finished jobid: 3 (Rule: cell)\n"
    assert [job.output for job in failed_jobs(text)] == ["results/b.parquet"]
    assert failed_jobs(failed(3, "a") + "Finished jobid: 33 (Rule: cell)\n")[0].output == "results/a.parquet"


def test_jobs_that_succeeded_and_jobs_that_never_started_are_distinguished(folder: Path) -> None:
    """A group: Snakemake reports every job of it as failed, indented."""
    log_of("well", "score 0.5", end="finished")
    log_of("bad", "the data are wrong")
    group = "".join(f"    {line}\n" for name in ("well", "later", "bad") for line in failed(9, name).splitlines())
    numbered = group.replace("jobid: 9", "jobid: 1", 1).replace("jobid: 9", "jobid: 2", 1)
    said = lines("Error in group cells:\n" + numbered)
    assert [line for line in said if line.startswith("FAILED")] == [
        "FAILED  cell results/bad.parquet", "FAILED  cell results/later.parquet",
    ]  # fmt: skip
    assert said[said.index("FAILED  cell results/later.parquet") + 1] == "    (no log: the job never started)"


def test_a_job_tried_again_under_another_number_is_shown_once_with_its_last_logs(folder: Path) -> None:
    text = failed(7, "a", more=", slurm/1.log") + failed(9, "b") + failed(8, "a", more=", slurm/2.log")
    assert [(job.output, job.logs) for job in failed_jobs(text)] == [
        ("results/a.parquet", ("logs/a.log", "slurm/2.log")), ("results/b.parquet", ("logs/b.log",)),
    ]  # fmt: skip


def test_a_job_that_was_ended_from_outside_and_one_whose_scheduler_says_why(folder: Path) -> None:
    log_of("a", end="")
    assert "ended without a message" in lines(failed(1, "a"))[2]
    Path("slurm.log").write_text("CANCELLED DUE TO TIME LIMIT\n")
    said = lines(failed(1, "b", more=", slurm.log"))
    assert said[2:4] == ["    CANCELLED DUE TO TIME LIMIT", "  log:    logs/b.log slurm.log"]


def test_at_most_two_screens(folder: Path) -> None:
    for n in range(40):
        log_of(str(n), *(f"{n}" + "x" * 5000 for _ in range(100)))
    said = lines("".join(failed(n, str(n)) for n in range(40)))
    assert f"and {40 - SHOWN} more failed job(s) with {40 - SHOWN} other cause(s)" in said
    assert len(said) < 80
    assert max(map(len, said)) < MESSAGE_TEXT + 100  # a message of one screen is whole: its end is the fix
    assert sum(len(line) > 400 for line in said) == SHOWN


def test_no_message_without_failed_jobs(folder: Path) -> None:
    assert lines("Building DAG of jobs...\nFinished jobid: 1 (Rule: cell)\n") == []
    run = Run(StudyCommands(), "snakemake")
    assert list(failure_lines([], run, toy_study())) == list(failure_lines(["none.log"], run, toy_study())) == []


def test_the_command_is_that_of_the_run(folder: Path) -> None:
    Path("workflow").mkdir()
    Path("workflow/Snakefile").touch()
    here = str(folder / "workflow/Snakefile")
    assert snakemake_line(here, [], {}) == "snakemake --cores 1"
    other = folder / "else where/Snakefile"
    other.parent.mkdir()
    other.touch()
    line = snakemake_line(str(other), [folder / "my study.yaml"], {"run": ["a"]})
    assert shlex.split(line) == [
        "snakemake", "--cores", "1", "-s", str(other), "--configfile", "my study.yaml", "--config", 'run=["a"]',
    ]  # fmt: skip
    again = Run(StudyCommands(), line).again(["results/a b.parquet"])
    assert shlex.split(again)[-2:] == ["--", "results/a b.parquet"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({}, "junkdna status"),
        ({"study_file": "my study.yaml"}, "junkdna status --study 'my study.yaml'"),
        ({"run": ["modes"]}, "junkdna status --experiments modes"),
        ({"study_file": "my study.yaml", "experiments": "modes"},
         "junkdna status --study 'my study.yaml' --experiments modes"),
        ({"cells_per_job": 4}, "junkdna status"),
        ({"bootstrap": 300}, "junkdna status --study kept/study-1.json"),
        ({"study_file": "config.yaml"}, "junkdna status"),
    ],
)  # fmt: skip
def test_hints_name_the_study_of_the_run(world: Path, config: dict, said: str) -> None:
    """By its file; by the study that the run keeps where keys of the command line made it another one."""
    toy.write_yaml(Path("my study.yaml"), {**toy.STUDY, "study": "mine"})
    overrides = dict(config)
    resolved = load_study(Path(overrides.pop("study_file", "config.yaml")), overrides)
    kept = Path("kept/study-1.json")
    keep_study(kept, study_document(resolved))
    given = commands_of(resolved, [], config, str(kept))
    assert given.junkdna("status") == said
    words = shlex.split(given.junkdna("status"))
    file = words[words.index("--study") + 1] if "--study" in words else "config.yaml"
    chosen = {"experiments": words[words.index("--experiments") + 1 :]} if "--experiments" in words else None
    assert study_document(load_study(Path(file), chosen)) == study_document(resolved)


def test_a_run_that_another_command_called_names_that_command(folder: Path) -> None:
    log_of("a", "bad")
    Path("run.log").write_text(failed(1, "a"))
    run = Run(StudyCommands("/tmp/gone/study.json"), "snakemake", "junkdna fetch --study 'my study.yaml'")
    said = list(failure_lines(["run.log"], run, toy_study()))
    assert said[-2:] == ["  rerun:  junkdna fetch --study 'my study.yaml'", "1 job(s) failed, 1 cause(s)."]


def test_a_study_of_configfiles_is_named_too(world: Path) -> None:
    toy.write_yaml(Path("other.yaml"), {**toy.STUDY, "study": "mine"})
    resolved = load_study(Path("other.yaml"))
    assert (
        commands_of(resolved, [world / "other.yaml"], {}, "none").junkdna("where") == "junkdna where --study other.yaml"
    )
    both = load_study(Path("other.yaml"), {"bootstrap": 300})
    keep_study(Path("study-1.json"), study_document(both))
    found = commands_of(both, [world / "other.yaml", world / "more.yaml"], {}, "study-1.json")
    assert found.junkdna("partial") == "junkdna partial --study study-1.json"
