"""Margins in the browser of examples, in thousandths."""

from math import inf
from pathlib import Path

import polars as pl
import pytest

from junkdna.cli.grade import Options, grade
from junkdna.grade.answers import Reading
from junkdna.report.page import browser


@pytest.mark.parametrize(
    ("margin", "shown"), [(0.0314, 31), (-2.0, -2000), (None, None), (-inf, None), (inf, None), (1e308, None)]
)
def test_a_margin_that_is_no_number_is_left_out(margin, shown):
    table = pl.DataFrame({"id": ["q"], "prediction": [1.0], "margin": [margin], "gold": [0.0], "correct": [0.0]})
    assert browser._row([table, table], 0)["m"] == [shown, shown]


def test_a_page_of_answers_with_infinite_margins(tmp_path: Path):
    """In 16 bits a model may give an option a probability of 0."""
    scores = {"dense": [[1.0, 2.0]] * 40, "small": [[3.0, -inf]] * 20 + [[1.0, 2.5]] * 20}
    for name, rows in scores.items():
        pl.DataFrame({"id": range(40), "gold": [1] * 20 + [0] * 20, "scores": rows}).write_parquet(
            tmp_path / f"{name}.parquet"
        )
    dense, small = (str(tmp_path / f"{name}.parquet") for name in scores)
    list(grade(dense, [f"magnitude-0.5={small}"], Reading(), Options(tmp_path / "out")))
    page = (tmp_path / "out/report.html").read_text(encoding="utf-8")
    assert '"m":[1000,null]' in page.replace(" ", "")
