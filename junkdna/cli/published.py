"""`junkdna published`: how far the curves of a study are from the published ones, as text for a terminal."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.cli.tables import aligned, read_table
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    import polars as pl

COLUMNS = (
    "condition", "model", "method", "levels", "transfer", "protocol", "common", "doubtful", "RMSE relative score (%)",
    "RMSE retention", "inside (%)",
)  # fmt: skip
FAMILIES = {"unstructured": "unstructured", "nm": "N:M"}
REASONS = {  # columns of a published condition in the order in which they are compared -> why none is left
    "hub": "none of its models is that of a published curve",
    "task": "with these models, no published curve has one of its tasks",
    "transfer": "with these models and tasks, no published curve has one of its transfer modes",
    "knobs": "with these models, tasks and transfer modes, no published curve has the same knobs",
}
LAST_REASON = "the published curves of these conditions have other methods or other options"


def published(resolved: Resolved, folder: Path | None = None) -> Iterator[str]:
    """Lines with the table of reproduction of a finished study, or why it is empty and what published curves cover.

    `folder` is that of its results; by default results/studies/NAME. Raises UserError if the study has no table of
    reproduction.
    """
    table = read_table(resolved, "reproduction", folder)
    if table.is_empty():
        yield from _nothing(resolved, read_table(resolved, "drops", folder))
        return
    for (experiment,), rows in table.partition_by("experiment", as_dict=True, maintain_order=True).items():
        yield experiment
        yield from (f"  {line}" for line in aligned(COLUMNS, map(_row, rows.iter_rows(named=True))))
        yield ""
    yield "Published: arXiv 2310.02277, first version. RMSE: over the common levels. Inside: published points in the"
    yield "study's 95 % interval. Training and scoring may differ (docs/published.md)."


def _row(row: dict) -> tuple[str, ...]:
    return (
        row["label"],
        row["model"],
        row["method"],
        FAMILIES[row["family"]],
        row["transfer"],
        row["protocol"],
        f"{row['levels']} of {row['published_levels']}",
        str(row["doubtful"]),
        _number(row["rmse_relative_score"], 1),
        _number(row["rmse_retention"], 3),
        _number(None if row["share_inside"] is None else 100 * row["share_inside"], 0),
    )


def _number(value: float | None, digits: int) -> str:
    """A number, or "-" if it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def _nothing(resolved: Resolved, drops: "pl.DataFrame") -> Iterator[str]:
    """Why no published curve covers a curve of the study, and what the published curves cover."""
    from junkdna.analysis.published_overlay import MATCH
    from junkdna.analysis.published_overlay import published as points

    conditions = points().select(MATCH).unique(maintain_order=True)
    yield f"No published curve shows a condition of study {resolved.study.study}: {_reason(drops, conditions)}."
    yield "The published curves (arXiv 2310.02277, first version) cover:"
    yield from (
        f"  {line}" for line in aligned(("model", "task", "transfer", "methods", "knobs"), _covered(conditions))
    )
    yield "A curve is compared if all of these are the same. A model is named by `hub:` in the study."


def _reason(drops: "pl.DataFrame", conditions: "pl.DataFrame") -> str:
    """The first property in which all rows of the study differ from the published conditions."""
    same: list[str] = []
    for name, reason in REASONS.items():
        same.append(name)
        if drops.join(conditions, on=same, how="semi").is_empty():
            return reason
    return LAST_REASON


def _covered(conditions: "pl.DataFrame") -> Iterator[tuple[str, ...]]:
    """One row per model and task of the published conditions, with everything else that occurs."""
    for (hub, task), rows in conditions.sort("hub", maintain_order=True).partition_by(
        "hub", "task", as_dict=True, maintain_order=True
    ).items():  # fmt: skip
        lists = {name: rows[name].unique(maintain_order=True).to_list() for name in ("knobs", "method", "transfer")}
        knobs = ", ".join(text or "defaults" for text in lists["knobs"])
        yield hub, task, ", ".join(lists["transfer"]), ", ".join(lists["method"]), knobs
