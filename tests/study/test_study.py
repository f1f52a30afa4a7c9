"""Validation of a study: every mistake is one UserError that names the place, close names and the legal ones."""

import copy
import json
from pathlib import Path

import pytest
import toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from project import ROOT
from toy_study import DELETE, changed, error_of

from junkdna.errors import UserError
from junkdna.storage.fingerprint import canonical_json
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import parse_cell_path
from junkdna.study.grid import used_examples
from junkdna.study.load import from_document, load_study, resolve, study_document


def test_the_toy_study_and_the_default_study_are_valid(world, monkeypatch):
    assert list(load_study(Path("config.yaml")).study.active()) == ["context", "modes"]
    assert list(load_study(Path("settings.yaml")).study.active()) == [*toy.SETTINGS["experiments"]]
    monkeypatch.chdir(ROOT)
    resolved = load_study(Path("config.yaml"))
    assert "language_model" not in resolved.study.active()


# --- unknown keys and names -------------------------------------------------------------------------------------------

UNKNOWN_KEYS = [
    ("modles", "modles", "models", "experiments"),
    ("experiments|context|sedes", "experiments.context.sedes", "seeds", "transfer"),
    ("experiments|context|compressions|0|sparsty", "compressions.0.sparsty", "sparsity", "keep"),
    ("models|tiny|knd", "models.tiny.knd", "kind", "wheel"),
    ("tasks|mood|protcol", "tasks.mood.protcol", "protocol", "limits"),
    ("tasks|mood|protocol|epoch", "tasks.mood.protocol.epoch", "epochs", "batch_size"),
    ("tasks|mood|limits|trian", "tasks.mood.limits.trian", "train", "evaluate"),
    ("protocols|long|max_lenght", "protocols.long.max_lenght", "max_length", "prune_head"),
]


@pytest.mark.parametrize(("path", "place", "close", "other"), UNKNOWN_KEYS)
def test_unknown_keys_of_a_study(world, path, place, close, other):
    text = error_of(changed(toy.STUDY, path, 1))
    assert text.startswith("config.yaml: ")
    assert f"{place}: unknown key" in text
    assert f"Did you mean {close!r}" in text
    assert other in text.split("Valid:")[1]


@pytest.mark.parametrize("name", ["tasks", "models", "compressions"])
def test_an_experiment_named_like_a_key_gets_the_keys_of_an_experiment(world, name):
    study = changed(toy.STUDY, f"experiments|{name}", {**toy.STUDY["experiments"]["context"], "sedes": [1]})
    text = error_of(study)
    assert f"experiments.{name}.sedes: unknown key 'sedes'. Did you mean 'seeds' or" in text
    assert "optional" in text


def test_unknown_key_of_a_task_use_inside_an_experiment(world):
    text = error_of(changed(toy.STUDY, "experiments|context|tasks", [{"task": "colours", "contxt": "none"}]))
    assert "experiments.context.tasks.0.contxt" in text
    assert "Did you mean 'context'? Valid: answer_span, context, data_fraction, options, shots, task." in text


@pytest.mark.parametrize(
    ("path", "place", "close"),
    [
        ("metrc", "metrc", "metric"),
        ("columns|txt", "columns.txt", "text"),
        ("sources|local|split", "sources.local.split", "splits"),
        ("hash_split|trian", "hash_split.trian", "train"),
    ],
)
def test_unknown_keys_of_a_task_file(world, path, place, close):
    text = error_of(mood=changed(toy.CLASSIFY_TASK, path, 1))
    assert text.startswith("tasks/mood.yaml: ")
    assert f"{place}: unknown key" in text
    assert f"Did you mean {close!r}" in text


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("experiments|context|knobs", {"contxt": ["none"]}, ("experiments.context.knobs", "contxt", "'context'")),
        (
            "experiments|context|compressions|0|method",
            "magnitud",
            ("compressions.0", "unknown compression method 'magnitud'", "'magnitude'", "random"),
        ),
        (
            "experiments|modes|transfer",
            ["sparce"],
            ("experiments.modes.transfer.0: unknown value 'sparce'. Did you mean 'sparse'", "Valid: dense,"),
        ),
        ("tasks|scq", {}, ("tasks.scq", "unknown task 'scq'", "'sciq'", "mmlu_area")),
        ("tasks|mood|file", "tasks/moood.yaml", ("tasks.mood", "'tasks/moood.yaml' does not exist")),
        ("tasks|mood|file", "x" * 300, ("tasks.mood", "does not exist")),
        ("tasks|mood|file", "tasks/colours.yaml", ("tasks/colours.yaml", "'colours'", "'mood'")),
    ],
)
def test_unknown_names_list_close_and_legal_ones(world, path, value, says):
    text = error_of(changed(toy.STUDY, path, value))
    assert [part for part in says if part not in text] == []


# --- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid_entry", "says"),
    [
        ({"method": "magnitude", "sparsity": 1.5}, ("sparsity 1.5", "0..1 (the fraction of weights pruned)")),
        ({"method": "magnitude", "sparsity": 5}, ("sparsity 5", "did you mean 0.05?")),
        ({"method": "magnitude", "sparsity": "50%"}, ("sparsity.0", "between 0 and 1", "did you mean 0.5?")),
        ({"method": "magnitude", "sparsity": "0,5"}, ("did you mean 0.5?",)),
        ({"method": "magnitude", "sparsity": "1/2"}, ("did you mean 0.5?",)),
        ({"method": "magnitude", "sparsity": "2:4"}, ("use method nm", "keep: 2, of: 4")),
        ({"method": "magnitude", "sparsity": "half"}, ("sparsity.0: must be a number (given: 'half')", "0 and 1")),
        ({"method": "nm", "keep": "2:4"}, ("keep.0", "write keep: 2, of: 4")),
        ({"method": "nm", "keep": ["2of4"], "of": 4}, ("write keep: 2, of: 4",)),
        ({"method": "rtn", "bits": "4bit"}, ("bits.0", "write bits: 4")),
        ({"method": "rtn", "bits": ["int8"]}, ("write bits: 8",)),
        ({"method": "rtn", "bits": ["5bit"]}, ("must be a whole number (given: '5bit')",)),
        ({"method": "rtn", "bits": True}, ("bits.0: must be a whole number (given: 'true')",)),
        ({"method": "svd", "rank": "25%"}, ("rank.0", "did you mean 0.25?")),
        ({"method": "band", "band": "10-20"}, ("a pair of quantiles",)),
        ({"method": "band", "band": "0.1-0.2"}, ("write band: [0.1, 0.2]",)),
        ({"method": "magnitude", "sparsity": [0.5, 70]}, ("sparsity 70", "did you mean 0.7?")),
        ({"method": "magnitude", "sparsity": [-0.1]}, ("sparsity -0.1", "0..1")),
        ({"method": "magnitude", "sparsity": [float("nan")]}, ("sparsity", "nan")),
        ({"method": "magnitude", "sparsity": [0.12345678]}, ("0.12345678", "six digits")),
        ({"method": "magnitude", "sparsity": []}, ("sparsity: [0.3, 0.5]",)),
        ({"method": "magnitude"}, ("magnitude takes sparsity",)),
        ({"method": "magnitude", "keep": [2], "of": 4}, ("magnitude takes sparsity",)),
        ({"method": "magnitude", "sparsity": [0.5], "of": 4}, ("magnitude takes sparsity",)),
        ({"method": "nm", "sparsity": [0.5]}, ("nm takes keep", "of: 4")),
        ({"method": "nm", "keep": [2]}, ("nm takes keep", "of: 4")),
        ({"method": "nm", "keep": [2], "of": 4, "sparsity": [0.5]}, ("nm takes keep",)),
        ({"method": "nm", "keep": [2, 5], "of": 4}, ("[2, 5]", "0..4")),
        ({"method": "nm", "keep": [-1], "of": 4}, ("[-1]", "0..4")),
        ({"method": "nm", "keep": [0], "of": 0}, ("of", "at least 1 (given: 0)")),
        ({"method": "band", "band": [0.3, 0.1]}, ("band [0.3, 0.1]", "must be increasing")),
        ({"method": "band", "band": [[0.1, 1.2]]}, ("band [0.1, 1.2]", "0..1")),
        ({"method": "band", "sparsity": [0.1]}, ("band takes band: [[0.1, 0.2]",)),
        ({"method": "rtn", "bits": [5]}, ("bits 5", "2, 3, 4, 8")),
        ({"method": "rtn", "sparsity": [0.5]}, ("rtn takes bits",)),
        ({"method": "rtn", "bits": [4], "group": -1}, ("group", "at least 0 (given: -1)")),
        ({"method": "rtn", "bits": [4], "act_order": True}, ("rtn has no option act_order", "group, symmetric")),
        ({"method": "svd", "rank": [40]}, ("rank 40", "not a number of singular values")),
        ({"method": "svd", "rank": [0.5], "layers": ["../x"]}, ("layers '../x'", "11.mlp")),
        ({"method": "svd", "rank": [0.5], "layers": []}, ("layers is empty", "omit it")),
        ({"method": "band", "band": [10, 20]}, ("did you mean [0.1, 0.2]?",)),
        ({"method": "band", "band": [0.1, 0.2, 0.3]}, ("a pair [from, to]",)),
        ({"method": "gptq", "bits": [4]}, ("gptq needs calibration",)),
        ({"method": "wanda", "sparsity": [0.5], "keep": [2], "of": 4}, ("wanda takes sparsity", "or keep: [2]")),
        ({"method": "magnitude", "sparsity": [0.5], "calibration": "c4"}, ("magnitude has no option calibration",)),
        ({"method": "nm", "keep": [2], "of": 4, "embeddings": True}, ("nm has no option embeddings", "none")),
        ({"method": "rtn", "bits": [4], "group": 65537}, ("option group of method rtn must be at most 65536", "65537")),
        ({"method": "rtn", "bits": [4], "grup": 64}, ("unknown key 'grup'. Did you mean 'group'",)),
        ({"method": "rtn", "bits": [4], "group": "big"}, ("group: must be a whole number (given: 'big')",)),
        ({"method": "rtn", "bits": [4], "symmetric": "ys"}, ("symmetric: must be true or false (given: 'ys')",)),
        ({"method": "nm", "keep": [4], "of": 2}, ("did you mean keep: 2, of: 4?",)),
    ],
)
def test_levels_must_fit_their_method(world, grid_entry, says):
    text = error_of(changed(toy.STUDY, "experiments|context|compressions|0", grid_entry))
    assert "experiments.context.compressions.0" in text
    assert [part for part in says if part not in text] == []


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("experiments|modes|compressions", [{"method": "magnitude", "sparsity": [0]}], DELETE),
        ("experiments|context|knobs", {"context": []}, ("experiments.context.knobs.context", "at least 1 entry")),
        (
            "experiments|context|knobs",
            {"context": [True]},
            ("knobs.context.0: must be a whole number or a text", "as true", "quotes"),
        ),
        (
            "experiments|context|tasks",
            [{"task": "colours", "options": "3"}],
            ("tasks.0.options: must be a whole number (given: '3')",),
        ),
        ("protocols", {"p": {"dtype": "float16"}}, ("protocols.p.dtype", "Valid: bfloat16, float32")),
        ("protocols", {"p": {"decoder_choice": "mcc"}}, ("protocols.p.decoder_choice", "Did you mean 'mcq'")),
        ("protocols", {"p": {"match": "epoch"}}, ("protocols.p.match", "Did you mean 'epochs'? Valid: epochs, steps")),
        ("experiments|context|seeds", [-1], ("experiments.context.seeds.0", "given: -1")),
        ("experiments|context|seeds", [], ("experiments.context.seeds", "at least 1 entry")),
        ("experiments|context|models", [], ("experiments.context.models",)),
        ("experiments|context|title", DELETE, ("experiments.context.title: is missing: write `title: ...` (a text)",)),
        ("experiments|context", None, ("experiments.context: is empty",)),
        ("experiments", {}, ("experiments: is empty; at least 1 entry",)),
        ("models|tiny", {"kind": "encoder"}, ("models.tiny", "exactly one of wheel, local, hub", "none")),
        ("models|tiny", {"kind": "encoder", "local": "x", "hub": "y"}, ("models.tiny", "local, hub")),
        ("models|tiny", {"kind": "encoder", "wheel": "ai2-olmo"}, ("models.tiny", "wheel needs path")),
        ("models|tiny", {"kind": "encoder", "wheel": "ai2-olmo", "path": "../x"}, ("models.tiny.path", "without '..'")),
        ("models|tiny", {"kind": "encoder", "local": ""}, ("models.tiny.local",)),
        ("models|tiny|kind", "encodr", ("models.tiny.kind", "Did you mean 'encoder' or 'decoder'")),
        ("tasks|mood|protocol", {"learning_rate": 5}, ("tasks.mood.protocol.learning_rate", "less than 1")),
        ("tasks|mood|protocol", {"max_length": 10**9}, ("tasks.mood.protocol.max_length", "131072")),
        ("tasks|mood|protocol", {"epochs": 0}, ("tasks.mood.protocol.epochs",)),
        ("protocols", {"p": {"weight_decay": float("inf")}}, ("protocols.p.weight_decay", "finite")),
        ("tasks|mood|source", "local", None),
    ],
)
def test_values_that_cannot_be_meant(world, path, value, says):
    study = changed(toy.STUDY, path, value)
    if says is None:  # legal, to show that its neighbors fail for their own reason
        toy.write_yaml(Path("config.yaml"), study)
        load_study(Path("config.yaml"))
        return
    if says is DELETE:
        study["experiments"]["modes"]["transfer"] = ["sparse"]
        says = ("experiments.modes", "level that prunes")
    text = error_of(study)
    assert [part for part in says if part not in text] == []


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "study: toy\nstudy: toy\n", "study: [\n"])
def test_files_that_hold_no_study(world, text):
    Path("config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^config.yaml"):
        load_study(Path("config.yaml"))
    with pytest.raises(UserError, match=r"^nowhere.yaml does not exist"):
        load_study(Path("nowhere.yaml"))


# --- names become folders and shell words -----------------------------------------------------------------------------

NASTY = [
    "a/b", "..", ".", "", "../x", "a;b", "$(x)", "`x`", "a b", "ü", "a\n", "a\nb", "-x", ".x", "a{b}", "a*",
    "x" * 81, "a%",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_names_that_could_leave_their_folder_or_be_read_by_a_shell(world, name):
    study = toy.STUDY
    places = {
        "study": {**study, "study": name},
        "models": changed(study, f"models|{name}", {"kind": "encoder", "local": "model"}),
        "tasks": changed(study, f"tasks|{name}", {}),
        "experiments": changed(study, f"experiments|{name}", study["experiments"]["context"]),
        "protocols": changed(study, f"protocols|{name}", {}),
        "wheels": changed(study, f"wheels|{name}", {"version": "1", "sha256": "0" * 64, "filename": "a.whl"}),
        "experiments.context.models.0": changed(study, "experiments|context|models", [name]),
        "experiments.context.tasks.0.task": changed(study, "experiments|context|tasks", [name]),
        "experiments.modes.protocol": changed(study, "experiments|modes|protocol", name),
    }
    for place, wrong in places.items():
        with pytest.raises(UserError) as caught:
            resolve(wrong, "study")
        assert f"\n  {place}" in str(caught.value), place
    assert "hash_split.of" in error_of(mood=changed(toy.CLASSIFY_TASK, "hash_split|of", name))


@pytest.mark.parametrize("value", [*NASTY, "a=b", "a,b", -1, 1.5, True, "1", "plain/../.."])
def test_knob_values_cannot_leave_their_folder(world, value):
    task = changed(toy.CHOICE_TASK, "knobs|context", {"values": ["none", "passage", value], "default": "none"})
    text = error_of(colours=task)
    assert text.startswith("tasks/colours.yaml: ")
    study = changed(toy.STUDY, "experiments|context|knobs", {"context": [value]})
    error_of(study, colours=toy.CHOICE_TASK)


def test_every_path_of_the_toy_study_stays_below_results(world):
    for study in (toy.STUDY, toy.SETTINGS):
        for cell in grid.all_cells(resolve(study, "study")):
            for path in (cell.path, cell.model_folder, *map(cell.tokens_path, cell.roles)):
                assert (world / path).resolve().is_relative_to(world / "results")


# --- overrides, and the kept study ------------------------------------------------------------------------------------


def test_overrides_replace_top_level_keys_and_select_experiments(world):
    study = changed(toy.STUDY, "experiments|modes|optional", True)
    assert list(resolve(study, "s").study.active()) == ["context"]
    assert list(resolve(study, "s", {"experiments": "modes"}).study.active()) == ["modes"]
    assert list(resolve(study, "s", {"experiments": ["modes", "context"]}).study.active()) == ["modes", "context"]
    assert resolve(study, "s", {"bootstrap": 300}).study.bootstrap == 300
    for wrong in ({"experiments": ["mods"]}, {"experimnts": ["modes"]}, {"experiments": 3}, {"bootstrap": "many"}):
        with pytest.raises(UserError):
            resolve(study, "s", wrong)


def test_a_task_file_is_read_again_when_it_changed(world):
    before = load_study(Path("config.yaml")).tasks["mood"].protocol.epochs
    toy.write_yaml(Path("tasks/mood.yaml"), changed(toy.CLASSIFY_TASK, "protocol|epochs", before + 1))
    assert load_study(Path("config.yaml")).tasks["mood"].protocol.epochs == before + 1


def test_the_kept_study_means_what_the_study_means(world):
    study = changed(toy.STUDY, "protocols", {"short": {"batch_size": 8}, "same": None})
    study["experiments"]["modes"]["protocol"] = "short"
    study["experiments"]["context"]["protocol"] = "same"
    study["tasks"]["mood"]["protocol"] = {"epochs": 5}
    study["tasks"]["mmlu_area"] = None  # has two sources, and the first is not the first by name
    study["tasks"]["hues"] = toy.SETTINGS["tasks"]["hues"]
    study["experiments"]["shots"] = {**toy.SETTINGS["experiments"]["shots"], "protocol": "same"}
    study["models"] = toy.SETTINGS["models"]
    resolved = resolve(study, "study")
    again = from_document(json.loads(canonical_json(study_document(resolved))), "study.json")
    cells = grid.all_cells(resolved)
    assert {*grid.all_cells(again)} == {*cells}
    assert [study_settings.settings_text(c, again) for c in cells] == [
        study_settings.settings_text(c, resolved) for c in cells
    ]
    assert again.study.protocol("short", again.tasks["mood"]).epochs == 5
    for task, role in [("mmlu_area", "evaluate"), *used_examples(cells, resolved)]:
        assert study_settings.example_settings(task, role, again) == study_settings.example_settings(
            task, role, resolved
        )
    assert study_document(again) == study_document(resolved)


# --- anything at all --------------------------------------------------------------------------------------------------

WORDS = [
    "tiny", "mood", "colours", "none", "dense", "magnitude", "nm", "random", "context", "options", "passage",
    "../x", "",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 4), st.floats(), st.sampled_from(WORDS), st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
KNOBS = ("shots", "options", "data_fraction", "answer_span", "context")
KEYS = st.sampled_from(
    [*WORDS, *KNOBS, "sparsity", "keep", "of", "seeds", "file", "folder", "source", "hub", "wheel", "run"]
)


def mutate(data: dict, draw: st.DataObject) -> dict:
    """`data` with one to three random places deleted, replaced or filled with something new."""
    data = copy.deepcopy(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        place = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            action = draw.draw(st.sampled_from(["descend"] * 5 + ["delete", "replace", "insert"]))
            inner = [key for key in keys if isinstance(place[key], dict | list)]
            if action == "descend" and inner:
                place = place[draw.draw(st.sampled_from(inner))]
                continue
            if action == "insert" or not keys:
                key = draw.draw(KEYS | SCALARS) if isinstance(place, dict) else len(place)
                place.update({key: draw.draw(VALUES)}) if isinstance(place, dict) else place.append(draw.draw(VALUES))
            elif action == "delete":
                del place[draw.draw(st.sampled_from(keys))]
            else:
                place[draw.draw(st.sampled_from(keys))] = draw.draw(VALUES)
            break
    return data


def check_resolved_or_readable(study: dict) -> None:
    try:
        resolved = resolve(study, "fuzzed")
        cells = grid.all_cells(resolved)
    except UserError as error:
        text = str(error)
        assert len(text) > 20
        assert "Traceback" not in text
        return
    assert cells
    for cell in cells[:3]:
        assert parse_cell_path(cell.path) == cell
        assert study_settings.settings_text(cell, resolved)
        assert study_settings.tokenize_settings(cell.model, cell.task, cell.token_knobs, cell.protocol, resolved)
        assert all(
            study_settings.example_settings(task, role, resolved) for task, role in used_examples([cell], resolved)
        )
        assert study_settings.model_settings(cell.model, resolved)


FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


@settings(FUZZ, max_examples=200)
@given(draw=st.data())
@pytest.mark.parametrize("base", [toy.STUDY, toy.SETTINGS], ids=lambda study: study["study"])
def test_any_change_of_the_study_is_valid_or_a_user_error(world, base, draw):
    check_resolved_or_readable(mutate(base, draw))


TASKS = [toy.CHOICE_TASK, toy.CLASSIFY_TASK, toy.HUES_TASK, toy.NAMED_TASK, toy.ALIKE_TASK, toy.DEGREE_TASK]


@settings(FUZZ, max_examples=50)
@given(draw=st.data())
@pytest.mark.parametrize("base", TASKS, ids=lambda task: task["name"])
def test_any_change_of_a_task_file_is_valid_or_a_user_error(world, base, draw):
    toy.write_yaml(Path("tasks/fuzzed.yaml"), mutate(base, draw))
    study = toy.STUDY if base["name"] in toy.STUDY["tasks"] else toy.SETTINGS
    check_resolved_or_readable(changed(study, f"tasks|{base['name']}|file", "tasks/fuzzed.yaml"))
