"""What tests of the analysis share."""

from collections.abc import Callable

import pytest
from made_cells import MadeCells, make
from made_studies import steady

from junkdna.study.cell import Cell
from junkdna.study.load import resolve


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Callable[..., MadeCells]:
    def build(data: dict, right: Callable[[Cell], float] = steady, n: int = 400) -> MadeCells:
        return make(monkeypatch, resolve(data, "test"), right, n)

    return build
