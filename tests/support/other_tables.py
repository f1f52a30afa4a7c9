"""The other tables of a study that fit a table of drops, simulated: nothing in them was measured."""

from pathlib import Path

import numpy as np
import polars as pl

from junkdna.analysis import connectivity_columns, result_columns
from junkdna.analysis import layers as layers_table
from junkdna.analysis import margins as margins_table
from junkdna.analysis import matched as matched_table
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
    made |= details(drops)
    return {name: with_labels(table, drops) for name, table in made.items()}


def write_tables(drops: pl.DataFrame, path: Path) -> None:
    """Write every table of `tables` next to `path`, that of the drops."""
    for name, table in {"drops": drops, "claims": claims(), "behavior": behavior(drops), **details(drops)}.items():
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


def details(drops: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables of matrices, of pairs of conditions and of margins."""
    return {"layers": layers(drops), "matched": matched(drops), "margins": margins(drops)}


KINDS = ("attention.query", "output.dense")


def layers(drops: pl.DataFrame, blocks: int = 3) -> pl.DataFrame:
    """Two kinds of matrix in three blocks, and one matrix outside, whose errors grow with the level and the block."""
    rows = []
    tags = drops.filter(pl.col("method") != "dense").select("model", "method", "compression", "sparsity").unique()
    for row in tags.sort("model", "compression").iter_rows(named=True):
        places = [(block, kind) for block in range(blocks) for kind in KINDS] + [(None, "head")]
        for position, (block, kind) in enumerate(places):
            error = min(1.0, (row["sparsity"] or 0.1) + 0.02 * position)
            known = {"matrix": f"{block}.{kind}", "position": position, "block": block, "kind": kind}
            measured = {"weight_error": error, "effective_bits": 8.0, "left_dense": False, "head": ""}
            quantized = row["method"] == "rtn"
            sparsity = None if quantized else min(1.0, row["sparsity"] + 0.01 * position)
            measured |= {"output_error": error / 2 if quantized else None, "sparsity": sparsity}
            rows.append(row | known | measured)
    return pl.DataFrame([{name: row.get(name) for name in layers_table.SCHEMA} for row in rows], layers_table.SCHEMA)


def matched(drops: pl.DataFrame) -> pl.DataFrame:
    """The pair of the easiest and the hardest condition, with limits 0.1 to both sides."""
    rows = []
    for (experiment,), own in (
        drops.filter(pl.col("transfer") == "none").partition_by("experiment", as_dict=True).items()
    ):
        for easy, hard in matched_table._pairs(own.filter(pl.col("method") != "dense").drop_nulls("retention")):
            kept = easy["retention"], hard["retention"]
            values = {"mean_loss": 1 - sum(kept) / 2, "extra_loss": kept[0] - kept[1]}
            ends = {
                f"{name}{end}": value + by
                for name, value in values.items()
                for end, by in (("_low", -0.1), ("_high", 0.1))
            }
            rows.append({"experiment": experiment, **matched_table._names(easy, hard), **values, **ends})
    return pl.DataFrame(rows, matched_table.SCHEMA)


def margins(drops: pl.DataFrame, examples: int = 12) -> pl.DataFrame:
    """A dozen examples of every condition at every sparsity, with margins that shrink."""
    rows = []
    names = (*margins_table.SAME, "method", "compression", "sparsity", "label", "difficulty")
    for row in drops.filter(pl.col("sparsity") > 0).unique(names[:7], maintain_order=True).iter_rows(named=True):
        for at in range(examples):
            dense, left = (at - 4) / 10, (1 - row["sparsity"]) * (at - 4) / 10 + 0.1 * (at % 3 - 1)
            change = margins_table.CHANGES[int(dense > 0), int(left > 0)]
            known = {"seed": 0, "id": f"q{at}", "dense_margin": dense, "margin": left, "change": change}
            rows.append({name: row[name] for name in names} | known | {"n_change": 3, "n_examples": examples})
    columns = result_columns.MARGINS.columns
    return filled(result_columns.MARGINS, [{column.name: row[column.name] for column in columns} for row in rows])
