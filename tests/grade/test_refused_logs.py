"""Faulty logs and logs that do not fit together: the message names file, rule and fix, and nothing is written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from made_logs import choice_row, choices, hashed, text_row, write_rows

from junkdna.cli.grade import Options, grade
from junkdna.errors import UserError
from junkdna.grade.answers import Reading

pytestmark = pytest.mark.usefixtures("no_page")
N = 40
PLAIN = Reading()


def run(dense: Path, *others: Path, reading: Reading = PLAIN, **options: object) -> list[str]:
    out = dense.parent / "out"
    return list(
        grade(f"d={dense}", [f"c{at}={path}" for at, path in enumerate(others)], reading, Options(out, **options))
    )


def refused(dense: Path, other: Path, *words: str, **more: object) -> None:
    with pytest.raises(UserError) as raised:
        run(dense, other, **more)
    message = str(raised.value)
    assert all(word in message for word in words), message
    assert not (dense.parent / "out").exists()
    assert not list(dense.parent.glob(".out*"))


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    return write_rows(tmp_path / "dense", "quiz", choices(N, 1, 3.0), version=1, shots=0, samples={"effective": N})


def other(dense: Path, rows: list[dict], task: str = "quiz", **facts: object) -> Path:
    return write_rows(dense.parent / "other", task, rows, **({"version": 1, "shots": 0} | facts))


def with_first(**fields: object) -> Callable[[dict], dict]:
    """Changes row 0."""
    return lambda row: row | fields if row["doc_id"] == 0 else row


def test_other_versions_of_a_task(dense: Path) -> None:
    refused(dense, other(dense, choices(N, 2, 2.0), version=2), "task quiz", "version 1", "but 2", "--tasks")


def test_other_numbers_of_shots(dense: Path) -> None:
    refused(dense, other(dense, choices(N, 2, 2.0), shots=5), "number of shots 0", "but 5")


@pytest.mark.parametrize(
    ("key", "what"), [("prompt_hash", "prompt"), ("doc_hash", "question"), ("target_hash", "right answer")]
)
def test_other_hashes(dense: Path, key: str, what: str) -> None:
    rows = choices(N, 2, 2.0, with_first(**{key: "other"}))
    refused(dense, other(dense, rows), f"the {what} differs in 1 of {N} questions", ": 0", "Likely cause")


def test_other_prompts_in_logs_without_hashes(dense: Path) -> None:
    """Logs of older versions have none: they are computed from the row by lm-eval's rule."""
    bare = [{key: value for key, value in row.items() if not key.endswith("_hash")} for row in choices(N, 2, 2.0)]
    assert run(dense, other(dense, bare))
    changed = [row | {"arguments": {**row["arguments"], "gen_args_0": {"arg_0": "new", "arg_1": " a"}}} for row in bare]
    with pytest.raises(UserError, match="the prompt differs in 40 of 40"):
        run(dense, other(dense, changed))


def test_questions_that_one_log_lacks(dense: Path) -> None:
    less = other(dense, choices(N, 2, 2.0)[3:])
    refused(dense, less, f"3 of {N} questions", "are not in", "0, 1, 2", "--limit", "--common")
    lines = run(dense, less, common=True)
    assert any(
        f"quiz: {N - 3} common questions; up to 3 that a log lacks are left out (0, 1, 2)" in each for each in lines
    )
    assert any(line.startswith("quiz") and f"  {N - 3} " in line for line in lines)


def test_no_common_question(dense: Path) -> None:
    rows = [row | {"doc_id": row["doc_id"] + 1000} for row in choices(N, 2, 2.0)]
    refused(dense, other(dense, rows), "other questions, or other ids", common=True)


def test_a_question_twice(dense: Path) -> None:
    rows = choices(N, 2, 2.0)
    refused(dense, other(dense, [*rows, rows[4]]), "question 4 is there twice (lines 5 and 41)", "empty folder")


def test_a_log_with_fewer_rows_than_its_results_count(dense: Path) -> None:
    """Named, not refused: a run of selected questions (lm-eval's --samples) has fewer, too."""
    lines = run(dense, other(dense, choices(N, 2, 2.0), samples={"effective": 90}))
    assert f"note: quiz: {N} questions in the log, but 90 in its results file: was it copied completely?" in lines


def test_a_line_cut_short(dense: Path) -> None:
    log = other(dense, choices(N, 2, 2.0))
    [file] = log.rglob("samples_*.jsonl")
    file.write_text(file.read_text(encoding="utf-8")[:-50], encoding="utf-8")
    refused(dense, log, file.name, f"line {N} is not JSON", "run it again")


def test_an_empty_log(dense: Path) -> None:
    log = other(dense, [])
    refused(dense, log, "is empty", "Run it again")


def test_likelihoods_that_are_nan(dense: Path) -> None:
    rows = choices(N, 2, 2.0, with_first(filtered_resps=[["nan", "False"], ["-1.0", "False"]] * 2))
    refused(dense, other(dense, rows), "1 of 40 rows", "NaN, first in line 1", "float16")


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "nan"), (7.5, "7.5"), ([1, 2], "no number")])
def test_scores_outside_the_range(dense: Path, value: object, shown: str) -> None:
    log = other(dense, choices(N, 2, 2.0, with_first(acc_norm=value)))
    refused(dense, log, f"line 1: acc_norm is {shown}", "0 to 1", reading=Reading({"": "acc_norm"}))


def test_numbers_of_options_that_differ(dense: Path) -> None:
    rows = choices(N, 2, 2.0)
    short = choice_row(5, [-9.0, -3.0, -4.0], int(rows[5]["target"]) % 3)
    rows[5] = short | {name: rows[5][name] for name in ("doc_hash", "prompt_hash", "target_hash")}
    log = other(dense, rows)
    refused(dense, log, "differs in 1 of 40 questions", ": 5")


def test_no_task_in_common(dense: Path) -> None:
    refused(dense, other(dense, choices(N, 2, 2.0), "exam"), "no task in common", "quiz", "exam")


def test_a_task_that_one_log_lacks_is_named(dense: Path) -> None:
    write_rows(dense, "sums", [text_row(at, str(at), str(at)) for at in range(N)], version=1, shots=0)
    log = write_rows(other(dense, choices(N, 2, 2.0)), "exam", choices(N, 3, 1.0))
    lines = run(dense, log)
    assert any("lacks sums, which" in line and "not compared there" in line for line in lines)
    assert any("lacks exam, which" in line and "left out" in line for line in lines)


def test_a_task_without_a_score_is_named(dense: Path) -> None:
    rows = [text_row(at, "", "") | {"metrics": ["perplexity"], "perplexity": [-3.0, 2]} for at in range(N)]
    log = other(dense, choices(N, 2, 2.0))
    for folder in (dense, log):
        write_rows(folder, "wiki", rows)
    lines = run(dense, log)
    assert any("wiki is left out: none of its metrics (perplexity) is a score from 0 to 1" in line for line in lines)


def test_two_runs_in_one_folder(dense: Path) -> None:
    log = other(dense, choices(N, 2, 2.0))
    [file] = log.rglob("samples_*.jsonl")
    file.with_name("samples_quiz_2026-12-01T10-00-00.0.jsonl").write_bytes(file.read_bytes())
    refused(dense, log, "two logs of task quiz", "folder of one run")


def test_results_without_samples(dense: Path) -> None:
    folder = dense.parent / "only"
    folder.mkdir()
    refused(dense, folder, "no samples_*.jsonl", "--output_path")
    (folder / "results_2026-11-27T09-00-00.000000.json").write_text("{}", encoding="utf-8")
    refused(dense, folder, "results but no samples_*.jsonl", "--log_samples")


def test_a_path_that_does_not_exist(dense: Path) -> None:
    refused(dense, dense.parent / "nowhere", "nowhere' does not exist", "NAME=PATH")


@pytest.mark.parametrize(("name", "words"), [("log.txt", "unknown kind of file '.txt'"), ("r.json", "give its folder")])
def test_files_of_another_kind(dense: Path, name: str, words: str) -> None:
    file = dense.parent / name
    file.write_text("{}", encoding="utf-8")
    refused(dense, file, words, "--log_samples")


def test_rows_of_another_program(dense: Path) -> None:
    file = dense.parent / "samples_quiz.jsonl"
    file.write_text('{"doc_id": 0, "resps": []}\n', encoding="utf-8")
    refused(dense, file, "line 1 has no 'filtered_resps'", "not a row that lm-eval logged")


def test_an_unknown_metric_and_an_unknown_filter(dense: Path) -> None:
    log = other(dense, choices(N, 2, 2.0))
    refused(dense, log, "no task logs the metric 'f2'", reading=Reading({"": "f2"}))
    refused(dense, log, "unknown metric 'accc'", "Did you mean 'acc'", reading=Reading({"quiz": "accc"}))
    refused(dense, log, "unknown filter 'x'", "none", reading=Reading({"quiz": "acc,x"}))
    refused(dense, log, "unknown task 'quizz'", "Did you mean 'quiz'", reading=Reading(tasks=("quizz",)))


def test_other_right_answers_in_plain_tables(tmp_path: Path) -> None:
    tables = []
    for name, gold in (("one", "AB" * 20), ("two", "AB" * 19 + "BA")):
        tables.append(tmp_path / f"{name}.csv")
        rows = "".join(f"{at},{letter},A\n" for at, letter in enumerate(gold))
        tables[-1].write_text(f"id,gold,prediction\n{rows}", encoding="utf-8")
    refused(*tables, "the right answer differs in 2 of 40 questions", "38, 39")


def test_an_unknown_cluster(dense: Path) -> None:
    with pytest.raises(UserError, match=r"--cluster: unknown field of a question 'questio'.*'question'"):
        run(dense, other(dense, choices(N, 2, 2.0)), reading=Reading(cluster="questio"))


def test_a_folder_below_a_file(dense: Path) -> None:
    (dense.parent / "file").touch()
    with pytest.raises(UserError, match="a part of its path is a file"):
        list(grade(f"d={dense}", [f"c={dense}"], PLAIN, Options(dense.parent / "file/out")))


def test_an_unknown_field(dense: Path) -> None:
    log = other(dense, choices(N, 2, 2.0))
    refused(dense, log, "unknown field of a question 'level'", "question", reading=Reading(difficulty="level"))


def test_a_difficulty_in_words_without_an_order(dense: Path) -> None:
    def rated(row: dict) -> dict:
        return hashed(row | {"doc": {"level": ("easy", "hard")[row["doc_id"] % 2]}})

    one, two = (
        write_rows(dense.parent / name, "quiz", choices(N, seed, 2.0, rated)) for name, seed in (("a", 1), ("b", 2))
    )
    reading = Reading(difficulty="level")
    refused(one, two, "the difficulty 'easy' of task quiz is no number", "--difficulty-order", reading=reading)
    assert run(one, two, reading=reading, difficulty_order=("easy", "hard"))


@pytest.mark.parametrize(
    ("field", "order", "words"),
    [
        ("digits", ("one", "two"), ("--difficulty-order: unknown difficulty 'one'", "Valid: 1, 2, 3")),
        ("", ("one", "two"), ("no question has a difficulty", "--difficulty FIELD")),
        ("digits", ("1", "2", "1"), ("'1' is there twice", "once")),
    ],
)
def test_an_order_of_other_difficulties(tmp_path: Path, field: str, order: tuple[str, ...], words: tuple) -> None:
    rows = [text_row(at, str(at), str(at)) for at in range(N)]
    one, two = (write_rows(tmp_path / name, "sums", rows) for name in ("a", "b"))
    refused(one, two, *words, reading=Reading(difficulty=field), difficulty_order=order)


def test_a_folder_with_other_files_is_not_replaced(dense: Path) -> None:
    log = other(dense, choices(N, 2, 2.0))
    run(dense, log)
    run(dense, log)  # its own results are replaced
    out = dense.parent / "out"
    (out / "study.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match="did not write"):
        run(dense, log)
    assert (out / "tables/drops.csv").is_file()
