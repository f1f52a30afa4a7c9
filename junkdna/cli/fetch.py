"""`junkdna fetch`: downloads everything that a study reads, so that its jobs run without a network."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.dag.build import build_targets
from junkdna.dag.units import bytes_text, size_of
from junkdna.study.grid import all_cells, files_before
from junkdna.study.study import Resolved

KINDS = ("wheels", "models", "examples", "calibrations")


def sources(resolved: Resolved) -> list[Path]:
    """Files that are built from outside sources: wheels, model folders, examples of every role, calibration samples."""
    files = files_before(all_cells(resolved), resolved)
    return [Path(file) for kind in KINDS for file in files[kind]]


def fetch(resolved: Resolved) -> Iterator[str]:
    """Build the missing and outdated files of `sources` with the study's workflow; yield one line per file with its
    size, then the sum.

    The workflow builds them so that its records contain them. Raises UserError if a file could not be built.
    """
    files = sources(resolved)
    build_targets(resolved, files, rebuild_outdated=True)
    sizes = {file: size_of(file.parent if file.name == "model.json" else file) or 0 for file in files}
    for file, size in sizes.items():
        path = f"{file.parent}/" if file.name == "model.json" else str(file)
        yield f"{bytes_text(size):>8}  {path}{_linked(file)}"
    yield f"{bytes_text(sum(sizes.values())):>8}  in total; cells now run without a network"


def _linked(file: Path) -> str:
    """A note on the folders that the links in a model folder point to: they must be kept."""
    if file.name != "model.json":
        return ""
    links = {str(link.readlink().parent) for link in file.parent.iterdir() if link.is_symlink()}
    return f"  (links into {', '.join(sorted(links))}: keep it)" if links else ""
