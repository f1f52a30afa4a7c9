"""`junkdna fetch`: everything of a study that comes from outside, brought on a machine with a network, so that jobs run
without one."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.dag.build import build_targets
from junkdna.dag.units import bytes_text, size_of
from junkdna.study.grid import all_cells, files_before
from junkdna.study.study import Resolved

KINDS = ("wheels", "models", "examples", "calibrations")


def sources(resolved: Resolved) -> list[Path]:
    """Wheels, model folders, examples of every role in use and calibration rows: what jobs read from outside."""
    files = files_before(all_cells(resolved), resolved)
    return [Path(file) for kind in KINDS for file in files[kind]]


def fetch(resolved: Resolved) -> Iterator[str]:
    """Have the study's own workflow make those of `sources` that are missing or out of date, so that its records know
    them; then one line each with its size, and the sum. UserError where something could not be brought."""
    files = sources(resolved)
    build_targets(resolved, files, all_of_them=True)
    sizes = {file: size_of(file.parent if file.name == "model.json" else file) or 0 for file in files}
    for file, size in sizes.items():
        place = f"{file.parent}/" if file.name == "model.json" else str(file)
        yield f"{bytes_text(size):>8}  {place}{_linked(file)}"
    yield f"{bytes_text(sum(sizes.values())):>8}  in all; cells now run without a network"


def _linked(file: Path) -> str:
    """That a model's files are links to elsewhere, which must stay where they are."""
    if file.name != "model.json":
        return ""
    links = {str(each.readlink().parent) for each in file.parent.iterdir() if each.is_symlink()}
    return f"  (links into {', '.join(sorted(links))}: keep it)" if links else ""
