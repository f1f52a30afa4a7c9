"""The catalog of figures: valid declarations, and the effect of changed texts."""

import re
from copy import copy

import pytest

from junkdna.report import catalog
from junkdna.report.catalog import FIGURES, Figure, Outline
from junkdna.study.methods import METHODS

GOOD = {"name": "dots", "label": "Dots", "caption": "One dot.", "order": 9}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "two_dots"}, "must have no underscore or hyphen"),
        ({"name": "two-dots"}, "must have no underscore or hyphen"),
        ({"table": "cells"}, "table: unknown 'cells'. Valid: 'drops'"),
        ({"levels": ("sparsety",)}, "unknown sparsety. Valid: sparsity"),
        ({"modes": "all"}, "modes: unknown 'all'. Valid: '', 'none', 'tuned', 'compressed'."),
        ({"per": "cell"}, "per: unknown 'cell'. Valid: 'study', 'experiment'."),
    ],
)
def test_a_wrong_declaration_names_the_value_and_the_valid_ones(wrong, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Figure(**GOOD | wrong)


@pytest.mark.parametrize(
    ("declared", "outline", "drawn"),
    [
        ({}, Outline({"dense"}, 1, {"dense"}), True),
        ({"conditions": 3}, Outline({"none"}, 2), False),
        ({"modes": "tuned"}, Outline({"none", "dense"}, 2), False),
        ({"modes": "tuned", "levels": ("bits",)}, Outline({"dense", "sparse"}, 2, {"rtn-4bit"}), True),
        ({"modes": "compressed"}, Outline({"dense"}, 1), False),
        ({"modes": "compressed"}, Outline({"none"}, 1), True),
        ({"lengths": 2}, Outline({"sparse"}, 1), False),
        ({"lengths": 2}, Outline({"sparse"}, 1, lengths=3), True),
        ({"rated": True}, Outline({"none"}, 1), False),
        ({"rated": True}, Outline({"none"}, 1, rated=True), True),
        ({"methods": 2}, Outline({"none"}, 1, {"magnitude-0.5", "magnitude-0.3,embeddings=true"}), False),
        ({"methods": 2}, Outline({"none"}, 1, {"magnitude-0.5", "band-0.1to0.2"}), False),
        ({"methods": 2}, Outline({"none"}, 1, {"magnitude-0.5", "rtn-4bit"}), True),
        ({"modes": "none", "levels": ("bits",)}, Outline({"none"}, 2, {"magnitude-0.5"}), False),
    ],
)
def test_a_figure_is_drawn_where_all_its_conditions_are_met(declared, outline, drawn):
    assert Figure(**GOOD | declared).is_drawn(outline) == drawn


def test_figures_are_in_the_order_they_declare():
    assert [figure.order for figure in FIGURES.values()] == sorted(figure.order for figure in FIGURES.values())
    assert catalog.MODULES["bands"] == "junkdna.report.figures.bands"


@pytest.mark.parametrize(("table", "name", "field"), [(FIGURES, "bands", "caption"), (METHODS, "wanda", "label")])
def test_changed_texts_trigger_a_redraw(monkeypatch, table, name, field):
    """Code fingerprints ignore these texts, but figures and report show them."""
    before = catalog.declared_text()
    other = copy(table[name])
    object.__setattr__(other, field, "Other words")
    monkeypatch.setitem(table, name, other)
    assert catalog.declared_text() != before
