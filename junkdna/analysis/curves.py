"""The curves of a study: a condition under one series of compressions, from dense to the highest level."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from junkdna.analysis.cell_answers import Group
from junkdna.analysis.series import PRUNING, Series, series_of, strength
from junkdna.errors import UserError
from junkdna.study.cell import Cell, Knobs, knob_text
from junkdna.study.grid import reference
from junkdna.study.methods import METHODS
from junkdna.study.task import Task

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Condition:
    """A task with its knob values; `bin` names a bin of the task's examples, "" for all of them."""

    task: str
    knobs: Knobs = ()
    bin: str = ""

    @property
    def name(self) -> str:
        """Such as "sciq context=passage" or "arc_easy bin 5"."""
        words = [
            self.task,
            *([knob_text(self.knobs)] if self.knobs else []),
            *([f"bin {self.bin}"] if self.bin else []),
        ]
        return " ".join(words)


@dataclass(frozen=True)
class Level:
    """One level of a curve. `sparsity` and `bits` (effective bits per weight) are means of what the cells report."""

    tag: str
    sparsity: float
    bits: float
    group: Group

    def joined(self, other: "Level") -> "Level":
        """The level with the seeds of both."""
        return replace(self, group=self.group.joined(other.group))


@dataclass(frozen=True)
class Curve:
    """One condition under one series of compressions in one transfer mode and protocol.

    `dense` is the reference, trained alike, and `levels` are ordered by strength. The baselines are those of the
    examples of the dense cells. `knobs` are the values of all knobs of the task, defaults included. `labeled` says
    whether the task has class labels. `bin_rank` is the position of the condition's bin among those of the task, from
    the easiest.
    """

    model: str
    condition: Condition
    series: Series
    transfer: str
    protocol: str
    metric: str
    labeled: bool
    knobs: Knobs
    dense: Group
    levels: tuple[Level, ...]
    chance: float
    majority: float
    bin_rank: int = 0

    @property
    def name(self) -> tuple:
        """What identifies the curve, apart from its levels."""
        return (self.model, self.condition, self.series, self.transfer, self.protocol)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The dense group, then those of the levels."""
        return (self.dense, *(level.group for level in self.levels))

    @property
    def prunes(self) -> bool:
        """Whether its levels prune weights."""
        external = self.series.kind == "external" and any(level.sparsity for level in self.levels)
        return self.series.kind in PRUNING or external

    @property
    def seeded(self) -> bool:
        """Whether its compressed models depend on the seed: by training, random masks or calibration samples."""
        return self.transfer != "none" or METHODS[self.series.method].seeded

    @property
    def n_seeds(self) -> int:
        """Number of seeds: the fewest of its levels."""
        return min(len(group.cells) for group in self.groups[1:])

    def baseline(self, kind: str) -> float:
        """The baseline of a kind (`baseline_kind`)."""
        return self.majority if self.baseline_kind(kind) == "majority" else self.chance

    def baseline_kind(self, kind: str) -> str:
        """Which baseline a kind means for this curve (`baseline_kind`)."""
        return baseline_kind(kind, self.labeled, self.transfer)

    def at(self, tags: Collection[str]) -> "Curve":
        """The curve at some of its levels."""
        return replace(self, levels=tuple(level for level in self.levels if level.tag in tags))

    @property
    def seeds(self) -> frozenset[int]:
        """The seeds of its cells."""
        return frozenset(cell.seed for group in self.groups for cell in group.cells)

    def joined(self, other: "Curve") -> "Curve":
        """The curve with the levels and seeds of another of the same name too."""
        levels = {level.tag: level for level in other.levels}
        levels |= {level.tag: level.joined(levels.get(level.tag, level)) for level in self.levels}
        ordered = tuple(levels[tag] for tag in sorted(levels, key=strength))
        return replace(self, dense=self.dense.joined(other.dense), levels=ordered)

    def repeated(self) -> "Curve":
        """The curve without levels of a single seed, if it depends on the seed and other levels have several."""
        if not self.seeded or max((len(level.group.cells) for level in self.levels), default=0) < 2:
            return self
        return replace(self, levels=tuple(level for level in self.levels if len(level.group.cells) > 1))

    def without(self, cells: Collection[Cell]) -> "Curve":
        """The curve without some cells; a level with fewer than two cells left is dropped, and so are all levels if
        no dense cell is left."""
        levels = []
        for level in self.levels:
            rest = tuple(cell for cell in level.group.cells if cell not in cells)
            if len(rest) >= 2:
                levels.append(replace(level, group=replace(level.group, cells=rest)))
        dense = tuple(cell for cell in self.dense.cells if cell not in cells)
        if not dense:
            return replace(self, levels=())
        return replace(self, dense=replace(self.dense, cells=dense), levels=tuple(levels))


def baseline_kind(kind: str, labeled: bool, transfer: str) -> str:
    """`chance` or `majority` as given. `auto` is majority if the model was trained on class labels, because it can
    learn the most frequent class, and else chance; `other` is the one that `auto` is not."""
    if kind in ("chance", "majority"):
        return kind
    trained = labeled and transfer != "none"
    return "majority" if trained == (kind == "auto") else "chance"


def facts_of(cells: "pl.DataFrame") -> dict[str, dict]:
    """Key of each cell -> its row of the table of cells. Raises UserError if a cell is there twice."""
    facts: dict[str, dict] = {}
    for row in cells.iter_rows(named=True):
        if row["cell"] in facts:
            raise UserError(f"the table of cells has two rows of {row['cell']}. Delete the table and rerun Snakemake.")
        facts[row["cell"]] = row
    return facts


def curves(cells: Iterable[Cell], facts: Mapping[str, Mapping], tasks: Mapping[str, Task]) -> list[Curve]:
    """The curves of an experiment's cells, in the order of the cells.

    `facts` maps the key of a finished cell to its row of the table of cells; cells without one, and cells whose dense
    reference has none, are left out. Bands are positions among the weights and no amounts, so they have no curve.
    """
    found: dict[tuple, dict[str, list[Cell]]] = defaultdict(lambda: defaultdict(list))
    for cell in cells:
        series = series_of(cell.compression.tag)
        if series is not None and series.kind != "band" and {cell.key, reference(cell).key} <= facts.keys():
            name = (cell.model, Condition(cell.task, cell.knobs), series, cell.transfer, cell.protocol)
            found[name][cell.compression.tag].append(cell)
    return [_curve(*name, levels, facts, tasks[name[1].task]) for name, levels in found.items()]


def _curve(
    model: str, condition: Condition, series: Series, transfer: str, protocol: str, levels: Mapping[str, list[Cell]],
    facts: Mapping[str, Mapping], task: Task,
) -> Curve:  # fmt: skip
    references = sorted({reference(cell) for cells in levels.values() for cell in cells}, key=lambda cell: cell.seed)
    dense = facts[references[0].key]
    return Curve(
        model=model,
        condition=condition,
        series=series,
        transfer=transfer,
        protocol=protocol,
        metric=dense["metric"],
        labeled=bool(task.class_names()),
        knobs=tuple(sorted({**task.knob_defaults(), **dict(condition.knobs)}.items())),
        dense=Group(tuple(references)),
        levels=tuple(_level(tag, levels[tag], facts) for tag in sorted(levels, key=strength)),
        chance=dense["chance"],
        majority=dense["majority"],
    )


def _level(tag: str, cells: list[Cell], facts: Mapping[str, Mapping]) -> Level:
    rows = [facts[cell.key] for cell in cells]
    means = (sum(row[name] for row in rows) / len(rows) for name in ("achieved_sparsity", "effective_bits_per_weight"))
    return Level(tag, *means, Group(tuple(sorted(cells, key=lambda cell: cell.seed))))
