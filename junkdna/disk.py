"""How much disk a study takes: what is there, measured; what is not there yet, as `disk_guess` says.

Sizes are those that a file system of 4 KiB blocks gives out, folders included. What nothing is known of (repositories
of the Hub, which the Hub's own cache takes in) is named, not guessed.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from statistics import fmean

from junkdna.disk_guess import BLOCK, FIGURE_BYTES, Guesses, whole
from junkdna.grid import all_cells, stored
from junkdna.keys import MODELS, Cell
from junkdna.progress import log_path
from junkdna.run_files import files_before
from junkdna.study import Resolved

TABLE_BYTES = 700  # of the three tables together, a cell
REPORT_BYTES = 60_000  # besides the figures, which stand in it as base64
JOB_LOG_BYTES = 1_200  # that Snakemake logs of a job
CHECKPOINT = 2 * 12 / 4  # of a training, and the one that takes its place, over the model in float32


@dataclass
class Disk:
    """Bytes by kind of file when all is done; the bytes of it that are there; bytes that a run takes on its way and
    gives back; and what could not be told."""

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

    def add(self, kind: str, file: str | Path, guess: Callable[[], float | None], name: str = "") -> None:
        """Count one file or folder: its size where it is there, else what `guess` says, else `name` as unknown."""
        size = size_of(file)
        if size is not None:
            self.there += size
        elif (size := guess()) is None:
            self.unknown.append(name or str(file))
        self.total[kind] = self.total.get(kind, 0) + (size or 0)


def size_of(place: str | Path) -> int | None:
    """Bytes on disk of a file, or of a folder with all in it; None where there is none. Links are not followed."""
    try:
        size = os.lstat(place).st_blocks * 512
        if os.path.isdir(place) and not os.path.islink(place):
            with os.scandir(place) as entries:
                size += sum(size_of(entry.path) or 0 for entry in entries)
        return size
    except OSError:
        return None


def disk(resolved: Resolved, figures: list[str], long_jobs: int = 0) -> Disk:
    """What a study takes when it is done. `figures` are the files of its figures; `long_jobs` the number of trainings
    at a time that go on for so long that they keep a checkpoint (`walk.INTERVAL_S`)."""
    cells = all_cells(resolved)
    files, guesses, found = files_before(cells, resolved), Guesses(cells, resolved), Disk()
    for file in files["wheels"]:
        name = Path(file).stem
        found.add("sources", file, lambda n=name: guesses.wheel(n), f"wheel {name}")
    for name in dict.fromkeys(cell.model for cell in cells):
        made = Path(f"{MODELS}/{name}/model.json")
        found.add("models", made.parent if made.is_file() else made, lambda n=name: guesses.model(n), f"model {name}")
        if any(cell.model == name and cell.compression.method == "svd" for cell in cells):
            found.add("models", made.parent / "svd", lambda n=name: guesses.factors(n))
    for file in files["examples"]:
        task, role = Path(file).parent.name, Path(file).stem
        found.add("examples", file, lambda t=task, r=role: guesses.examples(t, r))
    read = {cell.tokens_path(role): (cell, role) for cell in cells for role in cell.roles}
    for file, use in read.items():
        found.add("tokens", file, lambda u=use: guesses.tokens(*u))
    for file in files["calibrations"]:
        found.add("calibrations", file, lambda: 4 * BLOCK)
    _add_compressions(found, cells, guesses)
    for cell in cells:
        found.add("cells", cell.path, lambda c=cell: guesses.cell(c))
    _add_study(found, resolved, figures, len(cells))
    _add_folders_and_records(found, cells, files, figures)
    trained = [guesses.model(cell.model) or 0 for cell in cells if cell.transfer != "none"]
    found.passing += long_jobs * CHECKPOINT * max(trained, default=0)
    return found


def _add_compressions(found: Disk, cells: list[Cell], guesses: Guesses) -> None:
    """Stored compressions; those that are not kept are there only until the cells that read them are."""
    shared = Disk()
    for cell in stored(cells):
        shared.add("compressions", cell.compressed_path, lambda c=cell: guesses.compressed(c), cell.compressed_path)
    if guesses.resolved.study.keep_compressed:
        found.total |= shared.total
        found.there += shared.there
    else:
        found.passing += shared.in_all - shared.there
    found.unknown += shared.unknown


def _add_study(found: Disk, resolved: Resolved, figures: list[str], cells: int) -> None:
    folder = Path("results/studies") / resolved.study.study
    learnt = {ending: _mean_size(ending) or size for ending, size in FIGURE_BYTES.items()}
    for file in figures:
        ending = file.rpartition(".")[2]
        found.add("figures and tables", file, lambda e=ending: whole(learnt[e]))
    drawn = sum(file.endswith(".svg") for file in figures) * learnt["svg"]
    found.add("figures and tables", folder / "report.html", lambda: whole(drawn * 4 / 3 + REPORT_BYTES))
    found.add("figures and tables", folder / "tables", lambda: whole(20_000 + TABLE_BYTES * cells))


def _mean_size(ending: str) -> float:
    sizes = [file.stat().st_size for file in Path("results/studies").glob(f"*/figures/*.{ending}")]
    return fmean(sizes) if sizes else 0


def _add_folders_and_records(found: Disk, cells: list[Cell], files: dict[str, list[str]], figures: list[str]) -> None:
    """Folders of the cells and encoded examples, logs of all jobs, and Snakemake's records: a small file each, which a
    block holds."""
    others = [file for of_kind in files.values() for file in of_kind]
    jobs = len(others) + len(cells) + 5
    for kind, of_kind in (("cells", [cell.path for cell in cells]), ("tokens", files["tokens"])):
        folders = _folders(of_kind)
        found.total[kind] += BLOCK * len(folders)
        found.there += BLOCK * sum(map(os.path.isdir, folders))
    logs = BLOCK * (jobs + len(_folders(str(log_path(cell)) for cell in cells)) + len(_folders(files["tokens"])) + 10)
    found.add("logs", "results/logs", lambda: logs)
    records = BLOCK * (jobs + len(figures) + 10) + jobs * JOB_LOG_BYTES
    found.add("records of Snakemake", ".snakemake", lambda: records)
    for kind, size in (("logs", logs), ("records of Snakemake", records)):
        found.total[kind] = max(found.total[kind], size)


def _folders(files: Iterable[str]) -> set[str]:
    """Every folder on the way to some files."""
    found: set[str] = set()
    for parent in {file.rpartition("/")[0] for file in files}:
        found.update(str(above) for above in (PurePosixPath(parent), *PurePosixPath(parent).parents))
    return found - {"."}
