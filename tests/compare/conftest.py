"""Fixtures of the tests of comparisons."""

from collections.abc import Callable
from pathlib import Path

import pytest
from study_folders import write_study

from junkdna.cli.compare import Options
from junkdna.compare.keys import matching
from junkdna.compare.side import known_methods, read_side
from junkdna.compare.tables import Comparison, compared

DEFAULT = Options()


def comparison(one: Path, two: Path, options: Options = DEFAULT) -> Comparison:
    a, b = read_side("A", one, options.a), read_side("B", two, options.b)
    with known_methods(a, b):
        return compared(a, b, matching(a.chosen, b.chosen, options.ignore), options.unpaired)


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the study that most tests take as A."""
    return write_study(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="session")
def compare() -> Callable[..., Comparison]:
    """A function that compares two folders without writing a file."""
    return comparison
