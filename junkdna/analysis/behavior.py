"""What compression changes in a model's answers besides its score: answers broken and fixed, agreement, probabilities.

A score can stay the same while many answers change (Dutta et al. 2024, arXiv 2407.09141). Every compressed cell is
compared with its dense reference of the same seed, example by example; a row averages over the seeds.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from junkdna.analysis.cell_answers import Group
from junkdna.analysis.changed_answers import combined_p
from junkdna.analysis.curves import baseline_kind, facts_of
from junkdna.analysis.draws import Draws
from junkdna.analysis.equivalence import LEVEL, equivalence_p
from junkdna.analysis.groups import groups, references
from junkdna.analysis.intervals import Panel, finite, wilson
from junkdna.analysis.mean_panels import mean_panels
from junkdna.analysis.pair_changes import MEANS, PairChanges, pair_changes
from junkdna.analysis.picked_options import CellAnswer
from junkdna.analysis.retention import ratio
from junkdna.analysis.scores import Answers, Scores
from junkdna.study.cell import Cell
from junkdna.study.grid import expand, reference
from junkdna.study.study import Resolved

Array = np.ndarray
Cells = tuple[Cell, ...]
AT_ONCE = 200  # groups whose replicates are in memory together
NAMES = ("model", "task", "knobs", "kind", "method", "compression", "sparsity", "transfer", "protocol")  # as in cells
WITH_INTERVAL = {  # with the range of the statistic; retained information is unbounded, as retention is
    "broken": (0, 1), "fixed": (0, 1), "kl_divergence": (0, np.inf), "information_retained": (-np.inf, np.inf),
}  # fmt: skip
RUN_NUMBERS = ("agreement", "kappa", "temperature", "bits_per_byte", "dense_bits_per_byte")
SCHEMA: dict[str, pl.DataType] = {
    "experiment": pl.String, **dict.fromkeys(NAMES, pl.String), "sparsity": pl.Float64, "n_seeds": pl.Int64,
    "n_examples": pl.Int64, "collapsed": pl.Int64,
    "broken": pl.Float64, "broken_low": pl.Float64, "broken_high": pl.Float64,
    "fixed": pl.Float64, "fixed_low": pl.Float64, "fixed_high": pl.Float64,
    "flips": pl.Float64, "mcnemar_p": pl.Float64, "agreement": pl.Float64, "kappa": pl.Float64,
    "kl_divergence": pl.Float64, "kl_divergence_low": pl.Float64, "kl_divergence_high": pl.Float64,
    "temperature": pl.Float64, "dense_information": pl.Float64,
    "information_retained": pl.Float64, "information_retained_low": pl.Float64, "information_retained_high": pl.Float64,
    "equivalence_p": pl.Float64, "equivalent": pl.Boolean,
    "bits_per_byte": pl.Float64, "dense_bits_per_byte": pl.Float64,
}  # fmt: skip


def behavior(resolved: Resolved, cells: pl.DataFrame, scores: Scores) -> pl.DataFrame:
    """One row per (experiment, model, task, knobs, compression, transfer mode, protocol) of compressed cells.

    `docs/reference/columns.md` has the formulas. What is undefined is null. Cells that are missing from `cells`, or
    whose reference is, are left out. `scores` takes `cell_answers.Group`s. Raises UserError if a cell and its reference
    were scored on different examples.
    """
    facts = facts_of(cells)
    compared = {name: groups(_compared(members, facts)) for name, members in expand(resolved).items()}
    distinct = sorted({group for some in compared.values() for group in some}, key=lambda group: group[0].task)
    measure, rows = _Measure(resolved, scores, facts), {}
    for start in range(0, len(distinct), AT_ONCE):
        rows |= measure(distinct[start : start + AT_ONCE])
    named = ({"experiment": name, **rows[group]} for name, some in compared.items() for group in some)
    return pl.DataFrame(list(named), schema=SCHEMA)


def _compared(cells: Iterable[Cell], facts: Mapping[str, dict]) -> list[Cell]:
    """The finished compressed cells whose reference is finished."""
    return [cell for cell in cells if cell.compression.level and {cell.key, reference(cell).key} <= facts.keys()]


class _Measure:
    """Rows of groups of compressed cells. Answers of dense cells, which many groups share, are read once."""

    def __init__(self, resolved: Resolved, scores: Scores, facts: Mapping[str, dict]) -> None:
        self.resolved = resolved
        self.scores = scores
        self.facts = facts
        self._dense: dict[Cell, CellAnswer] = {}

    def __call__(self, some: list[Cells]) -> dict[Cells, dict]:
        """The row of each group."""
        changes = {group: self._changes(group) for group in some}
        sets: dict[tuple, dict[Cells, Answers]] = defaultdict(dict)
        for group in some:
            answers = self.scores.answers_of(Group(group))
            sets[answers.evaluation_set][group] = answers
        rows = {}
        for members in sets.values():
            first = next(iter(members.values()))
            draws = Draws(first.ids, self.scores.replicates, first.cluster)
            values = {group: np.stack([each.means for each in changes[group]]) for group in members}
            for group, panel in mean_panels(values, draws).items():
                rows[group] = self._row(group, changes[group], panel, draws)
        return rows

    def _changes(self, group: Cells) -> list[PairChanges]:
        self.scores.answers_of.check_same_examples((*group, *references(group)))
        cluster_n = self.scores.answers_of(Group(group)).cluster
        n, classes = self.facts[group[0].key]["n_examples"], bool(self.resolved.tasks[group[0].task].class_names())
        read = self.scores.answers_of.cell_answer
        return [pair_changes(self._dense_answer(reference(cell)), read(cell), n, classes, cluster_n) for cell in group]

    def _dense_answer(self, cell: Cell) -> CellAnswer:
        if cell not in self._dense:
            self._dense[cell] = self.scores.answers_of.cell_answer(cell)
        return self._dense[cell]

    def _row(self, group: Cells, changes: list[PairChanges], panel: Panel, draws: Draws) -> dict:
        first = self.facts[group[0].key]
        p_values = [each.numbers.get("mcnemar_p") for each in changes]
        value = dict(zip(MEANS, panel.value, strict=True))
        return {
            **{name: first[name] for name in NAMES},
            "n_seeds": len(group),
            "n_examples": first["n_examples"],
            "collapsed": sum(self.facts[cell.key]["collapsed"] for cell in group),
            **intervals(panel, draws.units),
            "flips": finite(value["broken"] + value["fixed"]),
            "mcnemar_p": None if None in p_values else combined_p(p_values),
            **{name: _mean([each.numbers.get(name, np.nan) for each in changes]) for name in RUN_NUMBERS},
            "dense_information": finite(value["blind_nll"] - value["dense_nll"]),
            **self._equivalence(group),
        }

    def _equivalence(self, group: Cells) -> dict:
        """p-value and verdict; null with one seed of a run that depends on it, because its spread is unknown."""
        cell, dense = group[0], references(group)
        if len(group) == 1 and (cell.transfer != "none" or cell.compression.seeded):
            return {"equivalence_p": None, "equivalent": None}
        labeled, settings = bool(self.resolved.tasks[cell.task].class_names()), self.resolved.study.claims
        baseline = self.facts[dense[0].key][baseline_kind(settings.baseline, labeled, cell.transfer)]
        p = equivalence_p(self.scores, Group(group), Group(dense), baseline, settings.margin)
        return {"equivalence_p": p, "equivalent": None if p is None else p < LEVEL}


def intervals(panel: Panel, units: int) -> dict:
    """Estimate and 95 % interval of everything in `WITH_INTERVAL`, from a panel of `pair_changes.MEANS`.

    The information retained is (blind NLL - NLL) / (blind NLL - dense NLL), undefined unless the dense model has
    information. Its baseline, the NLL of a model that does not see the input, is drawn with the others. A share of 0 or
    1 has Wilson's interval for `units` independent examples, because all of its replicates are equal. Limits are
    clipped to the range of the statistic.
    """
    fit = panel.fit(_statistic)
    row = {}
    for at, ((name, bounds), *limits) in enumerate(zip(WITH_INTERVAL.items(), *fit.limits(), strict=True)):
        estimate = fit.estimate[at]
        if name in ("broken", "fixed") and estimate in (0, 1):
            limits = wilson(estimate, units)
        low, high = (float(np.clip(limit, *bounds)) if np.isfinite(limit) else limit for limit in limits)
        row |= {name: finite(estimate), f"{name}_low": finite(low), f"{name}_high": finite(high)}
    return row


def _statistic(m: Array) -> Array:
    broken, fixed, kl, nll, dense_nll, blind_nll = m
    return np.stack([broken, fixed, kl, ratio(blind_nll - nll, blind_nll - dense_nll)])


def _mean(values: list[float]) -> float | None:
    """The mean over the runs in which a number is defined."""
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else None
