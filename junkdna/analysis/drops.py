"""Drops and their intervals.

Intervals combine the spread over examples with the spread over seeds (`intervals.py`). A cell and its dense reference
share bootstrap draws and left-out seeds, so drops are paired; so do conditions that share their examples. With one seed
an interval covers the sampling of examples only.
"""

from collections.abc import Hashable, Mapping

import numpy as np
import polars as pl

from junkdna.analysis import difficulty, retention
from junkdna.analysis.cell_answers import Group
from junkdna.analysis.curves import baseline_kind, facts_of
from junkdna.analysis.effects import effects, panel_rows
from junkdna.analysis.groups import references, study_groups
from junkdna.analysis.scores import Scores
from junkdna.study.cell import Cell
from junkdna.study.metrics import perfect_score
from junkdna.study.study import Resolved
from junkdna.study.task import Human, Task

NULLABLE = (
    "relative_score", "relative_score_low", "relative_score_high", "retention", "retention_low", "retention_high",
    "human", "human_gap_by_human", "human_gap_by_dense",
    "score_low", "score_high", "drop_low", "drop_high",
)  # fmt: skip
QUESTION_KNOBS = ("answer_span", "context", "options")  # change what is asked, and not what helps to answer it
SAME = ("model", "task", "knobs", "metric", "kind", "method", "compression", "sparsity", "transfer", "protocol")
MEANS = ("achieved_sparsity", "effective_bits_per_weight")  # columns of a cell's row: over the seeds of a group


def drops(resolved: Resolved, cells: pl.DataFrame, scores: Scores, partial: bool = False) -> pl.DataFrame:
    """One row per (experiment, model, task, knobs, compression, transfer mode, protocol), aggregated over seeds.

    Columns: the names of the row (`knob_values` with the defaults, `knobs` without them; `title` of the task, `label`
    of the condition, and `hub`, the repository of the model), the baselines, everything in `effects`, the score of each
    seed, how many seeds collapsed, achieved sparsity and effective bits per weight (means over the seeds), human
    performance and both gaps to it (null if no human performance is known for the task at these knobs), and the
    absolute difficulty. `scores` takes
    `cell_answers.Group`s. Raises UserError if a cell and its reference were scored on different examples, and if a cell
    is in the table twice.

    With `partial`, `cells` may be incomplete: missing cells, and cells whose reference is missing, are left out, and a
    row averages the seeds that remain. Without `partial` a missing cell is an error.
    """
    facts = facts_of(cells)
    rows = []
    for experiment, varied, some in study_groups(resolved, facts, partial):
        scores.add(row for group in some for row in scored_rows(group, facts))
        for group in some:
            rows.append({"experiment": experiment, **_row(group, facts, scores, resolved, varied)})
    types = dict.fromkeys(NULLABLE, pl.Float64) | {"human_source": pl.String}
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def scored_rows(group: tuple[Cell, ...], facts: Mapping, subset: str = "") -> list[Hashable]:
    """What `Scores.add` takes for the effects of a group on a subset of its examples."""
    return panel_rows(Group(group, subset), Group(references(group), subset), facts[group[0].key]["metric"])


def _row(group: tuple[Cell, ...], facts: dict, scores: Scores, resolved: Resolved, varied: set) -> dict:
    first, task = facts[group[0].key], resolved.tasks[group[0].task]
    dense = references(group)
    scores.answers_of.check_same_examples((*group, *dense))
    kind = baseline_kind(resolved.study.claims.baseline, bool(task.class_names()), group[0].transfer)
    reference_row, perfect = facts[dense[0].key], perfect_score(first["metric"])
    result = effects(scores, Group(group), Group(dense), reference_row[kind])
    return {
        **{name: first[name] for name in SAME},
        "title": task.title,
        "label": condition_label(group[0], task, varied, resolved),
        "hub": resolved.study.models[group[0].model].hub or "",
        "knob_values": ",".join(f"{name}={value}" for name, value in _knob_values(group[0], task).items()),
        "n_seeds": len({cell.seed for cell in group}),
        "n_examples": first["n_examples"],
        "chance": reference_row["chance"],
        "majority": reference_row["majority"],
        "baseline": kind,
        **result,
        "dense_known_share": retention.known_share(result["dense_score"], reference_row[kind], perfect),
        "score_seeds": [facts[cell.key]["score"] for cell in group],
        "collapsed": sum(facts[cell.key]["collapsed"] for cell in group),
        **{name: float(np.mean([facts[cell.key][name] for cell in group])) for name in MEANS},
        "difficulty": difficulty.chance_corrected_dense_error(result["dense_score"], reference_row["chance"], perfect),
        "difficulty_measure": difficulty.CHANCE_CORRECTED_DENSE_ERROR,
        **_human(task.human if as_people_saw_it(group[0], task) else None, result["dense_score"]),
        "truncated": first["truncated"],
    }


def as_people_saw_it(cell: Cell, task: Task) -> bool:
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


# ---- names of conditions ---------------------------------------------------------------------------------------------


def _knob_values(cell: Cell, task: Task) -> dict[str, int | str]:
    """Every knob of the task and its value in this cell, defaults included, in the order of the names."""
    return dict(sorted({**task.knob_defaults(), **dict(cell.knobs)}.items()))


def condition_label(cell: Cell, task: Task, varied: set[tuple[str, str]], resolved: Resolved) -> str:
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
