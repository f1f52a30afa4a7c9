"""The last lines of a Snakemake run: where the results are, or which jobs failed, why, and how to rerun them."""

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.dag.inputs import from_here
from junkdna.dag.results import clear, where
from junkdna.errors import UserError
from junkdna.run.failure_causes import by_cause, cause_of
from junkdna.run.job_log import FINISHED, read_log, why_it_ended
from junkdna.storage import study_commands
from junkdna.storage.study_commands import CALLER, DEFAULT_STUDY, StudyCommands
from junkdna.study.grid import all_cells, rating_files
from junkdna.study.load import load_study, study_document
from junkdna.study.paths import CELLS
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    from snakemake.workflow import Workflow

SHOWN = 5  # causes
JOBS = 4  # of one cause
LOG_LINES = 10
MAKE_VARIABLE = "JUNKDNA_MAKE_VENV"
"""Set by `make run` to its virtual environment, which may not be active in the calling shell. `make` itself then prints
where the results are."""
MESSAGE_LINES = 22  # of one message (`errors.one_screen` allows 20)

_FACT = re.compile(r"^ +(jobid|output|log): (.+)$", re.MULTILINE)
_END = re.compile(r"^Finished jobid: (\d+)\b|^ *Error in rule (\S+):\n((?: (?! *Error in rule ).*\n?)*)", re.MULTILINE)
"""The end of a job in Snakemake's log: the id of a finished one, or the rule of a failed one and the facts about it."""


@dataclass(frozen=True)
class FailedJob:
    """A failed job: its rule, its first output and its logs (its own and SLURM's)."""

    rule: str
    output: str
    logs: tuple[str, ...]


def failed_jobs(run_log: str) -> list[FailedJob]:
    """The jobs that failed in a run and succeeded in no later attempt, parsed from Snakemake's own log of the run.

    Each job occurs once, with the logs of its last attempt: a retried group has its jobs under other job ids.
    """
    failed: dict[str, FailedJob] = {}
    for finished, rule, block in _END.findall(run_log):
        failed.pop(finished, None)
        facts = dict(_FACT.findall(block))
        if "jobid" in facts:
            logs = facts.get("log", "").removesuffix(" (check log file(s) for error details)").split(", ")
            output = facts.get("output", "").split(", ")[0]
            failed[facts["jobid"]] = FailedJob(rule, output, tuple(filter(None, logs)))
    return list({job.output: job for job in failed.values()}.values())


@dataclass(frozen=True)
class Run:
    """How a run was called.

    `commands` builds `junkdna` commands for the study. `snakemake` is a command line with the same Snakefile, study and
    working directory, to which targets are appended. `caller` is the `junkdna` command that called Snakemake, if any;
    the study is then in a temporary file.
    """

    commands: StudyCommands
    snakemake: str
    caller: str = ""

    def again(self, outputs: list[str]) -> str:
        """The command that makes these files as this run would."""
        return self.caller or f"{self.snakemake} {shlex.join(study_commands.target_words(outputs))}"


def run_of(workflow: "Workflow", resolved: Resolved, study_file: str) -> Run:
    """How a run of Snakemake was called. `study_file` is the path of its checked study."""
    settings = workflow.config_settings
    folder = os.getcwd() if workflow.overwrite_workdir is not None else ""
    commands = commands_of(resolved, settings.configfiles, settings.config, study_file)
    line = snakemake_line(workflow.main_snakefile, settings.configfiles, settings.config)
    return Run(replace(commands, folder=folder), study_commands.in_folder(folder, line), os.environ.get(CALLER, ""))


def commands_of(
    resolved: Resolved, configfiles: list[Path], config: Mapping[str, object], study_file: str
) -> StudyCommands:
    """How `junkdna` commands name the study of a run.

    By its file if that still describes the same study. Otherwise (keys replaced by `--config`, several `--configfile`,
    a file edited since) by the checked study that the run has written.
    """
    chosen = config.get("run", config.get("experiments"))
    names = (chosen,) if isinstance(chosen, str) else tuple(chosen) if isinstance(chosen, list | tuple) else ()
    file = from_here(Path(configfiles[0] if configfiles else str(config.get("study_file", DEFAULT_STUDY))))
    commands = StudyCommands(str(file), names)
    try:
        read = load_study(file, {"experiments": [*names]} if names else None)
        same = study_document(read) == study_document(resolved)
    except UserError:
        same = False
    return commands if same or not Path(study_file).is_file() else StudyCommands(study_file)


def snakemake_line(snakefile: str, configfiles: list[Path], config: Mapping[str, object]) -> str:
    """A Snakemake command with the Snakefile and study of this run, to which single targets are appended."""
    words = ["snakemake", "--cores", "1", *study_commands.snakefile_words(Path(snakefile))]
    words += ["--configfile", *(str(from_here(Path(file))) for file in configfiles)] if configfiles else []
    return shlex.join([*words, *study_commands.config_words(config)])


def succeeded(workflow: "Workflow", resolved: Resolved, folder: str) -> Iterator[str]:
    """Where the results of a successful run are; removes what `junkdna partial` wrote to the study's `folder`.

    Does neither if the targets of the run were single files without the report.
    """
    if not any(job.rule.name == "report" for job in workflow.dag.jobs):
        return
    clear(Path(folder))
    if MAKE_VARIABLE not in os.environ:
        yield from where(resolved, Path.cwd() if workflow.overwrite_workdir is not None else Path())


def failure_lines(run_logs: list[str], run: Run, resolved: Resolved) -> Iterator[str]:
    """Summary of a failed run: for each cause its jobs, the end of a log and the command that reruns them; then the
    commands that show the progress of the study and build partial results.

    `run_logs` are Snakemake's own logs of the run. Yields nothing if no job failed (an interrupt) or if there is no
    log.
    """
    try:
        jobs = failed_jobs("\n".join(Path(log).read_text(errors="replace") for log in run_logs))
    except OSError:
        return
    logs = {job: read_log(Path(job.logs[0])) if job.logs else None for job in jobs}
    ends = {job: log.end if log else "" for job, log in logs.items()}  # a submission can fail after its job finished
    jobs = sorted((job for job in jobs if ends[job] != FINISHED), key=lambda job: not ends[job])
    if not jobs:
        return
    causes = by_cause(jobs, _cause)
    yield "-" * 100
    for group in causes[:SHOWN]:
        yield from _cause_lines(group, run)
    if len(causes) > SHOWN:
        yield f"and {sum(map(len, causes[SHOWN:]))} more failed job(s) with {len(causes) - SHOWN} other cause(s)"
    yield f"{len(jobs)} job(s) failed, {len(causes)} cause(s)."
    if not run.caller:
        yield from _next_steps(run, resolved)


def _cause_lines(jobs: list[FailedJob], run: Run) -> Iterator[str]:
    yield from (f"FAILED  {job.rule} {job.output}" for job in jobs[:JOBS])
    if len(jobs) > JOBS:
        yield f"        and {len(jobs) - JOBS} more job(s) with the same message"
    yield from (f"    {line}" for line in _ends(jobs[0]))
    yield f"  log:    {' '.join(jobs[0].logs)}"
    yield f"  rerun:  {run.again([job.output for job in jobs[:JOBS]])}"


def _next_steps(run: Run, resolved: Resolved) -> Iterator[str]:
    venv = os.environ.get(MAKE_VARIABLE)
    if venv and os.environ.get("VIRTUAL_ENV") != os.path.abspath(venv):
        yield f"  activate the environment first:  {shlex.join(['.', f'{venv}/bin/activate'])}"
    yield f"  progress of the study:           {run.commands.junkdna('status')}"
    finished = [Path(cell.path).exists() for cell in all_cells(resolved)]
    if any(finished) and not all((*finished, *(file.exists() for file in rating_files(resolved).values()))):
        yield f"  results of the finished cells:   {run.commands.junkdna('partial')}"


def _cause(job: FailedJob) -> tuple[str, ...]:
    key = job.output.removeprefix(f"{CELLS}/").removesuffix(".parquet")
    return cause_of(Path(job.logs[0]) if job.logs else Path("-"), _ends(job), (job.output, key, *job.logs))


def _ends(job: FailedJob) -> list[str]:
    """The end of the job's own log, or of SLURM's, or a note that there is none."""
    messages = (why_it_ended(Path(log), LOG_LINES, MESSAGE_LINES) for log in job.logs)
    return next(filter(None, messages), ["(no log: the job never started)"])
