"""External compressions are compared with their models before any job starts, from headers alone."""

import copy
import shutil
from pathlib import Path

import pytest
import toy
from safetensors.torch import load_file, save_file

from junkdna.dag.source_checks import check_sources
from junkdna.errors import UserError
from junkdna.study.load import resolve


def problem(*paths: str, model: str = "tiny") -> str:
    study = copy.deepcopy(toy.METHODS)
    study["experiments"] = {
        "x": {
            "title": "",
            "models": [model],
            "tasks": ["hues"],
            "compressions": [{"method": "external", "path": [*paths]}],
        }
    }
    with pytest.raises(UserError) as error:
        check_sources(resolve(study, "study"))
    return str(error.value)


def test_the_files_of_the_toy_world_fit(world):
    check_sources(resolve(toy.METHODS, "study"))


def test_missing_paths_name_close_ones(world):
    assert "external compression prune (external/prune): does not exist; did you mean external/pruned?" in problem(
        "external/prune"
    )
    assert "folder 'nowhere' does not exist" in problem("nowhere/masks.safetensors")
    assert "is a file. Name the folder of a checkpoint" in problem("model/config.json")
    Path("external/a.safetensors").mkdir()
    assert "is a folder, but a path that ends in .safetensors is a file of masks" in problem("external/a.safetensors")


def test_all_problems_are_listed_at_once(world):
    assert "2 problem(s) with models of the study" in problem("external/prune", "external/prunes")


def test_a_checkpoint_of_another_model(world):
    assert "for model llm: lacks 14 of the 14 matrices in the blocks of the model (such as model.layers.0" in problem(
        "external/pruned", model="llm"
    )
    assert "masks in it have no parameter of this name in the model" in problem(
        "external/masks/half.safetensors", model="llm"
    )
    toy.make_model(Path("deeper"), layers=3)
    assert "has 6 matrices that the model lacks (such as encoder.layer.2." in problem("deeper")


def test_other_shapes(world):
    shutil.copytree("external/pruned", "external/turned")
    weights = load_file("external/turned/model.safetensors")
    name = "encoder.layer.0.intermediate.dense.weight"
    save_file(weights | {name: weights[name].t().contiguous()}, "external/turned/model.safetensors")
    text = problem("external/turned")
    assert f"{name} is 32 x 64, but 64 x 32 in the model (1 of 12 shapes differ)" in text
    masks = load_file("external/masks/half.safetensors")
    save_file(masks | {name: masks[name].t().contiguous()}, "external/turned.safetensors")
    assert f"{name} is 32 x 64, but 64 x 32 in the model" in problem("external/turned.safetensors")


@pytest.mark.parametrize("name", ["intermediate.dense.bias", "output.LayerNorm.weight"])
def test_other_shapes_of_vectors(world, name):
    shutil.copytree("external/pruned", "external/other")
    weights = load_file("external/other/model.safetensors")
    whole = f"encoder.layer.1.{name}"
    save_file(weights | {whole: weights[whole][:-1].contiguous()}, "external/other/model.safetensors")
    length = len(weights[whole])
    assert f"{whole} is {length - 1}, but {length} in the model (1 of" in problem("external/other")


def test_a_checkpoint_is_no_file_of_masks(world):
    text = problem("external/pruned/model.safetensors")
    assert "is F32, but masks are bool or uint8 (1 is kept, 0 is pruned). For a checkpoint, name its folder" in text


def test_a_truncated_file(world):
    file = Path("external/pruned/model.safetensors")
    file.write_bytes(file.read_bytes()[:-5])
    assert f"is incomplete: {file.stat().st_size:,} of " in problem("external/pruned")
    masks = Path("external/masks/half.safetensors")
    masks.write_bytes(masks.read_bytes()[:-5])
    assert f"is incomplete: {masks.stat().st_size:,} of " in problem("external/masks/half.safetensors")
