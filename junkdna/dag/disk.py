"""Disk that a study takes: the size of what is there, and a guess of what is to come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from junkdna.dag.cell_times import ROWS, parameters, row_count
from junkdna.dag.units import size_of
from junkdna.data.hub_cache import hub_cached
from junkdna.study.cell import Cell, has_shots
from junkdna.study.grid import all_cells, files_before, stored
from junkdna.study.methods import METHODS
from junkdna.study.paths import MODELS
from junkdna.study.study import Resolved

TOKENS = (300, 4_500)  # bytes of the tokens of an example, without and with shots
SMALL = 16_000  # bytes of a model folder of links, of calibration rows
JOB = 32_000  # bytes of a job's log, its record of Snakemake and their folders, most of which fill a block each
FIGURE = {"pdf": 32_000, "png": 140_000, "svg": 104_000 * 7 / 3}  # the report holds each SVG again, as base64
CHECKPOINT = 2 * 12 / 4  # a training's checkpoint (weights, Adam's two moments) and its successor, over the weights


@dataclass
class Disk:
    """Bytes by kind of file when all is done; the bytes of it that are there; bytes that a run takes on its way and
    gives back; and files whose size nothing tells."""

    total: dict[str, float] = field(default_factory=dict)
    there: float = 0
    passing: float = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def in_all(self) -> float:
        """Bytes of all kinds when all is done."""
        return sum(self.total.values())

    @property
    def to_write(self) -> float:
        """Bytes that must be free: what is not there yet, and what a run takes on its way."""
        return max(self.in_all - self.there, 0) + self.passing

    def add(self, kind: str, guesses: Mapping[str, float | None], scale: bool = True) -> None:
        """Count files or folders, each made by a job: those there by their size, the others by their guess (None:
        unknown), with `scale` times size over guess of those there."""
        sizes = {file: size for file in guesses if (size := size_of(file)) is not None}
        guessed = sum(guesses[file] or 0 for file in sizes)
        wrong_by = sum(sizes.values()) / guessed if guessed and scale else 1
        to_come = {file: guess for file, guess in guesses.items() if file not in sizes}
        self.unknown += [file for file, guess in to_come.items() if guess is None]
        self.total[kind] = sum(sizes.values()) + wrong_by * sum(filter(None, to_come.values()))
        self.total["logs and records"] = self.total.get("logs and records", 0) + JOB * len(guesses)
        self.there += sum(sizes.values()) + JOB * len(sizes)


def disk(resolved: Resolved, figures: list[str], long_jobs: int = 0) -> Disk:
    """What a study takes when it is done. `figures` are the files of its figures; `long_jobs` the number of trainings
    at a time that last so long that they keep a checkpoint (`resumable.INTERVAL_S`)."""
    cells, needed, pins = all_cells(resolved), Disk(), resolved.study.pins()
    files, rows = files_before(cells, resolved), cache(lambda *use: row_count(*use, resolved) or ROWS)
    weights = {name: parameters(name, resolved) for name in {cell.model for cell in cells}}
    places = {name: resolved.study.models[name] for name in weights}
    links = {name for name, at in places.items() if at.local or (at.hub and hub_cached(at.hub, "models"))}
    models = {f"{MODELS}/{name}": SMALL if name in links else n and 4 * n for name, n in weights.items()}
    factors = {f"{MODELS}/{c.model}/{c.compression.method}": c.model for c in cells if _prepares(c.compression.method)}
    tokens = {cell.tokens_path(role): (cell, role) for cell in cells for role in cell.roles}
    needed.add("sources", {file: pins[Path(file).stem].size_bytes for file in files["wheels"]})
    needed.add("models", models, scale=False)
    needed.add("factors", {file: 8 * (weights[name] or 0) for file, name in factors.items() if not Path(file).exists()})
    needed.add("examples", {file: 200 * rows(*Path(file).with_suffix("").parts[-2:]) for file in files["examples"]})
    needed.add(
        "tokens", {k: TOKENS[has_shots(cell.knobs)] * rows(cell.task, role) for k, (cell, role) in tokens.items()}
    )
    needed.add("calibrations", dict.fromkeys(files["calibrations"], SMALL))
    needed.add("cells", {cell.path: 7_000 + 30 * rows(cell.task, "evaluate") for cell in cells})
    kept = (
        needed if resolved.study.keep_compressed else Disk()
    )  # else they are there until the cells that read them are
    kept.add("compressions", {cell.compressed_path: _compressed(cell, weights, resolved) for cell in stored(cells)})
    if kept is not needed:
        needed.passing, needed.unknown = kept.to_write, needed.unknown + kept.unknown
    folder = f"results/studies/{resolved.study.study}"
    drawn = folder if Path(f"{folder}/report.html").is_file() else f"{folder}/report.html"
    needed.add("figures and tables", {drawn: 80_000 + 700 * len(cells) + sum(FIGURE[each[-3:]] for each in figures)})
    trained = [4 * (weights[cell.model] or 0) for cell in cells if cell.transfer != "none"]
    needed.passing += long_jobs * CHECKPOINT * max(trained, default=0)
    return needed


def _compressed(cell: Cell, weights: Mapping[str, float | None], resolved: Resolved) -> float | None:
    """A stored compression: a bit a parameter for a mask, the parameter itself for a new value."""
    value = 2 if resolved.study.models[cell.model].dtype == "bfloat16" else 4
    each = {"mask": 1 / 8, "weight": value, "both": value + 1 / 8}[METHODS[cell.compression.method].gives]
    return weights[cell.model] and weights[cell.model] * each


def _prepares(name: str) -> bool:
    """Whether a method stores factors with the model folder, which serve all of its levels."""
    method = METHODS.get(name)
    return method is not None and method.precompute and not method.statistics
