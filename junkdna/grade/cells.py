"""The answers of logs as cell files, and the table of cells that the analysis reads."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from junkdna.compress.effective_bits import DENSE_BITS, keep_of_bits, sparse_bits
from junkdna.evaluate.answers import Answers
from junkdna.evaluate.metrics import METRICS, collapsed
from junkdna.grade.answers import Answer, TaskAnswers
from junkdna.grade.study import kind_of, metric_of
from junkdna.run.cell_file import cell_table, metrics_row, write_cell
from junkdna.study.cell import Cell, Compression
from junkdna.study.levels import parse_level

NO_ANSWER = -1.0  # code of a missing prediction: of no option
OTHER_LABELS = 1_000_000  # codes of labels that are no position start here
UNKNOWN = float("nan")


def label_codes(logs: Iterable[TaskAnswers]) -> dict[str, float]:
    """Label -> number, the same in all logs of a task. A position stays what it is."""
    answers = [answer for log in logs for answer in log.answers.values()]
    labels = {str(label) for answer in answers for label in (answer.gold, answer.prediction) if label is not None}
    words = sorted(label for label in labels if not label.isdecimal())
    return {label: float(label) for label in labels if label.isdecimal()} | {
        label: float(OTHER_LABELS + at) for at, label in enumerate(words)
    }


def write_answers(cell: Cell, log: TaskAnswers, codes: Mapping[str, float], bits: float | None) -> dict:
    """Write the file of a cell below the working directory; return its row in the table of cells.

    `bits` are the effective bits per weight if the user knows them.
    """
    examples = _columns([*log.answers.items()], log, codes)
    scored = _scored(examples, log)
    row = metrics_row(SimpleNamespace(metric=metric_of(log), kind=kind_of(log)), cell, scored, None, 0)
    achieved = {"achieved_sparsity": 0.0, "effective_bits_per_weight": _bits(cell.compression, bits)}
    footer = {"graded_from": log.file.name, "metric": log.metric, "compression": None}
    stored = row | {
        name: None if np.isnan(value) or _is_unknown(name, cell) else value for name, value in achieved.items()
    }
    write_cell(cell_table(stored, footer), Path(cell.path))
    return {name: value for name, value in (row | achieved).items() if name not in ("examples",)}


def _is_unknown(name: str, cell: Cell) -> bool:
    return name == "achieved_sparsity" and bool(cell.compression.level)


def _bits(compression: Compression, bits: float | None) -> float:
    """Effective bits per weight: as given, or by the formula of pruning; NaN if they depend on more than the level."""
    if bits is not None:
        return bits
    if not compression.level:
        return float(DENSE_BITS)
    kind, value = parse_level(compression.level)
    return {"sparsity": lambda: sparse_bits(1 - value), "keep_of": lambda: keep_of_bits(*value)}.get(
        kind, lambda: UNKNOWN
    )()


def _columns(items: list[tuple[str, Answer]], log: TaskAnswers, codes: Mapping[str, float]) -> dict[str, list]:
    answers = [answer for _, answer in items]
    columns = {
        "id": [key for key, _ in items],
        "correct": [answer.correct for answer in answers],
        "truncated": [False] * len(items),
        "cluster": [answer.cluster for answer in answers],
    }
    if not log.picks:
        return columns | {
            "text": [answer.text for answer in answers], "reference": [answer.reference for answer in answers]
        }  # fmt: skip
    columns["gold"] = [codes[str(answer.gold)] for answer in answers]
    columns["prediction"] = [
        NO_ANSWER if answer.prediction is None else codes[str(answer.prediction)] for answer in answers
    ]
    if all(answer.scores for answer in answers):
        columns |= _score_columns(answers, log.by_character)
    return columns


def _score_columns(answers: list[Answer], by_character: bool) -> dict[str, list]:
    columns: dict[str, list] = {"scores": [list(answer.scores) for answer in answers]}
    deciding = columns["scores"]
    if by_character:
        columns["scores_per_character"] = deciding = [list(answer.per_character) for answer in answers]
    if all(answer.option_bytes for answer in answers):
        columns["option_bytes"] = [list(answer.option_bytes) for answer in answers]
    columns["margin"] = [_margin(scores, int(answer.gold)) for scores, answer in zip(deciding, answers, strict=True)]
    return columns


def _margin(scores: list[float], gold: int) -> float:
    others = max(score for at, score in enumerate(scores) if at != gold)
    return 0.0 if scores[gold] == others else scores[gold] - others


def _scored(examples: dict[str, list], log: TaskAnswers) -> Answers:
    """The score and its baselines. Of the log's own credit the best constant answer is unknown: it counts as chance."""
    metric = METRICS[metric_of(log)]
    given = np.array(examples[metric.column], float)
    gold = np.array(examples["gold"], float) if log.picks else None
    chance = metric.chance(gold, option_counts(log))
    majority = metric.majority(gold) if log.picks else chance
    same = collapsed(given, np.array(examples["margin"]) if "margin" in examples else None) if log.picks else _same(log)
    return Answers(examples, {metric_of(log): float(metric.value(gold, given))}, chance, majority, same)


def option_counts(log: TaskAnswers) -> np.ndarray | None:
    """Number of options of each question; None if the answers were not picked."""
    return np.array([answer.options for answer in log.answers.values()]) if log.picks else None


def _same(log: TaskAnswers) -> bool:
    texts = [answer.text for answer in log.answers.values()]
    return None not in texts and len({text.strip() for text in texts}) == 1
