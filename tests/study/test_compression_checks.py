"""Compressions against the calibrations, transfer modes and protocols of a study: refused before anything runs."""

import copy

import pytest
import toy

from junkdna.errors import UserError
from junkdna.study import grid
from junkdna.study.load import resolve

WANDA = {"method": "wanda", "sparsity": 0.5, "calibration": "phrases"}
RTN = {"method": "rtn", "bits": 4, "group": 8}


def methods(**changes) -> dict:
    """The toy study of methods with one experiment changed."""
    study = copy.deepcopy(toy.METHODS)
    study["experiments"] = {"trained": {**study["experiments"]["trained"], **changes}}
    return study


def error_of(study: dict) -> str:
    with pytest.raises(UserError) as error:
        resolve(study, "study.yaml")
    return str(error.value)


def test_the_toy_study_of_methods_is_good(world):
    assert grid.all_cells(resolve(toy.METHODS, "study.yaml"))


def test_a_missing_calibration_is_named(world):
    text = error_of(methods(compressions=[{**WANDA, "calibration": "phrase"}]))
    assert "experiments.trained.compressions.0: method wanda" in text
    assert "unknown calibration 'phrase'. Did you mean 'phrases'?" in text


def test_a_study_without_calibrations_is_shown_one(world):
    study = methods()
    del study["calibrations"]
    text = error_of(study)
    assert "the study has no calibrations" in text
    assert "calibrations: {phrases: {task: mood, samples: 64, context_tokens: 512}}" in text


@pytest.mark.parametrize("modes", [["sparse"], ["dense", "dense_freeze"]])
def test_what_prunes_nothing_has_no_mask_to_hold(world, modes):
    text = error_of(methods(compressions=[RTN], transfer=modes))
    assert "method rtn prunes nothing" in text
    assert modes[-1] in text
    assert "sparse_to_dense" in text


@pytest.mark.parametrize("modes", [["none"], ["sparse_to_dense"], ["dense", "sparse_to_dense"]])
def test_what_prunes_nothing_goes_with_modes_that_hold_no_mask(world, modes):
    task = ["hues"] if modes == ["none"] else ["mood"]
    cells = grid.all_cells(resolve(methods(compressions=[RTN], transfer=modes, tasks=task), "study.yaml"))
    assert {cell.transfer for cell in cells} == {*modes, *(["dense"] if modes != ["none"] else [])}


def test_a_head_is_in_no_stored_compression(world):
    study = methods(protocol="authors")
    study["protocols"] = {"authors": {"prune_head": True}}
    text = error_of(study)
    assert "method wanda" in text
    assert "prune_head" in text
    owl = {"method": "magnitude_layer", "sparsity": 0.5, "allocation": "owl", "calibration": "phrases"}
    study["experiments"]["trained"]["compressions"] = [owl]
    assert "method magnitude_layer" in error_of(study)
    del owl["calibration"]
    owl["allocation"] = [1, 2]
    assert grid.all_cells(resolve(study, "study.yaml"))
    study["experiments"]["trained"]["compressions"] = [{"method": "magnitude", "sparsity": 0.5}]
    assert grid.all_cells(resolve(study, "study.yaml"))


def test_seeds_of_calibrated_methods_are_kept_without_training(world):
    """Each seed calibrates on a different draw, so scores differ; a method that draws nothing has one cell."""
    changes = {"transfer": ["none"], "tasks": ["hues"], "seeds": [0, 1, 2]}
    cells = grid.all_cells(resolve(methods(compressions=[WANDA, RTN], **changes), "study.yaml"))
    assert sorted(cell.seed for cell in cells if cell.compression.method == "wanda") == [0, 1, 2]
    assert [cell.seed for cell in cells if cell.compression.method in ("rtn", "dense")] == [0, 0]
    assert len({cell.compressed_path for cell in cells if cell.compressed_path}) == 3
    assert len(grid.stored(cells)) == 3
    assert grid.calibrations(cells) == ["phrases"]


def test_owl_draws_samples_for_a_method_that_needs_none(world):
    layer = {"method": "magnitude_layer", "sparsity": 0.5}
    both = [{**layer, "allocation": [1, 2]}, {**layer, "allocation": "owl", "calibration": "phrases"}]
    changes = {"transfer": ["none"], "tasks": ["hues"], "seeds": [0, 1, 2]}
    cells = grid.all_cells(resolve(methods(compressions=both, **changes), "study.yaml"))
    assert sorted(cell.seed for cell in cells if ("allocation", "owl") in cell.compression.options) == [0, 1, 2]
    assert [cell.seed for cell in cells if ("allocation", "1+2") in cell.compression.options] == [0]
    assert (
        len(grid.files_before(cells, resolve(methods(compressions=both, **changes), "study.yaml"))["calibrations"]) == 3
    )
    assert all(("allocation", "owl") in cell.compression.options for cell in grid.stored(cells))
