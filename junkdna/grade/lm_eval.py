"""Reads what lm-evaluation-harness writes with `--log_samples`: samples_TASK_DATE.jsonl and results_DATE.json.

The form of a row is lm-eval's `result_schema.SampleResult` (0.4.13); rows of older versions, which lack the hashes and
the names of the metrics, are read too.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from junkdna.errors import UserError, short_repr, unknown_name
from junkdna.grade.answers import Log, Reading, TaskAnswers
from junkdna.grade.lm_eval_choice import picked
from junkdna.grade.lm_eval_metric import Chosen, choose
from junkdna.grade.lm_eval_rows import Row, answer_of, read_rows

SAMPLES = re.compile(r"samples_(.+?)(?:_(\d{4}-\d\d-\d\dT[\d.-]+))?\.jsonl")
OWN_CREDIT = (
    "its accuracy does not follow from the logged likelihoods (several right answers, or another rule): the log's own "
    "values count, the baseline is 0, and probabilities of options are not compared"
)


@dataclass(frozen=True)
class Summary:
    """What results_DATE.json says of one task, as far as it exists; `delimiter` is between question and option."""

    version: str | None = None
    shots: str | None = None
    rows: int | None = None
    delimiter: str = " "


def read_lm_eval(path: Path, reading: Reading) -> Log:
    """The answers in an output folder or in one samples file.

    Of a task without a usable score there is a note instead. Raises UserError for a folder without samples or with two
    logs of one task, for an unknown or incomplete file, and if no task, or not every task of `--tasks`, can be used.
    """
    there = _files(path)
    for task in reading.tasks:
        if task not in there:
            raise unknown_name("task", task, there, f"{path}: --tasks")
    files = {task: there[task] for task in reading.tasks or there}
    tasks, notes = {}, []
    for task, file in files.items():
        found = _task(task, file, reading)
        if isinstance(found, TaskAnswers):
            tasks[task] = found
        else:
            notes.append(f"{task} is left out: {found}")
    if notes and (reading.tasks or not tasks):
        raise UserError(f"{path}: cannot be graded: {'. '.join(notes)}.")
    _check_metric(path, tasks, reading)
    results = _results(next(iter(files.values())))
    return Log(path, tasks, _facts(results), tuple(notes))


def _files(path: Path) -> dict[str, Path]:
    """Task -> its file of samples, by name."""
    if path.is_file():
        match = SAMPLES.fullmatch(path.name)
        return {match[1] if match else path.stem: path}
    found: dict[str, Path] = {}
    for file in sorted(path.rglob("samples_*.jsonl")):
        task = SAMPLES.fullmatch(file.name)[1]
        if task in found:
            raise UserError(
                f"{path} has two logs of task {task}: {found[task]} and {file}. Give the folder of one run, or move "
                "the files of other runs away."
            )
        found[task] = file
    if not found:
        raise UserError(_no_samples(path))
    return found


def _no_samples(path: Path) -> str:
    if any(path.rglob("results_*.json")):
        return f"{path} has results but no samples_*.jsonl: run lm-eval with --log_samples, which writes every answer."
    return (
        f"{path} has no samples_*.jsonl. Give the folder that lm-eval wrote (--output_path, with --log_samples), or a "
        "table as a file."
    )


def _results(file: Path) -> dict:
    """The results of the run that wrote a samples file: of the same date, or the only ones in its folder; {} if none.

    Raises UserError if they are not JSON.
    """
    match = SAMPLES.fullmatch(file.name)
    same = file.with_name(f"results_{match[2]}.json") if match and match[2] else None
    there = [same] if same and same.is_file() else sorted(file.parent.glob("results_*.json"))
    if len(there) != 1:
        return {}
    try:
        results = json.loads(there[0].read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{there[0]} is not JSON ({error}). Run lm-eval again, or remove the file.") from None
    return results if isinstance(results, dict) else {}


def _summary(results: dict, task: str) -> Summary:
    def of(*keys: str) -> object:
        value: object = results
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    version, shots, rows, delimiter = (
        of("versions", task), of("n-shot", task), of("n-samples", task, "effective"),
        of("configs", task, "target_delimiter"),
    )  # fmt: skip
    return Summary(
        None if version is None else str(version),
        None if shots is None else str(shots),
        rows if isinstance(rows, int) else None,
        delimiter if isinstance(delimiter, str) else " ",
    )


def _facts(results: dict) -> dict[str, str]:
    config = results.get("config") if isinstance(results.get("config"), dict) else {}
    facts = {"lm_eval": results.get("lm_eval_version"), "model": results.get("model_name")}
    facts |= {name: config.get(name) for name in ("model_args", "model_dtype", "model_num_parameters")}
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


def _task(task: str, file: Path, reading: Reading) -> TaskAnswers | str:
    """The answers of a task, or why it has no usable score."""
    rows, summary = read_rows(file, reading), _summary(_results(file), task)
    chosen = choose(rows, reading, task, file)
    if isinstance(chosen, str):
        return chosen
    kept = _checked([row for row in rows if row.filter == chosen.filter], file)
    choices = picked(kept, chosen.metric, summary.delimiter)
    notes = [OWN_CREDIT] if choices is None and all(row.likelihoods for row in kept) else []
    answers = {row.id: answer_of(row, chosen.metric, choices[row.id] if choices else None) for row in kept}
    return TaskAnswers(
        task, file, _label(chosen), answers, choices is not None, chosen.metric == "acc_norm", summary.version,
        summary.shots, kept[0].fields, (*notes, *chosen.notes, *_counted(kept, summary)),
    )  # fmt: skip


def _label(chosen: Chosen) -> str:
    return chosen.metric if chosen.filter == "none" else f"{chosen.metric},{chosen.filter}"


def _checked(rows: list[Row], file: Path) -> list[Row]:
    """The rows. Raises UserError if an id is there twice."""
    seen: dict[str, int] = {}
    for row in rows:
        if row.id in seen:
            raise UserError(
                f"{file}: question {row.id} is there twice (lines {seen[row.id]} and {row.line}): two runs wrote into "
                "one file. Run lm-eval again into an empty folder."
            )
        seen[row.id] = row.line
    return rows


def _counted(rows: list[Row], summary: Summary) -> list[str]:
    """A note if the results file counts other questions: the log is incomplete, or the run was of selected ones."""
    if summary.rows in (None, len(rows)):
        return []
    return [f"{len(rows)} questions in the log, but {summary.rows} in its results file: was it copied completely?"]


def _check_metric(path: Path, tasks: dict[str, TaskAnswers], reading: Reading) -> None:
    """Raises UserError if a metric that was asked for, for all tasks or for one, was used nowhere."""
    wanted = reading.metrics.get("", "").partition(",")[0]
    used = {answers.metric.partition(",")[0] for answers in tasks.values()}
    if wanted and tasks and wanted not in used:
        raise UserError(
            f"{path}: no task logs the metric {short_repr(wanted)}; used are {', '.join(sorted(used))}. Name the "
            "metric of one task: --metric TASK=METRIC."
        )
    for task in reading.metrics:
        if task and task not in tasks and not reading.tasks:
            raise unknown_name("task", task, tasks, f"{path}: --metric")
