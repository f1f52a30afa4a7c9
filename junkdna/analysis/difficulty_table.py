"""The table of difficulty: drops within each bin of a published difficulty of the questions."""

from collections.abc import Iterator, Mapping

import polars as pl

from junkdna.analysis.cell_answers import Group
from junkdna.analysis.curves import baseline_kind, facts_of
from junkdna.analysis.drops import SAME, condition_label, scored_rows
from junkdna.analysis.effects import NAMES, effects
from junkdna.analysis.groups import references, study_groups
from junkdna.analysis.retention import known_share
from junkdna.analysis.scores import Scores
from junkdna.study.cell import Cell
from junkdna.study.metrics import perfect_score
from junkdna.study.study import Resolved

_EFFECTS = ("dense_score", *(name + end for name in NAMES for end in ("", "_low", "_high")), "dense_known_share")
SCHEMA: dict[str, pl.DataType] = {
    "experiment": pl.String, **dict.fromkeys(SAME, pl.String), "sparsity": pl.Float64, "title": pl.String,
    "label": pl.String, "difficulty_title": pl.String, "bin": pl.String, "bin_rank": pl.Int64, "n_seeds": pl.Int64,
    "n_examples": pl.Int64, "chance": pl.Float64, "majority": pl.Float64, "baseline": pl.String,
    **dict.fromkeys(_EFFECTS, pl.Float64),
}  # fmt: skip


def difficulty_table(resolved: Resolved, cells: pl.DataFrame, scores: Scores, partial: bool = False) -> pl.DataFrame:
    """One row for each row of the table of drops and each bin of its task's difficulty, from easy to hard.

    Scores, baselines and intervals are those of the bin's examples, computed as in `drops`. Tasks without a published
    difficulty, and bins without an example, have no rows. `partial` is that of `drops`.
    """
    facts = facts_of(cells)
    bins, rows = scores.answers_of.bins, []
    for experiment, varied, groups in study_groups(resolved, facts, partial):
        rated = [group for group in groups if group[0].task in bins]
        binned = [(group, f"bin {name}") for group in rated for name in bins[group[0].task].order]
        scores.add(row for group, name in binned for row in scored_rows(group, facts, name))
        for group in rated:
            label = condition_label(group[0], resolved.tasks[group[0].task], varied, resolved)
            for row in _rows(group, facts[group[0].key], scores, resolved):
                rows.append({"experiment": experiment, "label": label, **row})
    return pl.DataFrame(rows, schema=SCHEMA)


def _rows(group: tuple[Cell, ...], facts: Mapping, scores: Scores, resolved: Resolved) -> Iterator[dict]:
    task = resolved.tasks[group[0].task]
    kind = baseline_kind(resolved.study.claims.baseline, bool(task.class_names()), group[0].transfer)
    for rank, name in enumerate(scores.answers_of.bins[group[0].task].order):
        dense = Group(references(group), f"bin {name}")
        if not (count := scores.n_examples(dense)):
            continue
        chance, majority = scores.answers_of.baselines(dense)
        baseline, perfect = majority if kind == "majority" else chance, perfect_score(facts["metric"])
        result = effects(scores, Group(group, dense.subset), dense, baseline)
        yield {
            **{each: facts[each] for each in SAME},
            "title": task.title,
            "difficulty_title": task.difficulty.title,
            "bin": name,
            "bin_rank": rank,
            "n_seeds": len(group),
            "n_examples": count,
            "chance": chance,
            "majority": majority,
            "baseline": kind,
            **result,
            "dense_known_share": None if baseline == perfect else known_share(result["dense_score"], baseline, perfect),
        }
