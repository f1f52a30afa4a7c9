"""External compressions in a study: their names, their keys, and what changes their cells."""

import copy
from pathlib import Path

import pytest
import toy
import toy_run

from junkdna.errors import UserError
from junkdna.study import settings_from_study
from junkdna.study.cell import parse_cell_path, parse_compression
from junkdna.study.external import external_name
from junkdna.study.grid import all_cells
from junkdna.study.load import from_document, resolve, study_document


def study(*compressions: dict, **changes: object) -> dict:
    made = copy.deepcopy(toy.METHODS)
    exp = {"title": "", "models": ["tiny"], "tasks": ["hues"], "compressions": [*compressions]}
    return {**made, "experiments": {"x": {**exp, **changes}}}


def external(path: object, **more: object) -> dict:
    return {"method": "external", "path": path, **more}


def tags(made: dict) -> list[str]:
    return [cell.compression.tag for cell in all_cells(resolve(made, "study")) if cell.compression.level]


def error_of(made: dict) -> str:
    with pytest.raises(UserError) as error:
        resolve(made, "study")
    return str(error.value)


def test_names_are_those_of_folders_and_files_or_given(world):
    made = study(external(["a/wanda-0.5", "b/my masks.safetensors"]), external("c", name="named"))
    assert tags(made) == ["external-from-wanda-0.5", "external-from-my-masks", "external-from-named"]
    options = study(external("c", quantized=True, effective_bits=4.25, embeddings=True))
    assert tags(options) == ["external-from-c,effective_bits=4.25,embeddings=true,quantized=true"]
    for cell in all_cells(resolve(options, "study")):
        assert parse_cell_path(cell.path) == cell


def test_a_tag_is_read_back():
    found = parse_compression("external-from-keep2of4")
    assert (found.value, found.nominal_sparsity) == ("keep2of4", 0)


def test_a_path_without_a_name():
    with pytest.raises(ValueError, match="add one, such as `name: pruned`"):
        external_name("..")
    assert external_name("..", "up") == "up"


@pytest.mark.parametrize(
    ("compressions", "words"),
    [
        ([external(["a/x", "b/x"])], "external compressions a/x and b/x are both called 'x'"),
        ([external("a/x"), external("b", name="x")], "{method: external, path: b, name: x-2}"),
        ([external(["a", "b"], name="x")], "name is for one path"),
        ([external(None)], "method external takes path: FOLDER, or a file of masks"),
        ([{**external("a"), "bits": 4}], "takes path: FOLDER, or a file of masks; bits is of other methods"),
        ([{"method": "external", "sparsity": 0.5}], "or a file of masks; sparsity is of other methods"),
        ([{"method": "magnitude", "bits": 4, "rank": 0.5}], "; bits, rank are of other methods"),
        ([{"method": "magnitude", "sparsity": 0.5, "name": "x"}], "name is for one path"),
        ([external("a", effective_bits=17)], "option effective_bits of method external must be at most 16"),
        ([external("a.safetensors", quantized=True)], "is a file of masks"),
    ],
)
def test_mistakes_are_refused_before_anything_runs(world, compressions, words):
    assert words in error_of(study(*compressions))


def test_a_quantized_checkpoint_has_no_mask_to_hold(world):
    text = error_of(study(external("a", quantized=True), tasks=["mood"], transfer=["sparse"]))
    assert "method external with quantized: true prunes nothing, so it has no mask for transfer sparse" in text
    assert tags(study(external("a"), tasks=["mood"], transfer=["sparse"]))
    assert tags(study(external("a", quantized=True), tasks=["mood"], transfer=["sparse_to_dense"]))


def test_a_stored_study_keeps_its_paths(world):
    resolved = resolve(study(external("external/pruned", name="x")), "study")
    again = from_document(study_document(resolved), "stored")
    assert [*map(str, all_cells(again))] == [*map(str, all_cells(resolved))]


@pytest.mark.parametrize("file", ["external/pruned/model.safetensors", "external/pruned/config.json"])
def test_changed_contents_change_the_settings_of_their_cells_alone(world, file):
    resolved = toy_run.read("methods.yaml")

    def texts() -> dict:
        return {cell: settings_from_study.settings_text(cell, resolved) for cell in all_cells(resolved)}

    before = texts()
    Path(file).write_bytes(Path(file).read_bytes() + b" ")
    after = texts()
    assert [cell.compression.tag for cell in before if before[cell] != after[cell]] == ["external-from-pruned"]
