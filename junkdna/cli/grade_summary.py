"""The result of grading as lines for a terminal."""

from collections.abc import Iterator, Mapping

import polars as pl

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.analysis.claims_table import headlines
from junkdna.cli.tables import interval

JOIN = ("model", "task", "knobs", "compression", "transfer", "protocol")
COLUMNS = (
    "task", "metric", "n", "dense", "compressed model", "score", "drop (95 %)", "broken", "fixed", "McNemar p",
    "retention (95 %)", "equivalent",
)  # fmt: skip


def table_rows(
    tables: Mapping[str, pl.DataFrame], metrics: Mapping[str, str], names: Mapping[str, str]
) -> Iterator[tuple]:
    """The rows below `COLUMNS`: each compressed model on each task, in the order of the logs. `metrics` maps a task
    to its metric in the log, `names` the tag of a compression to its name on the command line."""
    changes = {tuple(row[name] for name in JOIN): row for row in tables["behavior"].iter_rows(named=True)}
    rows = tables["drops"].filter(pl.col("method") != "dense").to_dicts()
    places = {tag: at for at, tag in enumerate(names)}
    for row in sorted(rows, key=lambda row: ([*metrics].index(row["task"]), places[row["compression"]])):
        change = changes[tuple(row[name] for name in JOIN)]
        yield (
            row["task"],
            metrics[row["task"]],
            str(row["n_examples"]),
            f"{row['dense_score']:.3f}",
            names[row["compression"]],
            f"{row['score']:.3f}",
            interval(row["drop"], row["drop_low"], row["drop_high"]),
            percent(change["broken"]),
            percent(change["fixed"]),
            "-" if change["mcnemar_p"] is None else f"{change['mcnemar_p']:.2g}",
            interval(row["retention"], row["retention_low"], row["retention_high"]),
            {None: "-", True: "yes", False: "not shown"}[change["equivalent"]],
        )


def percent(share: float | None) -> str:
    """A share in percent; "-" if undefined (partial credit is neither right nor wrong)."""
    return "-" if share is None else f"{100 * share:.1f} %"


def verdicts(claims: pl.DataFrame) -> Iterator[str]:
    """One line for each claim and model: its verdict and, if there is one, the reason."""
    for name, by_model in headlines(claims).items():
        for head in by_model.values():
            yield f"{CLAIMS[name].label}: {head.verdict}{f' ({head.reason})' if head.reason else ''}"
