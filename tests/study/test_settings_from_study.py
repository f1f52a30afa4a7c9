"""What each cell and each tokens file depends on: its own part of the study, and nothing else."""

import copy
import json

import pytest
import toy
import yaml
from toy_study import toy_resolved

from junkdna.dag import inputs as dag_inputs
from junkdna.storage import fingerprint
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import Cell, knob_text, parse_cell_path
from junkdna.study.grid import used_examples
from junkdna.study.study import Protocol


def texts(study: dict) -> dict[Cell, str]:
    resolved = toy_resolved(study)
    return {cell: study_settings.settings_text(cell, resolved) for cell in grid.all_cells(resolved)}


# --- additions, and edits of one task ---------------------------------------------------------------------------------

CONTEXT = toy.STUDY["experiments"]["context"]
SST2 = {"source": "hub"}
ADDITIONS = {
    "a task": {"tasks|sst2": SST2, "experiments|modes|tasks": ["mood", "sst2"]},
    "a model": {"models|other": {"kind": "encoder", "local": "other"}, "experiments|modes|models": ["tiny", "other"]},
    "a level": {"experiments|modes|compressions": [{"method": "magnitude", "sparsity": [0.25, 0.5, 0.75]}]},
    "a method": {"experiments|modes|compressions|1": {"method": "largest", "sparsity": 0.5}},
    "a seed": {"experiments|modes|seeds": [7, 0, 1]},
    "a knob value": {"experiments|context|knobs": {"options": [2, 4], "context": ["passage", "none"]}},
    "an experiment": {
        "experiments|more": {**toy.STUDY["experiments"]["context"], "protocol": "long"},
        "protocols|long": {},
    },
    "a protocol": {"protocols|long": {"epochs": 9}},
    "a wheel": {"wheels|w": {"version": "1", "sha256": "0" * 64, "filename": "w.whl"}},
    "words and bootstrap": {"experiments|modes|title": "Other words", "study": "renamed", "bootstrap": 500},
}


def put(study: dict, path: str, value: object) -> None:
    *parents, last = path.split("|")
    for part in parents:
        study = study.setdefault(part, {}) if isinstance(study, dict) else study[int(part)]
    if isinstance(study, list):
        study.append(value)
    else:
        study[last] = value


@pytest.mark.parametrize("what", ADDITIONS)
def test_adding_to_a_study_leaves_every_old_cell_as_it_is(study, what):
    before, old = texts(study), toy_resolved(study)
    for path, value in ADDITIONS[what].items():
        put(study, path, value)
    after, new = texts(study), toy_resolved(study)
    assert {cell: after[cell] for cell in before} == before
    grows = what not in ("a protocol", "a wheel", "words and bootstrap")
    assert (len(after) > len(before)) == grows
    for cell in before:
        coded = (cell.model, cell.task, cell.token_knobs, cell.protocol)
        assert study_settings.tokenize_settings(*coded, new) == study_settings.tokenize_settings(*coded, old)
        for task, role in used_examples([cell], old):
            assert study_settings.example_settings(task, role, new) == study_settings.example_settings(task, role, old)
        assert study_settings.model_settings(cell.model, new) == study_settings.model_settings(cell.model, old)


def input_texts(study: dict) -> dict[str, str]:
    """Settings of every examples and tokens file of the study, by path (tokens) or task and role (examples)."""
    resolved = toy_resolved(study)
    found = {}
    for cell in grid.all_cells(resolved):
        coded = study_settings.tokenize_settings(cell.model, cell.task, cell.token_knobs, cell.protocol, resolved)
        for role in cell.roles:
            found[cell.tokens_path(role)] = fingerprint.canonical_json(coded)
        for task, role in used_examples([cell], resolved):
            found[f"{task} {role}"] = canonical(study_settings.example_settings(task, role, resolved))
    return found


def moved_inputs(study: dict, before: dict[str, str]) -> set[str]:
    return {name for name, text in input_texts(study).items() if text != before[name]}


def moved_cells(study: dict, before: dict[Cell, str]) -> set[Cell]:
    after = texts(study)
    assert after.keys() == before.keys()
    return {cell for cell in before if before[cell] != after[cell]}


@pytest.mark.parametrize("field", ["learning_rate", "epochs", "batch_size"])
def test_a_training_setting_of_one_task_touches_its_fine_tuned_cells_only(study, field):
    before, inputs = texts(study), input_texts(study)
    for task in ("mood", "colours"):  # the scoring cells of colours train nothing
        study["tasks"][task]["protocol"] = {field: 0.5 if field == "learning_rate" else 7}
    assert moved_cells(study, before) == {cell for cell in before if cell.task == "mood"}
    assert moved_inputs(study, inputs) == set()


def test_max_length_reaches_the_cells_through_the_digest_of_their_tokens(study):
    before, inputs = texts(study), input_texts(study)
    study["tasks"]["mood"]["protocol"] = {"max_length": 12}
    assert {cell.task for cell in moved_cells(study, before)} == {"mood"}
    folder = "results/tokens/tiny/mood/plain/default"
    assert moved_inputs(study, inputs) == {f"{folder}/train.arrow", f"{folder}/evaluate.arrow"}


def test_limits_and_folder_reach_the_cells_through_the_digest_of_their_examples(study):
    before, inputs = texts(study), input_texts(study)
    for change, roles in (({"limits": {"train": 10}}, ("train",)), ({"folder": "elsewhere"}, ("train", "evaluate"))):
        study["tasks"]["mood"] = {**toy.STUDY["tasks"]["mood"], **change}
        assert {cell.task for cell in moved_cells(study, before)} == {"mood"}
        assert moved_inputs(study, inputs) == {f"mood {role}" for role in roles}


# --- roles and knobs --------------------------------------------------------------------------------------------------


def test_limits_of_one_role_leave_the_others_cells_alone(settings_study):
    settings_study["experiments"]["sparse_hues"] = {
        **settings_study["experiments"]["cross_encoder"], "protocol": "default"
    }  # fmt: skip
    before, inputs = texts(settings_study), input_texts(settings_study)
    settings_study["tasks"]["hues"]["limits"] = {"train": 16}
    moved = moved_cells(settings_study, before)
    assert moved == {cell for cell in before if cell.task == "hues" and cell.transfer != "none"}
    assert len(moved) == 4
    assert moved_inputs(settings_study, inputs) == {"hues train"}
    settings_study["tasks"]["hues"]["limits"] = {"evaluate": 16}
    assert moved_cells(settings_study, before) == {cell for cell in before if cell.task == "hues"}
    assert moved_inputs(settings_study, inputs) == {"hues evaluate"}


def test_rows_to_train_on_leave_the_cells_that_train_nothing_alone(study, world):
    before, inputs = texts(study), input_texts(study)
    task = copy.deepcopy(toy.CHOICE_TASK)
    task["sources"]["local"]["splits"]["train"] = "colours-train.parquet"
    toy.write_yaml(world / "tasks/colours.yaml", {**task, "train_split": "train"})
    assert moved_cells(study, before) == set()
    assert moved_inputs(study, inputs) == set()


def test_shots_touch_the_cells_that_show_any(settings_study, world):
    before, inputs = texts(settings_study), input_texts(settings_study)
    toy.write_yaml(world / "tasks/hues.yaml", {**toy.HUES_TASK, "shots": {"of": "dev", "count": 3}})
    assert moved_cells(settings_study, before) == {cell for cell in before if dict(cell.knobs).get("shots")}
    assert moved_inputs(settings_study, inputs) == {"hues shots"}


def test_shots_of_the_evaluated_split_touch_its_rows_too(settings_study, world):
    task = copy.deepcopy(toy.HUES_TASK)
    task["shots"] = {"of": "evaluate", "count": 2}
    toy.write_yaml(world / "tasks/hues.yaml", task)
    before, inputs = texts(settings_study), input_texts(settings_study)
    task["shots"]["count"] = 3
    toy.write_yaml(world / "tasks/hues.yaml", task)
    assert moved_cells(settings_study, before) == {cell for cell in before if cell.task == "hues"}
    assert moved_inputs(settings_study, inputs) == {"hues shots", "hues evaluate"}
    task["shots"] = {"of": "train", "count": 2}
    toy.write_yaml(world / "tasks/hues.yaml", task)
    inputs = input_texts(settings_study)
    task["shots"]["count"] = 3
    toy.write_yaml(world / "tasks/hues.yaml", task)
    assert moved_inputs(settings_study, inputs) == {"hues shots"}  # train rows are trained on all the same


def test_a_share_of_the_train_rows_shares_the_encoded_files(settings_study):
    resolved = toy_resolved(settings_study)
    cells = grid.expand(resolved)["data_adequacy"]
    assert {knob_text(cell.knobs) for cell in cells} == {"plain", "data_fraction=50"}
    for role in ("train", "evaluate"):
        assert {cell.tokens_path(role) for cell in cells} == {f"results/tokens/tiny/mood/plain/default/{role}.arrow"}
    inputs = {canonical(study_settings.cell_settings(cell, resolved).inputs) for cell in cells}
    assert len(inputs) == 1
    assert len({study_settings.settings_text(cell, resolved) for cell in cells}) == 4


@pytest.mark.parametrize("field", ["subset", "match"])
def test_how_rows_are_taken_touches_the_cells_that_take_some(settings_study, field):
    settings_study["protocols"]["default"] = {}
    before, inputs = texts(settings_study), input_texts(settings_study)
    settings_study["protocols"]["default"] = {field: {"subset": "first", "match": "steps"}[field]}
    moved = moved_cells(settings_study, before)
    assert moved == {cell for cell in before if "data_fraction" in dict(cell.knobs)}
    assert moved_inputs(settings_study, inputs) == set()


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"length_normalization": "token"}, lambda cell: cell.transfer == "none"),
        ({"dtype": "bfloat16"}, lambda cell: cell.transfer == "none"),
        ({"chat_template": True}, lambda cell: cell.model == "llm"),
        ({"decoder_choice": "mcq"}, lambda cell: cell.model == "llm" and cell.task == "hues"),
        ({"weight_decay": 0.1}, lambda cell: cell.transfer != "none"),
    ],
)
def test_a_setting_of_the_protocol_touches_the_cells_that_read_it(settings_study, change, touched):
    for name in ("shots", "cross_encoder"):  # under protocols of their own
        del settings_study["experiments"][name]
    before = texts(settings_study)
    settings_study["protocols"]["default"] = change
    assert moved_cells(settings_study, before) == {cell for cell in before if touched(cell)}


@pytest.mark.parametrize(
    ("change", "touched"),
    [
        ({"prompt": "{passage}Q: {text}\nA:"}, lambda cell: cell.model == "llm"),
        ({"description": "Of {group}:"}, lambda cell: cell.model == "llm"),
        ({"title": "Other words", "notes": "x", "deviations": "y", "rows": {"dev": 8}}, lambda cell: False),
        ({"human": None, "baselines": {"chance": 0.2, "majority": 0.3}}, lambda cell: False),
    ],
)
def test_an_edit_of_a_task_file_touches_the_cells_that_read_it(settings_study, world, change, touched):
    before = texts(settings_study)
    toy.write_yaml(world / "tasks/hues.yaml", {**toy.HUES_TASK, **change})
    assert moved_cells(settings_study, before) == {cell for cell in before if cell.task == "hues" and touched(cell)}


@pytest.mark.parametrize(
    ("change", "moved"),
    [
        ({"max_new_tokens": 4}, {"tokens"}),  # room is left for new tokens
        ({"stop": ["."]}, set()),
        ({"extract": "(.)"}, set()),
        ({"match": "number"}, {"examples"}),  # their answers are checked
    ],
)
def test_how_text_is_generated_and_matched(settings_study, world, change, moved):
    before, inputs = texts(settings_study), input_texts(settings_study)
    toy.write_yaml(world / "tasks/named.yaml", {**toy.NAMED_TASK, "generate": {"max_new_tokens": 3, **change}})
    assert moved_cells(settings_study, before) == {cell for cell in before if cell.task == "named"}
    prompts = {cell.tokens_path("evaluate") for cell in before if cell.task == "named"}
    wanted = (prompts if "tokens" in moved else set()) | ({"named evaluate"} if "examples" in moved else set())
    assert moved_inputs(settings_study, inputs) == wanted


def canonical(settings: object) -> str:
    return fingerprint.canonical_json(settings)


def file_texts(study: dict) -> tuple[str, ...]:
    resolved = toy_resolved(study)
    return canonical(study_settings.model_settings("tiny", resolved)), dag_inputs.study_text(resolved)


def test_the_order_of_keys_changes_nothing(study, world):
    before, inputs, files = texts(study), input_texts(study), file_texts(study)

    def turned(value: object) -> object:
        return {key: turned(value[key]) for key in reversed(value)} if isinstance(value, dict) else value

    for file in world.glob("tasks/*.yaml"):
        toy.write_yaml(file, turned(yaml.safe_load(file.read_text())))
    other = turned(study)
    assert texts(other) == before
    assert input_texts(other) == inputs
    other["experiments"] = {
        name: other["experiments"][name] for name in study["experiments"]
    }  # their order is the report's
    assert file_texts(other) == files


def test_settings_hold_what_the_job_needs_and_no_more(settings_study):
    resolved = toy_resolved(settings_study)
    for cell in grid.all_cells(resolved):
        settings = study_settings.cell_settings(cell, resolved)
        assert parse_cell_path(settings.cell) == cell
        trained = {"epochs", "batch_size", "learning_rate", "warmup_fraction", "weight_decay", "prune_head"}
        trained |= {"stack", "precision"}
        trained |= {"subset", "match"} if "data_fraction" in dict(cell.knobs) else set()
        written = json.loads(canonical(settings))
        given = {"scoring": {"length_normalization", "dtype"}} if cell.transfer == "none" else {"training": trained}
        assert {name: {*written[name]} for name in ("scoring", "training") if name in written} == given
        assert {*given.popitem()[1]} <= {*Protocol.model_fields}
        classes = {"mood": ["bad", "good"], "alike": ["no", "yes"]}
        assert settings.classes == classes.get(cell.task, [])
        picked = {"tiny": {"cross": "cross_encoder"}, "llm": {"letters": "mcq"}}[cell.model].get(cell.protocol)
        default = {"tiny": "bi_encoder", "llm": "cloze"}[cell.model]
        others = {"named": "generate", "degree": "regressor"}
        wanted = picked or default if cell.task == "hues" else others.get(cell.task, "classifier")
        assert settings.format == wanted
        assert (settings.generate is not None) == (cell.task == "named")
        assert {*settings.inputs} == {"model", *(f"tokens_{role}" for role in cell.roles)}
        of_file = study_settings.tokens_file_settings(
            cell.model, cell.task, cell.token_knobs, cell.protocol, "evaluate", resolved
        )
        assert settings.inputs["tokens_evaluate"] == fingerprint.settings_fingerprint(of_file)
        shown = {"shots"} if dict(cell.knobs).get("shots") else set()
        assert {*of_file.inputs} == {"model", "evaluate"} | shown


def test_the_workflow_tracks_the_same_text(settings_study):
    resolved = toy_resolved(settings_study)

    class Wildcards:
        pass

    for cell in grid.all_cells(resolved):
        w = Wildcards()
        w.model, w.task, w.knobs, w.compression, w.transfer, w.protocol, seed = cell.key.split("/")
        w.seed = seed.removeprefix("seed-")
        assert dag_inputs.settings_text(resolved, "cell", w) == study_settings.settings_text(cell, resolved)
        inputs = dag_inputs.inputs_of_cell(w)
        assert inputs.pop("compressed", None) == cell.compressed_path
        assert inputs == {
            "model": f"results/models/{cell.model}/model.json",
            "tokens": [cell.tokens_path(role) for role in cell.roles],
        }
        w.knobs, w.role = knob_text(cell.token_knobs), "evaluate"
        coded = (cell.model, cell.task, cell.token_knobs, cell.protocol, "evaluate")
        encoded = study_settings.tokens_file_settings(*coded, resolved)
        assert dag_inputs.settings_text(resolved, "tokenize", w) == canonical(encoded)
        model = study_settings.model_settings(w.model, resolved)
        examples = study_settings.example_settings(w.task, w.role, resolved)
        assert dag_inputs.settings_text(resolved, "model", w) == canonical(model)
        assert dag_inputs.settings_text(resolved, "examples", w) == canonical(examples)
        shots = ["results/examples/hues/shots.parquet"] if "shots" in w.knobs else []
        assert dag_inputs.shots_file(w) == shots
