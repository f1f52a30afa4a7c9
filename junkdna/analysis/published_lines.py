"""The published curves of figure 10 (`lmc_performance`, `lmc_loss`) at the points of a connection."""

import re
from collections.abc import Sequence
from functools import cache

from junkdna.analysis.published_curves import LARGE, TASKS, read_points

FIGURES = {"published_score": "lmc_performance", "published_loss": "lmc_loss"}
SERIES = re.compile(r"(.+), sparsity (.+)")
METRICS = {"stsb": ("pearson", "spearman")}  # the source says correlation


def published_values(row: dict, alphas: Sequence[float]) -> dict[str, list[float | None]]:
    """`published_score` and `published_loss` at each point; None where the source has no value.

    A line matches if model, task, level, metric and magnitude pruning over all matrices do. The source says neither
    seeds nor the number of runs.
    """
    none: list[float | None] = [None] * len(alphas)
    return {name: [_line(figure, row).get(round(at, 6)) for at in alphas] if _fits(row) else none
            for name, figure in FIGURES.items()}  # fmt: skip


def _fits(row: dict) -> bool:
    same = row["hub"] == LARGE and not row["knobs"] and row["transfer"] == "sparse" and row["method"] == "magnitude"
    return same and row["metric"] in METRICS.get(row["task"], ("accuracy",))


def _line(figure: str, row: dict) -> dict[float, float]:
    return _lines(figure).get((row["task"], row["compression"]), {})


@cache
def _lines(figure: str) -> dict[tuple[str, str], dict[float, float]]:
    """(Task, compression) -> value by the interpolation coefficient."""
    found: dict[tuple[str, str], dict[float, float]] = {}
    for row in read_points().iter_rows(named=True):
        if row["figure"] == figure and (parts := SERIES.fullmatch(row["series"])):
            key = (TASKS[parts[1]], f"magnitude-{parts[2]}")
            found.setdefault(key, {})[round(float(row["x"]), 6)] = row["value"]
    return found
