"""Reads a plain table of answers: one row a question, with its id, the right answer, and a prediction or option scores.

Columns: `id`; `gold`, a label or, with scores, the position of the right option from 0; `prediction` (a label), or the
scores of the options as a list in `scores` or as numbers in `score_0`, `score_1`, ...; optional `task`, `options` (how
many), and columns with a difficulty or a cluster.
"""

import json
import math
import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import numpy as np

from junkdna.errors import UserError, cause, short_repr, unknown_name
from junkdna.grade.answers import Answer, Log, Reading, TaskAnswers
from junkdna.grade.lines import json_objects

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl")
DIFFICULTY, CLUSTER = "difficulty", "cluster"  # read without being asked for, if they are there
ONE_TASK = "questions"  # name of the task of a table without the column
METRIC = "accuracy"
SCORE = re.compile(r"score_(\d+)")


def read_table(path: Path, reading: Reading) -> Log:
    """The answers in a table. Raises UserError, naming the row, for a missing column, a value that is missing or has
    another form, an id that a task has twice, and scores that are NaN; and for a metric other than accuracy."""
    rows = _rows(path)
    if not rows:
        raise UserError(f"{path} has no rows: it must have one for each question. Write the table again.")
    columns = tuple(dict.fromkeys(name for row in rows[:1000] for name in row))
    _check_columns(path, columns, reading)
    names = {name: getattr(reading, name) or (name if name in columns else "") for name in (DIFFICULTY, CLUSTER)}
    tasks: dict[str, dict[str, Answer]] = {}
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        task = _single(row, "task", where) if "task" in columns else ONE_TASK
        if task is None or (key := _single(row, "id", where)) is None:
            raise UserError(f"{where} has no {'task' if task is None else 'id'}. Every question needs one.")
        if key in tasks.setdefault(task, {}):
            raise UserError(f"{where}: question {short_repr(key)} of task {task} is there twice. Give each its own id.")
        tasks[task][key] = _answer(row, columns, names, reading, where)
    for task in reading.tasks:
        if task not in tasks:
            raise unknown_name("task", task, tasks, f"{path}: --tasks")
    _check_metric(path, tasks, reading)
    return Log(path, {task: _task(task, path, tasks[task], columns) for task in reading.tasks or tasks})


def _check_metric(path: Path, tasks: Iterable[str], reading: Reading) -> None:
    for task, metric in reading.metrics.items():
        if task and task not in tasks:
            raise unknown_name("task", task, tasks, f"{path}: --metric")
        if metric != METRIC:
            raise UserError(
                f"{path}: --metric {f'{task}={metric}' if task else metric}: a plain table of answers has one metric, "
                f"{METRIC}. Leave --metric out, or compare logs of lm-evaluation-harness."
            )


def _task(task: str, path: Path, answers: dict[str, Answer], columns: tuple[str, ...]) -> TaskAnswers:
    scored = "prediction" in columns and any(answer.scores for answer in answers.values())
    empty = sum(answer.prediction is None for answer in answers.values())
    known = all(answer.options for answer in answers.values())
    notes = [f"{empty} empty predictions count as wrong"] if empty else []
    notes += ["the highest score is the prediction; the column prediction is not read"] if scored else []
    notes += [] if known else ["the number of options is unknown: the baseline is 0 (--options N, or a column options)"]
    return TaskAnswers(task, path, METRIC, answers, picks=known, fields=columns, notes=tuple(notes))


def _rows(path: Path) -> list[dict]:
    if path.suffix == ".jsonl":
        return [row for _, row in json_objects(path)]
    if path.suffix == ".parquet":
        import polars as pl

        try:
            return pl.read_parquet(path).to_dicts()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise UserError(f"{path} is not a Parquet file ({cause(error)}). Write the table again.") from None
    from junkdna.data.delimited import delimited_table

    return delimited_table(path.read_bytes(), "," if path.suffix == ".csv" else "\t", str(path)).to_pylist()


def _check_columns(path: Path, columns: tuple[str, ...], reading: Reading) -> None:
    scored = "scores" in columns or "score_0" in columns
    for name in ("id", "gold", *(() if scored else ("prediction",))):
        if name not in columns:
            also = " or scores (a list, or score_0, score_1, ...)" if name == "prediction" else ""
            raise UserError(
                f"{path} has no column {name!r}{also}; it has {', '.join(columns)}. One row a question needs id, "
                "gold, and prediction or scores."
            )
    numbers = {int(match[1]) for name in columns if (match := SCORE.fullmatch(name))}
    if gaps := {*range(max(numbers, default=-1) + 1)} - numbers:
        raise UserError(
            f"{path} has no column score_{min(gaps)}, but score_{max(numbers)}. Number the scores of the options from "
            "0, without a gap."
        )
    for option in (DIFFICULTY, CLUSTER):
        if (name := getattr(reading, option)) and name not in columns:
            raise unknown_name("column", name, columns, f"{path}: --{option}")


def _answer(row: dict, columns: Iterable[str], names: dict[str, str], reading: Reading, where: str) -> Answer:
    if (gold := _single(row, "gold", where)) is None:
        raise UserError(f"{where} has no gold: the right answer of every question must be known. Leave the row out.")
    more = {name: _single(row, column, where) if column else None for name, column in names.items()}
    if (scores := _scores(row, columns, where)) is not None:
        return _scored(gold, scores, more, where)
    prediction = _single(row, "prediction", where)
    options = _options(row, reading, where)
    return Answer(float(gold == prediction), gold, prediction, options=options, **more)


def _scored(gold: str, scores: tuple[float, ...], more: dict[str, str | None], where: str) -> Answer:
    if not gold.isdecimal() or int(gold) >= len(scores):
        raise UserError(
            f"{where}: gold is {short_repr(gold)}, but with scores it is the position of the right option, 0 to "
            f"{len(scores) - 1}."
        )
    given = int(np.argmax(scores))
    return Answer(float(given == int(gold)), int(gold), given, scores, options=len(scores), **more)


def _scores(row: dict, columns: Iterable[str], where: str) -> tuple[float, ...] | None:
    """The scores of the options; None if the table has none. Empty columns after the last option are padding."""
    if "scores" in columns:
        values = row.get("scores")
        try:
            values = json.loads(values) if isinstance(values, str) else values
        except ValueError:
            raise UserError(
                f"{where}: scores {short_repr(values)} is not a list of numbers, such as [-1.5, -2]."
            ) from None
    elif "score_0" in columns:
        values = [row.get(f"score_{at}") for at in range(_count(columns))]
        while values and values[-1] in (None, ""):
            values.pop()
    else:
        return None
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise UserError(
            f"{where}: scores {short_repr(values)} are not numbers. Give a number for every option."
        ) from None
    if len(found) < 2 or any(map(math.isnan, found)):
        fault = "one is NaN" if len(found) > 1 else "there are fewer than two"
        raise UserError(
            f"{where}: scores {short_repr(values)}: {fault}. Give a number for every option of the question."
        )
    return found


def _count(columns: Iterable[str]) -> int:
    """Number of columns score_0, score_1, ... without a gap."""
    known = {int(match[1]) for name in columns if (match := SCORE.fullmatch(name))}
    return next(at for at in count() if at not in known)


def _options(row: dict, reading: Reading, where: str) -> int | None:
    if (text := _single(row, "options", where)) is None:
        return reading.options
    if not text.isdecimal() or int(text) < 2:
        raise UserError(f"{where}: options is {short_repr(text)}; it is the number of options, a whole number from 2.")
    return int(text)


def _single(row: dict, column: str, where: str) -> str | None:
    """A value as text, so that 1, 1.0 and "1" are the same label; None for an empty one. Raises UserError for a list,
    a struct or bytes, whose text equals no label."""
    value = row.get(column)
    if isinstance(value, list | dict | bytes):
        raise UserError(
            f"{where}: {column} is {short_repr(value)}; it must be one text or number. Write the table with one value "
            "for each question."
        )
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    text = str(value).strip()
    if re.fullmatch(r"-?\d+\.0+", text):
        text = text.partition(".")[0]
    return text or None
