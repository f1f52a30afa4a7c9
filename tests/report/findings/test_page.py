"""The page of findings: made from an archive without models, and never with a number that is not the study's."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.figure import Figure

from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.cli.archive import check, findings
from junkdna.cli.main import parser
from junkdna.errors import UserError
from junkdna.report import draw
from junkdna.report.findings.blocks import BLOCKS
from junkdna.report.findings.markers import MARKED, typed_numbers
from junkdna.report.page import write

PAGE = Path("docs/findings.md")
OUT = Path("results/findings")


def made(archive: Path, text: str = "") -> str:
    """The page, filled from the archive's tables."""
    if text:
        PAGE.write_text(text)
    list(findings(archive, OUT, [PAGE], figures=False))
    return PAGE.read_text()


def block(page: str, words: str) -> str:
    [text] = [found["text"].strip() for found in MARKED.finditer(page) if found["words"] == words]
    return text


def number(archive: Path, words: str) -> str:
    return block(made(archive, f"It is <!-- findings: {words} --><!-- end findings -->."), words)


def test_figures_report_and_a_new_page_are_made(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
    some = ["headline", "claims", "bins_graded"]  # all of them take long; that all are drawn is tested elsewhere
    monkeypatch.setattr(draw, "names", lambda _: some)
    monkeypatch.setattr(write, "figure_names", lambda _: some)
    said = list(findings(archive, OUT, [PAGE]))
    assert said[0] == f"tables   {OUT}/tables/  (the same numbers as in the archive)"
    report = (OUT / "report.html").read_text()
    assert 'id="archive"' in report
    assert 'id="browser"' not in report
    assert "study_file=docs/findings/study.json" in report
    assert {"headline.svg", "claims.svg", "bins_graded.svg"} <= {path.name for path in (OUT / "figures").iterdir()}
    page = PAGE.read_text()
    assert "](findings/figures/headline.png)" in page
    assert (archive / "figures/headline.png").exists()
    assert not typed_numbers(page)
    assert not list(check(archive, [PAGE]))


def test_the_skeleton_has_a_table_for_every_claim_and_uses_every_table(archive: Path) -> None:
    page = made(archive)
    used = {found["words"].split()[0] for found in MARKED.finditer(page)}
    assert {*BLOCKS} - {"value", "count", "drops"} <= used
    assert set(re.findall(r"findings: tests claim=(\w+)", page)) == {*CLAIMS}
    verdicts = block(page, "verdicts").splitlines()[2:]
    models = pl.read_parquet(archive / "tables/claims.parquet")["model"].unique().to_list()
    assert len(verdicts) == len(CLAIMS) * len({*models} - {""})
    for claim in CLAIMS.values():
        assert any(line.startswith(f"| {claim.label} |") for line in verdicts)


def test_a_value_is_that_of_the_cell_file(archive: Path, kinds_once: Path) -> None:
    rows = [
        pl.read_parquet(
            kinds_once.parents[1] / f"cells/tiny/colours/options=2/random-0.5/none/default/seed-{seed}.parquet"
        )
        for seed in (0, 1)
    ]
    mean = np.mean([row["examples"].explode().struct.field("correct").mean() for row in rows])
    words = "value column=score experiment=graded compression=random-0.5 knobs=options=2"
    text = number(archive, words)
    assert re.match(rf"{mean:.2f} \(\d\.\d\d to \d\.\d\d\)$", text)
    assert number(archive, f"{words} digits=3").startswith(f"{mean:.3f} (")
    assert number(archive, "count compression=random-0.5") == "4"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("valu column=score", "unknown block 'valu'. Did you mean 'value'"),
        ("value column=scor", "unknown column 'scor'. Did you mean 'score"),
        ("value column=score task=colour", "no row has task=colour. The table has: task"),
        ("value column=score task=colours", "6 rows have task=colours: also choose knobs or compression"),
        ("value table=drop column=score", "unknown table 'drop'. Did you mean 'drops'"),
        ("tests claim=monoton", "unknown claim 'monoton'. Did you mean 'monotone'"),
        ("drops most=no", "most=no must be a whole number"),
        ("value column=score column=drop", "column has 2 values (score, drop); it takes one"),
        ("compare by=lenth", "unknown column 'lenth'. Did you mean 'length'"),
        ("figure name=headlin", "unknown figure 'headlin'. Did you mean 'headline'"),
        ("study words", "'words' must be KEY=VALUE"),
    ],
)
def test_a_wrong_block_is_an_error_and_the_page_stays(archive: Path, words: str, message: str) -> None:
    text = f"<!-- findings: {words} -->0.12<!-- end findings -->"
    with pytest.raises(UserError) as error:
        made(archive, text)
    assert message in str(error.value)
    assert str(PAGE) in str(error.value) or "block" in str(error.value)
    assert PAGE.read_text() == text


def test_check_names_changed_blocks_and_typed_numbers(archive: Path) -> None:
    page = made(archive)
    verdict = re.search(r"(supported|undecided|contradicted|untestable) \|", block(page, "verdicts"))[1]
    PAGE.write_text(page.replace(f"| {verdict} |", "| proven |", 1) + "\nIt loses 12 % of 0.8.\n")
    lines = list(check(archive, [PAGE]))
    assert len(lines) == 3
    assert "block 'verdicts' has" in lines[0]
    assert "| proven |" in lines[0]
    assert "12 % is typed by hand" in lines[1]
    args = parser().parse_args(["findings", str(archive), "--page", str(PAGE), "--check"])
    assert args.run(args) == 1


def test_other_numbers_than_the_archived_ones_are_named(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from junkdna.analysis.archived_answers import Analysis

    real = Analysis.tables

    def changed(analysis: Analysis) -> dict[str, pl.DataFrame]:
        tables = real(analysis)
        return {**tables, "drops": tables["drops"].with_columns(score=pl.col("score") + 1e-6)}

    monkeypatch.setattr(Analysis, "tables", changed)
    said = list(findings(archive, OUT, [], figures=False))
    assert said == [
        "differs  table drops, column score: other numbers than in the archive", f"tables   {OUT}/tables/"
    ]  # fmt: skip


def test_no_model_and_no_network_is_needed(archive: Path) -> None:
    code = """
import sys, socket
def refused(*_): raise AssertionError("network")
socket.socket.connect = refused
from pathlib import Path
from junkdna.cli.archive import findings
print(*findings(Path("docs/findings"), Path("out"), [Path("page.md")], figures=False), sep="\\n")
assert not {"torch", "transformers", "datasets"} & {*sys.modules}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the same numbers" in done.stdout
    assert Path("page.md").stat().st_size > 3000


@pytest.mark.parametrize("command", ["claims", "drops", "published"])
def test_commands_on_tables_read_an_archive(archive: Path, command: str, capsys: pytest.CaptureFixture) -> None:
    args = parser().parse_args([command, "--study", str(archive)])
    args.run(args)
    words = {"claims": "Performance falls steadily", "drops": "graded", "published": "published"}
    assert words[command] in capsys.readouterr().out


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    args = parser().parse_args(["claims", "--study", str(tmp_path)])
    with pytest.raises(UserError, match=r"has no checked study"):
        args.run(args)
