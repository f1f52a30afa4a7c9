"""How long cells will take: from finished cells of the same kind, never a mean over cells that differ a lot."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean

from junkdna.job_settings import example_settings
from junkdna.keys import EXAMPLES, Cell
from junkdna.local_files import local_folder, matching
from junkdna.progress import Finished, Snapshot
from junkdna.study import Resolved

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
    spec, source = resolved.tasks[task], example_settings(task, role, resolved)["source"]
    raw = _local_rows(source["local"], next(iter(source["splits"].values()))) if "local" in source else None
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
