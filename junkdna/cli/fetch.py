"""`junkdna fetch`: downloads everything that a study reads, so that its jobs run without a network."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.dag.build import build_targets
from junkdna.dag.units import bytes_text, size_of
from junkdna.study.grid import all_cells, files_before
from junkdna.study.study import Resolved


def sources(resolved: Resolved) -> list[Path]:
    """Files that are built from outside sources: wheels, model folders, examples of every role, calibration samples."""
    files = files_before(all_cells(resolved), resolved)
    return [Path(file) for kind in ("wheels", "models", "examples", "calibrations") for file in files[kind]]


def fetch(resolved: Resolved) -> Iterator[str]:
    """Build the missing and outdated files of `sources` with the study's workflow; yield one line per file with its
    size, then the sum.

    The workflow builds them so that its records contain them. Raises UserError if a file could not be built.
    """
    files = sources(resolved)
    build_targets(resolved, files, rebuild_outdated=True)
    total = 0
    for path in (file.parent if file.name == "model.json" else file for file in files):
        size = size_of(path) or 0
        total += size
        yield f"{bytes_text(size):>8}  {_described(path) if path.is_dir() else path}"
    yield f"{bytes_text(total):>8}  in total; cells now run without a network"


def _described(folder: Path) -> str:
    """A model folder, with a note on the folders that its links point to: they must be kept."""
    links = {str(link.readlink().parent) for link in folder.iterdir() if link.is_symlink()}
    note = f"  (links into {', '.join(sorted(links))}: keep it)" if links else ""
    return f"{folder}/{note}"
