"""The table of all numbers of a comparison, and the bars of changed answers."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural, series_of, strength
from junkdna.compare.words import compressions, halves, place
from junkdna.report.page.flips import MOST, Flips
from junkdna.report.page.numbers import Column
from junkdna.report.page.words import mode, probability
from junkdna.report.plotting.series import pick
from junkdna.report.plotting.text import metric_label

if TYPE_CHECKING:
    from junkdna.compare.tables import Comparison

MEASURED = ("drop_a", "drop_b", "drop_difference", "share_lost_a", "share_lost_b", "share_lost_difference", "score_a",
            "score_b", "score_difference")  # fmt: skip
TEXT = ("label", "experiment", "model", "task", "knobs", "compression_label", "method", "transfer", "metric", "seeds",
        "interval", "note")  # fmt: skip
FIELDS = (
    *TEXT, *(f"{name}{end}" for name in MEASURED for end in ("", "_low", "_high")), "dense_score_a", "dense_score_b",
    "broken", "fixed", "mcnemar_p", "n_examples",
)  # fmt: skip
"""Values of a row, in the order of the data for the script and of the CSV that it writes."""


def columns(found: Comparison) -> list[Column]:
    """The columns that say something in this comparison."""
    shown = rows(found)
    several = {name: len({row[name] for row in shown}) > 1 for name in ("transfer", "model", "interval")}
    changed = any(row["broken"] is not None for row in shown)
    return [
        Column("label", "Condition"),
        Column("compression_label", "Compression"),
        *([Column("transfer", "Fine-tuning")] if several["transfer"] else []),
        *([Column("model", "Model")] if several["model"] else []),
        Column("drop_difference", "Drop, B − A", 3, True),
        Column("drop_a", "Drop in A", 3, True),
        Column("drop_b", "Drop in B", 3, True),
        Column("share_lost_difference", "Share lost, B − A", 2, True),
        Column("score_a", "Score in A", 3),
        Column("score_b", "Score in B", 3),
        *([Column("broken", "Broken", 3), Column("fixed", "Fixed", 3), Column("mcnemar_p", "p", 3)] if changed else []),
        Column("n_examples", "n", 0),
        Column("seeds", "Seeds"),
        *([Column("interval", "Interval")] if several["interval"] else []),
        Column("note", "Notes"),
    ]


def rows(found: Comparison) -> list[dict]:
    """Every row of differences with what the table shows of it; its `key` stays as long as the row means the same."""
    several = found.differences["protocol_a"].n_unique() > 1
    return [_shown(row, several) for row in sorted(found.differences.iter_rows(named=True), key=_order)]


def _order(row: dict) -> tuple:
    series = series_of(row["compression_a"])
    level = () if series is None else (series.order, strength(row["compression_a"]))
    where = tuple(natural(row[name]) for name in ("model_a", "task", "knobs_a", "protocol_a"))
    return (*where, series is not None, row["transfer_a"], *level)


def _shown(row: dict, protocols: bool) -> dict:
    one, two = halves(row)
    parts = [f"{name}={each[name]}" for each in (one, two) for name in ("model", "knobs", "compression", "transfer")]
    key = hashlib.sha256("\x1f".join((row["task"], *parts, one["protocol"], two["protocol"])).encode()).hexdigest()[:8]
    words = {
        "key": f"row-{key}", "label": place(row, protocols), "compression_label": compressions(row), "experiment": "",
        "metric": metric_label(row["metric"]), "transfer": _both(mode(one["transfer"]), mode(two["transfer"])),
        "model": _both(one["model"], two["model"]), "knobs": _both(one["knobs"], two["knobs"]),
        "method": _both(*(each["compression"].partition("-")[0] for each in (one, two))),
        "seeds": _both(one["seeds"], two["seeds"]), "n_examples": row["n_examples_a"],
    }  # fmt: skip
    return row | words


def _both(one: str, two: str) -> str:
    return one if one == two else f"{one} / {two}"


def bars(found: Comparison) -> tuple[list[Flips], int]:
    """At most `MOST` bars of answers that changed from A to B, and the number of rows that are left out. Of each
    condition at most four levels of a series, and the dense model."""
    several = found.differences["protocol_a"].n_unique() > 1
    groups: dict[tuple, list[dict]] = {}
    changed = [row for row in found.differences.iter_rows(named=True) if row["broken"] is not None and _shows(row)]
    for row in sorted(changed, key=_order):
        groups.setdefault((place(row, several), row["knobs_a"], row["protocol_a"]), []).append(row)
    shown: list[Flips] = []
    for (label, *_), group in groups.items():
        shown += _bars(label, _picked(group)) if len(shown) < MOST else []
    return shown, len(changed) - len(shown)


def _shows(row: dict) -> bool:
    """Whether a row says something: not a dense model that is the same in A and B."""
    return row["drop_difference"] is not None or row["broken"] + row["fixed"] > 0


def _picked(group: list[dict]) -> list[dict]:
    by_series: dict[object, list[str]] = {}
    for row in group:
        by_series.setdefault(series_of(row["compression_a"]), []).append(row["compression_a"])
    kept = {tag for series, tags in by_series.items() for tag in (pick(tags) if series else tags)}
    return [row for row in group if row["compression_a"] in kept]


def _bars(label: str, group: list[dict]) -> list[Flips]:
    return [
        Flips(
            label, compressions(row), 100 * row["broken"], 100 * row["fixed"], probability(row["mcnemar_p"]),
            at == 0,
        )
        for at, row in enumerate(group)
    ]  # fmt: skip
