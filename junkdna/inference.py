"""Drops and their intervals.

Bootstrap: a replicate draws seeds with replacement and, once for all of them, examples with replacement (every
seed is scored on the same examples, so these are crossed, not nested). The same draws serve a cell and its dense
reference, so that drops are paired; conditions that share their examples share the draws too. Intervals are 95 %
percentiles. With one seed the interval covers examples only.
"""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl

from junkdna import difficulty
from junkdna.collect import examples_of
from junkdna.errors import UserError
from junkdna.grid import expand, reference
from junkdna.keys import Cell, knob_text
from junkdna.seeds import seed_for
from junkdna.study import Resolved

QUANTILES = (0.025, 0.975)


@dataclass(frozen=True)
class Resamples:
    """Replicates of one evaluation set: how often each example is drawn, whole numbers (replicates, examples)."""

    counts_rn: np.ndarray
    seed: int

    def means(self, correct_sn: np.ndarray) -> np.ndarray:
        """Resampled mean (replicates,) of 0/1 rows (seeds, examples), seeds drawn anew in each replicate."""
        means_rs = self.counts_rn @ correct_sn.T / correct_sn.shape[1]  # sums of whole numbers: exact
        seeds = correct_sn.shape[0]
        draws = np.random.default_rng(self.seed).integers(0, seeds, (len(means_rs), seeds))
        return np.take_along_axis(means_rs, draws, axis=1).mean(axis=1)


def resamples(ids: tuple[str, ...], replicates: int) -> Resamples:
    """Bootstrap draws of an evaluation set, the same for every cell that was scored on these example ids."""
    seed = seed_for("bootstrap", *ids)
    counts = np.random.default_rng(seed).multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=replicates)
    return Resamples(counts.astype(float), seed_for("bootstrap_seeds", *ids))


def interval(values: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of bootstrap replicates."""
    low, high = np.quantile(values, QUANTILES)
    return float(low), float(high)


def effects(correct_sn: np.ndarray, dense_sn: np.ndarray, chance: float, draws: Resamples) -> dict:
    """Score, drop, percent of dense and share kept of one group of seeds against its dense reference, each with
    its interval. Arrays are 0/1 (seeds, examples), row i of both from the same seed.

    drop = dense - score; percent_of_dense = 100 score / dense; kept = (score - chance) / (dense - chance). `kept`
    is null where the dense score's interval reaches down to chance: a share of nothing has no meaning.
    """
    score, dense = float(correct_sn.mean()), float(dense_sn.mean())
    score_r, dense_r = draws.means(correct_sn), draws.means(dense_sn)
    row = {"score": score, "dense_score": dense, "drop": dense - score}
    row["score_low"], row["score_high"] = interval(score_r)
    row["drop_low"], row["drop_high"] = interval(dense_r - score_r)
    safe = dense > 0 and bool((dense_r > 0).all())
    row["percent_of_dense"] = 100 * (score / dense) if safe else None
    low, high = interval(100 * (score_r / dense_r)) if safe else (None, None)
    row |= {"percent_of_dense_low": low, "percent_of_dense_high": high}
    above = interval(dense_r)[0] > chance
    row["kept"] = (score - chance) / (dense - chance) if above else None
    usable = dense_r > chance
    low, high = interval((score_r[usable] - chance) / (dense_r[usable] - chance)) if above else (None, None)
    return row | {"kept_low": low, "kept_high": high}


def drops(resolved: Resolved, cells: pl.DataFrame) -> pl.DataFrame:
    """One row per (experiment, model, task, knobs, compression, transfer mode, protocol), aggregated over seeds."""
    facts = {row["cell"]: row for row in cells.iter_rows(named=True)}
    store = _Store(resolved.study.bootstrap)
    rows = []
    for experiment, members in expand(resolved).items():
        ordered = sorted(members, key=_group)
        for _, group in groupby(ordered, key=_group):
            rows.append({"experiment": experiment, **_row(list(group), facts, store, resolved)})
    return pl.DataFrame(rows, infer_schema_length=None)


def _group(cell: Cell) -> tuple:
    compression = (cell.compression.method, cell.compression.nominal_sparsity, cell.compression.tag)
    return (cell.model, cell.task, knob_text(cell.knobs), cell.transfer, cell.protocol, *compression)


class _Store:
    """Per-example rows and bootstrap draws, each read or made once."""

    def __init__(self, replicates: int) -> None:
        self.replicates = replicates
        self._correct: dict[Cell, tuple[tuple[str, ...], np.ndarray]] = {}
        self._draws: dict[tuple[str, ...], Resamples] = {}

    def correct(self, cell: Cell) -> tuple[tuple[str, ...], np.ndarray]:
        if cell not in self._correct:
            table = examples_of(cell)
            right = (table["gold"] == table["prediction"]).to_numpy().astype(float)
            self._correct[cell] = (tuple(table["id"]), right)
        return self._correct[cell]

    def draws(self, ids: tuple[str, ...]) -> Resamples:
        if ids not in self._draws:
            self._draws[ids] = resamples(ids, self.replicates)
        return self._draws[ids]


def _row(group: list[Cell], facts: dict, store: _Store, resolved: Resolved) -> dict:
    first = facts[group[0].key]
    ids = _common_ids(group, store)
    correct_sn = np.stack([store.correct(cell)[1] for cell in group])
    dense_sn = np.stack([store.correct(reference(cell))[1] for cell in group])
    result = effects(correct_sn, dense_sn, first["chance"], store.draws(ids))
    same = ("model", "task", "knobs", "metric", "kind", "method", "compression", "sparsity", "transfer", "protocol")
    return {
        **{name: first[name] for name in same},
        "label": _label(group[0], resolved),
        "n_seeds": len({cell.seed for cell in group}),
        "n_examples": first["n_examples"],
        "chance": first["chance"],
        "majority": first["majority"],
        **result,
        "score_seeds": [facts[cell.key]["score"] for cell in group],
        "collapsed": sum(facts[cell.key]["collapsed"] for cell in group),
        "achieved_sparsity": float(np.mean([facts[cell.key]["achieved_sparsity"] for cell in group])),
        "difficulty": difficulty.chance_corrected_dense_error(result["dense_score"], first["chance"]),
        "difficulty_measure": difficulty.CHANCE_CORRECTED_DENSE_ERROR,
        "truncated": first["truncated"],
    }


def _common_ids(group: list[Cell], store: _Store) -> tuple[str, ...]:
    """Example ids of a group; UserError where a cell or its reference was scored on others: drops are paired by row."""
    ids, _ = store.correct(group[0])
    for cell in [*group, *map(reference, group)]:
        if store.correct(cell)[0] != ids:
            raise UserError(
                f"{cell.path} was scored on other examples than {group[0].path}: the encoded file changed between "
                f"them. Delete the older of the two and run Snakemake again."
            )
    return ids


def _label(cell: Cell, resolved: Resolved) -> str:
    task = resolved.tasks[cell.task]
    values = {**{name: knob.default for name, knob in task.knobs.items()}, **dict(cell.knobs)}
    words = []
    if "context" in values:
        words.append("no passage" if values["context"] == "none" else f"with {values['context']}")
    if "options" in dict(cell.knobs):
        words.append(f"{values['options']} options")
    models = {model for exp in resolved.study.active().values() for model in exp.models}
    return " ".join(
        [task.title, *(["·", ", ".join(words)] if words else []), *([f"({cell.model})"] if len(models) > 1 else [])]
    )
