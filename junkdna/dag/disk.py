"""Disk space of a study: the size of existing files and an estimate for the others."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from junkdna.dag.cell_work import ROWS, parameters, row_count
from junkdna.dag.connection_states import trained_cells
from junkdna.dag.units import size_of
from junkdna.data.hub_cache import hub_cached
from junkdna.study.cell import Cell, has_shots
from junkdna.study.connections import all_connections
from junkdna.study.grid import all_cells, files_before, stored
from junkdna.study.methods import METHODS
from junkdna.study.paths import MODELS
from junkdna.study.study import Resolved

RESULTS = "results"
TOKENS = (300, 4_500)  # bytes of the tokens of an example without and with shots
SMALL = 16_000  # bytes of a model folder of links, and of a calibration file
JOB = 32_000  # bytes of a job's log, Snakemake's record of it, and their folders; most fill one block each
FIGURE = {"csv": 3_200, "pdf": 35_000, "png": 142_000, "svg": 120_000 + 25_000}  # and its drawing in the report
POINT = 12  # bytes of an example at a point of the line between two trained cells
RECORD = 4_096  # bytes of Snakemake's record of a file
CHECKPOINT = 2 * 12 / 4  # two checkpoints of a training (weights, Adam's two moments), relative to the weights


def free_bytes() -> int:
    """Free bytes where results are written: `results` may be another disk, mounted or linked."""
    return shutil.disk_usage(RESULTS if Path(RESULTS).is_dir() else ".").free


@dataclass
class Disk:
    """Bytes of a study: `total` by kind of file when it is complete, the part of it that is `existing`, and `temporary`
    files that a run deletes again. `unknown` lists the files of unknown size, which the others leave out."""

    total: dict[str, float] = field(default_factory=dict)
    existing: float = 0
    temporary: float = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def final(self) -> float:
        """Bytes of the complete study."""
        return sum(self.total.values())

    @property
    def to_write(self) -> float:
        """Bytes that must be free: missing files and temporary files."""
        return max(self.final - self.existing, 0) + self.temporary

    def add(self, kind: str, estimates: Mapping[str, float | None], scale: bool = True) -> None:
        """Count files or folders, each the output of a job: existing ones by their size, others by their estimate (None
        if unknown). With `scale`, estimates are corrected by the ratio of size to estimate of the existing ones."""
        sizes = {file: size for file in estimates if (size := size_of(file)) is not None}
        estimated = sum(estimates[file] or 0 for file in sizes)
        ratio = sum(sizes.values()) / estimated if estimated and scale else 1
        missing = {file: estimate for file, estimate in estimates.items() if file not in sizes}
        self.unknown += [file for file, estimate in missing.items() if estimate is None]
        self.total[kind] = sum(sizes.values()) + ratio * sum(filter(None, missing.values()))
        self.total["logs and records"] = self.total.get("logs and records", 0) + JOB * len(estimates)
        self.existing += sum(sizes.values()) + JOB * len(sizes)


def disk(resolved: Resolved, figures: list[str], long_jobs: int = 0) -> Disk:
    """The disk space of a study. `figures` are the paths of its figures; `long_jobs` is the number of parallel
    trainings that are long enough to write checkpoints (`resumable.INTERVAL_S`)."""
    cells, needed, pins = all_cells(resolved), Disk(), resolved.study.pins()
    files, rows = files_before(cells, resolved), cache(lambda *use: row_count(*use, resolved) or ROWS)
    weights = {name: parameters(name, resolved) for name in {cell.model for cell in cells}}
    sources = {name: resolved.study.models[name] for name in weights}
    links = {name for name, spec in sources.items() if spec.local or (spec.hub and hub_cached(spec.hub, "models"))}
    models = {f"{MODELS}/{name}": SMALL if name in links else n and 4 * n for name, n in weights.items()}
    stores = {name for name, method in METHODS.items() if "rank" in method.levels and not method.statistics}
    factors = {f"{MODELS}/{c.model}/{c.compression.method}": c.model for c in cells if c.compression.method in stores}
    needed.add("sources", {file: pins[Path(file).stem].size_bytes for file in files["wheels"]})
    needed.add("models", models, scale=False)
    needed.add("factors", {file: 8 * (weights[name] or 0) for file, name in factors.items() if not Path(file).exists()})
    needed.add("examples", {file: 200 * rows(*Path(file).with_suffix("").parts[-2:]) for file in files["examples"]})
    tokens = {c.tokens_path(r): TOKENS[has_shots(c.knobs)] * rows(c.task, r) for c in cells for r in c.roles}
    needed.add("tokens", tokens)
    needed.add("calibrations", dict.fromkeys(files["calibrations"], SMALL))
    needed.add("cells", {cell.path: 7_000 + 30 * rows(cell.task, "evaluate") for cell in cells})
    needed.add("lines between cells", _lines(resolved, rows))
    compressions = needed if resolved.study.keep_compressed else Disk()  # else deleted when their cells are done
    compressions.add("compressions", {c.compressed_path: _compressed(c, weights, resolved) for c in stored(cells)})
    if compressions is not needed:
        needed.temporary, needed.unknown = compressions.to_write, needed.unknown + compressions.unknown
    folder = f"results/studies/{resolved.study.study}"
    report = folder if Path(f"{folder}/report.html").is_file() else f"{folder}/report.html"
    needed.add(
        "figures and tables", {report: 80_000 + 700 * len(cells) + sum(FIGURE[each[-3:]] + RECORD for each in figures)}
    )
    trained = [4 * (weights[cell.model] or 0) for cell in cells if cell.transfer != "none"]
    needed.temporary += sum(4 * (weights[cell.model] or 0) for cell in trained_cells(resolved))  # kept for their lines
    needed.temporary += long_jobs * CHECKPOINT * max(trained, default=0) + _parts(files["wheels"], resolved)
    return needed


def _lines(resolved: Resolved, rows: Callable[[str, str], float]) -> dict[str, float]:
    """Bytes of the file of each line between two trained cells."""
    return {
        each.path: 4_000 + POINT * each.points * rows(each.end.task, "evaluate") for each in all_connections(resolved)
    }


def _parts(files: list[str], resolved: Resolved) -> int:
    """Bytes of the parts of missing archives. They are deleted when they have been joined."""
    missing = [resolved.study.pins()[Path(file).stem] for file in files if not Path(file).exists()]
    return sum(part.size_bytes or 0 for pin in missing for part in pin.parts or ())


def _compressed(cell: Cell, weights: Mapping[str, float | None], resolved: Resolved) -> float | None:
    """Bytes of a stored compression: one bit per parameter for a mask, and the size of a parameter for a new weight."""
    value = 2 if resolved.study.models[cell.model].dtype == "bfloat16" else 4
    size = {"mask": 1 / 8, "weight": value, "both": value + 1 / 8}[METHODS[cell.compression.method].gives]
    return weights[cell.model] and weights[cell.model] * size
