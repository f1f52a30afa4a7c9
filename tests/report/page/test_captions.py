"""The captions that Snakemake's own report shows: those of the page, whatever is in them."""

import re
from html import unescape

import figure_tables as tables
import pytest
from docutils.core import publish_parts
from docutils.writers import get_writer_class
from jinja2 import Environment
from page_tables import claims_table
from written_page import HOSTILE, small, write

from junkdna.analysis.result_columns import RESULTS
from junkdna.report.page.captions import TABLES, of_table, write_captions

MARKUP = "*stars* _lines_ `ticks` |bars| link_ {{ 1 }} {% if x %} {# no #} .. raw:: html\n\n1. list \\ https://a.b"


def shown(text: str) -> str:
    """What Snakemake makes of a caption: a Jinja template, then reStructuredText."""
    html = publish_parts(Environment().from_string(text).render(), writer=get_writer_class("html")())["body"]
    assert not re.search(r"</?(?!p\b)\w", html), html
    return " ".join(unescape(re.sub(r"<[^>]*>", "", html)).split())


@pytest.mark.parametrize("text", [MARKUP, HOSTILE, "2 - 1 = 1; 5 % of a_b", "- no list", ".. no:: directive", "A. B"])
def test_nothing_in_a_caption_is_markup(tmp_path, text):
    write_captions(tmp_path / "captions", {"a.svg": ["First.", text, ""]})
    assert shown((tmp_path / "captions/a.svg.rst").read_text()) == f"First. {' '.join(text.split())}"


def test_every_file_has_the_caption_that_the_page_shows(tmp_path):
    conditions = [small(levels=(0.3, 0.6)), small(task="b", label=HOSTILE, levels=(0.3, 0.6))]
    drops = tables.drops_table(conditions)
    page = write(tmp_path, drops, claims_table({"experiment": "one"}), captions=tmp_path / "captions")
    files = {file.name for file in (tmp_path / "captions").iterdir()}
    first = {"headline", "claims", "layers", "margins", "sparsity_one", "difficulty_one", "behavior_one"}
    assert files == {*(f"{stem}.svg.rst" for stem in first), "claims.csv.rst", "drops.csv.rst", "report.html.rst"}
    for file in files - {"claims.svg.rst"}:  # the page has this figure as a table
        for paragraph in (tmp_path / "captions" / file).read_text().split("\n\n"):
            assert shown(paragraph) in page.text, file


def test_the_caption_of_a_table_is_its_schema_without_links():
    for name in TABLES:
        assert of_table(name).startswith(f"Rows: {RESULTS[name].rows.partition(' ([')[0]}")
        assert "](" not in of_table(name)
    assert "](" in RESULTS["claims"].rows
