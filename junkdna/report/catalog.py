"""The declared figures, and the figures that each experiment has. Imports no matplotlib.

A figure is one file, `report/figures/NAME.py`. It starts with the declaration `FIGURE = Figure(...)` and defines one
function that says what to draw, as data:

    marks(table: polars.DataFrame) -> plotting.drawing.Drawing                              one figure per study
    marks(table: polars.DataFrame, experiment: str) -> plotting.drawing.Drawing             one figure per experiment
    marks(table: polars.DataFrame, experiment: str, view: str) -> plotting.drawing.Drawing  the same, in several views

`table` is the complete table that the declaration names. `plotting.render` draws every figure with matplotlib, and the
table of its marks is written next to it. The report shows it with its caption, and docs/reference/figures.md lists it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from junkdna.analysis.result_columns import RESULTS
from junkdna.analysis.series import series_of
from junkdna.storage.fingerprint import digest
from junkdna.study.declarations import build_declarations
from junkdna.study.levels import LEVEL_KINDS
from junkdna.study.methods import METHODS
from junkdna.study.recovery import base_protocol

if TYPE_CHECKING:
    import polars as pl

PACKAGE = "report.figures"
VALID = {"per": ("study", "experiment"), "modes": ("", "none", "tuned", "compressed"), "table": tuple(RESULTS)}


class Outline(NamedTuple):
    """The properties of an experiment that determine its figures.

    `modes` are its transfer modes, `conditions` is its number of conditions (task x knobs), and `compressions` are the
    tags of its compressions. None means that the tags are unknown; then every compression is taken to have a sparsity.
    `published` says whether a published curve covers one of its curves (`published_overlay`), `lengths` is the largest
    number of training lengths of a protocol, `rated` says whether a task has a published difficulty, and `connected`
    whether models between its trained cells were scored (key `connectivity`).
    """

    modes: Collection[str]
    conditions: int
    compressions: Collection[str] | None = None
    published: bool = False
    lengths: int = 1
    rated: bool = False
    connected: bool = False

    def levels(self) -> set[str]:
        """The kinds of level of its compressions; empty if every cell is dense."""
        if self.compressions is None:
            return {"sparsity"}
        return {tag_series.kind for tag in self.compressions if (tag_series := series_of(tag))}

    def methods(self) -> int:
        """The number of its methods other than bands."""
        found = {tag_series for tag in self.compressions or () if (tag_series := series_of(tag))}
        return max(len({each.method for each in found if each.kind != "band"}), 1)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """The declaration of one figure; `name` is the stem of its file.

    `label` is its title, `caption` the text below it in the report, `order` its position among the figures.
    `per`: "study" for one figure that is always drawn, or "experiment" for one figure of each experiment that meets
    all of these requirements:
    `conditions`: at least this many conditions (task x knobs).
    `levels`: at least one of these kinds of level (`levels.LEVEL_KINDS`); empty for no requirement.
    `modes`: rows without fine-tuning ("none"), rows of a compressed and fine-tuned model ("tuned"), or either of them
    ("compressed"); empty for no requirement.
    `published`: whether a published curve must cover one of the experiment's curves.
    `lengths`: at least this many lengths of training of one protocol (key `recovery`).
    `methods`: at least this many methods other than bands.
    `rated`: whether a task must have a published difficulty of its questions.
    `connected`: whether models between its trained cells must have been scored (key `connectivity`).

    `table` is the table that it is drawn from. Each of `views` (`plotting.views`) is a figure: the first is named NAME,
    the others NAME-VIEW.
    """

    name: str = ""
    label: str
    caption: str
    order: float
    per: str = "experiment"
    conditions: int = 1
    levels: tuple[str, ...] = ()
    modes: str = ""
    published: bool = False
    lengths: int = 1
    methods: int = 1
    rated: bool = False
    connected: bool = False
    table: str = "drops"
    views: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for an invalid name or value."""
        if {*"_-"} & {*self.name}:
            raise ValueError("the file name must have no underscore or hyphen: figures are named NAME-VIEW_EXPERIMENT")
        if unknown := {*self.levels} - {*LEVEL_KINDS}:
            raise ValueError(f"levels: unknown {', '.join(unknown)}. Valid: {', '.join(LEVEL_KINDS)}.")
        for field, valid in VALID.items():
            if (value := getattr(self, field)) not in valid:
                raise ValueError(f"{field}: unknown {value!r}. Valid: {', '.join(map(repr, valid))}.")

    def is_drawn(self, outline: Outline) -> bool:
        """Whether an experiment has this figure."""
        tuned = {*outline.modes} - {"none", "dense"}
        has_modes = {
            "": True,
            "none": "none" in outline.modes,
            "tuned": bool(tuned),
            "compressed": bool({*outline.modes} - {"dense"}),
        }[self.modes]
        has_levels = not self.levels or not outline.levels().isdisjoint(self.levels)
        has_published = outline.published or not self.published
        enough = outline.conditions >= self.conditions and outline.lengths >= self.lengths
        enough = enough and outline.methods() >= self.methods
        has_rated = outline.rated or not self.rated
        has_lines = outline.connected or not self.connected
        return has_modes and has_levels and has_published and has_rated and has_lines and enough

    def stems(self) -> list[str]:
        """Its names, one per view."""
        return [self.name, *(f"{self.name}-{view}" for view in self.views[1:])]


class Named(NamedTuple):
    """What the stem of a figure's files stands for; `view` is empty for a figure without views."""

    figure: Figure
    view: str
    experiment: str


def named(stem: str) -> Named:
    """Figure, view and experiment of a stem such as `sparsity-score_context`. Raises KeyError for an unknown name."""
    name, _, experiment = stem.partition("_")
    name, _, view = name.partition("-")
    figure = FIGURES[name]
    return Named(figure, view or next(iter(figure.views), ""), experiment)


def _read() -> dict[str, Figure]:
    figures = build_declarations(PACKAGE, "FIGURE", lambda name, declared: Figure(**declared | {"name": name}))
    return dict(sorted(figures.items(), key=lambda item: item[1].order))


FIGURES: dict[str, Figure] = _read()
TABLES_DRAWN = tuple(sorted({figure.table for figure in FIGURES.values()} - {"drops"}))  # in addition to the drops
MODULES: dict[str, str] = {name: f"junkdna.{PACKAGE}.{name}" for name in FIGURES}


def figure_names(experiments: Mapping[str, Outline]) -> list[str]:
    """File stems of all figures: NAME for those of the study, then NAME_EXPERIMENT for those of each experiment."""
    of_study = [stem for figure in FIGURES.values() if figure.per == "study" for stem in figure.stems()]
    return of_study + [stem for name, outline in experiments.items() for stem in experiment_figures(name, outline)]


def experiment_figures(experiment: str, outline: Outline) -> list[str]:
    """File stems of the figures of one experiment."""
    figures = [figure for figure in FIGURES.values() if figure.per == "experiment" and figure.is_drawn(outline)]
    return [f"{stem}_{experiment}" for figure in figures for stem in figure.stems()]


def outlines(drops: pl.DataFrame, rated: Collection[str] = (), connected: Collection[str] = ()) -> dict[str, Outline]:
    """Outline of each experiment in a drops table, in table order. It gives the same figures as the study itself.

    `rated` are the experiments in the table of difficulty, `connected` those in the table of connectivity.
    """
    import polars as pl

    from junkdna.analysis.published_overlay import SHOWN, is_covered

    has_amount = pl.col("sparsity").gt(0) | pl.col("effective_bits_per_weight").is_not_null()
    return {
        rows["experiment"][0]: Outline(
            set(rows["transfer"]),
            rows.select("task", "knobs").n_unique(),
            set(rows.filter(has_amount)["compression"]),
            is_covered(rows.select(SHOWN).rows()),
            training_lengths(rows.filter(rows["transfer"] != "none")["protocol"]),
            rows["experiment"][0] in rated,
            rows["experiment"][0] in connected,
        )
        for rows in drops.partition_by("experiment", maintain_order=True)
    }


def training_lengths(protocols: Iterable[str]) -> int:
    """The largest number of training lengths of one protocol among these names."""
    lengths: dict[str, set[int]] = {}
    for base, multiple in map(base_protocol, protocols):
        lengths.setdefault(base, set()).add(multiple)
    return max(map(len, lengths.values()), default=1)


def declared_text() -> str:
    """Fingerprint of all declarations of figures and methods, including the labels, captions and line styles.

    Code fingerprints ignore these texts, but the figures and the report show them.
    """
    return digest(repr([*FIGURES.values(), *METHODS.values()]))
