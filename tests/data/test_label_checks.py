"""A constant right answer is refused, a nearly constant one gives a warning, for every kind, limit and hash split."""

import json
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import toy
from typed_settings import typed

from junkdna.cli import jobs
from junkdna.data.examples import make_examples
from junkdna.data.examples_file import read_examples_file
from junkdna.data.label_checks import check_labels
from junkdna.errors import UserError
from junkdna.study.load import resolve
from junkdna.study.paths import FOOTER_KEY
from junkdna.study.source_settings import ExampleSettings, example_settings

BASE = {"task": "t", "limits": {}, "evaluate_split": "test", "train_split": "train"}
CLASSIFY = {**BASE, "kind": "classify", "labels": ["no", "yes"], "columns": {"text": "{q}", "answer": "a"}}
PAIR = {**CLASSIFY, "kind": "pair", "columns": {"text": "{q}", "text_b": "{q}", "answer": "a"}}
REGRESS = {**BASE, "kind": "regress", "columns": {"text": "{q}", "answer": "a"}}
GENERATE = {**REGRESS, "kind": "generate"}
CHOICE = {**BASE, "kind": "choice", "columns": {"text": "{q}", "choices": "c", "answer": "a", "shuffle": False}}
SHUFFLED = {**CHOICE, "columns": {**CHOICE["columns"], "shuffle": True}}


def checked(settings: dict, answers: list, role: str = "evaluate", choices: list | None = None) -> list[str]:
    rows = [{"q": f"q{i}", "a": answer} for i, answer in enumerate(answers)]
    if settings["kind"] == "choice":
        rows = [{**row, "c": (choices or [f"x{i}", f"y{i}", f"z{i}"])} for i, row in enumerate(rows)]
    table = make_examples(typed(settings), role, lambda _: pa.Table.from_pylist(rows))
    return check_labels(typed(settings), role, table)


CONSTANT = [
    (CLASSIFY, [1] * 30, "the same class, 'yes'"),
    (PAIR, ["no"] * 30, "the same class, 'no'"),
    (REGRESS, [2.5] * 30, "the same number, 2.5"),
    (REGRESS, [-1] * 30, "the same number, -1.0"),  # the hidden labels of STS-B's test rows
    (GENERATE, ["Paris"] * 30, "the same accepted answer, 'paris'"),
    (GENERATE, [["a b", f"x{i}"] for i in range(15)] + [[f"y{i}", "A  B "] for i in range(15)], "answer, 'a b'"),
    (CHOICE, [2] * 30, "the same position, 2"),
    (
        {**CLASSIFY, "labels": None, "label_groups": {"b": ["1", "2"], "a": ["3"]}},
        ["1", "2"] * 9,
        "the same class, 'b'",
    ),
]


@pytest.mark.parametrize(("settings", "answers", "says"), CONSTANT)
@pytest.mark.parametrize("role", ["train", "evaluate"])
def test_a_constant_right_answer_is_refused(settings, answers, says, role):
    with pytest.raises(UserError, match=rf"^task t: all {len(answers)} rows to {role} have ") as caught:
        checked(settings, answers, role)
    assert says in str(caught.value)
    assert "a constant answer would always be right" in str(caught.value)


@pytest.mark.parametrize("settings", [CHOICE, SHUFFLED])
def test_a_constant_right_text_is_refused_at_any_position(settings):
    """Options yes and no, always yes: a model that likes the word is right."""
    with pytest.raises(UserError, match="have the same right text, 'yes'"):
        checked(settings, [0] * 30, choices=["yes", "no"])


def test_a_right_choice_that_is_always_first_is_allowed_with_shuffle():
    assert checked(SHUFFLED, [0] * 3) == []
    with pytest.raises(UserError, match="always lists the right choice first; set `shuffle: true`"):
        checked(CHOICE, [0] * 3)


@pytest.mark.parametrize(
    ("settings", "answers"),
    [(CLASSIFY, [0, 1]), (REGRESS, [1.0, 1.5]), (GENERATE, ["a", "b"]),
     (GENERATE, [["a", "b"], ["b", "c"], ["c", "a"]]),
     (CHOICE, [0, 1])],
)  # fmt: skip
def test_few_rows_that_differ_are_enough(settings, answers):
    assert checked(settings, answers) == []


@pytest.mark.parametrize(("settings", "answer"), [(CLASSIFY, 1), (REGRESS, 1.0), (GENERATE, "a"), (SHUFFLED, 0)])
def test_a_single_row_is_refused(settings, answer):
    with pytest.raises(UserError, match="there is only one row to evaluate"):
        checked(settings, [answer])


def test_after_limits_and_hash_splits():
    answers = [1] * 39 + [0]
    with pytest.raises(
        UserError, match=r"all 4 rows to evaluate .* Likely cause: limits.evaluate \(4\) keeps too few rows"
    ):
        checked({**CLASSIFY, "limits": {"evaluate": 4}}, answers)
    cut = {**CLASSIFY, "hash_split": {"of": "all", "train": 12, "evaluate": 28}}
    told = {}
    for role in ("train", "evaluate"):
        try:
            told[role] = checked(cut, answers, role)
        except UserError as error:
            told[role] = str(error)
    assert sorted("have the same class, 'yes'" in str(text) for text in told.values()) == [False, True]


@pytest.mark.parametrize(("wrong", "warned"), [(1, True), (3, True), (4, False)])
@pytest.mark.parametrize(
    ("settings", "usual", "other", "named"),
    [(CLASSIFY, 1, 0, "class 'yes'"), (REGRESS, 2.0, 3.0, "number 2.0"), (GENERATE, "a", "b", "accepted answer 'a'"),
     (CHOICE, 0, 1, "position 0")],
)  # fmt: skip
def test_nearly_constant_answers_give_a_warning(settings, usual, other, named, wrong, warned):
    """From nine in ten rows on."""
    found = checked(settings, [other] * wrong + [usual] * (30 - wrong))
    share = f"{100 * (30 - wrong) / 30:.1f} %"
    assert (
        found
        == [f"{named} is right in {share} of the 30 rows to evaluate: a constant answer reaches this score"] * warned
    )


def test_a_class_without_rows_gives_a_warning():
    three = {**CLASSIFY, "labels": ["no", "yes", "maybe"]}
    assert checked(three, [0, 1] * 5, "train") == ["none of the 10 rows to train has the class maybe"]
    assert checked(three, [0, 1, 2] * 5, "train") == []


# --- where a person sees it -------------------------------------------------------------------------------------------

TASK = {
    "name": "spam", "title": "Spam", "kind": "classify", "labels": ["ham", "spam", "other"], "license": "made",
    "sources": {"local": {"local": "data", "splits": {"train": "spam-train.parquet", "all": "spam.parquet"}}},
    "columns": {"text": "{q}", "answer": "a"}, "train_split": "train", "evaluate_split": "all",
}  # fmt: skip


def settings_of(role: str = "evaluate") -> ExampleSettings:
    study = {
        "study": "s", "models": {"m": {"kind": "encoder", "local": "m"}}, "tasks": {"spam": {"file": "spam.yaml"}},
        "experiments": {"e": {"title": "", "models": ["m"], "tasks": ["spam"], "transfer": ["dense"],
                              "compressions": [{"method": "magnitude", "sparsity": 0.5}]}},
    }  # fmt: skip
    return example_settings("spam", role, resolve(study, "study"))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    toy.write_yaml(Path("spam.yaml"), TASK)


def store(name: str, labels: list) -> None:
    pq.write_table(pa.table({"q": [f"q{i}" for i in range(len(labels))], "a": labels}), f"data/{name}.parquet")


@pytest.mark.usefixtures("world")
def test_the_stage_refuses_and_leaves_no_file():
    for role, name in (("train", "spam-train"), ("evaluate", "spam")):
        store(name, [1] * 10)
        with pytest.raises(UserError, match=f"all 10 rows to {role} have the same class, 'spam'"):
            jobs.examples(Path(f"{role}.parquet"), settings_of(role))
        assert not Path(f"{role}.parquet").exists()


@pytest.mark.usefixtures("world")
def test_file_and_log_report_skipped_rows_and_warnings(caplog):
    caplog.set_level(logging.INFO)
    store("spam", [0] * 19 + [2] + [-1] * 3 + [None] * 2)
    jobs.examples(Path("spam.parquet"), settings_of())
    told = json.loads(read_examples_file(Path("spam.parquet")).schema.metadata[FOOTER_KEY])["rows"]
    assert told == {
        "left_out": {"without a gold answer (a: -1)": 3, "without a gold answer (a: null)": 2},
        "warnings": [
            "class 'ham' is right in 95.0 % of the 20 rows to evaluate: a constant answer reaches this score",
            "none of the 20 rows to evaluate has the class spam",
        ],
    }
    logged = [(record.levelname, record.message) for record in caplog.records]
    assert (
        "INFO",
        "spam: raw rows left out: 3 without a gold answer (a: -1), 2 without a gold answer (a: null)",
    ) in logged
    assert [text for level, text in logged if level == "WARNING"] == [f"spam: {text}." for text in told["warnings"]]


def test_likelihoods_need_more_than_one_text():
    settings = {**BASE, "kind": "likelihood", "columns": {"text": "{q}", "answer": "a"}}
    assert checked(settings, ["same text"] * 2) == []
    with pytest.raises(UserError, match="there is only one row to evaluate, so no interval over examples"):
        checked(settings, ["one text"])
    with pytest.raises(UserError, match="without a gold answer"):
        checked(settings, [" ", None])
