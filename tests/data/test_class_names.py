"""A stored class number means the class that the source itself names, in whatever order a task lists them."""

import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from typed_settings import typed

from junkdna.data.class_names import apply_class_names, feature_names
from junkdna.data.examples import load_examples
from junkdna.data.rows import load_raw
from junkdna.errors import UserError
from junkdna.study.sources import PinnedSource

NAMES = ["entailment", "neutral", "contradiction"]


def write(file: Path, ids: list, names: list[str] | None, form: str = "label") -> None:
    """A file of texts and class numbers, with the features that `datasets` writes; `form` is the column's form."""
    label = {"names": names, "_type": "ClassLabel"} if names else {"dtype": "int64", "_type": "Value"}
    columns, features = {
        "label": ({"label": ids}, {"label": label}),
        "my.label": ({"my.label": ids}, {"my.label": label}),
        "struct": ({"m": [{"label": number} for number in ids]}, {"m": {"label": label}}),
        "list": ({"m": [[number] for number in ids]}, {"m": {"feature": label, "_type": "Sequence"}}),
    }[form]
    table = pa.table({"q": [f"text {i}" for i in range(len(ids))], **columns})
    features["q"] = {"dtype": "string", "_type": "Value"}
    notes = json.dumps({"info": {"features": features}})
    parquet.write_table(table.replace_schema_metadata({"huggingface": notes}), file)


def classes(folder: Path, ids: list, names: list[str] | None = NAMES, form: str = "label", **said: object) -> list[str]:
    """Names of the classes that a task reads."""
    write(folder / "rows.parquet", ids, names, form)
    columns = {"text": "{q}", "answer": {"struct": "m.label", "list": "m.0"}.get(form, form), **said.pop("columns", {})}
    settings = {
        "task": "t", "kind": "classify", "role": "evaluate", "evaluate_split": "e", "limits": {}, "columns": columns,
        "source": {"local": str(folder)}, "splits": {"e": "rows.parquet"}, **said,
    }  # fmt: skip
    legal = said.get("labels") or sorted(said["label_groups"])
    return [legal[row["answer"]] for row in load_examples(typed(settings)).to_pylist()]


def error_of(folder: Path, *given: object, **said: object) -> str:
    with pytest.raises(UserError) as caught:
        classes(folder, *given, **said)
    return str(caught.value)


@pytest.mark.parametrize("form", ["label", "my.label", "struct", "list"])
@pytest.mark.parametrize("labels", [NAMES, NAMES[::-1]])
def test_numbers_are_mapped_by_name(tmp_path, form: str, labels: list[str]) -> None:
    assert classes(tmp_path, [0, 1, 2, 1], form=form, labels=labels) == [NAMES[i] for i in (0, 1, 2, 1)]


def test_a_task_may_use_some_of_the_classes(tmp_path) -> None:
    assert classes(tmp_path, [0, 2], labels=["contradiction", "entailment"]) == ["entailment", "contradiction"]
    said = error_of(tmp_path, [0, 1], labels=["contradiction", "entailment"])
    assert "row 'e-1': label 'neutral' belongs to 0 of the classes" in said


def test_groups_and_maps_of_names_or_numbers(tmp_path) -> None:
    by_name = {"yes": ["entailment"], "no": ["neutral", "contradiction"]}
    for groups in (by_name, {"yes": ["0"], "no": ["1", "2"]}):
        assert classes(tmp_path, [0, 1, 2], label_groups=groups) == ["yes", "no", "no"]
    for words in (NAMES, ["0", "1", "2"]):
        mapped = {"map": {"label": dict(zip(words, ["yes", "no", "no"], strict=True))}}
        assert classes(tmp_path, [0, 1, 2], columns=mapped, labels=["no", "yes"]) == ["yes", "no", "no"]


def test_names_that_are_numbers_are_names(tmp_path) -> None:
    assert classes(tmp_path, [0, 1, 2], ["1", "2", "3"], labels=["1", "2", "3"]) == ["1", "2", "3"]
    assert classes(tmp_path, [0, 1], ["3", "2"], labels=["2", "3"]) == ["3", "2"]
    assert classes(tmp_path, [0, 1, 2], labels=["0", "1", "2"]) == ["0", "1", "2"]  # as the numbers are stored


@pytest.mark.parametrize("labels", [["a", "b", "c"], ["entailment", "Neutral", "contradiction"], ["0", "neutral", "2"]])
def test_names_that_differ_are_refused(tmp_path, labels: list[str]) -> None:
    said = error_of(tmp_path, [0, 1, 2], labels=labels)
    assert "the source names its classes entailment, neutral, contradiction, but the task file" in said
    assert "in any order (`verbalizers` are the words a model reads)" in said


def test_numbers_without_a_class(tmp_path) -> None:
    settings = {"task": "t", "columns": {"answer": "label"}, "labels": NAMES}
    named = apply_class_names(pa.table({"label": [0, -1, None]}), {"label": NAMES}, typed(settings))
    assert named["label"].to_pylist() == ["entailment", None, None]  # datasets' -1: no label
    assert "column label contains class 3, but the source names only 3" in error_of(tmp_path, [0, 3], labels=NAMES)


def test_names_and_numbers_as_text_have_the_same_meaning(tmp_path) -> None:
    assert classes(tmp_path, ["2", "entailment"], labels=NAMES[::-1]) == ["contradiction", "entailment"]


def test_answers_that_are_texts_are_the_names(tmp_path) -> None:
    table = pa.table({"label": [1, 0], "c": [["1", "2"], ["2", "1"]]})
    for kind, columns in (("generate", {}), ("choice", {"choices": "c", "choice_labels": "c"})):
        settings = {"task": "t", "kind": kind, "columns": {"answer": "label", **columns}}
        assert apply_class_names(table, {"label": ["1", "2"]}, typed(settings))["label"].to_pylist() == ["2", "1"]
    settings = {"task": "t", "kind": "choice", "columns": {"answer": "label", "choices": "c"}}
    assert apply_class_names(table, {"label": ["1", "2"]}, typed(settings)) is table  # a place


def test_names_at_any_depth() -> None:
    label = {"names": ["a", "b"], "_type": "ClassLabel"}
    features = {
        "x": label, "s": {"y": label, "z": {"_type": "Value"}}, "l": {"_type": "List", "feature": label}, "o": [label],
        "q": {"_type": "Sequence", "feature": {"w": label}}, "n": {"_type": "ClassLabel", "names": None},
    }  # fmt: skip
    assert feature_names(features) == {path: ["a", "b"] for path in ("x", "s.y", "l.*", "o.*", "q.w.*")}


def test_without_names_a_number_is_a_position(tmp_path) -> None:
    assert classes(tmp_path, [0, 1, 2], None, labels=NAMES[::-1]) == NAMES[::-1]


def test_parts_with_other_names_are_refused_by_file(tmp_path) -> None:
    def joined(*names: list[str] | None) -> dict[str, list[str]]:
        for number, one in enumerate(names):
            write(tmp_path / f"p{number}.parquet", [0, 1], one)
        return load_raw(PinnedSource(local=str(tmp_path)), "p*.parquet").label_names

    assert joined(["no", "yes"], ["no", "yes"]) == {"label": ["no", "yes"]}
    with pytest.raises(
        UserError, match=r"column label has the class names no, yes in p0.parquet, but yes, no in p1.parquet"
    ):
        joined(["no", "yes"], ["yes", "no"])
    with pytest.raises(
        UserError, match=r"column label has the class names no, yes in p1.parquet, but no names in p0.parquet"
    ):
        joined(None, ["no", "yes"])


def test_unreadable_feature_metadata(tmp_path) -> None:
    table = pa.table({"label": [0]}).replace_schema_metadata({"huggingface": "{"})
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(UserError, match=r"x.parquet: the column metadata that `datasets` writes cannot be read"):
        load_raw(PinnedSource(local=str(tmp_path)), "x.parquet")


# --- wherever a label column is read ----------------------------------------------------------------------------------


def read(folder: Path, columns: dict, ids: list, names: list[str], form: str = "label", **said: object) -> list[dict]:
    """The examples of a task that reads the file of `write`."""
    write(folder / "rows.parquet", ids, names, form)
    settings = {
        "task": "t", "role": "evaluate", "evaluate_split": "e", "limits": {}, "columns": {"text": "{q}", **columns},
        "source": {"local": str(folder)}, "splits": {"e": "rows.parquet"}, "kind": "classify", **said,
    }  # fmt: skip
    return load_examples(typed(settings)).to_pylist()


SIGNS = ["neg", "pos"]


@pytest.mark.parametrize("labels", [SIGNS, SIGNS[::-1]])
@pytest.mark.parametrize(("form", "path"), [("label", "label"), ("struct", "m.label"), ("list", "m.0")])
def test_a_label_that_is_extracted_is_a_name(tmp_path, labels: list[str], form: str, path: str) -> None:
    rows = read(tmp_path, {"answer": "y", "extract": {path: "(?P<y>.*)"}}, [0, 1, 1], SIGNS, form, labels=labels)
    assert [labels[row["answer"]] for row in rows] == ["neg", "pos", "pos"]
    with pytest.raises(UserError, match=r"(label|m\.0) = 'neg' does not match"):
        read(tmp_path, {"answer": "y", "extract": {path: r"(?P<y>\d+)"}}, [0, 1], SIGNS, form, labels=labels)


def test_a_part_of_a_name_that_is_extracted(tmp_path) -> None:
    columns = {"answer": "y", "extract": {"label": "(?P<y>.).*"}}
    assert [row["answer"] for row in read(tmp_path, columns, [0, 1], SIGNS, labels=["p", "n"])] == [1, 0]
    columns["map"] = {"y": {"n": "-", "p": "+"}}
    assert [row["answer"] for row in read(tmp_path, columns, [0, 1], SIGNS, labels=["+", "-"])] == [1, 0]
    columns = {"answer": "y", "extract": {"label": "(?P<y>.*)"}}
    numbered = {"n": ["0"], "p": ["1"]}
    assert [row["answer"] for row in read(tmp_path, columns, [0, 1], SIGNS, label_groups=numbered)] == [0, 1]


def test_templates_maps_and_groups_read_names(tmp_path) -> None:
    columns = {"text": "{q} is {label}", "answer": ["{label}"], "group": "{label}"}
    rows = read(tmp_path, columns, [0, 1, -1], SIGNS, kind="generate")
    assert [(row["text"], row["group"], row["references"]) for row in rows] == [
        ("text 0 is neg", "neg", ["neg"]),
        ("text 1 is pos", "pos", ["pos"]),
    ]
    columns = {"text": "{label} {q}", "answer": "q", "map": {"label": {"neg": "Bad", "pos": "Good"}}}
    assert [row["text"] for row in read(tmp_path, columns, [0, 1], SIGNS, kind="generate")] == [
        "Bad text 0",
        "Good text 1",
    ]
    columns["map"] = {"label": {"0": "Bad", "1": "Good"}}
    assert [row["text"] for row in read(tmp_path, columns, [1, 0], SIGNS, kind="generate")] == [
        "Good text 0",
        "Bad text 1",
    ]


def test_options_are_names_and_positions_stay_numbers(tmp_path) -> None:
    file, label = tmp_path / "rows.parquet", {"names": ["a", "b", "c"], "_type": "ClassLabel"}
    table = pa.table({"q": ["x", "y"], "c": [[0, 1], [2, 1]], "l": [[2, 1], [1, 2]], "key": [2, 2], "at": [0, 1]})
    listed = {"feature": label, "_type": "Sequence"}
    features = {"q": {"dtype": "string", "_type": "Value"}, "c": listed, "l": listed, "key": label, "at": label}
    notes = json.dumps({"info": {"features": features}})
    parquet.write_table(table.replace_schema_metadata({"huggingface": notes}), file)
    settings = {"source": {"local": str(tmp_path)}, "splits": {"e": "rows.parquet"}}
    settings |= {"role": "evaluate", "evaluate_split": "e", "kind": "choice"}
    columns = {"text": "{q}", "choices": "c", "shuffle": False}
    for answer in ({"choice_labels": "l", "answer": "key"}, {"answer": "at"}):
        rows = load_examples(typed({**settings, "columns": {**columns, **answer}})).to_pylist()
        assert [row["choices"] for row in rows] == [["a", "b"], ["c", "b"]]
        assert [row["answer"] for row in rows] == [0, 1]


def test_names_that_are_numbers_to_predict(tmp_path) -> None:
    rows = read(tmp_path, {"answer": "label"}, [0, 1], ["5", "1"], kind="regress")
    assert [row["target"] for row in rows] == [5.0, 1.0]
    with pytest.raises(UserError, match="answer 'neg' is not a finite number"):
        read(tmp_path, {"answer": "label"}, [0, 1], SIGNS, kind="regress")


def test_feature_metadata_that_is_nested_too_deeply(tmp_path) -> None:
    deep = '{"info": {"features": ' + '{"a": ' * 3000 + "{}" + "}" * 3002
    table = pa.table({"q": ["x"]}).replace_schema_metadata({"huggingface": deep})
    parquet.write_table(table, tmp_path / "rows.parquet")
    with pytest.raises(UserError, match="column metadata that `datasets` writes cannot be read"):
        load_raw(PinnedSource(local=str(tmp_path)), "rows.parquet")
