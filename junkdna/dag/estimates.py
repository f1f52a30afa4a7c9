"""How long cells will take: from finished cells of the same kind, never a mean over cells that differ a lot."""

import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path, PurePosixPath
from statistics import fmean
from zipfile import BadZipFile, ZipFile

from junkdna.dag.state import Finished, Snapshot, log_path
from junkdna.data.wheels import WHEELS_VARIABLE, hub_cached
from junkdna.storage.globs import local_folder, matching
from junkdna.study.cell import Cell, has_shots
from junkdna.study.grid import all_cells, files_before, stored
from junkdna.study.methods import METHODS
from junkdna.study.paths import EXAMPLES, MODELS, wheel_path
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Resolved

BACKWARD = 2  # a training step costs about two forward passes more than scoring the same tokens


class CellTimes:
    """Expected wall seconds of cells, starting the process apart.

    A cell is expected to take the mean of finished cells that are like it in everything but level, options and seed;
    else in model, task, transfer mode and protocol; else those of its model, after loading, scaled by the tokens that
    are trained on and scored, where the row counts are known. Without any of these it is unknown.
    """

    def __init__(
        self, finished: Mapping[Cell, Finished], resolved: Resolved, otherwise: "CellTimes | None" = None
    ) -> None:
        """`otherwise` is asked about cells that none of `finished` is like."""
        self._resolved, self._otherwise = resolved, otherwise
        self._alike: dict[tuple, list[float]] = defaultdict(list)
        self._of_model: dict[str, list[tuple[Finished, Cell]]] = defaultdict(list)
        for cell, facts in finished.items():
            for key in _kinds(cell):
                self._alike[key].append(facts.wall_s)
            self._of_model[cell.model].append((facts, cell))
        self._known: dict[tuple, float | None] = {}
        self._works: dict[tuple, float | None] = {}
        self._rows: dict[tuple[str, str], int | None] = {}

    def expected_s(self, cell: Cell) -> float | None:
        """Wall seconds that a cell is expected to take; None where no finished cell says anything about it."""
        closest = _kinds(cell)[0]
        if closest not in self._known:
            self._known[closest] = self._expected(cell)
        return self._known[closest]

    def _expected(self, cell: Cell) -> float | None:
        for key in _kinds(cell):
            if key in self._alike:
                return fmean(self._alike[key])
        if self._otherwise is not None:
            return self._otherwise.expected_s(cell)
        work = self._work(cell)
        measured = [(facts, done) for facts, like in self._of_model[cell.model] if (done := self._work(like))]
        if not work or not measured:
            return None
        rate = sum(facts.wall_s - facts.load_s for facts, _ in measured) / sum(done for _, done in measured)
        return fmean(facts.load_s for facts, _ in measured) + rate * work

    def total_s(self, cells: Iterable[Cell]) -> tuple[float, list[Cell]]:
        """Expected seconds of some cells together, and those of them that nothing is known of."""
        expected = {cell: self.expected_s(cell) for cell in cells}
        unknown = [cell for cell, seconds in expected.items() if seconds is None]
        return sum(seconds for seconds in expected.values() if seconds is not None), unknown

    def _work(self, cell: Cell) -> float | None:
        """Tokens scored and, weighted, trained on, up to a factor of the model; None where row counts are unknown."""
        condition = (cell.task, cell.knobs, cell.transfer == "none", cell.protocol)
        if condition not in self._works:
            self._works[condition] = self._work_of(cell)
        return self._works[condition]

    def _work_of(self, cell: Cell) -> float | None:
        task = self._resolved.tasks[cell.task]
        protocol = self._resolved.study.protocol(cell.protocol, task)
        knobs = {**task.knob_defaults(), **dict(cell.knobs)}
        counts = [self._count(cell.task, role) for role in cell.roles]
        if None in counts:
            return None
        *trained, scored = counts
        steps = sum(trained) * protocol.epochs * (1 + BACKWARD) * knobs.get("data_fraction", 100) / 100
        length = protocol.length(self._resolved.study.models[cell.model].kind)
        return knobs.get("options", 1) * length * (scored + steps)

    def _count(self, task: str, role: str) -> int | None:
        if (task, role) not in self._rows:
            self._rows[task, role] = row_count(task, role, self._resolved)
        return self._rows[task, role]


def _kinds(cell: Cell) -> tuple[tuple, ...]:
    """What cells have in common, the closest likeness first."""
    condition = (cell.model, cell.task, cell.transfer, cell.protocol)
    return (*condition, cell.knobs, cell.compression.method), (*condition, cell.knobs), condition


def row_count(task: str, role: str, resolved: Resolved) -> int | None:
    """How many examples a task has in a role: of its file where it is made, else of its local files (Parquet, CSV, TSV,
    JSON lines), cut at its limit and its share of a split by hash; None where none of these says it."""
    made = _parquet_rows(Path(f"{EXAMPLES}/{task}/{role}.parquet"))
    if made is not None:
        return made
    spec, settings = resolved.tasks[task], example_settings(task, role, resolved)
    local = settings.source.local
    raw = _local_rows(local, next(iter(settings.splits.values()))) if local is not None else None
    limit = getattr(resolved.study.tasks[task].limits or spec.limits, role, None)
    split = getattr(spec.hash_split, role, None) if spec.hash_split else None
    return min((number for number in (raw, limit, split) if isinstance(number, int)), default=None)


def _local_rows(folder: str, split: str) -> int | None:
    try:
        counts = [_rows(file) for file in matching(local_folder(folder), split)]
    except OSError:
        return None
    return sum(counts) if counts and None not in counts else None


def _rows(file: Path) -> int | None:
    """Rows of a file; None for other kinds, and where it cannot be read."""
    if file.suffix == ".parquet":
        return _parquet_rows(file)
    return _text_rows(file) if file.suffix in (".csv", ".tsv", ".jsonl") else None


def _text_rows(file: Path) -> int | None:
    """Rows of a text file, quoted as `raw` reads it (a test compares), without having them in memory."""
    import polars as pl

    try:
        if file.suffix == ".jsonl":
            scanned = pl.scan_ndjson(file)
        else:
            separator, quote = (",", '"') if file.suffix == ".csv" else ("\t", None)
            scanned = pl.scan_csv(file, separator=separator, quote_char=quote, infer_schema=False)
        return scanned.select(pl.len()).collect().item()
    except (OSError, pl.exceptions.PolarsError):
        return None


def _parquet_rows(file: Path) -> int | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_metadata(file).num_rows
    except (OSError, pa.ArrowException):
        return None


def time_left_s(now: Snapshot, resolved: Resolved, since_s: float, at_s: float) -> float | None:
    """Seconds until the cells of a run are made, at the speed it has had so far; None before there is a base.

    `since_s` is when the run began and `at_s` is now (both in seconds of the clock). What a cell takes is told by cells
    of its kind that this run has finished, else by earlier ones. The speed is cell seconds done a second, over the time
    since the first of the cells that the run has finished began: starts of processes, waiting for a device and jobs
    side by side are all in it.
    """
    done = {cell: facts for cell, facts in now.finished.items() if facts.written_s - facts.wall_s >= since_s - 1}
    times = CellTimes(done, resolved, otherwise=CellTimes(now.outdated | now.finished, resolved))
    left, unknown = times.total_s(now.left)
    if not done or unknown:
        return None
    under_way = sum(min(max(at_s - log.started_s, 0.0), times.expected_s(cell)) for cell, log in now.began.items())
    began = min(facts.written_s - facts.wall_s for facts in done.values())
    speed = (sum(facts.wall_s for facts in done.values()) + under_way) / max(at_s - began, 1.0)
    return max(left - under_way, 0.0) / max(speed, 1e-9)


BLOCK = 4096
ROWS = 1000  # of a task whose rows nobody has counted
ROW_BYTES = 200  # of an example
TOKEN_ROW_BYTES, OPTION_BYTES = 90, 20  # of an encoded row besides its token ids
CELL_BYTES, CELL_ROW_BYTES, CELL_OPTION_BYTES = 7_000, 15, 5
FIGURE_BYTES = {"pdf": 32_000, "png": 140_000, "svg": 104_000}
BITS = {"q8_0": 8.5, "q6_k": 6.6, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5, "f16": 16, "bf16": 16, "f32": 32}
ZIPPED = 1.09  # a model's files over the wheel that holds them: weights hardly shrink
MATRICES = 0.55  # of a model's weights are in matrices that compression works on, where nobody has looked
NOT_MATRICES = ("*embed*", "*lm_head*", "*pooler*", "*wte*", "*wpe*")


def whole(size: float) -> int:
    """Bytes in whole blocks."""
    return -int(-size // BLOCK) * BLOCK


class Guesses:
    """Sizes of files that a study will make. Looks at what is there when it is asked; None where nothing is known."""

    def __init__(self, cells: Iterable[Cell], resolved: Resolved) -> None:
        self.resolved = resolved
        self._cells = list(cells)
        self._rows: dict[tuple[str, str], int] = {}
        self._sizes = self._sizes_of_cells()
        self._models: dict[str, int | None] = {}
        self._shapes: dict[str, list[list[int]] | None] = {}

    def _sizes_of_cells(self) -> dict[tuple, list[int]]:
        found: dict[tuple, list[int]] = defaultdict(list)
        for cell in self._cells:
            try:
                size = os.stat(cell.path).st_size
            except OSError:
                continue
            for key in ((cell.model, cell.task, cell.knobs), (cell.model, cell.task)):
                found[key].append(size)
        return found

    def rows(self, task: str, role: str) -> int:
        """Examples of a task in a role, counted or guessed."""
        if (task, role) not in self._rows:
            self._rows[task, role] = row_count(task, role, self.resolved) or ROWS
        return self._rows[task, role]

    def wheel(self, name: str) -> int | None:
        """A pinned wheel, by its pin or where JUNKDNA_WHEELS holds it."""
        pin = self.resolved.study.pins()[name]
        if pin.size_bytes is not None:
            return whole(pin.size_bytes)
        held = self._held(name)
        return whole(held.stat().st_size) if held else None

    def _held(self, name: str) -> Path | None:
        """The file of a wheel that is on this machine."""
        places = [Path(wheel_path(name))]
        if folder := os.environ.get(WHEELS_VARIABLE):
            places.append(Path(folder) / self.resolved.study.pins()[name].filename)
        return next((place for place in places if place.is_file()), None)

    def model(self, name: str) -> int | None:
        """A model's folder. Files of a local folder and of the Hub's cache are linked; what the Hub's cache has yet to
        take in is unknown."""
        if name not in self._models:
            self._models[name] = self._model(name)
        return self._models[name]

    def _model(self, name: str) -> int | None:
        spec = self.resolved.study.models[name]
        if spec.wheel is None:
            return 3 * BLOCK if spec.local is not None or hub_cached(spec.hub, "models") else None
        held = self._held(spec.wheel)
        expands = 32 / _bits(spec.path) if spec.path.endswith(".gguf") else 1
        if held:
            try:
                with ZipFile(held) as archive:
                    inside = [each.file_size for each in archive.infolist() if each.filename.startswith(spec.path)]
                return sum(whole(size * expands) for size in inside) + 2 * BLOCK
            except (BadZipFile, OSError):
                pass
        wheel = self.wheel(spec.wheel)
        return None if wheel is None else whole(wheel * (expands if expands > 1 else ZIPPED))

    def shapes(self, name: str) -> list[list[int]] | None:
        """Shapes of the matrices that compression works on, from the headers of a model's weights that are there."""
        if name not in self._shapes:
            local = self.resolved.study.models[name].local
            folders = [Path(f"{MODELS}/{name}"), *([Path(local).expanduser()] if local else [])]
            files = next((found for folder in folders if (found := sorted(folder.glob("*.safetensors")))), [])
            self._shapes[name] = [shape for file in files for shape in _matrices(file)] or None
        return self._shapes[name]

    def weights(self, name: str) -> float | None:
        """How many numbers those matrices hold."""
        shapes, size = self.shapes(name), self.model(name)
        if shapes:
            return sum(map(prod, shapes))
        return None if size is None else size / 4 * MATRICES

    def factors(self, name: str) -> int:
        """The singular vectors that are kept beside a model for every rank; 0 where its shapes are unknown."""
        shapes = self.shapes(name) or []
        return sum(whole(4 * (out + inner + 1) * min(out, inner)) for out, inner in shapes)

    def compressed(self, cell: Cell) -> int | None:
        """The stored compression that a cell reads: a bit a weight for a mask, the weight itself for a new value."""
        weights = self.weights(cell.model)
        if weights is None:
            return None
        bits = 16 if self.resolved.study.models[cell.model].dtype == "bfloat16" else 32
        gives = METHODS[cell.compression.method].gives
        return whole(weights * {"mask": 1, "weight": bits, "both": bits + 1}[gives] / 8 + BLOCK)

    def examples(self, task: str, role: str) -> int:
        """Examples of a task, by those of its other roles."""
        made = Path(f"{EXAMPLES}/{task}").glob("*.parquet")
        known = [file.stat().st_size / max(self.rows(task, file.stem), 1) for file in made]
        return whole(3_000 + self.rows(task, role) * (fmean(known) if known else ROW_BYTES))

    def tokens(self, cell: Cell, role: str) -> int:
        """Encoded examples, at half the longest length."""
        task = self.resolved.tasks[cell.task]
        kind = self.resolved.study.models[cell.model].kind
        longest = self.resolved.study.protocol(cell.protocol, task).length(kind)
        texts = min(longest / 2, 1024 if has_shots(cell.knobs) else 60)
        return whole(
            4_000 + self.rows(cell.task, role) * (TOKEN_ROW_BYTES + OPTION_BYTES * self._options(cell) + 4 * texts)
        )

    def cell(self, cell: Cell) -> int:
        """A cell's file, by finished ones of its task."""
        for key in ((cell.model, cell.task, cell.knobs), (cell.model, cell.task)):
            if key in self._sizes:
                return whole(fmean(self._sizes[key]))
        row = CELL_ROW_BYTES + CELL_OPTION_BYTES * self._options(cell)
        return whole(CELL_BYTES + row * self.rows(cell.task, "evaluate"))

    def _options(self, cell: Cell) -> int:
        return {**self.resolved.tasks[cell.task].knob_defaults(), **dict(cell.knobs)}.get("options", 1)


def _bits(path: str) -> float:
    """Bits a weight of a GGUF file, as its name says; 8 where it does not."""
    return next((bits for name, bits in BITS.items() if name in path.lower()), 8)


def _matrices(file: Path) -> list[list[int]]:
    try:
        with file.open("rb") as content:
            header = json.loads(content.read(int.from_bytes(content.read(8), "little")))
        shapes = {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError):
        return []
    return [
        shape
        for name, shape in shapes.items()
        if len(shape) == 2 and not any(fnmatchcase(name, pattern) for pattern in NOT_MATRICES)
    ]


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
    at a time that go on for so long that they keep a checkpoint (`resumable.INTERVAL_S`)."""
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
    """Folders of the cells and tokens, logs of all jobs, and Snakemake's records: a small file each, which a
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
