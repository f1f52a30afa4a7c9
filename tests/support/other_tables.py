"""The other tables of a study that fit a table of drops, simulated: nothing in them was measured."""

from pathlib import Path

import numpy as np
import polars as pl

from junkdna.analysis import connectivity_columns, result_columns
from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.report.draw import with_labels
from junkdna.storage.tables import write_frame

VERDICTS = ("supported", "undecided", "contradicted", "untestable")
TYPES = {"text": pl.String, "number": pl.Float64, "whole number": pl.Int64, "true or false": pl.Boolean,
         "list of numbers": pl.List(pl.Float64)}  # fmt: skip


def tables(drops: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Every table that figures are drawn from, by name, as `draw.drawing` gives it to them."""
    made = {"drops": drops, "claims": claims(), "behavior": behavior(drops), "difficulty": difficulty(drops)}
    made["connectivity"] = lines(drops)
    return {name: with_labels(table, drops) for name, table in made.items()}


def write_tables(drops: pl.DataFrame, path: Path) -> None:
    """Write every table of `tables` next to `path`, that of the drops."""
    for name, table in {"drops": drops, "claims": claims(), "behavior": behavior(drops)}.items():
        write_frame(table, path if name == "drops" else path.with_name(f"{name}.parquet"))
    write_frame(difficulty(drops).clear(), path.with_name("difficulty.parquet"))
    write_frame(lines(drops).clear(), path.with_name("connectivity.parquet"))


def lines(drops: pl.DataFrame, points: int = 5) -> pl.DataFrame:
    """Lines from dense to sparse transfer for every row of it in a table of drops, and a control for each condition.

    The loss of a line rises by its level in the middle; a control has the highest barrier. Models in the middle of a
    line to 80 % or more give one answer.
    """
    rows = []
    for row in drops.filter(pl.col("transfer").is_in(["dense", "sparse"])).iter_rows(named=True):
        control = row["transfer"] == "dense"
        names = ("experiment", "model", "task", "knobs", "metric", "method", "compression", "sparsity", "transfer")
        own = {name: row[name] for name in (*names, "protocol", "title", "label", "hub", "n_examples")}
        own |= {"loss_unit": "nats", "seeds": "0-0", "n_seeds": 1 if control else row["n_seeds"]}
        height = 1.0 if control else row["sparsity"]
        for alpha in np.linspace(0, 1, points):
            rise = height * 4 * alpha * (1 - alpha)
            values = {"score": 0.9 - 0.3 * rise, "loss": 0.4 + rise}
            for name, value in values.items():
                barrier = {"score": 0.3, "loss": 1.0}[name] * height
                own |= {name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1}
                own |= {f"{name}_seeds": [value - 0.05, value + 0.05] if own["n_seeds"] > 1 else [value]}
                own |= {f"{name}_barrier": barrier, f"{name}_barrier_low": barrier - 0.1, f"{name}_barrier_at": 0.5}
                own |= {f"{name}_barrier_high": barrier + 0.1, f"{name}_barrier_seeds": [barrier]}
            collapsed = own["n_seeds"] if height >= 0.8 and alpha == 0.5 and not control else 0
            rows.append(own | {"alpha": float(alpha), "collapsed": collapsed})
    return filled(connectivity_columns.CONNECTIVITY, rows)


def filled(described: result_columns.Table, rows: list[dict]) -> pl.DataFrame:
    """Rows with the documented columns of a table; those that are not given are null."""
    schema = {column.name: TYPES[column.type] for column in described.columns}
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)


def claims() -> pl.DataFrame:
    """Two tests of every claim, with verdicts in turn; one interval is wide, one row untestable."""
    rows = []
    for at, name in enumerate([*CLAIMS, *CLAIMS]):
        verdict = VERDICTS[at % 4]
        known = verdict != "untestable"
        own = {
            "claim": name,
            "experiment": "x",
            "model": "m",
            "unit": f"condition {at} of a long-named knob",
            "margin": 0.05,
        }
        own |= {
            "verdict": verdict,
            "primary": True,
            "n_seeds": 1 + at % 3,
            "n_examples": 400,
            "reason": "" if known else "why",
            "setting": "smallest weights pruned (magnitude)",
            "details": "",
        }
        own |= (
            {"estimate": 0.1 * at, "low": 0.1 * at - 0.2, "high": 0.1 * at + (9 if at == 3 else 0.2)} if known else {}
        )
        rows.append(own)
    return filled(result_columns.CLAIMS, rows)


SHARED = ("experiment", "model", "task", "knobs", "kind", "method", "compression", "sparsity", "transfer", "protocol")
SHARED += ("n_seeds", "n_examples", "collapsed")


def behavior(drops: pl.DataFrame) -> pl.DataFrame:
    """Flips and divergences that grow with the loss."""
    rows = []
    for row in drops.filter(pl.col("method") != "dense").iter_rows(named=True):
        lost = max(row["drop"], 0.0)
        values = {"broken": lost + 0.02, "fixed": 0.02, "kl_divergence": 0.7 * lost + 0.01}
        ends = {
            f"{name}{end}": value * by for name, value in values.items() for end, by in (("_low", 0.8), ("_high", 1.2))
        }
        rows.append({name: row[name] for name in SHARED} | values | ends)
    return filled(result_columns.BEHAVIOR, rows)


def difficulty(drops: pl.DataFrame) -> pl.DataFrame:
    """Three bins of every task; in the hardest the dense model of one task in three is at its baseline."""
    rows = []
    for row in drops.iter_rows(named=True):
        for rank, name in enumerate(("easy", "medium", "hard")):
            own = {
                "bin": name,
                "bin_rank": rank,
                "difficulty_title": "school grade",
                "dense_known_share": 0.8 - 0.3 * rank,
            }
            same = {column.name: row.get(column.name) for column in result_columns.DIFFICULTY.columns}
            for each in ("retention", "retention_low", "retention_high"):
                hidden = row[each] is None or (rank == 2 and len(row["task"]) % 3 == 0)
                own[each] = None if hidden else row[each] - 0.05 * rank
            rows.append(same | own)
    return filled(result_columns.DIFFICULTY, rows)
