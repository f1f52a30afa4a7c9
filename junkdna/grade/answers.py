"""What a log says: one answer per question, the answers of a model on a task, and all tasks of a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Answer:
    """One model's answer to one question.

    - `correct`: credit, 0 to 1.
    - `gold`, `prediction`: the right and the given option: positions from 0, or labels as text. None if the answer was
      not picked among options; `prediction` is also None if the model gave none.
    - `scores`: a score of every option, the highest of which was picked; None if the log has none.
    - `per_character`: the scores / characters of the options, if these decide.
    - `option_bytes`: bytes (UTF-8) of every option; None if unknown.
    - `options`: number of options; None if unknown.
    - `text`, `reference`: a generated answer, and the accepted one.
    - `hashes`: name ("question", "prompt", "right answer") -> hash, of what the model was asked.
    - `difficulty`, `cluster`: published difficulty, and the passage or other origin that questions share.
    """

    correct: float
    gold: int | str | None = None
    prediction: int | str | None = None
    scores: tuple[float, ...] | None = None
    per_character: tuple[float, ...] | None = None
    option_bytes: tuple[int, ...] | None = None
    options: int | None = None
    text: str | None = None
    reference: str | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)
    difficulty: str | None = None
    cluster: str | None = None


@dataclass(frozen=True)
class TaskAnswers:
    """The answers of a model on a task, by the id of the question, in the order of the log.

    - `metric`: the name of the score in the log. `by_character`: whether scores per character decide.
    - `picks`: whether right and wrong follow from options; else the log's own credit counts.
    - `version`, `shots`: of the task, as the log states them; None if it does not.
    - `fields`: the names of what the log has for each question.
    - `notes`: what a reader should know of these answers.
    """

    task: str
    file: Path
    metric: str
    answers: Mapping[str, Answer]
    picks: bool = True
    by_character: bool = False
    version: str | None = None
    shots: str | None = None
    fields: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Log:
    """All tasks of one model. `facts` are other things that the log states, such as the arguments of the model."""

    path: Path
    tasks: Mapping[str, TaskAnswers]
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How logs are read. `metrics` maps a task ("" for all) to METRIC or METRIC,FILTER; `tasks` selects tasks (all if
    empty); `difficulty` and `cluster` name a field of each question; `options` is the number of options of questions
    whose log does not say."""

    metrics: Mapping[str, str] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    difficulty: str = ""
    cluster: str = ""
    options: int | None = None
