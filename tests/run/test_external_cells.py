"""Cells of external compressions: trained under their masks, and refused in the job that reads them."""

import copy
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import toy
import toy_run
from safetensors.torch import load_file, save_file

from junkdna.errors import UserError
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve

MODES = ["dense", "sparse", "sparse_to_dense", "dense_freeze"]


def resolved(*compressions: dict, **changes: object):
    study = copy.deepcopy(toy.METHODS)
    exp = {"title": "", "models": ["tiny"], "tasks": ["mood"], "compressions": [*compressions], "transfer": MODES}
    return resolve({**study, "experiments": {"x": {**exp, **changes}}}, "study")


def test_a_checkpoint_and_its_masks_train_to_the_same_scores(world):
    """The kept weights of the toy checkpoint are those of the dense model, so both are one compression."""
    made = resolved({"method": "external", "path": ["external/pruned", "external/masks/half.safetensors"]})
    rows = [pq.read_table(cell.path).to_pylist()[0] for cell in toy_run.run_all(made)]
    by_mode = {mode: [row for row in rows if row["transfer"] == mode] for mode in MODES}
    assert [len(by_mode[mode]) for mode in MODES] == [1, 2, 2, 2]
    for mode in MODES[1:]:
        first, second = by_mode[mode]
        assert first["examples"] == second["examples"]
        assert first["last_loss"] == second["last_loss"]
        assert first["achieved_sparsity"] == pytest.approx(0.5, abs=2e-3)


def changed(name: str, factor: float) -> None:
    weights = load_file("external/pruned/model.safetensors")
    save_file({**weights, name: weights[name] * factor}, "external/pruned/model.safetensors", metadata={"format": "pt"})


def test_a_changed_norm_stops_the_job_and_leaves_no_file(world):
    changed("encoder.layer.0.output.LayerNorm.weight", 1.5)
    made = resolved({"method": "external", "path": "external/pruned"}, tasks=["hues"], transfer=["none"])
    cells = [cell for cell in all_cells(made) if cell.compression.level]
    with pytest.raises(UserError, match=r"such as encoder\.layer\.0\.output\.LayerNorm\.weight \(32 of its 32 values"):
        toy_run.prepare(made, cells)
    assert not Path(cells[0].compressed_path).exists()


def test_files_that_change_after_planning_are_noticed(world):
    made = resolved({"method": "external", "path": "external/pruned"}, tasks=["hues"], transfer=["none"])
    [cell] = [cell for cell in all_cells(made) if cell.compression.level]
    from junkdna.cli import jobs
    from junkdna.study import settings_from_study

    jobs.model(toy_run.manifest("tiny"), settings_from_study.model_settings("tiny", made))
    settings = settings_from_study.compressed_settings("tiny", cell.compression, 0, made)
    config = Path("external/pruned/config.json")
    config.write_text(json.dumps(json.loads(config.read_text()) | {"use_cache": False}))
    with pytest.raises(UserError, match="external/pruned' changed after this command was planned"):
        jobs.compress(Path(cell.compressed_path), settings, toy_run.manifest("tiny"), None, gpus=0, threads=1)
    assert not Path(cell.compressed_path).exists()
