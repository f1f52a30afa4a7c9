"""The grid: which cells a study means, and which part of the study each of them depends on."""

import copy
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import toy
import yaml

from junkdna import grid, keys, provenance, workflow_inputs
from junkdna.keys import Cell, Compression, parse_cell_path
from junkdna.study import CompressionGrid, Protocol, Resolved, resolve

DENSE = Compression()


@pytest.fixture
def study(world) -> dict:
    return copy.deepcopy(toy.STUDY)


def toy_resolved(study: dict) -> Resolved:
    return resolve(study, "study")


def texts(study: dict) -> dict[Cell, str]:
    resolved = toy_resolved(study)
    return {cell: grid.settings_text(cell, resolved) for cell in grid.all_cells(resolved)}


# --- expansion --------------------------------------------------------------------------------------------------------


def test_cells_of_the_toy_study_counted_by_hand(study):
    cells = grid.expand(toy_resolved(study))
    assert {name: len(found) for name, found in cells.items()} == {"context": 10, "modes": 8}
    # context: without and with the passage (2) x (dense, 0.5, 0.9, random 0.5, keep 1 of 4) (5)
    assert {cell.knobs for cell in cells["context"]} == {(), (("context", "passage"),)}
    tags = {"dense", "magnitude-0.5", "magnitude-0.9", "random-0.5", "nm-keep1of4"}
    for knobs in ((), (("context", "passage"),)):
        assert {cell.compression.tag for cell in cells["context"] if cell.knobs == knobs} == tags
    # modes: seeds (2) x (dense, and three modes under the mask) (4)
    pairs = {("dense", "dense")} | {(mode, "magnitude-0.5") for mode in ("sparse", "sparse_to_dense", "dense_freeze")}
    for seed in (0, 1):
        assert {(c.transfer, c.compression.tag) for c in cells["modes"] if c.seed == seed} == pairs


def test_a_cell_of_two_experiments_is_one_cell(study):
    first = grid.all_cells(toy_resolved(study))
    study["experiments"]["again"] = {
        **study["experiments"]["context"],
        "knobs": {"context": ["passage"], "options": [4, 2]},
    }
    resolved = toy_resolved(study)
    cells = grid.all_cells(resolved)
    assert len(grid.expand(resolved)["again"]) == 10
    assert len(cells) == len(set(cells)) == len({cell.path for cell in cells}) == 18 + 5  # options 4 is the default
    assert cells[:18] == first


def test_every_cell_has_its_dense_reference_in_its_experiment(study):
    study["experiments"]["modes"]["transfer"] = ["sparse"]
    study["experiments"]["context"]["seeds"] = [3, 4]
    for cells in grid.expand(toy_resolved(study)).values():
        for cell in cells:
            dense = grid.reference(cell)
            assert dense in cells
            assert dense.compression == DENSE
            assert dense.transfer == ("none" if cell.transfer == "none" else "dense")
            assert grid.reference(dense) == dense
            assert dense.seed == (cell.seed if cell.transfer != "none" else 0)
            kept = ("model", "task", "knobs", "protocol")
            assert all(getattr(dense, name) == getattr(cell, name) for name in kept)


def test_seeds_count_only_where_something_is_random(study):
    study["experiments"]["context"]["seeds"] = [3, 4]
    del study["experiments"]["context"]["knobs"]
    cells = grid.expand(toy_resolved(study))["context"]
    same = [("dense", 0), ("magnitude-0.5", 0), ("magnitude-0.9", 0), ("nm-keep1of4", 0)]
    assert sorted((c.compression.tag, c.seed) for c in cells) == [*same, ("random-0.5", 3), ("random-0.5", 4)]
    for cell in grid.all_cells(toy_resolved(study)):
        assert grid.canonical(cell) == cell
        assert cell.transfer == "none" or grid.canonical(replace(cell, seed=9)).seed == 9


def test_a_level_that_prunes_nothing_is_dense():
    grids = [
        CompressionGrid(method="magnitude", sparsity=[0, 0.5, 0.5]),
        CompressionGrid(method="random", sparsity=0.0),
        CompressionGrid(method="nm", keep=[4, 0], of=4),
    ]
    assert [level.tag for level in grid.levels(grids)] == ["dense", "magnitude-0.5", "nm-keep0of4"]


def test_knobs_fixed_for_a_task_go_before_the_experiments(study):
    use = [{"task": "colours", "options": 2}, "colours"]
    study["experiments"]["context"] |= {"tasks": use, "knobs": {"options": [3, 4], "context": ["none"]}}
    cells = grid.expand(toy_resolved(study))["context"]
    assert {cell.knobs for cell in cells} == {(("options", 2),), (("options", 3),), ()}


def test_experiments_that_are_off_have_no_cells(study):
    study["experiments"]["modes"]["on_request"] = True
    assert list(grid.expand(toy_resolved(study))) == ["context"]
    study["run"] = ["modes"]
    assert list(grid.expand(toy_resolved(study))) == ["modes"]


# --- what a cell depends on -------------------------------------------------------------------------------------------

CONTEXT = toy.STUDY["experiments"]["context"]
SST2 = {"folder": "data", "source": "local"}
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
        coded = (cell.model, cell.task, cell.knobs, cell.protocol)
        assert grid.encode_settings(*coded, new) == grid.encode_settings(*coded, old)
        assert grid.example_settings(cell.task, new) == grid.example_settings(cell.task, old)
        assert grid.model_settings(cell.model, new) == grid.model_settings(cell.model, old)


def input_texts(study: dict) -> dict[str, str]:
    """Settings of every examples and tokens file of the study, by path."""
    resolved = toy_resolved(study)
    found = {}
    for cell in grid.all_cells(resolved):
        coded = grid.encode_settings(cell.model, cell.task, cell.knobs, cell.protocol, resolved)
        found[cell.tokens_path] = provenance.canonical_json(coded)
        found[cell.task] = workflow_inputs.examples_text(resolved, cell.task)
    return found


@pytest.mark.parametrize("field", ["learning_rate", "epochs", "batch_size"])
def test_a_training_setting_of_one_task_touches_its_fine_tuned_cells_only(study, field):
    before, inputs = texts(study), input_texts(study)
    for task in ("mood", "colours"):  # the scoring cells of colours train nothing
        study["tasks"][task]["protocol"] = {field: 0.5 if field == "learning_rate" else 7}
    after = texts(study)
    assert {cell for cell in before if before[cell] != after[cell]} == {cell for cell in before if cell.task == "mood"}
    assert input_texts(study) == inputs


def moved_tasks(before, after):
    return {cell.task for cell in before if before[cell] != after[cell]}


def test_max_length_reaches_the_cells_through_the_digest_of_their_tokens(study):
    before, inputs = texts(study), input_texts(study)
    study["tasks"]["mood"]["protocol"] = {"max_length": 12}
    assert moved_tasks(before, texts(study)) == {"mood"}
    moved = {name for name, text in input_texts(study).items() if text != inputs[name]}
    assert moved == {"results/tokens/tiny/mood/plain/default.arrow"}


def test_limits_and_folder_reach_the_cells_through_the_digest_of_their_examples(study):
    before, inputs = texts(study), input_texts(study)
    for change in ({"limits": {"train": 10}}, {"folder": "elsewhere"}):
        study["tasks"]["mood"] = {**toy.STUDY["tasks"]["mood"], **change}
        assert moved_tasks(before, texts(study)) == {"mood"}
        assert {name for name, text in input_texts(study).items() if text != inputs[name]} == {"mood"}


def file_texts(study: dict) -> tuple[str, ...]:
    resolved = toy_resolved(study)
    return workflow_inputs.model_text(resolved, "tiny"), workflow_inputs.study_text(resolved)


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


def test_settings_hold_what_the_job_needs_and_no_more(study):
    resolved = toy_resolved(study)
    for cell in grid.all_cells(resolved):
        settings = grid.cell_settings(cell, resolved)
        assert parse_cell_path(settings["cell"]) == cell
        trained = {"epochs", "batch_size", "learning_rate", "warmup_fraction", "weight_decay", "prune_head"}
        assert {*settings["protocol"]} == ({"normalise"} if cell.transfer == "none" else trained)
        assert {*settings["protocol"]} <= {*Protocol.model_fields}
        assert settings["classes"] == (["bad", "good"] if cell.task == "mood" else [])


def test_the_workflow_tracks_the_same_text(study):
    resolved = toy_resolved(study)

    class Wildcards:
        pass

    for cell in grid.all_cells(resolved):
        w = Wildcards()
        w.model, w.task, w.knobs, w.compression, w.transfer, w.protocol, seed = cell.key.split("/")
        w.seed = seed.removeprefix("seed-")
        assert workflow_inputs.cell_text(resolved, w) == grid.settings_text(cell, resolved)
        encoded = grid.encode_settings(cell.model, cell.task, cell.knobs, cell.protocol, resolved)
        assert workflow_inputs.encode_text(resolved, w) == provenance.canonical_json(encoded)


# --- protocol ---------------------------------------------------------------------------------------------------------


def test_whose_protocol_setting_counts(study):
    study["tasks"]["mood"]["protocol"] = {"batch_size": 4, "epochs": 5}
    study["protocols"] = {"named": {"epochs": 9, "warmup_fraction": 0.06}, "empty": None}
    resolved = toy_resolved(study)
    mood = resolved.tasks["mood"]
    named, default = resolved.study.protocol("named", mood), resolved.study.protocol("default", mood)
    assert (named.epochs, named.batch_size, named.max_length, named.weight_decay) == (9, 4, 16, 0.0)
    assert (default.epochs, default.batch_size, default.max_length) == (5, 4, 16)
    assert default.learning_rate == named.learning_rate == 1e-3  # the task file's
    assert resolved.study.protocol("empty", mood) == default
    assert resolved.study.protocol("default", resolved.tasks["colours"]) == Protocol()
    study["protocols"]["named"]["batch_size"] = Protocol().batch_size  # set to what is the default anyway: still set
    assert toy_resolved(study).study.protocol("named", mood).batch_size == 32


def test_a_protocol_named_default_is_the_default(study):
    study["protocols"] = {"default": {"epochs": 9}}
    resolved = toy_resolved(study)
    assert resolved.study.protocol("default", resolved.tasks["mood"]).epochs == 9


# --- code -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package that digests are taken of, to be edited."""
    copied = tmp_path / "junkdna"
    shutil.copytree(provenance.PACKAGE, copied, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", copied)
    forget()
    yield copied
    monkeypatch.undo()
    forget()


def forget() -> None:
    for cached in (provenance.code_digest, provenance._imports_of, provenance._tree_text):
        cached.cache_clear()


def code_of(tag: str, transfer: str = "none") -> str:
    forget()
    compression = keys.parse_compression(tag)
    return provenance.code_digest(*grid._modules(Cell("m", "t", (), compression, transfer, "default", 0)))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_comments_docstrings_and_layout_do_not_count(package):
    file = package / "compress" / "magnitude.py"
    before = code_of("magnitude-0.5")
    text = file.read_text()
    assert text.startswith('"""')
    file.write_text(text.replace('"""', '"""Other words. ', 1) + "\n\n# a comment\n")
    assert code_of("magnitude-0.5") == before
    seeds = package / "seeds.py"
    edit(seeds, '    """63-bit seed', '    """A 63-bit seed')
    edit(seeds, "text = ", "text   =   (")
    edit(seeds, "for part in key)])", "for part in key)]))  # the same")
    assert code_of("magnitude-0.5") == before


@pytest.mark.parametrize(
    ("file", "old", "new", "moved"),
    [
        ("seeds.py", ">> 1", ">> 2", {"magnitude", "nm", "dense", "trained"}),
        ("compress/nm.py", "def mask(", "def spare():\n    return 1\n\n\ndef mask(", {"nm"}),
        ("compress/magnitude.py", "def mask(", "def spare():\n    return 1\n\n\ndef mask(", {"magnitude", "trained"}),
        ("compress/masks.py", "import ", "import os\nimport ", {"magnitude", "nm", "dense", "trained"}),
        ("errors.py", "n=3", "n=4", set()),
        ("grid.py", "SETTINGS_VERSION", "SETTINGS_VERSIONS", set()),
        ("figures/style.py", "import ", "import os\nimport ", set()),
        ("study.py", "import ", "import os\nimport ", set()),
        ("tasks/sciq.yaml", "SciQ", "Sci", set()),
    ],
)
def test_an_edit_counts_for_the_cells_that_run_it(package, file, old, new, moved):
    cells = {"magnitude": ("magnitude-0.5",), "nm": ("nm-keep2of4",), "dense": ("dense",)}
    cells["trained"] = ("magnitude-0.5", "sparse")
    before = {name: code_of(*cell) for name, cell in cells.items()}
    edit(package / file, old, new)
    assert {name for name, cell in cells.items() if code_of(*cell) != before[name]} == moved


def test_digests_differ_by_what_runs(package):
    assert len({code_of("dense"), code_of("magnitude-0.5"), code_of("nm-keep2of4"), code_of("random-0.5")}) == 4
