"""Checkpoints that are damaged, or were made from anything else, are not resumed."""

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch
import toy_run
from checkpoint_world import SPARSE, file_of, run
from toy_run import read_footer

from junkdna.cli import jobs as cli_jobs
from junkdna.compress import artifact
from junkdna.data.tokens_file import read_tokens, write_tokens
from junkdna.run import cell as cell_module
from junkdna.run import checkpoint
from junkdna.storage.tensors import read_tensors, write_tensors
from junkdna.study.cell import parse_cell_path


def spoil(file: Path, damage: str) -> None:
    data = bytearray(file.read_bytes())
    if damage == "another file":
        write_tensors(file, "compressed weights 1", {"a": torch.ones(2)}, {"of": "it"})
        return
    if damage == "one bit":
        data[-9] ^= 4
    file.write_bytes({"empty": b"", "truncated": data[: len(data) // 2], "garbage": b"\x00" * 99}.get(damage, data))


@pytest.mark.parametrize("damage", ["empty", "truncated", "garbage", "one bit", "another file"])
def test_a_damaged_checkpoint_is_named_deleted_and_not_used(world, damage, caplog):
    world.killed_at(SPARSE, 5)
    spoil(file_of(SPARSE), damage)
    world.finishes(SPARSE, world.items[SPARSE], resumed=0)
    [line] = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and "checkpoint" in r.getMessage()]
    assert line.startswith(f"the checkpoint {file_of(SPARSE)} cannot be used")
    assert line.endswith("deleted; the cell starts from the beginning.")


def other_row(file: Path) -> None:
    table = read_tokens(file)
    rows = table.to_pylist()
    rows[3]["query"][1] += 1
    write_tokens(pa.Table.from_pylist(rows, schema=table.schema), file)


def other_model(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "revision": "another"}))


FILES = {
    "rows": (parse_cell_path(SPARSE).tokens_path("train"), other_row),
    "model": (f"{parse_cell_path(SPARSE).model_folder}/model.json", other_model),
}


@pytest.mark.parametrize("change", ["learning_rate", "code", "threads", "processor", "checkpoint's code", *FILES])
def test_a_checkpoint_made_from_anything_else_is_deleted(world, change, caplog, monkeypatch):
    settings, threads, path = world.settings[SPARSE], 1, Path(parse_cell_path(SPARSE).path)
    world.killed_at(SPARSE, 5)
    if change in FILES:
        file, edit = Path(FILES[change][0]), FILES[change][1]
        shutil.copy(file, "before")
        edit(file)
    elif change == "learning_rate":
        settings = replace(settings, training=replace(settings.training, learning_rate=2e-3))
    elif change == "code":
        settings = replace(settings, code="0" * 16)
    elif change == "threads":
        threads = 2
    elif change == "processor":
        monkeypatch.setattr(cell_module, "processor", lambda: "cpu of another make")
    else:
        monkeypatch.setattr(checkpoint, "code_fingerprint", lambda module: f"edited {module}")
    seen: list = []
    cli_jobs.cell(path, settings, gpus=0, threads=threads, bar=lambda items: seen.extend(items) or items)
    assert (len(seen), read_footer(path)["resumed"]) == (world.items[SPARSE], 0)
    assert f"the checkpoint {file_of(SPARSE)} comes from other settings" in caplog.text
    path.unlink()
    if change in FILES:
        shutil.move("before", file)


def test_a_checkpoint_of_another_stored_compression_is_deleted(world, caplog):
    """Its settings may be the same, its numbers another device's."""
    key = "tiny/mood/plain/sparsegpt-0.5,calibration=phrases/sparse/default/seed-0"
    resolved = toy_run.read("methods.yaml")
    cell = parse_cell_path(key)
    toy_run.prepare(resolved, [cell])
    world.settings[key] = toy_run.settings_of(cell, resolved)
    world.killed_at(key, 5)
    file = Path(cell.compressed_path)
    tensors, facts = read_tensors(file, artifact.KIND)
    name = next(name for name in tensors if name.startswith(artifact.WEIGHT))
    tensors[name] = tensors[name].clone()
    tensors[name][0, 0] += 1e-6
    write_tensors(file, artifact.KIND, tensors, facts)
    run(world.settings[key])
    assert f"the checkpoint {file_of(key)} comes from other settings" in caplog.text
