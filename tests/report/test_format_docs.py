"""The table of answer formats in docs/scoring.md is what the command writes."""

from project import ROOT

from junkdna.report.format_docs import format_lines
from junkdna.study.formats import FORMATS


def test_the_docs_hold_the_table_that_the_command_writes():
    table = "\n".join(format_lines(markdown=True))
    assert f"\n\n{table}\n\n" in (ROOT / "docs/scoring.md").read_text(), "run `junkdna formats --markdown`"


def test_every_format_is_one_line():
    lines = [*format_lines(markdown=False)]
    assert [line.split()[0] for line in lines] == [*FORMATS]
    assert all(each.meaning in line for each, line in zip(FORMATS.values(), lines, strict=True))
