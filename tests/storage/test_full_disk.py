"""A disk that is full or read-only: the file is named, no partial file is left, and a rerun succeeds once the disk is
writable.

On a real file system in memory, mounted for the test; skipped where mounting is not permitted.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
import toy
import toy_run
from mounts import mount

from junkdna.compress.masks import MatrixResult
from junkdna.data.calibration_file import CalibrationRows, write_calibration
from junkdna.data.tokens_file import write_tokens
from junkdna.errors import UserError
from junkdna.run.cell_file import cell_table, examples_array, write_cell
from junkdna.storage.atomic import atomic_write, locked
from junkdna.storage.tables import read_parquet, write_frame, write_parquet
from junkdna.study.sources import PinnedSource

NUMBERS = list(range(40_000))  # 160 kB and more, also when packed


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of 1 MB."""
    if shutil.which("mount") is None:
        pytest.skip("needs the command mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", at=folder)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, left: int) -> Path:
    """Fills the disk except for `left` bytes; returns the file that fills it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - left)
    return filler


def cell(path: Path) -> None:
    ids = [f"row-{i * i}" for i in NUMBERS]
    examples = examples_array({"id": ids, "margin": NUMBERS})
    write_cell(cell_table({"cell": "a", "score": 0.5, "examples": examples}, {"compression": {}}), path)


def compression(path: Path) -> None:
    import torch

    from junkdna.compress.artifact import write_artifact

    weight = torch.arange(40_000.0).reshape(200, 200)
    write_artifact(path, [("a.weight", MatrixResult(weight > 7, weight))], {})


def figure(path: Path) -> None:
    from matplotlib.figure import Figure

    from junkdna.report.plotting.layout import save

    fig = Figure(figsize=(20, 20))
    fig.subplots().scatter(NUMBERS[:5000], [i * 7919 % 5000 for i in NUMBERS[:5000]])
    save(fig, path.with_suffix(""))


def text(path: Path) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(str(NUMBERS))


WRITERS: dict[str, Callable[[Path], None]] = {
    "cell.parquet": cell,
    "examples.parquet": lambda path: write_parquet(pa.table({"a": NUMBERS}), path),
    "tokens.arrow": lambda path: write_tokens(pa.table({"a": NUMBERS}), path),
    "rows.parquet": lambda path: write_calibration(path, CalibrationRows([NUMBERS], ["a"]), {}),
    "stored.safetensors": compression,
    "cells.parquet": lambda path: write_frame(pl.DataFrame({"a": NUMBERS}), path),
    "headline.pdf": figure,
    "report.html": text,
}


@pytest.mark.parametrize("left", [0, 8192])
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_named_and_nothing_half_stays(disk, name, left):
    path = disk / "results" / name
    path.parent.mkdir()
    filler = fill(disk, left)
    with pytest.raises(UserError) as caught:
        WRITERS[name](path)
    said = str(caught.value)
    assert said.startswith(f"{path} cannot be written: no space left on the disk. Free some (`df -h {path.parent}`")
    assert "then rerun" in said
    assert len(said) < 500
    assert list(path.parent.iterdir()) == []
    filler.unlink()
    WRITERS[name](path)
    assert path in path.parent.iterdir()


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_spares_the_old_file(disk, name):
    path = disk / name
    path.write_bytes(b"old")
    fill(disk, 8192)
    with pytest.raises(UserError, match="no space left"):
        WRITERS[name](path)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_disk_is_named(disk, name):
    path = disk / "results" / name
    mount("-o", "remount,ro", at=disk)
    with pytest.raises(UserError) as caught:
        WRITERS[name](path)
    assert str(caught.value).startswith(f"{path} cannot be written: the disk is mounted read-only. Mount it writable")
    mount("-o", "remount,rw", at=disk)
    WRITERS[name](path)
    assert path.is_file()


def test_a_model_folder_and_a_lock_on_a_disk_that_takes_nothing(disk, toy_world_once):
    from junkdna.models.fetch import materialize_model

    source, folder = PinnedSource(local=str(toy_world_once / "model")), disk / "results/models/tiny"
    filler = fill(disk, 0)
    with pytest.raises(UserError, match=f"{folder}/model.json cannot be written: no space left"):
        materialize_model(source, folder)
    assert not (folder / "model.json").exists()
    filler.unlink()
    assert materialize_model(source, folder)["files"]
    mount("-o", "remount,ro", at=disk)
    with pytest.raises(UserError, match=r"model\.json cannot be written: the disk is mounted read-only"):
        materialize_model(source, folder)
    with pytest.raises(UserError, match="a cannot be written: the disk is mounted read-only"), locked(disk / "a"):
        pass


def test_an_error_of_a_file_that_is_read_is_not_laid_on_the_one_written(tmp_path):
    with pytest.raises(PermissionError), atomic_write(tmp_path / "new/target"):
        raise PermissionError(13, "Permission denied", str(tmp_path / "elsewhere/source"))
    with pytest.raises(UserError, match="this user may not write there"), atomic_write(tmp_path / "new/target") as path:
        raise PermissionError(13, "Permission denied", str(path))


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "junkdna", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


def test_the_command_says_so_and_a_rerun_is_right(disk, world):
    """Examples of the toy study through the command line, the results folder and its logs on the full disk."""
    resolved = toy_run.read()
    Path("results").symlink_to(disk)
    filler = fill(disk, 0)
    output = toy_run.examples_file("mood")
    settings = toy_run.study_settings.example_settings("mood", "evaluate", resolved)
    given = ["examples", str(output), "--settings", toy_run.study_settings.canonical_json(settings)]
    for log in ([], ["--log", "results/logs/examples.log"]):
        done = command(*given, *log)
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert f"{output} cannot be written: no space left on the disk." in done.stderr
        assert len(done.stderr.splitlines()) < 24
    assert not [file for file in disk.rglob("*") if file.suffix in (".parquet", ".tmp")]
    filler.unlink()
    assert command(*given).returncode == 0
    assert read_parquet(output, "file of examples").num_rows == toy.CLASSIFY_TASK["hash_split"]["evaluate"]
