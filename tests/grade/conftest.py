"""Fixtures of the tests of graded logs."""

from collections.abc import Iterator

import pytest

from junkdna.cli import grade


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws no figures and writes no report, which take most of the time and change no number."""
    monkeypatch.setattr(grade, "_write_page", lambda notes, lacking: None)


@pytest.fixture(scope="module")
def no_page_of_module() -> Iterator[None]:
    """`no_page` for a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade, "_write_page", lambda notes, lacking: None)
        yield
