"""The table of matched losses: what the hardest condition loses more than the easiest, next to what both lose."""

from collections.abc import Callable, Iterator, Mapping
from statistics import fmean

import numpy as np
import polars as pl

from junkdna.analysis.cell_answers import Group
from junkdna.analysis.curves import facts_of
from junkdna.analysis.effects import panel_rows
from junkdna.analysis.groups import references, study_groups
from junkdna.analysis.intervals import finite
from junkdna.analysis.retention import ratio
from junkdna.analysis.scores import Scores
from junkdna.analysis.series import natural
from junkdna.study.cell import Cell, knob_text
from junkdna.study.study import Resolved

Array = np.ndarray
Cells = tuple[Cell, ...]
NAMES = ("mean_loss", "extra_loss")
SIDES = ("easy", "hard")
PLACE = ("task", "knobs", "protocol")
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("experiment", "model", "method", "compression"), pl.String), "sparsity": pl.Float64,
    **{f"{side}_{name}": pl.String for side in SIDES for name in (*PLACE, "label")},
    "n_seeds": pl.Int64, "n_examples": pl.Int64, "collapsed": pl.Float64, "effective_bits_per_weight": pl.Float64,
    **{f"{name}{end}": pl.Float64 for name in NAMES for end in ("", "_low", "_high")},
}  # fmt: skip


def matched(
    resolved: Resolved, cells: pl.DataFrame, drops: pl.DataFrame, scores: Scores, partial: bool = False
) -> pl.DataFrame:
    """One row per experiment, model and compression without fine-tuning that both conditions of a pair have.

    The pair is the easiest and the hardest condition of the model by measured difficulty, among those that have a
    retention under some compression. With retention r, `mean_loss` is 1 - (r_easy + r_hard) / 2 and `extra_loss` is
    r_easy - r_hard. Their intervals are those of `intervals.Fit`, and paired: both conditions and their dense models
    share the draws of examples (if the examples are the same) and the left-out seeds. `drops` is the table of drops of
    `cells`; `partial` is that of `drops`.
    """
    rows = []
    if drops.is_empty():  # then it has no columns either
        return pl.DataFrame(schema=SCHEMA)
    for experiment, _, groups in study_groups(resolved, facts_of(cells), partial):
        of = {_key(group[0]): group for group in groups if group[0].transfer == "none"}
        own = drops.filter((pl.col("experiment") == experiment) & (pl.col("transfer") == "none"))
        for pair in _pairs(own.filter(pl.col("method") != "dense").drop_nulls("retention")):
            found = [of[_row_key(row)] for row in pair]
            rows.append({"experiment": experiment, **_names(*pair), **_effects(scores, found, pair)})
    return pl.DataFrame(rows, schema=SCHEMA)


def _key(cell: Cell) -> tuple:
    knobs = knob_text(cell.knobs) if cell.knobs else ""
    return (cell.model, cell.task, knobs, cell.protocol, cell.compression.tag)


def _row_key(row: Mapping) -> tuple:
    return tuple(row[name] for name in ("model", *PLACE, "compression"))


def _pairs(rows: pl.DataFrame) -> Iterator[tuple[dict, dict]]:
    """For each model and compression, its rows of the easiest and of the hardest condition."""
    for model in sorted(rows["model"].unique(), key=natural):
        places = rows.filter(model=model).partition_by(PLACE, as_dict=True)
        known = {place: hard for place, own in places.items() if (hard := _difficulty(own)) is not None}
        if len(known) < 2:
            continue
        ordered = sorted(known, key=lambda place: (known[place], *map(natural, place)))
        easy, hard = ({row["compression"]: row for row in places[ordered[at]].iter_rows(named=True)} for at in (0, -1))
        yield from ((easy[tag], hard[tag]) for tag in easy if tag in hard)


def _difficulty(rows: pl.DataFrame) -> float | None:
    known = rows["difficulty"].drop_nulls().unique().to_list()
    return fmean(sorted(known)) if known else None


def _names(easy: Mapping, hard: Mapping) -> dict:
    both = (easy, hard)
    return {
        **{name: easy[name] for name in ("model", "method", "compression", "sparsity")},
        **{f"{side}_{name}": row[name] for side, row in zip(SIDES, both, strict=True) for name in (*PLACE, "label")},
        **{name: min(row[name] for row in both) for name in ("n_seeds", "n_examples")},
        "collapsed": sum(row["collapsed"] for row in both) / sum(row["n_seeds"] for row in both),
        "effective_bits_per_weight": _mean([row["effective_bits_per_weight"] for row in both]),
    }


def _mean(values: list[float | None]) -> float | None:
    return None if None in values else finite(fmean(values))


def _effects(scores: Scores, pair: list[Cells], rows: tuple[dict, dict]) -> dict:
    """Both losses with their limits."""
    panels = [
        panel_rows(Group(cells), Group(references(cells)), row["metric"]) for cells, row in zip(pair, rows, strict=True)
    ]
    retentions = [_retention(row[row["baseline"]]) for row in rows]
    split = len(panels[0])

    def statistic(m: Array) -> Array:
        easy, hard = (kept(part) for kept, part in zip(retentions, (m[:split], m[split:]), strict=True))
        return np.stack([1 - (easy + hard) / 2, easy - hard])

    fit = scores.panel([group for panel in panels for group in panel]).fit(statistic)
    columns = zip(("", "_low", "_high"), (fit.estimate, *fit.limits()), strict=True)
    return {f"{name}{end}": finite(values[at]) for end, values in columns for at, name in enumerate(NAMES)}


def _retention(baseline: float) -> Callable[[Array], Array]:
    """Retention from scores of dense, the compressed model and, for likelihoods, the drawn baseline."""

    def kept(m: Array) -> Array:
        zero = m[2] if len(m) > 2 else baseline
        return ratio(m[1] - zero, m[0] - zero)

    return kept
