"""docs/reference/figures.md: generated, complete."""

from project import ROOT

from junkdna.report.reference import figures

FILE = ROOT / "docs/reference/figures.md"


def test_the_page_is_generated() -> None:
    assert FILE.read_text(encoding="utf-8").splitlines() == [*figures.page()], "run `junkdna reference docs/reference`"


def test_it_says_for_which_experiments_a_figure_is_drawn() -> None:
    text = "\n".join(figures.page())
    assert "magnitude pruning. Drawn for every study." in text
    assert "Drawn for every experiment with at least 2 conditions (task x knobs)." in text
    assert "with rows without fine-tuning and levels of kind `bits` or `format` or `rank` or `external`." in text
