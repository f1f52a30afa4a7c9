"""The keys `stack` and `precision` of a protocol, and what follows from them."""

from dataclasses import replace
from pathlib import Path

import pytest
import toy
import toy_run
from pydantic import ValidationError

from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study import grid
from junkdna.study.settings_from_study import cell_settings
from junkdna.study.stack_size import stack_size
from junkdna.study.study import Protocol


@pytest.mark.parametrize(
    ("parameters", "size"),
    [(22_000_000, 16), (50_000_000, 16), (110_000_000, 8), (200_000_001, 1), (7_000_000_000, 1)],
)
def test_auto_follows_from_the_number_of_parameters(parameters, size):
    assert stack_size("auto", parameters) == size


def test_a_number_is_taken_whatever_the_model():
    assert stack_size(12, 7_000_000_000) == 12


@pytest.mark.parametrize("wrong", [{"stack": 0}, {"stack": 257}, {"stack": "many"}, {"stack": True}, {"stack": 2.0},
                                   {"precision": "float16"}])  # fmt: skip
def test_other_values_are_refused(wrong):
    with pytest.raises(ValidationError):
        Protocol(**wrong)


@pytest.mark.parametrize("change", [{"stack": 4}, {"precision": "bfloat16"}])
def test_the_keys_are_in_the_settings_of_trained_cells_alone(world, change):
    before = toy_run.read()
    toy.write_yaml(Path("config.yaml"), {**toy.STUDY, "protocols": {"default": change}})
    after = toy_run.read()
    for cell in grid.all_cells(before):
        one, two = cell_settings(cell, before), cell_settings(cell, after)
        same = settings_fingerprint(one) == settings_fingerprint(two)
        assert same == (cell.transfer == "none"), cell.key
        if cell.transfer != "none":
            assert replace(one.training, **change) == two.training
