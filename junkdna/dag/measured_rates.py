"""Times measured elsewhere (`data/measured_rates.yaml`), for studies of which no cell has finished on such a machine.

An estimate multiplies a cell's parameters and tokens by the seconds of the measurement that is nearest in parameters
and has the same kind of work, machine, precision and engine. Copies that fill a stack count as cells do. It is rough:
small models use a GPU less well than large ones, and rows count at their greatest length. Where no measurement fits,
there is no estimate.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

from junkdna.dag.cell_work import TRAINED, CellWork, Work
from junkdna.study.cell import Cell
from junkdna.study.sources import WHEELS_FILE
from junkdna.study.study import Resolved
from junkdna.study.yaml_reader import read_yaml

RATES_FILE = WHEELS_FILE.with_name("measured_rates.yaml")
PLAIN, STACK = "plain", "stack"


@dataclass(frozen=True)
class Rate:
    """One measurement; the fields are explained in the file."""

    on: str
    work: str
    precision: str
    parameters: float
    tokens: float
    seconds: float
    what: str
    card: str
    spread: str
    date: str
    source: str
    engine: str = ""
    steps: tuple[int, int | None] = (0, None)

    @property
    def per_s(self) -> float:
        """Parameters x tokens in a second; a trained token counts `TRAINED` times."""
        return self.parameters * self.tokens * (TRAINED if self.work == "training" else 1) / self.seconds

    def holds_for(self, steps: int) -> bool:
        """Whether it was measured for trainings of so many steps."""
        fewest, most = self.steps
        return fewest <= steps <= (math.inf if most is None else most)

    def __str__(self) -> str:
        milliseconds = self.seconds * 1000
        time = f"{milliseconds:.3g} ms" if milliseconds < 1000 else f"{self.seconds:.3g} s"
        return f"{self.work} in {self.precision} on {self.card}: {time} for {self.what} ({self.date})"


@dataclass
class RoughTimes:
    """Estimated seconds of cells by the rates that gave them, and the cells that none fits, by what is missing.
    `one_by_one` counts cells that train in a stack but are estimated as if they trained alone, by what is missing.
    `gaps` counts the cells with an estimate that leaves something out, by what. `filled` is the number of places of
    stacks that copies take, of `places` in total."""

    seconds: dict[Rate, float] = field(default_factory=dict)
    cells: int = 0
    unknown: dict[str, list[Cell]] = field(default_factory=dict)
    one_by_one: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    places: float = 0.0
    filled: float = 0.0

    @property
    def total_s(self) -> float:
        """Seconds of all cells with an estimate."""
        return sum(self.seconds.values())

    def add(self, cell: Cell, parts: Iterable["Part"]) -> bool:
        """Count a cell: all its parts, or none (False) if one of them has no rate."""
        if missing := [part.what for part in parts if part.rate is None]:
            self.unknown.setdefault(f"no rate measured for {missing[0]}", []).append(cell)
            return False
        self.cells += 1
        for part in parts:
            self.seconds[part.rate] = self.seconds.get(part.rate, 0.0) + part.seconds
            self._add_place(part)
        return True

    def _add_place(self, part: "Part") -> None:
        if part.is_stack and part.rate.engine == PLAIN:
            self.one_by_one[f"stacks in {part.rate.precision}"] += 1
        elif part.is_stack:
            self.places += part.places
            self.filled += part.places - 1


class Part(NamedTuple):
    """Training or scoring of a cell: what it is in words, its parameters x tokens, the rate that fits, if any, whether
    a stack trains it, and the places that it takes there (`stack_places`)."""

    what: str
    amount: float
    rate: Rate | None
    is_stack: bool = False
    places: float = 1.0

    @property
    def seconds(self) -> float:
        """Its time by the rate; in a stack that was not measured, as if it were trained alone."""
        return self.amount * (self.places if self.rate.engine == STACK else 1) / self.rate.per_s


@cache
def rates() -> tuple[Rate, ...]:
    """The measurements that the package contains."""
    return tuple(Rate(**_typed(entry)) for entry in read_yaml(RATES_FILE).values())


def rough_times(cells: Collection[Cell], on: str, resolved: Resolved) -> RoughTimes:
    """The estimate of all cells that will run on a "gpu" or "cpu": without process starts, loading and compressing."""
    found, works = RoughTimes(), CellWork(resolved)
    places = works.places(cells) if on == "gpu" else {}
    for cell in cells:
        work = works.of(cell)
        if work is None:
            found.unknown.setdefault("the number of parameters of the model is not known yet", []).append(cell)
            continue
        parts = [_scoring(cell, work, on, resolved)]
        if cell.transfer != "none":
            parts.append(_training(cell, work, on, resolved, places.get(cell)))
        if found.add(cell, parts) and (gap := works.texts.gaps(cell)):
            found.gaps[gap] += 1
    return found


def rough_scoring_s(cell: Cell, on: str, works: CellWork, resolved: Resolved) -> float | None:
    """The estimated seconds of scoring a cell's model once; None if no rate fits, or the parameters are unknown."""
    work = works.of(cell)
    part = work and _scoring(cell, work, on, resolved)
    return part.amount / part.rate.per_s if part and part.rate else None


def _scoring(cell: Cell, work: Work, on: str, resolved: Resolved) -> Part:
    task = resolved.tasks[cell.task]
    if task.kind == "generate":
        return Part(f"generating text on a {on.upper()}", work.scored, None)
    dtype = resolved.study.protocol(cell.protocol, task).dtype or resolved.study.models[cell.model].dtype
    dtype = dtype if cell.transfer == "none" else "float32"
    rate = _nearest(on, "scoring", dtype, "", 0, work.parameters)
    return Part(f"scoring in {dtype} on a {on.upper()}", work.scored, rate)


def _training(cell: Cell, work: Work, on: str, resolved: Resolved, places: float | None) -> Part:
    """Where no stack was measured, the plain loop tells. `places` are those of a stack; None without one."""
    protocol = resolved.study.protocol(cell.protocol, resolved.tasks[cell.task])
    is_stack = places is not None
    fits = (
        _nearest(on, "training", protocol.precision, engine, work.steps, work.parameters)
        for engine in ((STACK, PLAIN) if is_stack else (PLAIN,))
    )
    rate = next(filter(None, fits), None)
    return Part(f"training in {protocol.precision} on a {on.upper()}", work.trained, rate, is_stack, places or 1.0)


def _nearest(on: str, work: str, precision: str, engine: str, steps: int, parameters: float) -> Rate | None:
    """The fitting rate nearest in parameters. A scored token costs a third of a trained one, so where scoring has not
    been measured, the plain loop's training tells."""
    fits = [
        rate
        for rate in rates()
        if (rate.on, rate.work, rate.precision, rate.engine) == (on, work, precision, engine)
        and (work == "scoring" or rate.holds_for(steps))
    ]
    if not fits and work == "scoring":
        return _nearest(on, "training", precision, PLAIN, 1, parameters)
    return min(fits, key=lambda rate: abs(math.log(rate.parameters / parameters)), default=None)


def _typed(entry: dict) -> dict:
    numbers = {name: float(entry[name]) for name in ("parameters", "tokens", "seconds")}
    return {**entry, **numbers, "date": str(entry["date"]), "steps": tuple(entry.get("steps", (0, None)))}
