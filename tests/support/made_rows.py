"""Canonical examples of rows made in a test, and what a person is told of wrong ones."""

import pyarrow as pa
import pytest
from typed_settings import typed

from junkdna.data.examples import make_examples
from junkdna.errors import UserError


def rows_of(settings: dict, rows: list[dict], role: str = "evaluate", **splits: list[dict]) -> list[dict]:
    tables = {"test": rows, **splits}
    return make_examples(typed(settings), role, lambda name: pa.Table.from_pylist(tables[name])).to_pylist()


def error_of(settings: dict, rows: list[dict], role: str = "evaluate") -> str:
    with pytest.raises(UserError, match=r"^task t: ") as caught:
        rows_of(settings, rows, role)
    return str(caught.value)
