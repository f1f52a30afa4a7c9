"""What tests of the analysis share."""

from collections.abc import Callable

import polars as pl
import pytest
import toy_run
from made_cells import MadeCells, make
from made_studies import steady
from planted_behavior import STUDY, fact, planted

from junkdna.analysis import cell_answers, picked_options
from junkdna.study.cell import Cell
from junkdna.study.load import resolve


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MadeCells]:
    def build(data: dict, right: Callable[[Cell], float] = steady, n: int = 400) -> MadeCells:
        return make(monkeypatch, resolve(data, "test"), right, n)

    return build


@pytest.fixture
def planted_study(world, monkeypatch):
    """(Study, answers by cell, table of cells) of planted answers, used instead of cell files."""
    resolved = resolve(STUDY, "test")
    answers = {cell: planted(cell, resolved, 50 + at) for at, cell in enumerate(toy_run.grid.all_cells(resolved))}
    for place in (cell_answers, picked_options):
        monkeypatch.setattr(place, "examples_of", lambda cell, columns: answers[cell].select(columns))
    return resolved, answers, pl.DataFrame([fact(cell, resolved, frame) for cell, frame in answers.items()])
