"""Whether logs may be compared: the same tasks, versions, questions and prompts."""

from collections.abc import Iterator
from dataclasses import replace

from junkdna.errors import UserError
from junkdna.grade.answers import Answer, Log, TaskAnswers

SHOWN = 3  # ids in a message


def alike(dense: Log, others: list[Log], common: bool) -> tuple[list[Log], list[str]]:
    """The logs, dense first, with the tasks that dense and at least one other log have, and what was left out.

    With `common`, questions that only some of the logs with a task have are left out; else they are an error. Raises
    UserError if no task is common, and for other versions, numbers of shots, metrics, questions, prompts, right
    answers, numbers of options, difficulties or clusters.
    """
    tasks = [task for task in dense.tasks if any(task in log.tasks for log in others)]
    if not tasks:
        raise UserError(
            f"the logs have no task in common: {dense.path} has {', '.join(dense.tasks)}; {others[0].path} has "
            f"{', '.join(others[0].tasks)}. Evaluate both models on the same tasks."
        )
    notes = list(_left_out(dense, others))
    logs = [_only(log, tasks) for log in (dense, *others)]
    for task in tasks:
        having = [log.tasks[task] for log in logs if task in log.tasks]
        for other in having[1:]:
            _check_settings(having[0], other)
        found, note = _same_questions(having, common)
        notes += note
        for other in found[1:]:
            _check_questions(found[0], other)
        _set(logs, task, _same_kind(found))
    return logs, notes


def _only(log: Log, tasks: list[str]) -> Log:
    return replace(log, tasks={task: log.tasks[task] for task in tasks if task in log.tasks})


def _set(logs: list[Log], task: str, answers: list[TaskAnswers]) -> None:
    for log in logs:
        if task in log.tasks:
            log.tasks[task] = answers.pop(0)


def _left_out(dense: Log, others: list[Log]) -> Iterator[str]:
    for log in others:
        if lacks := [task for task in dense.tasks if task not in log.tasks]:
            yield f"{log.path} lacks {', '.join(lacks)}, which {dense.path} has: not compared there"
        if more := [task for task in log.tasks if task not in dense.tasks]:
            yield f"{dense.path} lacks {', '.join(more)}, which {log.path} has: left out"


def _check_settings(dense: TaskAnswers, other: TaskAnswers) -> None:
    for what, name in (("version", "version"), ("number of shots", "shots"), ("metric", "metric")):
        one, two = getattr(dense, name), getattr(other, name)
        if one is not None and two is not None and one != two:
            fix = "Choose one metric: --metric TASK=METRIC" if name == "metric" else "Evaluate both models alike"
            raise UserError(
                f"task {dense.task}: {what} {one} in {dense.file}, but {two} in {other.file}: they do not measure the "
                f"same. {fix}, or leave the task out with --tasks."
            )


def _same_questions(having: list[TaskAnswers], common: bool) -> tuple[list[TaskAnswers], list[str]]:
    """The answers to the questions that all have, in the order of dense."""
    shared = set.intersection(*(set(each.answers) for each in having))
    first = having[0]
    ids = [key for key in first.answers if key in shared]
    partial = next((each for each in having if len(each.answers) > len(ids)), None)
    if partial is None:
        return [replace(each, answers={key: each.answers[key] for key in ids}) for each in having], []
    missing = [key for key in partial.answers if key not in shared]
    fewer = next(each for each in having if missing[0] not in each.answers)
    shown = f"{', '.join(missing[:SHOWN])}{', ...' if missing[SHOWN:] else ''}"
    if not common or not ids:
        fix = "to compare only the common ones, add --common" if ids else "these are other questions, or other ids"
        raise UserError(
            f"task {first.task}: {len(missing)} of {len(partial.answers)} questions in {partial.file} are not in "
            f"{fewer.file}: {shown}. Evaluate both models on the same questions (same --limit); {fix}."
        )
    note = f"{first.task}: {len(ids)} common questions; up to {len(missing)} that a log lacks are left out ({shown})"
    return [replace(each, answers={key: each.answers[key] for key in ids}) for each in having], [note]


def _check_questions(dense: TaskAnswers, other: TaskAnswers) -> None:
    """UserError if a question of two logs has another text, prompt, right answer, number of options, difficulty or
    cluster, as far as both logs have it."""
    pairs = [(key, one, other.answers[key]) for key, one in dense.answers.items()]
    for what in ("question", "right answer", "prompt"):
        if differ := [key for key, one, two in pairs if _differ(one, two, what)]:
            raise UserError(_other(dense, other, what, differ))
    for what, name in FIELDS.items():
        values = ((key, getattr(one, name), getattr(two, name)) for key, one, two in pairs)
        if differ := [key for key, one, two in values if None not in (one, two) and str(one) != str(two)]:
            raise UserError(_other(dense, other, what, differ))


FIELDS = {"right answer": "gold", "number of options": "options", "difficulty": "difficulty", "cluster": "cluster"}


def _differ(one: Answer, two: Answer, what: str) -> bool:
    return what in one.hashes and what in two.hashes and one.hashes[what] != two.hashes[what]


CAUSES = {
    "question": "the ids belong to other data, or to another split or version of it",
    "prompt": "another chat template, description, number or choice of shots",
    "right answer": "the data or the task's definition changed",
    "number of options": "the data or the task's definition changed",
    "difficulty": "one log was written again after the difficulties had changed",
    "cluster": "one log was written again after the groups of questions had changed",
}


def _other(dense: TaskAnswers, other: TaskAnswers, what: str, ids: list[str]) -> str:
    shown = f"{', '.join(ids[:SHOWN])}{', ...' if ids[SHOWN:] else ''}"
    return (
        f"task {dense.task}: the {what} differs in {len(ids)} of {len(dense.answers)} questions between {dense.file} "
        f"and {other.file}: {shown}. Likely cause: {CAUSES[what]}. Evaluate both models alike, or leave the task out "
        "with --tasks."
    )


def _same_kind(having: list[TaskAnswers]) -> list[TaskAnswers]:
    """Answers that all were picked among options, or of which all count as the log's own credit."""
    return having if all(each.picks for each in having) else [replace(each, picks=False) for each in having]
