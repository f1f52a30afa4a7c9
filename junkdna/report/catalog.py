"""Which figures there are, by their declarations, and which of them an experiment has. Imports no matplotlib.

A figure is one file, `report/figures/NAME.py`. It starts with the declaration `FIGURE = Figure(...)` and defines one
function that draws with matplotlib and returns the figure:

    draw(drops: polars.DataFrame) -> matplotlib.figure.Figure                    a figure of the study
    draw(drops: polars.DataFrame, experiment: str) -> matplotlib.figure.Figure   a figure of each experiment

`drops` is the whole table of drops. The figure becomes a target of the workflow, is captioned in the report and
listed in docs/reference/figures.md. Decorate it with `plotting.theme.themed` for the common style.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from junkdna.report.plotting import series
from junkdna.storage.fingerprint import digest
from junkdna.study.declarations import read_declarations
from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import polars as pl

PACKAGE = "report.figures"
VALID = {"per": ("study", "experiment"), "modes": ("", "none", "tuned")}


class Outline(NamedTuple):
    """What decides the figures of an experiment: its transfer modes, how many conditions (task x knobs) it has, and the
    tags of its compressions (None, not known: all have a sparsity)."""

    modes: Collection[str]
    conditions: int
    compressions: Collection[str] | None = None

    def levels(self) -> set[str]:
        """The kinds of level of its compressions; none for dense alone."""
        if self.compressions is None:
            return {"sparsity"}
        return {one.kind for tag in self.compressions if (one := series.series_of(tag))}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The declaration of one figure; `name` is the stem of its file.

    `label` is its title, `caption` the text below it in the report, `order` its place among the figures.
    `per`: one figure of the study, always drawn, or one of each experiment that meets all conditions below.
    `conditions`: the fewest conditions (task x knobs).
    `levels`: kinds of level (`levels.LEVEL_KINDS`), one of which the experiment has; empty for any experiment.
    `modes`: rows that the experiment has: those without fine-tuning ("none"), or those of a compressed and fine-tuned
    model ("tuned"); empty for either.
    """

    name: str = ""
    label: str
    caption: str
    order: int
    per: str = "experiment"
    conditions: int = 1
    levels: tuple[str, ...] = ()
    modes: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a name or a value that the declaration cannot have."""
        if "_" in self.name:
            raise ValueError("the file's name must have no underscore, because figures are named NAME_EXPERIMENT")
        if unknown := {*self.levels} - {*LEVEL_KINDS}:
            raise ValueError(f"levels: {', '.join(unknown)} is none of {', '.join(LEVEL_KINDS)}")
        for field, valid in VALID.items():
            if (value := getattr(self, field)) not in valid:
                raise ValueError(f"{field}: {value!r} is none of {', '.join(map(repr, valid))}")

    def is_drawn(self, outline: Outline) -> bool:
        """Whether an experiment has this figure."""
        tuned = {*outline.modes} - {"none", "dense"}
        has_modes = {"": True, "none": "none" in outline.modes, "tuned": bool(tuned)}[self.modes]
        has_levels = not self.levels or not outline.levels().isdisjoint(self.levels)
        return has_modes and has_levels and outline.conditions >= self.conditions


def _read() -> dict[str, Figure]:
    figures = []
    for name, declared in read_declarations(PACKAGE, "FIGURE").items():
        try:
            figures.append(Figure(**declared | {"name": name}))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{PACKAGE.replace('.', '/')}/{name}.py: FIGURE: {error}") from None
    return {figure.name: figure for figure in sorted(figures, key=lambda figure: figure.order)}


FIGURES: dict[str, Figure] = _read()
MODULES: dict[str, str] = {name: f"junkdna.{PACKAGE}.{name}" for name in FIGURES}


def figure_names(experiments: Mapping[str, Outline]) -> list[str]:
    """File stems of the figures of a study: those of the study, NAME, then for each experiment NAME_EXPERIMENT."""
    of_study = [name for name, figure in FIGURES.items() if figure.per == "study"]
    return of_study + [stem for name, outline in experiments.items() for stem in experiment_figures(name, outline)]


def experiment_figures(experiment: str, outline: Outline) -> list[str]:
    """File stems of the figures of one experiment."""
    figures = [figure for figure in FIGURES.values() if figure.per == "experiment" and figure.is_drawn(outline)]
    return [f"{figure.name}_{experiment}" for figure in figures]


def outlines(drops: pl.DataFrame) -> dict[str, Outline]:
    """Outline of each experiment of a drops table, in its order: the same as its study gives."""
    return {
        rows["experiment"][0]: Outline(
            set(rows["transfer"]), rows.select("task", "knobs").n_unique(), set(rows["compression"])
        )
        for rows in drops.partition_by("experiment", maintain_order=True)
    }


def declared_text() -> str:
    """A digest of all that figures and methods declare. Figures and report show the labels, captions and line styles,
    which fingerprints of code leave out."""
    return digest(repr([*FIGURES.values(), *METHODS.values()]))
