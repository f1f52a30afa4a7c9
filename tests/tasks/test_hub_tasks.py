"""GLUE, question answering and arithmetic from the Hub's layout: small made files become the right examples."""

import json
from collections.abc import Callable
from pathlib import Path

import hub_files
import pytest
import task_examples

from junkdna.errors import UserError
from junkdna.study.task_files import load_task

FIELDS = ("text", "text_b", "passage", "answer", "target", "references", "shown")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    datasets.disable_progress_bars()


def from_hub(name: str, role: str, repository: Path, output: Path) -> list[dict]:
    return task_examples.examples(task_examples.example_settings(name, role, "hub"), output, repository)


def fields(row: dict) -> dict:
    """What a row says, without its nulls."""
    return {key: row[key] for key in FIELDS if row[key] is not None}


def error_of(name: str, repository: Path, output: Path) -> str:
    with pytest.raises(UserError) as caught:
        from_hub(name, "evaluate", repository, output)
    return str(caught.value)


# --- GLUE -------------------------------------------------------------------------------------------------------------

SPLITS = ("train", "validation", "test")
MNLI_SPLITS = ("train", "validation_matched", "validation_mismatched", "test_matched")


def glue_rows(config: str, split: str, n: int = 6) -> list[dict]:
    """Rows that name their split; labels run through the classes, and are hidden (-1) in test splits."""
    texts = hub_files.GLUE_TEXTS.get(config, ["sentence1", "sentence2"])
    classes = len(hub_files.GLUE_LABELS.get(config, range(6)))
    labels = [-1 if split.startswith("test") else i % classes for i in range(n)]
    if config == "stsb":
        labels = [label if label < 0 else label + 0.75 for label in labels]
    return [
        {**{text: f"{text} {i} of {split} " for text in texts}, "label": label, "idx": i}
        for i, label in enumerate(labels)
    ]


def glue_repository(folder: Path, config: str, change: Callable[[dict], dict] = dict, features: object = None) -> Path:
    """`change` turns every row; without `features` the types are those of the rows."""
    splits = MNLI_SPLITS if config == "mnli" else SPLITS
    rows = {split: [change(row) for row in glue_rows(config, split)] for split in splits}
    return hub_files.make_repository(folder, config, features, rows)


@pytest.mark.parametrize("config", [*hub_files.GLUE_LABELS, "stsb"])
def test_glue_rows_become_examples_of_the_right_class(config, tmp_path):
    repository = glue_repository(tmp_path / "glue", config, features=hub_files.glue(config))
    task, texts = load_task(config), hub_files.GLUE_TEXTS.get(config, ["sentence1", "sentence2"])
    stored = {"train": "train", "evaluate": "validation_matched" if config == "mnli" else "validation"}
    for role, split in stored.items():
        rows = from_hub(config, role, repository, tmp_path)
        assert [row["split"] for row in rows] == [role] * 6
        for i, (row, raw) in enumerate(zip(rows, glue_rows(config, split), strict=True)):
            said = {"text": f"{texts[0]} {i} of {split} "}  # the blank at the end is the data's
            said |= {"text_b": f"{texts[1]} {i} of {split} "} if len(texts) == 2 else {}
            said |= {"target": raw["label"]} if config == "stsb" else {"answer": raw["label"]}
            assert fields(row) == said
    if config != "stsb":
        assert task.class_names() == hub_files.GLUE_LABELS[config]
        shots = from_hub(config, "shots", repository, tmp_path)
        assert [row["text"] for row in shots] == [f"{texts[0]} {i} of train " for i in range(5)]


def test_sst2_dev_cuts_the_validation_rows_alone(tmp_path):
    rows = glue_rows("sst2", "validation", n=872)
    repository = hub_files.make_repository(tmp_path / "glue", "sst2", hub_files.glue("sst2"), {"validation": rows})
    train = from_hub("sst2_dev", "train", repository, tmp_path)
    evaluated = from_hub("sst2_dev", "evaluate", repository, tmp_path)
    assert (len(train), len(evaluated)) == (600, 272)
    texts = {row["text"] for row in train} | {row["text"] for row in evaluated}
    assert texts == {row["sentence"] for row in rows}


# --- text that is generated -------------------------------------------------------------------------------------------

TRIVIA = [
    ("Shown as the first?", ["page"], ["site"], ["one"]),
    *((f"Shown {i}?", [], [], ["x"]) for i in range(4)),
    (
        "Which?",
        ["The wiki  page.\n\nMore.", "second page"],
        ["The web page.", "second site"],
        ["Paris, France", "Paris"],
    ),
    ("Wiki alone?", ["Page."], [], ["A"]),
    ("Web alone?", [], ["Site."], ["B"]),
    ("Nothing?", [], [], ["C", " C", ""]),
]
TRIVIA_SAYS = [
    {
        "text": "Which?",
        "passage": "The wiki  page.\n\nMore.\nThe web page.",
        "references": ["Paris, France", "Paris"],
    },
    {"text": "Wiki alone?", "passage": "Page.", "references": ["A"]},
    {"text": "Web alone?", "passage": "Site.", "references": ["B"]},
    {"text": "Nothing?", "passage": "", "references": ["C", " C"]},
]


def test_trivia_qa_takes_the_first_wikipedia_and_the_first_web_page(tmp_path):
    rows = [hub_files.trivia_row(*row) for row in TRIVIA]  # every row has the same question_id, as both halves do
    repository = hub_files.make_repository(tmp_path / "t", "rc", hub_files.trivia_qa(), {"validation": rows})
    assert [fields(row) for row in from_hub("trivia_qa", "evaluate", repository, tmp_path)] == TRIVIA_SAYS
    shots = from_hub("trivia_qa", "shots", repository, tmp_path)
    assert [row["text"] for row in shots] == [row[0] for row in TRIVIA[:5]]
    assert shots[0]["passage"] == "page\nsite"


def squad_row(number: int, context: str, answers: list[str]) -> dict:
    spans = {"text": answers, "answer_start": [0] * len(answers)}
    return {"id": f"id{number}", "title": "T", "context": context, "question": f"Q{number}?", "answers": spans}


def squad_repository(folder: Path, evaluated: list[dict]) -> Path:
    train = [squad_row(i, "Notre Dame.", [f"answer {i}"]) for i in range(6)]
    return hub_files.make_repository(folder, None, hub_files.squad(), {"train": train, "validation": evaluated})


def test_squad_keeps_every_accepted_answer_once(tmp_path):
    rows = [squad_row(7, "In 1066, at Hastings.", ["1066", "In 1066", "1066"]), squad_row(8, "B.", ["B"])]
    repository = squad_repository(tmp_path / "squad", rows)
    found = from_hub("squad", "evaluate", repository, tmp_path)
    assert [row["id"] for row in found] == ["id7", "id8"]
    assert fields(found[0]) == {
        "text": "Q7?", "passage": "In 1066, at Hastings.", "references": ["1066", "In 1066"],
    }  # fmt: skip
    assert [row["references"] for row in from_hub("squad", "shots", repository, tmp_path)] == [
        [f"answer {i}"] for i in range(5)
    ]


def test_gsm8k_answers_are_numbers_and_shots_show_the_whole_solution(tmp_path):
    solutions = ["6 * 2 = <<6*2=12>>12\nso 12.\n#### 12", "It is -3.\n#### -3", "a #### b\n#### 1,080.5 "]
    rows = [{"question": f"Q{i}?", "answer": text} for i, text in enumerate(solutions)]
    splits = {"train": rows * 2, "test": rows}
    repository = hub_files.make_repository(tmp_path / "g", "main", hub_files.all_text("question", "answer"), splits)
    found = from_hub("gsm8k", "evaluate", repository, tmp_path)
    assert [row["references"] for row in found] == [["12"], ["-3"], ["1,080.5"]]
    shots = from_hub("gsm8k", "shots", repository, tmp_path)
    assert [row["shown"] for row in shots] == (solutions * 2)[:5]
    assert shots[1]["references"] == ["-3"]


SVAMP = hub_files.all_text("ID", "Body", "Question", "Equation", "Answer", "Type", "question_concat")


def svamp_row(number: int, **changes: str) -> dict:
    row = {
        "ID": f"chal-{number}",
        "Body": f"There are {number} hens.",
        "Question": "How many?",
        "Answer": f"{number}.0",
    }
    return {**row, "Equation": f"( {number}.0 + 0.0 )", "Type": "Addition", "question_concat": "", **changes}


def svamp_repository(folder: Path, *changes: dict) -> Path:
    """Six rows in train, of which five become shots, then one row for each change in test."""
    splits = {
        "train": [svamp_row(i) for i in range(6)],
        "test": [svamp_row(10 + i, **c) for i, c in enumerate(changes)],
    }
    return hub_files.make_repository(folder, None, SVAMP, splits)


def test_svamp_joins_both_splits_of_the_hub(tmp_path):
    repository = svamp_repository(tmp_path / "s", {"Answer": "0.25"}, {"Answer": "-120.0"}, {"Answer": "1000.0"})
    found = from_hub("svamp", "evaluate", repository, tmp_path)
    assert [(row["id"], row["references"]) for row in found] == [
        ("chal-5", ["5"]), ("chal-10", ["0.25"]), ("chal-11", ["-120"]), ("chal-12", ["1000"]),
    ]  # fmt: skip
    assert found[0]["text"] == "There are 5 hens. How many?"
    assert [row["id"] for row in from_hub("svamp", "shots", repository, tmp_path)] == [f"chal-{i}" for i in range(5)]


def test_svamp_types_are_operators(tmp_path):
    types = ["Subtraction", "Multiplication", "Common-Division", "Common-Divison"]
    repository = svamp_repository(tmp_path / "s", *({"Type": kind} for kind in types))
    found = from_hub("svamp_operator", "evaluate", repository, tmp_path)
    names = load_task("svamp_operator").class_names()
    assert [names[row["answer"]] for row in found[6:]] == ["subtraction", "multiplication", "division", "division"]
    assert {names[row["answer"]] for row in found[:6]} == {"addition"}
    assert found[6]["text"] == "There are 10 hens. How many?"


# --- FreebaseQA: the authors' files, since the Hub has a script alone -------------------------------------------------


def freebase_row(number: int, *parses: list[str]) -> dict:
    made = [
        {
            "Parse-Id": f"{number}.P{i}",
            "PotentialTopicEntityMention": "x",
            "TopicEntityName": "x",
            "TopicEntityMid": "m.1",
            "InferentialChain": "a.b",
            "Answers": [{"AnswersMid": "m.2", "AnswersName": [name]} for name in names],
        }
        for i, names in enumerate(parses)
    ]
    raw = f"Who is {number}?"
    return {
        "Question-ID": f"FreebaseQA-eval-{number}",
        "RawQuestion": raw,
        "ProcessedQuestion": raw[:-1],
        "Parses": made,
    }


def freebase_examples(folder: Path, rows: list[dict], role: str = "evaluate") -> list[dict]:
    for split in ("train", "eval"):
        whole = {"Dataset": f"FreebaseQA-{split}", "Version": "1.0", "Questions": rows}
        (folder / f"FreebaseQA-{split}.json").write_text(json.dumps(whole), encoding="utf-8")
    settings = task_examples.example_settings("freebase_qa", role, "local", folder=str(folder))
    return task_examples.examples(settings, folder)


def test_freebase_qa_accepts_the_answers_of_its_parses(tmp_path):
    rows = [
        freebase_row(0, ["peter"]),
        freebase_row(1, ["ann", "anne"], ["ann"], ["anna"]),
        freebase_row(2, ["Bob"]),
        *(freebase_row(i, ["x"]) for i in range(3, 6)),
    ]
    found = freebase_examples(tmp_path, rows)
    assert fields(found[0]) == {"text": "Who is 0?", "references": ["peter"]}
    assert found[1]["references"] == ["ann", "anne", "anna"]
    assert [row["id"] for row in found] == [f"FreebaseQA-eval-{i}" for i in range(6)]
    assert len(freebase_examples(tmp_path, rows, "shots")) == 5


def test_freebase_qa_rows_without_an_answer_or_with_an_id_twice(tmp_path):
    left = freebase_examples(tmp_path, [freebase_row(0, ["a"]), freebase_row(1, []), freebase_row(2, ["b"])])
    assert [row["id"] for row in left] == ["FreebaseQA-eval-0", "FreebaseQA-eval-2"]
    with pytest.raises(UserError, match=r"id 'FreebaseQA-eval-0' occurs twice"):
        freebase_examples(tmp_path, [freebase_row(0, ["a"])] * 2)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "change", "says"),
    [
        ("sst2", {"label": -2}, "row 'validation-0': label -2 belongs to 0 of the classes ['negative', 'positive']"),
        ("sst2", {"label": 2}, "label 2 belongs to 0 of the classes"),
        ("mnli", {"label": 3}, "label 3 belongs to 0 of the classes ['entailment', 'neutral', 'contradiction']"),
        ("qqp", {"label": "?"}, "label '?' belongs to 0"),
        ("mnli", {"hypothesis": ""}, "empty text_b. To skip such rows, set columns.require: [text_b]."),
        ("rte", {"label": "maybe"}, "label 'maybe' belongs to 0"),
        ("cola", {"sentence": " "}, "empty text"),
        ("stsb", {"label": float("inf")}, "answer inf is not a finite number"),
        ("stsb", {"label": "high"}, "answer 'high' is not a finite number"),
    ],
)
def test_a_bad_row_of_glue_is_named(config, change, says, tmp_path):
    repository = glue_repository(tmp_path / "glue", config, lambda row: {**row, **change})
    text = error_of(config, repository, tmp_path)
    assert text.startswith(f"task {config}: row 'validation-0'")
    assert says in text


@pytest.mark.parametrize(("config", "label"), [("sst2", -1), ("mnli", -1), ("qqp", None), ("stsb", None)])
def test_the_hidden_labels_of_a_glue_test_split_are_named(config, label, tmp_path):
    repository = glue_repository(tmp_path / "glue", config, lambda row: {**row, "label": label})
    text = error_of(config, repository, tmp_path)
    assert "Its labels are hidden, as in many test sets: evaluate another split" in text


@pytest.mark.parametrize(("config", "column"), [("sst2", "sentence"), ("mnli", "hypothesis"), ("qqp", "label")])
def test_a_missing_column_of_glue_is_named(config, column, tmp_path):
    def without(row: dict) -> dict:
        return {name: value for name, value in row.items() if name != column}

    repository = glue_repository(tmp_path / "glue", config, without)
    text = error_of(config, repository, tmp_path)
    assert text.startswith(f"task {config}: split 'validation' has no column {column}. It has ")


def test_an_empty_split(tmp_path):
    splits = {"train": glue_rows("sst2", "train"), "validation": []}
    repository = hub_files.make_repository(tmp_path / "glue", "sst2", hub_files.glue("sst2"), splits)
    assert "corresponds to no data" in error_of("sst2", repository, tmp_path)
    blank = squad_repository(tmp_path / "squad", [squad_row(0, " ", ["a"])])
    assert "can be used: 1 with an empty passage (columns.require)" in error_of("squad", blank, tmp_path)


def test_an_id_that_stands_twice(tmp_path):
    repository = squad_repository(tmp_path / "squad", [squad_row(1, "a", ["a"]), squad_row(1, "b", ["b"])])
    assert "id 'id1' occurs twice" in error_of("squad", repository, tmp_path)


def test_no_accepted_answer(tmp_path):
    repository = squad_repository(tmp_path / "squad", [squad_row(1, "a", [])])
    assert "can be used: 1 without a gold answer (answers.text: empty)" in error_of("squad", repository, tmp_path)


def test_an_answer_that_is_no_number(tmp_path):
    repository = svamp_repository(tmp_path / "s", {"Answer": "two"})
    assert "row 'chal-10': columns.extract: Answer = 'two' does not match" in error_of("svamp", repository, tmp_path)
    rows = {"train": [{"question": "Q", "answer": "#### 1"}], "test": [{"question": "Q", "answer": "It is 1."}]}
    repository = hub_files.make_repository(tmp_path / "g", "main", hub_files.all_text("question", "answer"), rows)
    assert "columns.extract: answer = 'It is 1.' does not match" in error_of("gsm8k", repository, tmp_path)


def test_an_operator_that_is_none_of_the_four(tmp_path):
    repository = svamp_repository(tmp_path / "s", {"Type": "Modulo"})
    assert "label 'Modulo' belongs to 0 of the classes" in error_of("svamp_operator", repository, tmp_path)


def test_fewer_train_rows_than_shots(tmp_path):
    splits = {"train": glue_rows("sst2", "train", n=4), "validation": glue_rows("sst2", "validation")}
    repository = hub_files.make_repository(tmp_path / "glue", "sst2", hub_files.glue("sst2"), splits)
    with pytest.raises(UserError, match=r"shots\.count is 5, but its split has only 4 rows"):
        from_hub("sst2", "shots", repository, tmp_path)
