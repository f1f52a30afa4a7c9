"""`junkdna grade` as people call it."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from job_server import quick_python
from made_logs import choices, text_row, write_rows
from project import SUPPORT

import junkdna
from junkdna.analysis.result_columns import RESULTS
from junkdna.cli.main import parser

N = 40


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    for name, seed, skill in (("dense", 1, 4.0), ("a", 1, 2.0), ("b", 2, 1.0), ("q", 3, 3.0)):
        write_rows(folder / name, "quiz", choices(N, seed, skill), version=1, shots=0, samples={"effective": N})
        sums = [text_row(at, str(at if at % 10 > seed else -1), str(at)) for at in range(N)]
        write_rows(folder / name, "sums", sums, version=1, shots=3, samples={"effective": N})
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [quick_python(), "-m", "junkdna", "grade", *words], capture_output=True, text=True, cwd=folder, check=False
    )


@pytest.fixture(scope="module")
def done(logs: Path) -> subprocess.CompletedProcess:
    return run(
        logs, "tiny=dense", "wanda-0.3=a", "wanda-0.5=b", "awq-4bit=q", "q", "--difficulty", "digits", "--bits",
        "awq-4bit=4.25",
    )  # fmt: skip


def test_it_prints_every_model_on_every_task(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stderr
    header, *rows = done.stdout.split("\n\n")[0].splitlines()
    assert header.split()[:4] == ["task", "metric", "n", "dense"]
    assert [tuple(row.split()[at] for at in (0, 1, 2, 4)) for row in rows] == [
        (task, metric, "40", name)
        for task, metric in (("quiz", "acc_norm"), ("sums", "exact_match"))
        for name in ("wanda-0.3", "wanda-0.5", "awq-4bit", "q")
    ]


def test_it_says_what_the_logs_do_not(done: subprocess.CompletedProcess) -> None:
    assert "unknown: how much q is compressed" in done.stdout
    assert "unknown: the spread between runs of awq, wanda: of a level" in done.stdout
    assert "Fine-tuning does not bring it back: untestable (a log does not say" in done.stdout


def test_it_writes_tables_figures_and_a_report(logs: Path, done: subprocess.CompletedProcess) -> None:
    out = logs / "results/graded/tiny"
    assert {file.name for file in out.iterdir()} == {"figures", "report.html", "results", "study.json", "tables"}
    assert {"sparsity_graded.svg", "budget_graded.svg", "difficulty_graded.svg"} <= {
        file.name for file in (out / "figures").iterdir()
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Graded from logs" in page
    assert "how much q is compressed" in page
    results = junkdna.open_results(out)
    examples = results.examples(task="quiz", method="dense").collect()
    assert examples.height == N
    assert results.drops.filter(compression="awq-4bit")["effective_bits_per_weight"].to_list() == [4.25, 4.25]
    assert results.drops.filter(method="checkpoint")["effective_bits_per_weight"].to_list() == [None, None]


def test_one_run_of_a_method_decides_no_claim_about_it(logs: Path, done: subprocess.CompletedProcess) -> None:
    claims = junkdna.open_results(logs / "results/graded/tiny").claims.filter(claim="monotone")
    assert {*claims["verdict"]} <= {"undecided", "untestable"}
    assert any("one seed" in reason for reason in claims["reason"])


def test_several_logs_of_one_name_are_seeds(logs: Path, monkeypatch, capsys, svg_alone: None) -> None:
    monkeypatch.chdir(logs)
    words = "grade tiny=dense wanda-0.5=a wanda-0.5=b --out seeds --tasks quiz"
    args = parser().parse_args(words.split())
    args.run(args)
    assert "the spread between runs" not in capsys.readouterr().out
    [row] = pl.read_parquet(logs / "seeds/tables/drops.parquet").filter(method="wanda").to_dicts()
    assert row["n_seeds"] == 2
    scores = [
        pl.DataFrame([json.loads(line) for line in next((logs / name).rglob("samples_quiz*")).open()])[
            "acc_norm"
        ].mean()
        for name in ("a", "b")
    ]
    assert row["score_seeds"] == pytest.approx(scores)


def test_the_same_logs_give_the_same_numbers_without_torch(logs: Path, done: subprocess.CompletedProcess) -> None:
    code = (
        f"import sys; sys.path.append({str(SUPPORT)!r}); import drawing; drawing.svg_alone(); "
        "from junkdna.cli.main import parser; args = parser().parse_args(sys.argv[1:]); args.run(args); "
        "assert not {'torch', 'transformers', 'lm_eval'} & sys.modules.keys()"
    )
    words = [sys.executable, "-c", code, *done.args[3:], "--out", "again"]
    again = subprocess.run(words, capture_output=True, text=True, cwd=logs, check=False)
    assert again.returncode == 0, again.stderr
    first, second = ({file.name: file.read_bytes() for file in (logs / folder / "tables").glob("*.csv")} for folder in (
        "results/graded/tiny", "again"))  # fmt: skip
    assert {*first} == {f"{name}.csv" for name in RESULTS}
    assert first == second


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dense", "a", "--bits", "b=4"), "--bits: unknown log 'b'. Valid: a."),
        (("dense", "a", "--bits", "a=40"), "--bits: '40' must be a number above 0 and at most 16."),
        (("dense", "a", "--bits", "4"), "'4' must be NAME=VALUE."),
        (("dense", "a", "--margin", "2"), "2 must be above 0 and below 1"),
        (("dense", "a", "--options", "1"), "1 must be a whole number from 2"),
        (("dense", "a", "--out", "dense"), "did not write"),
        (("dense",), "COMPRESSED"),
    ],
)
def test_wrong_words(logs: Path, words: tuple[str, ...], message: str) -> None:
    done = run(logs, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
