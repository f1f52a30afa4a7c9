"""Margins in the browser of examples, in thousandths."""

from math import inf

import polars as pl
import pytest

from junkdna.report.page import browser


@pytest.mark.parametrize(
    ("margin", "shown"), [(0.0314, 31), (-2.0, -2000), (None, None), (-inf, None), (inf, None), (1e308, None)]
)
def test_a_margin_that_is_no_number_is_left_out(margin, shown):
    table = pl.DataFrame({"id": ["q"], "prediction": [1.0], "margin": [margin], "gold": [0.0], "correct": [0.0]})
    assert browser._row([table, table], 0)["m"] == [shown, shown]
