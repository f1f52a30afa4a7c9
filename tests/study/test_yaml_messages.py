"""Wrong values in studies and task files: what YAML makes of plain words, and sentences without words of a library."""

import json
import re
from pathlib import Path

import pytest
import toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from toy_study import JARGON, changed, error_of

from junkdna.errors import UserError
from junkdna.study.load import load_study, resolve
from junkdna.study.strict_model import NAME_PATTERN, valid_name
from junkdna.study.study import Study
from junkdna.study.task import Task
from junkdna.study.task_files import load_task
from junkdna.study.yaml_reader import read_yaml, validated

CLASSES = re.compile(
    r"\b(TaskUse|TaskEntry|TaskSource|CompressionGrid|ProtocolOverrides|HashSplit|WheelPin|Experiment|Protocol"
    r"|Calibration|Columns|Knob|Limits|Shots|Human|Baselines|StrictModel|NoneType)\b"
)


def plain(text: str) -> str:
    assert not JARGON.search(text), text
    assert not CLASSES.search(text), text
    return text


# --- plain words of YAML ----------------------------------------------------------------------------------------------

TEXTS = ["no", "yes", "on", "off", "y", "N", "NO", "No", "Off", "12:30", "1:2:3", "2024-01-01", "1_000", "0x1F", "0o12",
         "0b1", "1.2.3", "2001-12-14 21:59:43", "=", "e5"]  # fmt: skip
NOT_TEXTS = ["true", "False", "null", "~", "1", "1.0", "1e3", ".5", "010", "007", "-3", ".inf", ".nan", ""]


def label_file(word: str) -> Path:
    head = "name: mood\ntitle: T\nkind: classify\nsources: {local: {local: data, splits: {e: e.parquet}}}\n"
    Path("t.yaml").write_text(
        f"{head}columns: {{text: '{{q}}', answer: a}}\nevaluate_split: e\nlicense: x\nlabels:\n- {word}\n- other\n"
    )
    return Path("t.yaml")


@pytest.mark.parametrize("word", TEXTS)
def test_a_plain_word_is_the_text_that_the_file_shows(world, word):
    assert load_task("mood", label_file(word)).labels == [word, "other"]


@pytest.mark.parametrize("word", NOT_TEXTS)
def test_what_is_no_text_is_to_be_put_in_quotes(world, word):
    with pytest.raises(UserError, match="quotes") as caught:
        load_task("mood", label_file(word))
    assert re.search(r"labels\.0: |line 9, ", plain(str(caught.value)))


def test_label_words_groups_columns_and_knob_values_are_texts_too(world):
    task = {**toy.CLASSIFY_TASK, "labels": None, "label_groups": {"no": ["off", "n"], "yes": ["on"]}}
    words = {**toy.CLASSIFY_TASK, "verbalizers": ["no", "yes"]}
    for data in (task, words):
        data = {key: value for key, value in data.items() if value is not None}
        file = Path("t.yaml")
        file.write_text(json.dumps(data).replace('"no"', "no").replace('"yes"', "yes").replace('"on"', "on"))
        found = load_task("mood", file)
        assert found.verbalizers == ["no", "yes"] or found.class_names() == ["no", "yes"]
    file.write_text("columns: {answer: no, text: '{q}'}\nknobs: {context: {values: [none, off], default: off}}")
    assert read_yaml(file)["columns"]["answer"] == "no"
    assert read_yaml(file)["knobs"]["context"]["values"] == ["none", "off"]


def test_names_that_other_readers_take_for_true_and_false(world):
    text = json.dumps(changed(toy.STUDY, "study", "NAME")).replace('"NAME"', "NO")
    Path("config.yaml").write_text(text.replace('"tiny"', "on").replace('"context":', "off:", 1))
    study = load_study(Path("config.yaml")).study
    assert study.study == "NO"
    assert "on" in study.models


@pytest.mark.parametrize("word", ["yes", "on", "true", "True"])
def test_a_field_that_is_true_or_false_takes_the_same_words_as_before(world, word):
    Path("config.yaml").write_text(f"{json.dumps(toy.STUDY)[:-1]}, keep_compressed: {word}}}")
    assert load_study(Path("config.yaml")).study.keep_compressed is True


@pytest.mark.parametrize(
    ("key", "word"),
    [
        *(("cells_per_gpu", word) for word in ("true", "12:30", "0o12", "020", "yes", "2024-01-01")),
        *(("cells_per_job", word) for word in ("0x1F", "no")),
    ],
)
def test_a_number_is_never_guessed(world, key, word):
    """YAML 1.1 has 750, 10, 128 and 31 for some of these, and pydantic 1 for true."""
    Path("config.yaml").write_text(f"{json.dumps(toy.STUDY)[:-1]}, {key}: {word}}}")
    with pytest.raises(UserError, match=rf"{key}: |begins with 0"):
        load_study(Path("config.yaml"))


def test_true_is_no_place_of_a_choice_and_no_number_of_rows(world):
    for path, value in (("columns|answer", True), ("rows", {"a": True}), ("limits", {"evaluate": True})):
        assert "true" in plain(error_of(colours=changed(toy.CHOICE_TASK, path, value)))


# --- sentences --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("study", "../x", "study: may contain letters a to z and A to Z, digits and the characters _ . -"),
        ("study", "../x", "'x' would do"),
        ("study", "my study", "'my-study' would do"),
        ("study", "Straße 1", "'Strae-1' would do"),
        ("study", "日本", "because files are named after it (given: '日本')"),
        ("study", False, 'study: must be a text, but YAML reads it as false, not as a word; put it in quotes, such as'),
        ("study", 2024, 'YAML reads 2024 as a number; put it in quotes, such as "2024"'),
        ("study", None, "study: is empty; it must be a text"),
        ("models", None, "models: is empty; it must be `key: value` lines: write them below it"),
        ("models", ["tiny"], "models: must be `key: value` lines (given: ['tiny']); write a line `tiny: ...`"),
        ("models|a b", {"kind": "encoder", "local": "model"}, "'a-b' would do"),
        ("models|tiny", "model", "models.tiny: must be `key: value` lines (given: 'model')"),
        ("models|tiny|kind", None, "models.tiny.kind: unknown value 'null'. Valid: decoder, encoder."),
        ("experiments", {}, "experiments: is empty; at least 1 entry is needed"),
        ("experiments|context|models", "tiny", "models: must be a list (given: 'tiny'); put it in brackets: [tiny]"),
        ("experiments|context|seeds", 3, "seeds: must be a list (given: 3); put it in brackets: [3]"),
        ("experiments|context|seeds", {"a": 1}, "write each entry on its own line, which begins with `- `"),
        ("experiments|context|seeds", ["x"], "seeds.0: must be a whole number (given: 'x'); write digits only"),
        ("experiments|context|seeds", [1.5], "seeds.0: must be a whole number (given: 1.5)"),
        ("experiments|context|title", ["a"], "title: must be a text (given: ['a']); write one value, without brackets"),
        ("experiments|context|optional", "treu", "optional: must be true or false (given: 'treu'); did you"),
        ("experiments|context|tasks", [3], "tasks.0: must be `key: value` lines (given: 3)"),
        ("experiments|context|tasks", [{"options": 3}], "tasks.0.task: is missing: write `task: ...` (a text)"),
        ("experiments|context|compressions", ["magnitude"], "(given: 'magnitude'); write a line `method: ...` for"),
        ("experiments|context", "all", "context: must be `key: value` lines (given: 'all'); write a line `title: ...`"),
        ("experiments|context|knobs", {"context": [1.5]}, "context.0: must be a whole number or a text, but YAML r"),
        ("sparsity", [0.5], "unknown key 'sparsity'."),
        ("sparsity", [0.5], "'sparsity' belongs in an entry of experiments.NAME.compressions."),
        ("epochs", 3, "'epochs' belongs in tasks.NAME.protocol or protocols.NAME."),
        ("experiments|context|shots", [1], "'shots' belongs in an entry of experiments.NAME.tasks or experiments."),
        ("modles", {}, "modles: unknown key 'modles'. Did you mean 'models'?"),
        ("bootstrap", 10, "bootstrap: must be at least 100 (given: 10)"),
        ("protocols", {"p": {"learning_rate": "fast"}}, "must be a number (given: 'fast'); write digits with a point"),
        ("protocols", {"p": {"learning_rate": 1}}, "protocols.p.learning_rate: must be less than 1 (given: 1)"),
        ("run", [["context"]], "run.0: must be a text (given: ['context']); write one value"),
    ],
)  # fmt: skip
def test_sentences_say_place_value_rule_and_fix(world, path, value, says):
    assert says in plain(error_of(changed(toy.STUDY, path, value)))


def test_a_band_is_a_pair(world):
    for value, says in (
        ([[0.1, True]], "band.0.1: must be a number (given: 'true')"),
        ([[0.1]], "band.0.1: is missing: the second number of the pair (a number)"),
        ([[0.1, 0.2, 0.3]], "band.0: has 3 entries; at most 2 are allowed"),
        ("wide", "band: must be a list (given: 'wide'); it is a fraction between 0 and 1"),
        ([0.1, 1.2], "band [0.1, 1.2] must be in 0..1 (quantiles of |w|)"),
    ):
        grid = {"method": "band", "band": value}
        text = plain(error_of(changed(toy.STUDY, "experiments|context|compressions|0", grid)))
        assert says in text
        assert "0.001" not in text


@pytest.mark.parametrize("value", [1.5, 2.5, 1.01, 150, -1, 99.5])
def test_a_sparsity_that_is_no_share_gets_no_guess(world, value):
    grid = {"method": "magnitude", "sparsity": value}
    text = error_of(changed(toy.STUDY, "experiments|context|compressions|0", grid))
    assert text.endswith("must be in 0..1 (the fraction of weights pruned)")


@given(st.text(max_size=100))
def test_a_suggested_name_is_legal(text):
    suggested = valid_name(text)
    assert not suggested or (re.fullmatch(NAME_PATTERN.replace("$", r"\Z"), suggested) and len(suggested) <= 80)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=4), st.binary(max_size=2)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3),
    max_leaves=5,
) | st.dates()  # fmt: skip


def places(tree: object, path: tuple = ()) -> list[tuple]:
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


WHOLE: list[tuple[type[BaseModel], dict]] = [
    (Study, toy.STUDY), (Study, toy.SETTINGS), (Study, toy.METHODS),
    *((Task, task) for task in (toy.CHOICE_TASK, toy.CLASSIFY_TASK, toy.HUES_TASK, toy.NAMED_TASK)),
]  # fmt: skip


@settings(deadline=None, derandomize=True, max_examples=60, suppress_health_check=[*HealthCheck])
@given(value=ANYTHING, draw=st.data())
@pytest.mark.parametrize(("model", "tree"), WHOLE)
def test_no_message_holds_words_of_pydantic(model, tree, value, draw):
    """At one place of the tree after the other stands something else."""
    place = draw.draw(st.sampled_from([place for place in places(tree) if place]))
    data = json.loads(json.dumps(tree))
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        validated(model, data, "x.yaml")
    except UserError as error:
        text = plain(str(error).replace(repr(value), ""))
        assert re.match(r"x\.yaml: (\d+ mistakes?\n  \S|\S+: )", text), text


# --- files of another kind --------------------------------------------------------------------------------------------


def test_files_of_another_kind_are_told_apart(world):
    with pytest.raises(
        UserError, match=r"tasks/mood.yaml is a task file, not a study. Name it in a study, tasks: {mood: "
    ):
        load_study(Path("tasks/mood.yaml"))
    with pytest.raises(UserError, match=r"config.yaml is a study, not a task file"):
        load_task("mood", Path("config.yaml"))
    Path("kept.json").write_text(json.dumps({"study": toy.STUDY, "tasks": {}}))
    with pytest.raises(UserError, match=r"kept.json is the copy of a checked study .* not a task file"):
        load_task("mood", Path("kept.json"))
    Path("profile.yaml").write_text("executor: slurm\njobs: 3\n")
    with pytest.raises(UserError, match=r"is a Snakemake profile\. Use the YAML file"):
        load_study(Path("profile.yaml"))


def test_a_study_in_json_is_read(world):
    Path("study.json").write_text(json.dumps(toy.STUDY, indent=2))
    assert load_study(Path("study.json")).study.study == toy.STUDY["study"]


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("confg.yaml", "confg.yaml does not exist. Paths start at the working directory; close names: config.yaml"),
        (
            "nowhere/x.yaml",
            "does not exist. Paths start at the working directory, but the folder nowhere does not exist",
        ),
        ("tasks", "tasks cannot be read because it is a folder. Name a YAML file (YAML files in it: tasks/"),
    ],
)
def test_files_that_are_not_there(world, file, says):
    with pytest.raises(UserError, match=re.escape(says)):
        load_study(Path(file))


@pytest.mark.parametrize("key", ["experiments", "run", "bootstrap", "cells_per_job", "models", "keep_compressed"])
@pytest.mark.parametrize("value", ["abc", 3.5, None, [], ["nowhere"], {"a": 1}, "a,b"])
def test_values_of_the_command_line(world, key, value):
    if (key, value) == ("run", None):
        assert resolve(toy.STUDY, "config.yaml", {key: value}).study.run is None  # `run` is optional
        return
    with pytest.raises(UserError) as caught:
        resolve(toy.STUDY, "config.yaml", {key: value})
    assert key in plain(str(caught.value))


def test_experiments_that_are_not_there_are_named_with_the_option(world):
    with pytest.raises(UserError, match=r"^--experiments: unknown experiment 'contxt'\. Did you mean 'context'"):
        load_study(Path("config.yaml"), {"experiments": ["contxt"]}, "--experiments")
    with pytest.raises(UserError, match=r"^--config experiments: unknown .* Write several as --experiments A B, or"):
        load_study(Path("config.yaml"), {"experiments": "context,modes"})
