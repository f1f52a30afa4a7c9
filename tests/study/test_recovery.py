"""Recovery lengths: which cells they add, how long these train, and the names that are refused."""

import pytest
from toy_study import changed, error_of, toy_resolved

from junkdna.study import grid, settings_from_study
from junkdna.study.recovery import base_protocol, recovery_protocol


@pytest.mark.parametrize(("name", "found"), [
    ("default", ("default", 1)), ("default-x3", ("default", 3)), ("default-x10", ("default", 10)),
    ("a-x2-x4", ("a-x2", 4)), ("default-x1", ("default-x1", 1)), ("x3", ("x3", 1)), ("b-x03", ("b-x03", 1)),
])  # fmt: skip
def test_names_of_lengths(name: str, found: tuple[str, int]) -> None:
    assert base_protocol(name) == found
    assert recovery_protocol(*found) == name


def test_longer_training_adds_cells_and_changes_no_others(study: dict) -> None:
    before = grid.expand(toy_resolved(study))
    resolved = toy_resolved(changed(study, "experiments|modes|recovery", [3]))  # 1 is included
    cells = grid.expand(resolved)
    assert cells["context"] == before["context"]
    usual = [cell for cell in cells["modes"] if cell.protocol == "default"]
    longer = [cell for cell in cells["modes"] if cell.protocol == "default-x3"]
    assert usual == before["modes"]
    assert len(longer) == len(usual) == 8  # each with its own dense reference
    assert {grid.reference(cell).protocol for cell in longer} == {"default-x3"}
    steps = {
        cell.protocol: settings_from_study.cell_settings(cell, resolved).training.epochs
        for cell in cells["modes"] if cell.transfer == "sparse"
    }  # fmt: skip
    assert steps["default-x3"] == 3 * steps["default"]


def test_cells_without_training_have_one_length(study: dict) -> None:
    resolved = toy_resolved(changed(study, "experiments|modes|recovery", [2]))
    resolved.study.experiments["modes"].transfer.append("none")  # no model of the toy study takes both
    cells = grid.expand(resolved)["modes"]
    assert {cell.protocol for cell in cells if cell.transfer == "none"} == {"default"}
    assert {cell.protocol for cell in cells if cell.transfer == "sparse"} == {"default", "default-x2"}


def test_what_is_refused(world, study: dict) -> None:
    text = error_of(changed(study, "experiments|context|recovery", [1, 3]))
    assert "recovery multiplies training steps, but transfer is only none" in text
    assert "protocols.long-x3: a name that ends in -x and a number" in error_of(changed(study, "protocols|long-x3", {}))
    for value in ([0], [], [1.5], ["many"]):
        assert "recovery" in error_of(changed(study, "experiments|modes|recovery", value))
