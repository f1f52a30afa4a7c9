"""Cells that share rows and a model in one job have the numbers of cells that read and load alone."""

import shutil
from pathlib import Path

import pytest
import torch
import toy_run

from junkdna.run import shared_inputs
from junkdna.run.cell import Prepared, run_cell
from junkdna.run.shared_inputs import SharedInputs
from junkdna.study import grid


@pytest.fixture(scope="module", params=["config.yaml", "settings.yaml"])
def settings(request, toy_world_once: Path, tmp_path_factory: pytest.TempPathFactory):
    """Settings of the untrained cells of a toy study, those of a model, task, knobs and protocol together."""
    folder = tmp_path_factory.mktemp("shared") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = toy_run.read(request.param)
        cells = [cell for cell in grid.all_cells(resolved) if cell.transfer == "none"]
        toy_run.prepare(resolved, cells)
        yield [toy_run.settings_of(cell, resolved) for cell in sorted(cells, key=lambda cell: cell.key)]


def numbers(table) -> list[dict]:
    return table.replace_schema_metadata().to_pylist()


def test_they_have_the_same_bits_with_fewer_loads(settings, monkeypatch):
    alone = [numbers(run_cell(each, "cpu")) for each in settings]
    loads, load = [], Prepared.load
    monkeypatch.setattr(Prepared, "load", lambda self, device: loads.append(self.key.model) or load(self, device))
    shared = SharedInputs()
    assert [numbers(run_cell(each, "cpu", shared=shared)) for each in settings] == alone
    assert len(loads) == len({each.cell.split("/")[0] for each in settings}) < len(settings)


def test_rows_are_read_once_for_cells_of_the_same_files(settings):
    shared = SharedInputs()
    one, two = (shared.prepared(each) for each in settings[:2])
    other = shared.prepared(settings[-1])
    assert one.key.tokens_path("evaluate") == two.key.tokens_path("evaluate") != other.key.tokens_path("evaluate")
    assert one.inputs is two.inputs
    assert other.inputs is not one.inputs


def test_a_model_whose_second_copy_does_not_fit_is_loaded_again(settings, monkeypatch):
    monkeypatch.setattr(shared_inputs, "_fits_twice", lambda model: False)
    shared = SharedInputs()
    one, two = (shared.load(shared.prepared(each), "cpu")[0] for each in settings[:2])
    assert one is not two


def test_weights_that_were_changed_and_cast_are_restored(settings):
    shared = SharedInputs()
    model, _ = shared.load(shared.prepared(settings[0]), "cpu")
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    for weight in model.parameters():
        weight.data = weight.data.to(torch.bfloat16) * 3
    again, _ = shared.load(shared.prepared(settings[1]), "cpu")
    assert again is model
    assert all(torch.equal(weight, before[name]) for name, weight in again.named_parameters())
