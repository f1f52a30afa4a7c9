"""The results of a study for notebooks: tables, per-example rows and figures (docs/notebooks.md)."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, unknown_name
from junkdna.storage.tables import read_frame
from junkdna.study.paths import CELLS

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

    from junkdna.report.plotting.drawing import Drawing

NAMES = ("cell", "model", "task", "knobs", "compression", "transfer", "protocol", "seed")
"""Columns that identify the cell of a per-example row."""


class Results:
    """The tables and figures of one study. Tables are read on first use, and their checksums are verified."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __repr__(self) -> str:
        return f"<Results of {self.folder}: {self.cells.height} cells, {self.drops.height} drops>"

    @cached_property
    def cells(self) -> pl.DataFrame:
        """One row per cell (docs/reference/columns.md)."""
        return read_frame(self.folder / "tables/cells.parquet", "table of cells")

    @cached_property
    def drops(self) -> pl.DataFrame:
        """One row per condition and compression, aggregated over seeds (docs/reference/columns.md)."""
        return self._table("drops")

    @cached_property
    def claims(self) -> pl.DataFrame:
        """One row per claim and unit that it was tested on, with its verdict (docs/claims.md)."""
        return self._table("claims")

    @cached_property
    def behavior(self) -> pl.DataFrame:
        """One row per compressed condition: how its answers differ from the dense ones (docs/behavior.md)."""
        return self._table("behavior")

    @cached_property
    def difficulty(self) -> pl.DataFrame:
        """One row per row of drops and bin of a published difficulty (docs/external-difficulty.md)."""
        return self._table("difficulty")

    @cached_property
    def reproduction(self) -> pl.DataFrame:
        """One row per curve that the paper published too: how far it is from the published one (docs/published.md)."""
        return self._table("reproduction")

    @cached_property
    def connectivity(self) -> pl.DataFrame:
        """One row per point on the lines between trained models (docs/connectivity.md)."""
        return self._table("connectivity")

    @cached_property
    def layers(self) -> pl.DataFrame:
        """One row per compressed model and matrix: sparsity, effective bits and errors (docs/layers.md)."""
        return self._table("layers")

    @cached_property
    def matched(self) -> pl.DataFrame:
        """One row per compression and pair of conditions: mean and extra loss (docs/reference/columns.md)."""
        return self._table("matched")

    @cached_property
    def margins(self) -> pl.DataFrame:
        """Margins of the right answer before and after compression, of some examples (docs/reference/columns.md)."""
        return self._table("margins")

    def examples(self, *predicates: pl.Expr, **constraints: object) -> pl.LazyFrame:
        """One row per evaluated example of the matching cells, with the columns `NAMES` of its cell first.

        The arguments select rows of `cells`, as in `polars.DataFrame.filter`: `examples(task="sciq")`. Cell files are
        read by `collect()`, which does not verify checksums. An archive is read and its checksums are verified at once,
        and the columns are those of `archived_rows`. Raises UserError if no cell matches, if a cell file does not
        exist, or if an archive is damaged.
        """
        import polars as pl

        from junkdna.analysis.archive_files import is_archive, read_archive
        from junkdna.analysis.archived_answers import Analysis
        from junkdna.analysis.archived_rows import archived_rows

        keys = self.cells.filter(*predicates, **constraints)["cell"]
        if keys.is_empty():
            raise UserError(f"no cell of {self.folder} matches. See `results.cells` for the values of its columns.")
        if is_archive(self.folder):
            chosen = self.cells.filter(pl.col("cell").is_in(keys.implode()))
            return archived_rows(Analysis(read_archive(self.folder)), chosen, NAMES)
        files = [self.root / CELLS / f"{key}.parquet" for key in keys]
        if missing := [file for file in files if not file.is_file()]:
            raise UserError(
                f"{missing[0]} does not exist ({len(missing)} of {len(files)} cell files are missing). Only the cell "
                f"files contain per-example rows: copy {self.root / CELLS} together with the study's folder."
            )
        return pl.scan_parquet(files).select(*NAMES, "examples").explode("examples").unnest("examples")

    def figure_names(self) -> list[str]:
        """Names of the figures: `headline`, then those of each experiment."""
        from junkdna.report.draw import names

        return names(self.folder / "tables")

    def figure(self, name: str = "headline") -> Figure:
        """Redraw one of `figure_names()`. Raises UserError for any other name."""
        from junkdna.report.draw import render

        return render(self._drawing(name))

    def marks(self, name: str = "headline") -> pl.DataFrame:
        """The table of marks of one of `figure_names()` (docs/figures.md). Raises UserError for any other name."""
        return self._drawing(name).table()

    def _drawing(self, name: str) -> Drawing:
        from junkdna.report.draw import drawing

        if name not in (names := self.figure_names()):
            raise unknown_name("figure", name, names)
        return drawing(self.folder / "tables", name)

    def _table(self, name: str) -> pl.DataFrame:
        return read_frame(self.folder / f"tables/{name}.parquet", f"table of {name}")

    @property
    def root(self) -> Path:
        """The folder that contains `results/`: that of the run or, for graded logs, the folder itself."""
        if (self.folder / CELLS).is_dir():
            return self.folder
        roots = [parent.parent for parent in self.folder.absolute().parents if parent.name == "results"]
        return roots[0] if roots else self.folder


def open_results(folder: str | Path) -> Results:
    """The results of a study in `folder` (`results/studies/NAME`, its `partial/`, or an archive of it).

    Raises UserError if the folder contains no tables; the message lists nearby studies and the command to run.
    """
    path = Path(folder)
    if not (path / "tables/drops.parquet").is_file() or not (path / "tables/cells.parquet").is_file():
        raise UserError(" ".join(_no_results(path)))
    return Results(path)


def _no_results(path: Path) -> Iterator[str]:
    """Sentences on a folder without tables: the problem, nearby studies, and the command to run."""
    if not path.exists():
        yield f"{str(path)!r} does not exist (relative to {str(Path.cwd())!r})."
    elif not path.is_dir():
        yield f"{str(path)!r} is a file. Give the folder of a study."
    else:
        yield f"{str(path)!r} has no tables/drops.parquet or tables/cells.parquet, so the study is not complete."
    if (path / "partial/tables/drops.parquet").is_file():
        yield f"Tables of the finished cells are in {str(path / 'partial')!r}."
    if studies := _studies_near(path):
        close = get_close_matches(path.name, [study.name for study in studies], n=1)
        first = sorted(studies, key=lambda study: study.name not in close)
        yield f"Studies with tables: {', '.join(repr(str(study)) for study in first[:8])}."
    yield "`snakemake --cores all` runs a study; `junkdna where` prints the folder of its results."


def _studies_near(path: Path) -> list[Path]:
    """Folders with tables below `path` or next to it."""
    folders = [path / "results/studies", path / "studies", path, path.parent, Path("results/studies")]
    studies = [file.parents[1] for folder in folders for file in sorted(folder.glob("*/tables/drops.parquet"))]
    return list(dict.fromkeys(study for study in studies if study.name != "partial"))
