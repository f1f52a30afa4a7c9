"""Tables count as equal if they differ by rounding, and what differs more is named."""

import polars as pl
import pytest

from junkdna.analysis.table_changes import changes

TABLE = pl.DataFrame({"task": ["a", "b"], "drop_low": [0.0027187973, -81.25], "seeds": [1, 5]})


def changed(**columns: list) -> list[str]:
    return list(changes(TABLE.with_columns(**{name: pl.Series(values) for name, values in columns.items()}), TABLE))


@pytest.mark.parametrize("by", [0.0, 6e-8, -6e-8])
def test_other_last_bits_of_32_are_no_change(by):
    assert not changed(drop_low=[0.0027187973 + by, -81.25 * (1 + abs(by))])


def test_more_than_rounding_is_named_with_its_row():
    assert changed(drop_low=[0.00274, -81.25]) == [
        "column drop_low, row 1 (task a): 0.00274, in the archive 0.0027187973"
    ]
    assert "row 2 (task b): -81.26" in changed(drop_low=[0.0027187973, -81.26])[0]
    assert "column seeds, row 2" in changed(seeds=[1, 4])[0]


def test_another_shape_or_type_is_one_line():
    assert "type String, in the archive Int64" in changed(seeds=["1", "5"])[0]
    assert list(changes(TABLE[:1], TABLE)) == ["1 rows, in the archive 2: another version wrote it"]
    assert "without seeds" in next(iter(changes(TABLE.drop("seeds"), TABLE)))
