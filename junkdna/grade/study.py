"""Logs as a study: what the analysis needs to know of models, tasks and compressions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from junkdna.errors import UserError
from junkdna.grade.answers import TaskAnswers
from junkdna.grade.bins import Graded
from junkdna.study.cell import Cell, Compression
from junkdna.study.claim_settings import ClaimSettings
from junkdna.study.columns import Columns, TaskSource
from junkdna.study.difficulty import Difficulty
from junkdna.study.generation import Generate
from junkdna.study.strict_model import valid_name
from junkdna.study.study import Experiment, Model, Resolved, Study, TaskEntry, TaskUse
from junkdna.study.task import ProtocolOverrides, Task

EXPERIMENT = "graded"
UNKNOWN = "as the log says"
FILES = "logs"


@dataclass(frozen=True)
class Grid:
    """The compressions of the logs, in the place of `CompressionGrid`, which needs all options of a method."""

    given: tuple[Compression, ...]

    def compressions(self) -> list[Compression]:
        """Every compression."""
        return list(self.given)


def task_name(task: str) -> str:
    """The name of a task in tables and paths."""
    return valid_name(task) or "task"


def cell_of(model: str, task: str, compression: Compression, seed: int) -> Cell:
    """The cell of a log's answers to a task."""
    return Cell(model, task_name(task), (), compression, "none", "default", seed)


def graded_study(
    model: str, dense: Mapping[str, TaskAnswers], bins: Mapping[str, Graded], runs: Iterable[tuple[Compression, int]],
    margin: float,
) -> Resolved:  # fmt: skip
    """The study of some logs. It is not validated, because it names no data and no weights.

    Raises UserError if two tasks have the same name in tables.
    """
    runs = list(runs)
    _check_names(dense)
    tasks = {task_name(name): _task(answers, bins.get(name)) for name, answers in dense.items()}
    experiment = Experiment.model_construct(
        title="Graded logs: no model was run",
        models=[model],
        tasks=[TaskUse(task=name) for name in tasks],
        compressions=[Grid(tuple(dict.fromkeys(compression for compression, _ in runs)))],
        seeds=sorted({0, *(seed for _, seed in runs)}),
    )
    study = Study.model_construct(
        study=model,
        models={model: Model(kind="decoder", local=FILES)},
        tasks={task_name(name): _entry(answers) for name, answers in dense.items()},
        experiments={EXPERIMENT: experiment},
        claims=ClaimSettings(margin=margin),
    )
    return Resolved(study, tasks)


def _check_names(tasks: Iterable[str]) -> None:
    first: dict[str, str] = {}
    for task in tasks:
        if (other := first.setdefault(task_name(task), task)) != task:
            raise UserError(
                f"tasks {other!r} and {task!r} would both be called {task_name(task)!r} in tables, which have only "
                "letters, digits and _ . - in names. Rename one, or choose one with --tasks."
            )


def _entry(answers: TaskAnswers) -> TaskEntry:
    normalization = "character" if answers.by_character else None
    return TaskEntry(protocol=ProtocolOverrides(length_normalization=normalization))


def metric_of(answers: TaskAnswers) -> str:
    """The metric under which the package compares the answers: accuracy if they were picked among options; else the
    log's own credit counts, as that of generated text does."""
    if answers.picks:
        return "accuracy"
    return "exact_match" if all(answer.correct in (0, 1) for answer in answers.answers.values()) else "token_f1"


def kind_of(answers: TaskAnswers) -> str:
    """The kind of task."""
    return "choice" if answers.picks else "generate"


def _task(answers: TaskAnswers, graded: Graded | None) -> Task:
    name = task_name(answers.task)
    metric = metric_of(answers)
    shown = "" if answers.metric == metric else f" ({answers.metric})"
    columns = {"text": "{question}", "answer": "gold", **({"choices": "options"} if answers.picks else {})}
    return Task(
        name=name, title=f"{answers.task}{shown}"[:300], kind=kind_of(answers), metric=metric,
        sources={"local": TaskSource(local=FILES, splits={"graded": answers.file.name})}, columns=Columns(**columns),
        evaluate_split="graded", generate=None if answers.picks else Generate(match="text", max_new_tokens=1),
        difficulty=_difficulty(graded), license=UNKNOWN,
    )  # fmt: skip


def _difficulty(graded: Graded | None) -> Difficulty | None:
    """The title and names of the bins; which question is in which bin is known already."""
    if graded is None:
        return None
    bins = {name: [name] for name in graded.bins.order}
    return Difficulty(title=graded.title[:300], source=UNKNOWN, bins=bins, **{"from": "difficulty"})
