"""Draw all figures of a study from its drops table; says beforehand which there will be, without matplotlib."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from junkdna.errors import UserError


def figure_names(experiments: Mapping[str, Collection[str]]) -> list[str]:
    """File stems of the figures of a study, given the transfer modes of each experiment.

    `headline` first, then for each experiment `sparsity_<name>` (transfer none) and `transfer_<name>` (fine-tuned).
    """
    names = ["headline"]
    for experiment, modes in experiments.items():
        names += [f"sparsity_{experiment}"] if "none" in modes else []
        names += [f"transfer_{experiment}"] if set(modes) - {"none"} else []
    return names


def draw_all(drops: Path, folder: Path) -> list[Path]:
    """Write every figure of the table at `drops` into `folder` as PDF, SVG and PNG; returns the files.

    Raises UserError when the table is empty or an experiment has nothing to draw; then nothing of it is written.
    """
    import polars as pl

    from junkdna.figures import headline, sparsity, style, transfer

    table = pl.read_parquet(drops).cast({pl.Null: pl.Float64})  # a column of nulls alone has no type yet
    if table.is_empty():
        raise UserError(
            f"{drops}: nothing to draw, the table has no rows. Run cells of the study and collect them first."
        )
    modes = {
        name: set(table.filter(pl.col("experiment") == name)["transfer"])
        for name in table["experiment"].unique(maintain_order=True)
    }
    makers = {"sparsity": sparsity.draw, "transfer": transfer.draw}
    figures = {}
    for name in figure_names(modes):
        family, _, experiment = name.partition("_")
        figures[name] = makers[family](table, experiment) if experiment else headline.draw(table)
    return [path for name, figure in figures.items() for path in style.save(figure, Path(folder) / name)]
