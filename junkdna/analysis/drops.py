"""Drops and their intervals.

Bootstrap: each replicate draws seeds with replacement and, once for all seeds, examples with replacement (every seed is
scored on the same examples, so seeds and examples are crossed, not nested). The task's metric is computed for each seed
on the drawn examples and averaged over the drawn seeds. A cell and its dense reference use the same draws, so drops are
paired; so do conditions that share their examples. Intervals are 95 % percentile intervals. With one seed an interval
covers the sampling of examples only.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl

from junkdna.analysis import difficulty
from junkdna.analysis.bootstrap import Estimate, Resamples, effects, estimate, resamples
from junkdna.errors import UserError
from junkdna.evaluate.metrics import METRICS, Metric
from junkdna.run.cell_file import examples_of
from junkdna.study.cell import Cell, knob_text
from junkdna.study.grid import expand, reference
from junkdna.study.study import Resolved
from junkdna.study.task import Human, Task

NULLABLE = (
    "relative_score", "relative_score_low", "relative_score_high", "retention", "retention_low", "retention_high",
    "human", "human_gap_by_human", "human_gap_by_dense",
)  # fmt: skip
QUESTION_KNOBS = ("answer_span", "context", "options")  # change what is asked, and not what helps to answer it
MEANS = ("achieved_sparsity", "effective_bits_per_weight")  # columns of a cell's row: over the seeds of a group


def drops(resolved: Resolved, cells: pl.DataFrame, partial: bool = False) -> pl.DataFrame:
    """One row per (experiment, model, task, knobs, compression, transfer mode, protocol), aggregated over seeds.

    Columns: the names of the row (`knob_values` with the defaults, `knobs` without them; `title` of the task and
    `label` of the condition), the baselines, everything in `effects`, the score of each seed, how many seeds collapsed,
    achieved sparsity and effective bits per weight (means over the seeds), human performance and both gaps to it (null
    if no human performance is known for the task at these knobs), and the absolute difficulty. Raises UserError if a
    cell and its reference were scored on different examples.

    With `partial`, `cells` may be incomplete: missing cells, and cells whose reference is missing, are left out, and a
    row averages the seeds that remain. Without `partial` a missing cell is an error.
    """
    facts = {row["cell"]: row for row in cells.iter_rows(named=True)}
    store = _Store(resolved)
    rows = []
    for experiment, members in expand(resolved).items():
        varied = {(cell.task, name) for cell in members for name, _ in cell.knobs}
        if partial:
            members = [cell for cell in members if {cell.key, reference(cell).key} <= facts.keys()]
        ordered = sorted(members, key=_group)
        for _, group in groupby(ordered, key=_group):
            rows.append({"experiment": experiment, **_row(tuple(group), facts, store, varied)})
    types = dict.fromkeys(NULLABLE, pl.Float64) | {"human_source": pl.String}
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def _group(cell: Cell) -> tuple:
    compression = (cell.compression.method, cell.compression.nominal_sparsity, cell.compression.tag)
    return (cell.model, cell.task, knob_text(cell.knobs), cell.transfer, cell.protocol, *compression)


@dataclass(frozen=True)
class _Answers:
    """What one cell was scored on and its answers, one entry per example."""

    ids: tuple[str, ...]
    gold_n: np.ndarray
    given_n: np.ndarray


class _Store:
    """Per-example rows, bootstrap draws and estimates of a study's cells, each computed once."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self._answers: dict[Cell, _Answers] = {}
        self._ids: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._draws: dict[tuple[str, ...], Resamples] = {}
        self._estimates: dict[tuple[Cell, ...], Estimate] = {}

    def metric(self, cell: Cell) -> Metric:
        return METRICS[self.resolved.tasks[cell.task].metric]

    def answers(self, cell: Cell) -> _Answers:
        if cell not in self._answers:
            given = self.metric(cell).column
            table = examples_of(cell, ("id", "gold", given))
            gold_n, given_n = (table[name].cast(pl.Float64).to_numpy() for name in ("gold", given))
            ids = tuple(table["id"])
            ids = self._ids.setdefault(ids, ids)  # most cells share their ids: keep one copy
            self._answers[cell] = _Answers(ids, gold_n, given_n)
        return self._answers[cell]

    def draws(self, ids: tuple[str, ...]) -> Resamples:
        if ids not in self._draws:
            self._draws[ids] = resamples(ids, self.resolved.study.bootstrap)
        return self._draws[ids]

    def estimate(self, group: tuple[Cell, ...]) -> Estimate:
        """Estimate of cells that differ only in their seed."""
        if group not in self._estimates:
            first = self.answers(group[0])
            given_sn = np.stack([self.answers(cell).given_n for cell in group])
            self._estimates[group] = estimate(self.metric(group[0]), first.gold_n, given_sn, self.draws(first.ids))
        return self._estimates[group]


def _row(group: tuple[Cell, ...], facts: dict, store: _Store, varied: set[tuple[str, str]]) -> dict:
    first, task = facts[group[0].key], store.resolved.tasks[group[0].task]
    dense = tuple(map(reference, group))
    _check_examples((*group, *dense), store)
    result = effects(store.estimate(group), store.estimate(dense), first["chance"])
    same = ("model", "task", "knobs", "metric", "kind", "method", "compression", "sparsity", "transfer", "protocol")
    return {
        **{name: first[name] for name in same},
        "title": task.title,
        "label": _label(group[0], task, varied, store.resolved),
        "knob_values": ",".join(f"{name}={value}" for name, value in _knob_values(group[0], task).items()),
        "n_seeds": len({cell.seed for cell in group}),
        "n_examples": first["n_examples"],
        "chance": first["chance"],
        "majority": first["majority"],
        **result,
        "score_seeds": [facts[cell.key]["score"] for cell in group],
        "collapsed": sum(facts[cell.key]["collapsed"] for cell in group),
        **{name: float(np.mean([facts[cell.key][name] for cell in group])) for name in MEANS},
        "difficulty": difficulty.chance_corrected_dense_error(result["dense_score"], first["chance"]),
        "difficulty_measure": difficulty.CHANCE_CORRECTED_DENSE_ERROR,
        **_human(task.human if _as_people_saw_it(group[0], task) else None, result["dense_score"]),
        "truncated": first["truncated"],
    }


def _as_people_saw_it(cell: Cell, task: Task) -> bool:
    """Whether the cell asks the questions as they were put to people.

    Human performance refers to the task's default number of options and to the passage it shows by default.
    """
    usual = task.knob_defaults()
    return all(usual[name] == value for name, value in cell.knobs if name in QUESTION_KNOBS)


def _human(human: Human | None, dense_score: float) -> dict:
    """Human performance and both gaps to it; null if unknown."""
    if human is None:
        return dict.fromkeys(("human", "human_source", "human_gap_by_human", "human_gap_by_dense"))
    return {
        "human": human.value,
        "human_source": human.source,
        "human_gap_by_human": difficulty.human_gap_by_human(human.value, dense_score),
        "human_gap_by_dense": difficulty.human_gap_by_dense(human.value, dense_score),
    }


def _check_examples(cells: tuple[Cell, ...], store: _Store) -> None:
    """UserError if a cell was scored on other examples than the first: drops are paired by row."""
    first = store.answers(cells[0])
    for cell in cells:
        if store.answers(cell).ids != first.ids:
            raise UserError(
                f"{cell.path} was scored on other examples than {cells[0].path}: the tokens file changed in "
                f"between. Delete the older of the two and rerun Snakemake."
            )


# ---- names of conditions ---------------------------------------------------------------------------------------------


def _knob_values(cell: Cell, task: Task) -> dict[str, int | str]:
    """Every knob of the task and its value in this cell, defaults included, in the order of the names."""
    return dict(sorted({**task.knob_defaults(), **dict(cell.knobs)}.items()))


def _label(cell: Cell, task: Task, varied: set[tuple[str, str]], resolved: Resolved) -> str:
    """Title, knobs and, in a study of several models, the model. The knobs are those that the experiment varies in this
    task, and always the context."""
    values = _knob_values(cell, task)
    shown = [name for name in KNOB_WORDS if name in values and (name == "context" or (cell.task, name) in varied)]
    words = ", ".join(filter(None, (KNOB_WORDS[name](values[name]) for name in shown)))
    models = {model for exp in resolved.study.active().values() for model in exp.models}
    parts = [task.title, *(["·", words] if words else []), *([f"({cell.model})"] if len(models) > 1 else [])]
    return " ".join(parts)


def _context_words(value: int | str) -> str:
    return {"none": "no passage", "passage": "with passage"}.get(value) or f"{value} tokens of passage"


KNOB_WORDS = {
    "context": _context_words,
    "answer_span": lambda value: "answer masked" if value == "masked" else "",
    "options": lambda value: f"{value} options",
    "shots": lambda value: f"{value} shot{'s' * (value != 1)}",
    "data_fraction": lambda value: f"{value} % of train",
}
