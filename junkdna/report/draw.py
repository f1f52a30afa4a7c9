"""Draw all figures of a study from its drops table; says beforehand which there will be, without matplotlib."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.errors import UserError
from junkdna.report.figures import series
from junkdna.storage.tables import read_frame

if TYPE_CHECKING:
    import polars as pl


class Outline(NamedTuple):
    """What decides the figures of an experiment: its transfer modes, how many conditions (task x knobs) it has, and the
    tags of its compressions (None, not known: all have a sparsity)."""

    modes: Collection[str]
    conditions: int
    compressions: Collection[str] | None = None

    def kinds(self) -> set[str]:
        """The kinds of level of its compressions; none for dense alone."""
        if self.compressions is None:
            return {"sparsity"}
        return {line.kind for tag in self.compressions if (line := series.line_of(tag))}


def figure_names(experiments: Mapping[str, Outline]) -> list[str]:
    """File stems of the figures of a study.

    `headline` first, then for each experiment those that have something to show: `difficulty_<name>` (two or more
    conditions); without fine-tuning `sparsity_<name>` (methods that prune to a sparsity), `budget_<name>` (methods
    without one: bits, rank) and `bands_<name>`; `transfer_<name>` (fine-tuned compressed models, bands of |w| apart).
    """
    names = ["headline"]
    for experiment, outline in experiments.items():
        kinds, plain = outline.kinds(), "none" in outline.modes
        shown = {
            "difficulty": outline.conditions > 1,
            "sparsity": plain and not kinds.isdisjoint(series.PRUNING),
            "budget": plain and not kinds.isdisjoint(series.PLAIN),
            "bands": plain and "band" in kinds,
            "transfer": bool(set(outline.modes) - {"none", "dense"} and kinds - {"band"}),
        }
        names += [f"{family}_{experiment}" for family, is_shown in shown.items() if is_shown]
    return names


def outlines(drops: pl.DataFrame) -> dict[str, Outline]:
    """Outline of each experiment of a drops table, in its order: the same that its study says."""
    return {
        rows["experiment"][0]: Outline(
            set(rows["transfer"]), rows.select("task", "knobs").n_unique(), set(rows["compression"])
        )
        for rows in drops.partition_by("experiment", maintain_order=True)
    }


def draw_all(drops: Path, folder: Path, note: Callable[[str], str] | None = None) -> list[Path]:
    """Write every figure of the table at `drops` into `folder` as PDF, SVG and PNG; returns the files.

    `note`, where given, says what stands at the top of a figure, by the name of its experiment ("" for the headline).
    Raises UserError when the table is empty. An experiment with nothing to draw, such as a dense one, has no figure.
    """
    import polars as pl

    from junkdna.report.figures import bands, budget, difficulty, headline, layout, sparsity, transfer
    from junkdna.report.figures import layout as report_figures_layout

    table = read_frame(drops, "table of drops").cast({pl.Null: pl.Float64})  # a column of nulls alone has no type yet
    if table.is_empty():
        raise UserError(
            f"{drops}: nothing to draw, the table has no rows. Run cells of the study and collect them first."
        )
    makers = {
        module.__name__.rpartition(".")[2]: module.draw for module in (difficulty, sparsity, budget, bands, transfer)
    }
    figures = {}
    for name in figure_names(outlines(table)):
        family, _, experiment = name.partition("_")
        figures[name] = makers[family](table, experiment) if experiment else headline.draw(table)
        if note is not None:
            layout.head_note(figures[name], note(experiment))
    return [
        path for name, figure in figures.items() for path in report_figures_layout.save(figure, Path(folder) / name)
    ]
