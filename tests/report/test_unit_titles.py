"""Units of tests with the titles of tasks, in the page and in the figures."""

import pytest
from figure_tables import Condition, drops_table
from page_tables import claims_table

from junkdna.report.draw import drawing_of, with_labels
from junkdna.report.unit_titles import titled

TITLES = {"sci": "Science", "sciq": "SciQ", "a.b": "A B"}


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        ("context of sciq", "context of SciQ"),
        ("context of sci, against random weights pruned", "context of Science, against random weights pruned"),
        ("options of sciq, context passage", "options of SciQ, context passage"),
        ("context of sciq-long", "context of sciq-long"),
        ("context of axb", "context of axb"),
        ("mean of 3 conditions", "mean of 3 conditions"),
        ("across tasks, by dense error", "across tasks, by dense error"),
    ],
)
def test_only_whole_names_of_tasks_are_replaced(unit, words):
    assert titled(unit, TITLES) == words
    assert titled(unit, {}) == unit


def test_the_figure_of_claims_names_tasks_as_the_page_does():
    drops = drops_table([Condition("sciq", "", "SciQ", 0.25, 0.8, 0.5, title="SciQ (science)")])
    drawing = drawing_of(with_labels(claims_table({}), drops), "claims")
    assert drawing.panels[0].y.ticks[0][1] == "context of SciQ (science)"
