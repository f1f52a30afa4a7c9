"""Where the numbers come from: when, software, machine, time, hashes, and the command that repeats the study."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.report.page.words import duration, listed
from junkdna.storage.checksums import sha256_file
from junkdna.study.paths import CELLS, FOOTER_KEY

if TYPE_CHECKING:
    from junkdna.analysis.archive_files import Archive
    from junkdna.report.page.inputs import Inputs


@dataclass(frozen=True)
class Provenance:
    """Facts as pairs of a name and a text, hashes as pairs of a file and a SHA-256, the command, and the settings as
    pairs of a key and its JSON."""

    date: str
    facts: list[tuple[str, str]]
    hashes: list[tuple[str, str]]
    command: str
    settings: list[tuple[str, str]]


@dataclass
class Footers:
    """What the footers of all cell files say, counted."""

    versions: Counter = field(default_factory=Counter)
    devices: Counter = field(default_factory=Counter)
    engines: Counter = field(default_factory=Counter)
    threads: Counter = field(default_factory=Counter)
    weights: dict[str, str] = field(default_factory=dict)
    written: list[float] = field(default_factory=list)
    missing: int = 0


def provenance(inputs: Inputs, root: Path = Path()) -> Provenance:
    """The provenance of a study whose cells are below `root` or in an archive.

    Dates are those of the files, or those that an archive records, so the same files give the same page.
    """
    found = archived_footers(inputs.archive) if inputs.archive else footers(inputs, root)
    made = _archived(found) if inputs.archive else (inputs.tables / "drops.parquet").stat().st_mtime
    when = _days(found) if inputs.archive else _made(found, made)
    facts = [("Made", when), ("junkdna", f"{software()} wrote this page"), ("Versions", _counted(found.versions))]
    facts += [("Machine", _counted(found.devices)), ("Training", _counted(found.engines))]
    facts += [("Threads", listed(f"{n} per cell" for n in sorted(found.threads)))]
    facts += [("Computing", _computing(inputs)), ("Cells", _cells(inputs, found))]
    facts += [(f"Rows of {inputs.task_title(task)}", note) for task, note in _row_notes(inputs)]
    facts += [(f"License of {inputs.task_title(task)}", license) for task, license in _licenses(inputs)]
    tables = sorted(inputs.tables.glob("*.parquet"))
    hashes = [*sorted(found.weights.items()), *((f"tables/{path.name}", sha256_file(path)) for path in tables)]
    return Provenance(
        "" if made is None else _day(made), [(name, text) for name, text in facts if text], hashes, _command(inputs),
        _settings(inputs),
    )  # fmt: skip


def footers(inputs: Inputs, root: Path = Path()) -> Footers:
    """The footers of the cell files that exist below `root`."""
    found = Footers()
    for key, model in inputs.cells.select("cell", "model").iter_rows():
        path = root / CELLS / f"{key}.parquet"
        if path.is_file():
            _add(found, model, _footer(path), path.stat().st_mtime)
        else:
            found.missing += 1
    return found


def archived_footers(archive: Archive) -> Footers:
    """What an archive says about its cells. Of times it has days."""
    versions, devices, engines, threads = (
        Counter(archive.answers[name].drop_nulls()) for name in ("versions", "device", "engine", "threads")
    )
    days = archive.answers["day"].filter(archive.answers["day"] != "")
    written = [datetime.fromisoformat(f"{day}T00:00+00:00").timestamp() for day in days]
    return Footers(versions, devices, engines, threads, archive.about["weights"], written)


def _footer(path: Path) -> dict:
    import polars as pl

    try:
        return json.loads(pl.read_parquet_metadata(path)[FOOTER_KEY.decode()])
    except (pl.exceptions.PolarsError, KeyError, ValueError):
        return {}


def _add(found: Footers, model: str, footer: dict, written: float) -> None:
    versions = {name: text for name, text in footer.get("versions", {}).items() if name != "torch_build"}
    found.versions[", ".join(f"{name} {text}" for name, text in versions.items())] += 1
    found.devices[str(footer.get("device", ""))] += 1
    engine = footer.get("training_engine")
    found.engines[engine.get("engine", "") if isinstance(engine, dict) else ""] += 1
    if footer.get("torch_threads"):
        found.threads[footer["torch_threads"]] += 1
    for name, file in footer.get("model", {}).get("files", {}).items():
        if name.endswith((".safetensors", ".gguf", ".bin")):
            found.weights[f"{model}: {name}"] = file["sha256"]
    found.written.append(written)


def _day(seconds: float) -> str:
    date = datetime.fromtimestamp(seconds, UTC)
    return f"{date.day} {date:%B %Y}"


def _moment(seconds: float) -> str:
    return f"{_day(seconds)}, {datetime.fromtimestamp(seconds, UTC):%H:%M} UTC"


def _made(found: Footers, tables: float) -> str:
    ends = dict.fromkeys(_moment(end(found.written)) for end in (min, max)) if found.written else {}
    cells = f"cells {'from ' if len(ends) > 1 else ''}{' to '.join(ends)}; " if ends else ""
    return f"{cells}tables {_moment(tables)} (dates of the files)"


def _archived(found: Footers) -> float | None:
    """The last day on which a cell of an archive was computed; None if it records no days."""
    return max(found.written, default=None)


def _days(found: Footers) -> str:
    days = [_day(written) for written in sorted({*found.written})]
    return f"cells of {listed(dict.fromkeys((*days[:1], *days[-1:])))}, from an archive" if days else "from an archive"


def software() -> str:
    """Version of the package and, in a checkout, its commit."""
    try:
        number = version("junkdna")
    except PackageNotFoundError:
        number = "of unknown version"
    commit = _commit(Path(__file__).resolve().parents[3])
    commit = commit.replace("-dirty", " with uncommitted changes")
    return f"{number}{f', commit {commit}' if commit else ''}"


def _commit(folder: Path) -> str:
    """The commit of the checkout that contains the package, with `-dirty` if files differ from it; empty outside a
    checkout or without git."""
    if not (folder / ".git").exists():
        return ""
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _counted(values: Counter) -> str:
    """The values with the number of cells of each, if there are several."""
    values = Counter({value: n for value, n in values.items() if value})
    if len(values) < 2:
        return next(iter(values), "")
    return "; ".join(f"{value} ({n:,} cells)" for value, n in values.most_common())


def _computing(inputs: Inputs) -> str:
    if "wall_s" not in inputs.cells.columns or not (wall := inputs.cells["wall_s"].drop_nulls()).len():
        return ""
    return f"{duration(float(wall.sum()))} of work, summed over {wall.len():,} timed cells"


def _cells(inputs: Inputs, found: Footers) -> str:
    total = inputs.cells.height
    collapsed = int(inputs.cells["collapsed"].cast(int).sum()) if total else 0
    gone = f"; the files of {found.missing:,} are not beside the tables" if found.missing else ""
    return f"{total:,} in the tables, {collapsed:,} collapsed{gone}"


def _row_notes(inputs: Inputs) -> list[tuple[str, str]]:
    """What is known about the raw rows of each task that were left out."""
    if "rows_note" not in inputs.cells.columns:
        return []
    noted = inputs.cells.filter(inputs.cells["rows_note"] != "")
    return list(noted.select("task", "rows_note").unique().sort("task").iter_rows())


def _licenses(inputs: Inputs) -> list[tuple[str, str]]:
    used = set(inputs.drops["task"])
    found = [(name, task.get("license")) for name, task in sorted(inputs.tasks.items()) if isinstance(task, dict)]
    return [(name, text) for name, text in found if name in used and isinstance(text, str)]


def _command(inputs: Inputs) -> str:
    """The commands that run the study again from its stored settings."""
    folder = f"results/studies/{inputs.name}" if inputs.tables.parent.name != "partial" else str(inputs.tables.parent)
    file = str(inputs.study_file) if inputs.archive else f"{folder}/{inputs.study_file.name}"
    commit = _commit(Path(__file__).resolve().parents[3])
    lines = [f"git checkout {commit[:12]}"] if commit else []
    return "\n".join([*lines, f"snakemake --cores all --config study_file={shlex.quote(file)}"])


def _settings(inputs: Inputs) -> list[tuple[str, str]]:
    """Every key of the study and its tasks with its value as JSON, one line an entry."""
    document = {**inputs.study, **({"task files": inputs.tasks} if inputs.tasks else {})}
    return [(str(key), _compact(value)) for key, value in document.items()]


def _compact(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {json.dumps(entry, ensure_ascii=False)}" for key, entry in value.items())
    return json.dumps(value, ensure_ascii=False)
