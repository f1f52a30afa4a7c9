"""The page of findings: made from an archive without models, and never with a number that is not the study's."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from figure_tables import Condition, drops_table
from matplotlib.figure import Figure
from page_tables import claims_table, write_inputs

from junkdna.analysis.archived_answers import Analysis
from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.cli.findings import check, findings
from junkdna.cli.main import parser
from junkdna.errors import UserError
from junkdna.report import draw
from junkdna.report.findings.blocks import BLOCKS, shown_figures
from junkdna.report.findings.markers import MARKED, typed_numbers
from junkdna.report.page import write
from junkdna.report.page.inputs import read_inputs

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


def table_of(archive: Path, words: str) -> list[str]:
    """The lines of a block that is a table."""
    return block(made(archive, f"<!-- findings: {words} -->\n<!-- end findings -->\n"), words).splitlines()


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
    assert all(len(line.split(" | ")[-1]) > 5 for line in verdicts), verdicts  # what would decide it


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


def test_tables_of_several_models_have_a_column_for_them(archive: Path) -> None:
    drops = pl.read_parquet(archive / "tables/drops.parquet")
    assert drops["model"].n_unique() == 2
    labels = drops.filter(model="tiny")["label"].to_list()
    assert all(label.endswith(" (tiny)") for label in labels)
    words = "drops model=tiny compression=random-0.5"
    head, _, first, *_ = table_of(archive, words)
    assert head.startswith("| condition | model | compression |")
    assert re.match(r"\| [^(]+ \| tiny \| random 50 % \|", first)
    assert not any("(tiny)" in line for line in table_of(archive, "flips model=tiny"))
    assert not any("(tiny)" in line for line in table_of(archive, "verdicts"))


def test_a_comparison_names_its_columns_in_words_in_the_order_that_the_block_names(archive: Path) -> None:
    order = "compression=random-0.5 compression=magnitude-0.5"
    head, _, *lines = table_of(archive, f"compare by=compression experiment=graded {order}")
    assert head == "| condition (tiny, no training) | random 50 % | magnitude 50 % |"
    drops = pl.read_parquet(archive / "tables/drops.parquet").filter(experiment="graded", compression="random-0.5")
    assert len(lines) == drops.height == 2
    retention = dict(drops.select("label", "retention").iter_rows())
    for line in lines:
        label, random, _ = line.removeprefix("| ").split(" | ")
        assert random.startswith(f"{retention[f'{label} (tiny)']:.2f} (")
    head = table_of(archive, "compare by=transfer experiment=trained")[0]
    assert head == "The study has no rows that differ only in transfer."


def test_verdicts_by_model_have_one_row_for_each_claim(archive: Path) -> None:
    head, _, *lines = table_of(archive, "verdicts by=model")
    assert head == "| claim (effect) | llm | tiny |"
    long = [line.removeprefix("| ").split(" | ") for line in table_of(archive, "verdicts")[2:]]
    assert len(lines) == len(CLAIMS)
    for line, claim in zip(lines, CLAIMS.values(), strict=True):
        name, *found = line.removeprefix("| ").removesuffix(" |").split(" | ")
        assert name in (claim.label, f"{claim.label} ({claim.caption})")
        for model, words in zip(("llm", "tiny"), found, strict=True):
            [(verdict, effect)] = [(row[2], row[3]) for row in long if row[:2] == [claim.label, model]]
            shown = effect.removeprefix(f"{claim.caption}: ").partition("; ")[0]
            assert words.partition(";")[0] in (verdict, f"{verdict}, {shown}")


def test_verdicts_by_model_count_tests_that_disagree(tmp_path: Path) -> None:
    """A single condition of many is not the effect of a claim whose tests disagree; the mean over conditions is."""
    one = {"experiment": "x", "model": "a", "estimate": 0.3, "low": 0.2, "high": 0.4}
    units = [("options", "supported"), ("shots", "contradicted"), ("context", "undecided"), ("labels", "untestable")]
    tests = [{**one, "unit": unit, "verdict": verdict} for unit, verdict in units]
    cell = by_model(tmp_path / "1", *tests)
    assert cell.endswith("; of 3 tests 1 supported and 1 contradicted")
    assert "0.30" not in cell
    assert "0.30 (0.20 to 0.40); of 4 tests" in by_model(
        tmp_path / "2", *tests, {**one, "unit": "mean of 3 conditions"}
    )
    assert by_model(tmp_path / "3", tests[0]).endswith("supported, 0.30 (0.20 to 0.40)")


def by_model(folder: Path, *changes: dict) -> str:
    """The verdict on the claim of the given rows, in the short table."""
    folder.mkdir()
    drops = drops_table([Condition("a", "", "A", 0.25, 0.8, 0.5, levels=(0.5,), model="a")])
    inputs = read_inputs(*write_inputs(folder, drops, claims_table(*changes)))
    [line] = [line for line in BLOCKS["verdicts"](inputs, {"by": ["model"]}).splitlines() if "Harder" in line]
    return line.rpartition(" | ")[2].removesuffix(" |")


def test_a_label_names_the_protocol_only_if_the_rows_have_several() -> None:
    shared = {"task": "rte", "transfers": ("dense", "sparse"), "levels": (0.5,)}
    conditions = [Condition(knobs="", label="RTE", chance=0.5, dense=0.8, half=0.6, protocol=p, **shared) for p in "ab"]
    table = drops_table(conditions).with_columns(title=pl.lit("RTE"))
    inputs = SimpleNamespace(drops=table)
    assert BLOCKS["drops"](inputs, {"protocol": ["a"], "transfer": ["sparse"]}).splitlines()[2].startswith("| RTE | ")
    both = BLOCKS["drops"](inputs, {"transfer": ["sparse"]}).splitlines()[2:]
    assert {line.split(" | ")[0] for line in both} == {"| RTE [a]", "| RTE [b]"}
    alone = BLOCKS["compare"](inputs, {"by": ["protocol"], "transfer": ["sparse"]}).splitlines()
    assert alone[0] == "| condition | compression | protocol a | protocol b |"
    assert all(line.startswith("| RTE | ") for line in alone[2:])


def test_a_condition_of_several_experiments_is_shown_with_the_most_seeds() -> None:
    condition = Condition("a", "", "A", 0.5, 0.8, 0.6, transfers=("dense", "sparse"), levels=(0.5,))
    one, three = (
        drops_table([condition]).with_columns(experiment=pl.lit(name), n_seeds=pl.lit(n))
        for name, n in (("x", 1), ("y", 3))
    )
    for table in (pl.concat([one, three]), pl.concat([three, one])):
        lines = BLOCKS["drops"](SimpleNamespace(drops=table), {"transfer": ["sparse"]}).splitlines()[2:]
        assert [line.split(" | ")[-1] for line in lines] == ["3 |"]


def test_lengths_are_in_their_order() -> None:
    conditions = [
        Condition("a", "", "A", 0.5, 0.8, 0.6, transfers=("dense", "sparse"), levels=(0.5,), protocol=protocol)
        for protocol in ("main", "main-x10", "main-x3")
    ]
    table = drops_table(conditions).with_columns(title=pl.lit("A"))
    head = BLOCKS["compare"](SimpleNamespace(drops=table), {"by": ["length"], "transfer": ["sparse"]}).splitlines()[0]
    assert head == "| condition | compression | 1 × the steps | 3 × the steps | 10 × the steps |"


def test_models_are_compared_though_their_protocols_differ() -> None:
    shared = {"task": "rte", "transfers": ("dense", "sparse"), "levels": (0.5,)}
    conditions = [
        Condition(knobs="", label=f"RTE ({m})", chance=0.5, dense=0.8, half=0.6, protocol=p, model=m, **shared)
        for m, p in (("small", "a"), ("large", "b"), ("large", "c"))
    ]
    table = drops_table(conditions).with_columns(title=pl.lit("RTE"))
    options = {"by": ["model"], "transfer": ["sparse"]}
    lines = BLOCKS["compare"](SimpleNamespace(drops=table), {**options, "base_protocol": ["a", "b"]}).splitlines()
    assert lines[0] == "| condition | compression | small | large |"
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| RTE"]
    with pytest.raises(UserError, match=r"large has the protocols b and c: choose with base_protocol=NAME"):
        BLOCKS["compare"](SimpleNamespace(drops=table), options)


def test_a_column_is_shown_only_if_a_shown_row_has_it() -> None:
    conditions = [
        Condition("a", "", "A", 0.5, 0.8, 0.6, transfers=("dense", "sparse", "sparse_to_dense"), levels=(0.5,)),
        Condition("b", "", "B", 0.5, 0.8, 0.6, transfers=("dense", "sparse", "dense_freeze"), levels=(0.5,)),
    ]
    inputs = SimpleNamespace(drops=drops_table(conditions))
    options = {"by": ["transfer"], "compression": ["magnitude-0.5"]}
    assert "dense (frozen)" in BLOCKS["compare"](inputs, options)
    lines = BLOCKS["compare"](inputs, {**options, "most": ["1"]}).splitlines()
    assert lines[0] == "| condition (magnitude 50 %) | sparse | sparse to dense |"
    assert "1 more row" in lines[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("verdicts by=task", "by=task must be by=model"),
        ("valu column=score", "unknown block 'valu'. Did you mean 'value'"),
        ("value column=scor", "unknown column 'scor'. Did you mean 'score"),
        ("value column=score task=colour", "unknown task 'colour'. Did you mean 'colours'"),
        ("drops task=nosuch task=colours", "unknown task 'nosuch'"),
        ("drops transfer=spars", "unknown transfer 'spars'. Did you mean 'sparse'"),
        ("compare by=transfer experiment=nosuch", "unknown experiment 'nosuch'"),
        ("value column=score task=colours n_seeds=99", "no row has task=colours n_seeds=99. The table has: task"),
        ("value column=score digits=99", "digits=99 must be a whole number from 1 to 6"),
        ("compare", "a table is compared by a column: by=model, by=task"),
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


def test_check_names_changed_blocks_typed_numbers_and_missing_figures(archive: Path) -> None:
    page = made(archive)
    shown = shown_figures(page)
    missing = [line for line in check(archive, [PAGE]) if "is shown but does not exist" in line]
    assert len(missing) == len(shown) == 1
    assert f"{archive}/figures/{shown[0].file}" in missing[0]
    assert f"junkdna findings {archive} --page {PAGE}" in missing[0]
    assert run(archive, "--page", str(PAGE), "--check") == 1
    (archive / "figures").mkdir()
    for each in shown:
        (archive / f"figures/{each.file}").touch()
    assert run(archive, "--page", str(PAGE), "--check") == 0
    verdict = re.search(r"(supported|undecided|contradicted|untestable) \|", block(page, "verdicts"))[1]
    PAGE.write_text(page.replace(f"| {verdict} |", "| proven |", 1) + "\nIt loses 12 % of 0.8.\n")
    lines = list(check(archive, [PAGE]))
    assert len(lines) == 3
    assert "block 'verdicts' has" in lines[0]
    assert "| proven |" in lines[0]
    assert "12 % is typed by hand" in lines[1]
    assert run(archive, "--page", str(PAGE), "--check") == 1


def run(archive: Path, *words: str) -> int:
    """The status of `junkdna findings`."""
    args = parser().parse_args(["findings", str(archive), *words])
    return args.run(args)


def test_other_numbers_than_the_archived_ones_are_named_and_fail(
    archive: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The row and both values are named, and no page gets numbers that the archive does not have."""
    real = Analysis.tables
    assert run(archive, "--tables-only") == 0

    def changed(analysis: Analysis) -> dict[str, pl.DataFrame]:
        tables, chosen = real(analysis), pl.col("task") == "colours"
        score = pl.when(chosen).then(pl.col("score") + 1e-4).otherwise("score")
        return {**tables, "drops": tables["drops"].with_columns(score=score)}

    monkeypatch.setattr(Analysis, "tables", changed)
    capsys.readouterr()
    assert run(archive, "--tables-only", "--page", str(PAGE)) == 1
    archived = pl.read_parquet(archive / "tables/drops.parquet").with_row_index("at", 1)
    rows = archived.filter(pl.col("task") == "colours")
    first = rows.row(0, named=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(
        f"differs  table drops: column score, row {first['at']} (experiment {first['experiment']}, "
    )
    assert "task colours" in lines[0]
    assert (
        f": {first['score'] + 1e-4!r}, in the archive {first['score']!r} (and {rows.height - 1} more rows)" in lines[0]
    )
    assert lines[1] == f"tables   {OUT}/tables/"
    assert "is left as it is" in lines[2]
    assert not PAGE.exists()


def test_tables_only_draws_no_figure_for_a_page_either(archive: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(draw, "render", lambda _: pytest.fail("a figure is drawn"))
    assert run(archive, "--tables-only", "--page", str(PAGE)) == 0
    assert not (archive / "figures").exists()
    assert (
        "docs/findings/figures/headline.png is not there: without --tables-only it is drawn" in capsys.readouterr().out
    )
    assert {path.name for path in OUT.iterdir()} == {"tables", "findings.json"}


def test_files_of_others_are_never_replaced(archive: Path) -> None:
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years")
    for out, words in {
        "mine": "has files that `junkdna findings` did not write",
        "docs": "contains the archive",
        str(archive): "is the archive itself",
        str(archive / "new"): "is in the archive",
    }.items():
        with pytest.raises(UserError, match=words):
            run(archive, "--tables-only", "--out", out)
    Path("results/findings").mkdir(parents=True)
    Path("results/findings/page.md").write_text("mine")
    with pytest.raises(UserError, match=r"contains the page results/findings/page\.md"):
        run(archive, "--tables-only", "--page", "results/findings/page.md")
    assert Path("mine/thesis.txt").read_text() == "years"
    assert not (archive / "new").exists()


def test_earlier_findings_are_replaced_and_stay_if_that_fails(archive: Path) -> None:
    assert run(archive, "--tables-only") == 0
    (OUT / "report.html").write_text("of an earlier run with figures")
    PAGE.write_text("<!-- findings: valu column=score -->0.12<!-- end findings -->")
    with pytest.raises(UserError, match="unknown block"):
        run(archive, "--tables-only", "--page", str(PAGE))
    assert (OUT / "report.html").exists()
    assert run(archive, "--tables-only") == 0
    assert {path.name for path in OUT.iterdir()} == {"tables", "findings.json"}
    assert not [*OUT.parent.glob(".*")]


def test_no_model_and_no_network_is_needed(archive: Path) -> None:
    code = """
import sys, socket
def refused(*_): raise AssertionError("network")
socket.socket.connect = refused
from pathlib import Path
from junkdna.cli.findings import findings
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
