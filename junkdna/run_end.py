"""What Snakemake says at the very end of a run: which jobs failed, why, and how to run each of them again."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from junkdna.job_log import FINISHED, read_log, why_it_ended

SHOWN = 5  # jobs
LOG_LINES = 10
MESSAGE_LINES = 22  # of a whole message (`errors.one_screen` has up to 20)

_FAILED = re.compile(r"^\s*Error in rule (\S+):$")
_FACT = re.compile(r"^\s+(jobid|output|log): (.+)$")
_FINISHED = re.compile(r"^Finished jobid: (\d+)\b")


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: its rule, its first output and its logs (beside its own, that of SLURM)."""

    rule: str
    output: str
    logs: tuple[str, ...]


def failed_jobs(run_log: str) -> list[FailedJob]:
    """The jobs that failed in a run and that no later attempt finished, by the text of Snakemake's own log of it.

    Each once, with the logs of its last attempt: a group that is tried again has its jobs under other numbers.
    """
    found: dict[str, FailedJob] = {}
    rule, facts = "", {}
    for line in run_log.splitlines():
        if end := _FINISHED.match(line):
            found.pop(end[1], None)
        elif start := _FAILED.match(line):
            rule, facts = start[1], {}
        elif rule and (fact := _FACT.match(line)):
            facts[fact[1]] = fact[2]
            if "jobid" in facts:
                logs = facts.get("log", "").removesuffix(" (check log file(s) for error details)").split(", ")
                found[facts["jobid"]] = FailedJob(
                    rule, facts.get("output", "").split(", ")[0], tuple(filter(None, logs))
                )
        elif not line.startswith(" "):
            rule = ""
    return list({job.output: job for job in found.values()}.values())


def failure_lines(run_logs: list[str], again: str) -> Iterator[str]:
    """What to show of a run that failed: for each job its name, the end of its log and the command that runs it alone.

    `run_logs` are Snakemake's own logs of the run, `again` the command line that a target is put behind
    (`snakemake_line`). Nothing where no job failed (an interrupt) or where Snakemake keeps no log.
    """
    try:
        jobs = failed_jobs("\n".join(Path(log).read_text(errors="replace") for log in run_logs))
    except OSError:
        return
    ends = {job: _end(job) for job in jobs}
    jobs = sorted((job for job in jobs if ends[job] != FINISHED), key=lambda job: not ends[job])
    if not jobs:
        return
    yield f"{'-' * 100}"
    for job in jobs[:SHOWN]:
        yield f"FAILED  {job.rule} {job.output}"
        yield from (f"    {line}" for line in _ends(job))
        yield f"  log:    {' '.join(job.logs)}"
        yield f"  again:  {again} {shlex.quote(job.output)}"
    if len(jobs) > SHOWN:
        yield f"and {len(jobs) - SHOWN} more failed job(s)"
    yield f"{len(jobs)} job(s) failed. How far the study is: junkdna status"


def _end(job: FailedJob) -> str:
    """How the job's own log ends; "finished" for one that went well in a submission of several that failed."""
    found = read_log(Path(job.logs[0])) if job.logs else None
    return found.end if found else ""


def _ends(job: FailedJob) -> list[str]:
    """The end of the job's own log, else of the others (SLURM's), else that there is none."""
    found = (why_it_ended(Path(log), LOG_LINES, MESSAGE_LINES) for log in job.logs)
    return next(filter(None, found), ["(no log: it ended before it began)"])


def snakemake_line(snakefile: str, configfiles: list[Path], config: Mapping[str, object]) -> str:
    """The start of a command that has Snakemake make single files as this run would: the same Snakefile and study."""
    words = ["snakemake", "--cores", "1"]
    if Path(snakefile).resolve() != Path("workflow/Snakefile").resolve():
        words += ["-s", snakefile]
    if configfiles:
        words += ["--configfile", *map(str, configfiles)]
    if config:
        words += ["--config", *(f"{name}={value!r}" for name, value in config.items())]
    return " ".join([*map(shlex.quote, words), "--"])
