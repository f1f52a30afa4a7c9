"""Draw the figures of a study from its tables, and write the table of marks of each."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.report.catalog import MODULES, figure_names, named, outlines
from junkdna.report.plotting import layout
from junkdna.report.unit_titles import titled
from junkdna.storage.atomic import atomic_write
from junkdna.storage.tables import read_frame

if TYPE_CHECKING:
    import matplotlib.figure
    import polars as pl

    from junkdna.report.plotting.drawing import Drawing


def draw_all(drops: Path, folder: Path, note: Callable[[str], str] | None = None, processes: int = 1) -> list[Path]:
    """Write every figure of the study whose table of drops is at `drops` to `folder`, and return the files.

    Each is written as PDF, SVG and PNG, with its marks as CSV. The other tables are next to `drops`. `note` maps the
    name of an experiment ("" for the study) to a note for the top of its figures. Experiments with nothing to draw,
    such as those with dense cells only, have no figures. Figures are drawn by so many `processes` at a time; the files
    are the same. Raises UserError if the table is empty.
    """
    if read_frame(drops, "table of drops").is_empty():
        raise UserError(
            f"{drops}: the table has no rows, so there is nothing to draw. Run and collect cells of the study first."
        )
    wanted = names(drops.parent)
    notes = ["" if note is None else note(named(name).experiment) for name in wanted]
    draw = partial(_draw, drops.parent, Path(folder))
    if processes == 1:
        written = list(map(draw, wanted, notes))
    else:
        with ProcessPoolExecutor(min(processes, len(wanted)), get_context("spawn")) as pool:
            written = list(pool.map(draw, wanted, notes))
    return [file for files in written for file in files]


def _draw(tables: Path, folder: Path, name: str, note: str) -> list[Path]:
    """Write one figure, with a note at its top unless that is ""."""
    drawn = drawing(tables, name)
    figure = render(drawn)
    if note:
        layout.head_note(figure, note)
    return [*layout.save(figure, folder / name), write_marks(drawn, folder / name)]


OTHERS = ("difficulty", "connectivity")  # tables of some experiments alone, in the order of `catalog.outlines`


def names(tables: Path) -> list[str]:
    """The names of all figures of the study whose tables are in a folder."""
    of = {name: set(read_frame(tables / f"{name}.parquet", f"table of {name}")["experiment"]) for name in OTHERS}
    return figure_names(outlines(read_frame(tables / "drops.parquet", "table of drops"), *of.values()))


def drawing(tables: Path, name: str, like: str = "") -> Drawing:
    """What the figure with a name from `names` shows, from the tables in a folder; with `like`, a figure of published
    curves, as if the study's models were that published one."""
    table = named(name).figure.table
    drops = read_frame(tables / "drops.parquet", "table of drops")
    if like:
        from junkdna.analysis.published_overlay import stand_in

        drops = stand_in(drops, like)
    other = drops if table == "drops" else read_frame(tables / f"{table}.parquet", f"table of {table}")
    return drawing_of(with_labels(other, drops), name)


CONDITION = ("experiment", "model", "task", "knobs", "protocol", "transfer")
DESCRIBED = ("label", "knob_values", "difficulty")


PAIR = ("task", "knobs", "protocol")  # of the easy condition of a pair, whose baseline is that of both


def with_labels(table: pl.DataFrame, drops: pl.DataFrame) -> pl.DataFrame:
    """A table with what its figure needs of the drops: of conditions the columns that describe one, unless it has them;
    of pairs their baseline; of claims the titles of tasks in the units."""
    import polars as pl

    if "unit" in table.columns:
        titles = dict(drops.select("task", "title").unique(maintain_order=True).iter_rows())
        return table.with_columns(pl.col("unit").map_elements(lambda unit: titled(unit, titles), pl.String))
    if "easy_task" in table.columns:
        names = {f"easy_{name}": name for name in PAIR}
        known = drops.select("experiment", "model", "baseline", **names).unique(keep="first", maintain_order=True)
        return table.join(known, on=["experiment", "model", *names], how="left", maintain_order="left")
    if not {*CONDITION} <= {*table.columns}:
        return table
    missing = [name for name in DESCRIBED if name not in table.columns]
    described = drops.select(*CONDITION, *missing).unique(CONDITION, keep="first", maintain_order=True)
    return table.join(described, on=CONDITION, how="left", maintain_order="left")


def drawing_of(table: pl.DataFrame, name: str) -> Drawing:
    """What the figure with a name shows, from the table that its declaration names."""
    import polars as pl

    figure, view, experiment = named(name)
    module = import_module(MODULES[figure.name])
    typed = table.cast({pl.Null: pl.Float64})  # a column of nulls only has no type
    return module.marks(typed, *filter(None, (experiment, view)))


def render(drawing: Drawing) -> matplotlib.figure.Figure:
    """The matplotlib figure of a drawing."""
    from junkdna.report.plotting.render import draw

    return draw(drawing)


def write_marks(drawing: Drawing, stem: Path) -> Path:
    """Write the table of marks as `STEM.csv`, atomically."""
    path = stem.with_name(f"{stem.name}.csv")
    with atomic_write(path) as unfinished:
        drawing.table().write_csv(unfinished)
    return path
