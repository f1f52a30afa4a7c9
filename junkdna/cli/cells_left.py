"""`junkdna plan --list --not-in`: the cells of a study that earlier results or archives of it lack, so that a run on
another machine computes only these (docs/sharing.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junkdna.study.study import Resolved


@dataclass(frozen=True)
class _Planned:
    """The study of a run, as the sources of results have theirs."""

    folder: Path
    document: dict


def cells_not_in(resolved: Resolved, folders: Sequence[Path]) -> Iterator[str]:
    """The paths of the study's cells that none of the results or archives in `folders` has, in the study's order.

    Raises UserError if a folder has neither, or if its study differs in more than the selected experiments.
    """
    from junkdna.analysis.archive_sources import cells_of, open_source
    from junkdna.report.archive_merge import one_study
    from junkdna.study.grid import all_cells
    from junkdna.study.load import study_document

    sources = [open_source(folder) for folder in folders]
    one_study([_Planned(Path(resolved.commands.file), study_document(resolved)), *sources])
    there = {cell.key for source in sources for cell in cells_of(source)}
    return (cell.path for cell in all_cells(resolved) if cell.key not in there)
