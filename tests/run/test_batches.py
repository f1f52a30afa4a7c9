"""Batched cells: the same cells, computed by fewer processes."""

import json
import logging
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import toy
import toy_run
from toy_run import read_footer

from junkdna.analysis.collect import state
from junkdna.cli import jobs
from junkdna.run import batched_files, batches, plain_jobs, waiting_cells
from junkdna.study import grid, paths
from junkdna.study.cell_settings import CellSettings
from junkdna.study.settings_from_study import settings_text
from junkdna.study.study import Resolved

MOVING = {"wall_s"}


def grouped(study: dict, cells_per_job: int = 4) -> Resolved:
    toy.write_yaml(Path("config.yaml"), {**study, "cells_per_job": cells_per_job})
    resolved = toy_run.read()
    toy_run.prepare(resolved)
    return resolved


def run(cell: grid.Cell, resolved: Resolved, batch: int) -> None:
    jobs.cell(Path(cell.path), toy_run.settings_of(cell, resolved), gpus=0, threads=1, bar=iter, batch=batch)


def made() -> set[str]:
    return {read_footer(file)["settings"]["cell"] for file in paths.BATCHES.glob("*.parquet")}


def same_inputs(cells: list, own: grid.Cell) -> list:
    """Cells of `cells` that read what `own` reads, or less."""
    key = (own.model, own.task, own.token_knobs, own.protocol)
    return [
        cell
        for cell in cells
        if (cell.model, cell.task, cell.token_knobs, cell.protocol) == key and {*cell.roles} <= {*own.roles}
    ]


@pytest.fixture
def resolved(study: dict) -> Resolved:
    """With a second model, a language model, on one task."""
    study["models"]["llm"] = toy.SETTINGS["models"]["llm"]
    study["tasks"]["hues"] = {"file": "tasks/hues.yaml"}
    study["experiments"]["more"] = {"title": "", "models": ["llm"], "tasks": ["hues"], "compressions": toy.HALF}
    found = grouped(study)
    batches.write_queue(found)
    return found


@pytest.fixture
def own(resolved: Resolved) -> grid.Cell:
    """A cell that trains and that others share all files with."""
    cells = grid.all_cells(resolved)
    return max((cell for cell in cells if cell.transfer != "none"), key=lambda cell: len(same_inputs(cells, cell)))


def queue_only(resolved: Resolved, cells: list[grid.Cell]) -> None:
    """The queue of a run that computes these cells."""
    batches.write_queue(resolved, outputs={cell.path for cell in cells})


def scored(resolved: Resolved, model: str) -> list[grid.Cell]:
    """Cells of a model that only score, one for each set of files that they read."""
    cells = [cell for cell in grid.all_cells(resolved) if cell.model == model and cell.transfer == "none"]
    return [*{batches.queue_of(cell): cell for cell in cells}.values()]


def test_a_job_runs_other_cells_with_the_same_files_up_to_the_limit(resolved, own):
    run(own, resolved, batch=2)
    assert Path(own.path).is_file()
    assert len(made()) == 2
    assert made() < {cell.key for cell in same_inputs(grid.all_cells(resolved), own)} - {own.key}


def test_it_goes_on_with_cells_of_its_model_and_then_with_others(resolved, own):
    near, far = sorted(scored(resolved, own.model), key=batches.queue_of), scored(resolved, "llm")
    assert (len(near), len(far)) == (2, 1)
    last = same_inputs(grid.all_cells(resolved), own)[-1]
    queue_only(resolved, [*far, *near, last, own])
    done = [own.key]
    for cell in (last, *near, *far):
        done.append(cell.key)
        run(own, resolved, batch=1)
        assert made() == {*done} - {own.key}
        Path(own.path).unlink()


def test_files_of_this_run_are_not_read_again(resolved, own, monkeypatch):
    other = next(cell for cell in same_inputs(grid.all_cells(resolved), own) if cell != own)
    queue_only(resolved, [own, other])
    run(other, resolved, batch=0)
    monkeypatch.setattr(waiting_cells, "is_done", pytest.fail)
    run(own, resolved, batch=100)
    assert not made()


def test_it_computes_no_cell_that_the_run_was_not_asked_for(resolved, own):
    cells = same_inputs(grid.all_cells(resolved), own)
    queue_only(resolved, cells[:2] if own in cells[:2] else [own, cells[0]])
    run(own, resolved, batch=100)
    assert len(made()) == 1


def test_a_cell_whose_tokens_are_missing_or_of_another_study_is_left_to_its_job(resolved, own):
    first, second, *_ = others = scored(resolved, own.model)
    queue_only(resolved, [own, *others])
    Path(first.tokens_path("evaluate")).unlink()
    shutil.copy(own.tokens_path("train"), second.tokens_path("evaluate"))
    run(own, resolved, batch=100)
    assert not {first.key, second.key} & made()
    assert len(made()) == len(others) - 2


def test_while_another_process_computes_its_cell_a_job_computes_others(resolved, own):
    other = next(cell for cell in same_inputs(grid.all_cells(resolved), own) if cell != own)
    queue_only(resolved, [own, other])
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(toy_run.settings_of(own, resolved), ready, go))
    process.start()
    assert ready.wait(30)
    whole = plain_jobs.PlainJob._write

    def let_go(job: plain_jobs.PlainJob, file: Path, settings: CellSettings, *rest: object) -> None:
        whole(job, file, settings, *rest)
        go.set()  # the other process ends without the cell: this job computes it

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_jobs.PlainJob, "_write", let_go)
        run(own, resolved, batch=1)
    process.join()
    assert made() == {other.key}
    assert state(own, resolved) == "done"
    starts = {key: "start" in read_footer(file)["wall_s"] for key, file in files_of(own, other, resolved).items()}
    assert starts == {other.key: True, own.key: False}, "the start of the process is booked once"


def files_of(own: grid.Cell, other: grid.Cell, resolved: Resolved) -> dict[str, Path]:
    return {own.key: Path(own.path), other.key: batches.batched_file(toy_run.settings_of(other, resolved))}


def test_cells_that_train_as_stacks_do_not_count(resolved, own, monkeypatch):
    """They are left to their own jobs, so the job goes on with cells that it may compute."""
    alike = {cell.key: cell for cell in same_inputs(grid.all_cells(resolved), own) if cell != own}
    last = [*alike][-1]  # in the order in which they are taken
    monkeypatch.setattr(plain_jobs.stack_jobs, "size_on", lambda each, device: (1 if each.cell == last else 8, ""))
    plain_jobs.PlainJob(toy_run.settings_of(own, resolved), "cpu", lambda: 0.0, 1).run_batch("here")
    assert made() == {last}


def test_none_is_begun_when_the_time_for_it_is_over(resolved, own, monkeypatch):
    monkeypatch.setattr(batches, "LIMIT_S", 0.0)
    run(own, resolved, batch=100)
    assert Path(own.path).is_file()
    assert not made()


def test_a_log_that_cannot_be_created_goes_to_stderr(resolved, own, capsys):
    settings = toy_run.settings_of(own, resolved)
    batches.batched_file(settings).with_suffix(".log").mkdir(parents=True)
    with batches.separate_log(settings):
        logging.getLogger("junkdna").warning("something to know")
    said = capsys.readouterr().err
    assert "logging to stderr instead" in said
    assert "something to know" in said


def test_they_are_the_cells_that_their_own_jobs_would_make(resolved, own):
    cells = same_inputs(grid.all_cells(resolved), own)
    cells += [cell for model in ("tiny", "llm") for cell in scored(resolved, model)]
    queue_only(resolved, cells)
    run(own, resolved, batch=100)
    assert made() == {cell.key for cell in cells} - {own.key}
    early = {}
    for cell in cells:
        run(cell, resolved, batch=0)  # its own job finds it made
        assert state(cell, resolved) == "done"
        early[cell] = (pl.read_parquet(cell.path), read_footer(Path(cell.path)))
        Path(cell.path).unlink()
    assert not made()
    for cell, (table, footer) in early.items():
        run(cell, resolved, batch=0)
        assert table.drop("compression_report", strict=False).equals(
            pl.read_parquet(cell.path).drop("compression_report", strict=False)
        )
        again = read_footer(Path(cell.path))
        assert {k: v for k, v in footer.items() if k not in MOVING} == {
            k: v for k, v in again.items() if k not in MOVING
        }


def test_the_job_of_a_batched_cell_moves_it_and_repeats_its_log(resolved, own, caplog):
    with caplog.at_level(logging.INFO):
        run(own, resolved, batch=1)
    (file,) = paths.BATCHES.glob("*.parquet")
    said, content = file.with_suffix(".log").read_text(), file.read_bytes()
    key = read_footer(file)["settings"]["cell"]
    assert key in said
    caplog.clear()
    cell = next(cell for cell in grid.all_cells(resolved) if cell.key == key)
    with caplog.at_level(logging.INFO):
        run(cell, resolved, batch=0)
    assert Path(cell.path).read_bytes() == content
    assert said.strip() in caplog.text
    assert not file.exists()
    assert not file.with_suffix(".log").exists()


MOVES = """
import os, sys
def leave(code):
    loaded = {"pydantic", "polars", "torch"} & sys.modules.keys()
    sys.stdout.flush()
    left(9 if loaded else code)
left, os._exit = os._exit, leave
from junkdna.cli.main import main
main(["cell", sys.argv[1], "--log", "moved.log", "--settings", sys.argv[2]])
"""


def test_a_job_that_only_moves_a_cell_imports_little(resolved, own):
    run(own, resolved, batch=1)
    (file,) = paths.BATCHES.glob("*.parquet")
    content, key = file.read_bytes(), read_footer(file)["settings"]["cell"]
    cell = next(cell for cell in grid.all_cells(resolved) if cell.key == key)
    settings = settings_text(cell, resolved)
    assert not batched_files.take_over_as_written(settings, Path(own.path)), "it is the file of another cell"
    assert not batched_files.take_over_as_written(f" {settings}", Path(cell.path)), "it has another fingerprint"
    subprocess.run([sys.executable, "-c", MOVES, cell.path, settings], check=True)
    assert Path(cell.path).read_bytes() == content
    assert "computed by the job of another cell" in Path("moved.log").read_text()
    assert not file.exists()


def test_finished_cells_are_kept_and_stale_ones_are_computed(resolved, own):
    cells = same_inputs(grid.all_cells(resolved), own)
    finished, stale = [cell for cell in cells if cell != own][:2]
    for cell in (finished, stale):
        run(cell, resolved, batch=0)
    table = read_footer(Path(stale.path))["settings"]
    assert table["cell"] == stale.key
    shutil.copy(finished.path, stale.path)  # a file of other settings stands in its place
    for cell in (finished, stale):
        os.utime(cell.path, (0, 0))  # they are older than the queue
    run(own, resolved, batch=100)
    assert finished.key not in made()
    assert stale.key in made()


def test_the_queue_of_another_study_is_ignored(study):
    before = grouped(study)
    batches.write_queue(before)
    changed = {**study, "tasks": {**study["tasks"]}}
    name = next(cell.task for cell in grid.all_cells(before) if cell.transfer != "none")
    entry = {**(changed["tasks"][name] or {})}
    changed["tasks"][name] = {**entry, "protocol": {**entry.get("protocol", {}), "learning_rate": 3.3e-3}}
    after = grouped(changed)
    cell = next(cell for cell in grid.all_cells(after) if cell.task == name and cell.transfer != "none")
    run(cell, after, batch=100)
    assert not made()
    assert state(cell, after) == "done"


def test_a_cell_that_fails_is_left_to_its_own_job(resolved, own, monkeypatch, caplog):
    import junkdna.run.cell

    whole, own_settings = junkdna.run.cell.run_cell, toy_run.settings_of(own, resolved)

    def fails_for_others(settings, *rest):
        if settings != own_settings:
            raise RuntimeError("out of luck")
        return whole(settings, *rest)

    monkeypatch.setattr(junkdna.run.cell, "run_cell", fails_for_others)
    with caplog.at_level(logging.INFO):
        run(own, resolved, batch=100)
    assert state(own, resolved) == "done"
    assert not made()
    assert caplog.text.count("out of luck") == 1
    failed = re.search(r"(\S+) failed in this batch", caplog.text)[1]
    again = next(cell for cell in same_inputs(grid.all_cells(resolved), own) if cell.key not in (own.key, failed))
    own_settings = toy_run.settings_of(again, resolved)
    with caplog.at_level(logging.INFO):
        run(again, resolved, batch=1)
    assert caplog.text.count("out of luck") == 2
    assert caplog.text.count(f"{failed} failed") == 1, "no other job tries it again"


def test_a_killed_job_leaves_its_cell_to_the_next_run(resolved, own, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plain_jobs.PlainJob, "run_batch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(own, resolved, batch=3)
    assert made() == {own.key}
    assert not Path(own.path).exists()
    monkeypatch.setattr("junkdna.run.cell.run_cell", None)  # nothing is computed again
    run(own, resolved, batch=3)
    assert state(own, resolved) == "done"


def _hold(settings: CellSettings, ready, go) -> None:
    with batches.claimed(settings, wait=True) as ours:
        assert ours
        ready.set()
        go.wait(30)


def test_a_cell_is_claimed_by_one_process_at_a_time(resolved, own):
    settings = toy_run.settings_of(own, resolved)
    context = multiprocessing.get_context("fork")
    ready, go = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(settings, ready, go))
    other.start()
    try:
        assert ready.wait(30)
        with batches.claimed(settings, wait=False) as ours:
            assert not ours
        go.set()
        with batches.claimed(settings, wait=True) as ours:
            assert ours
    finally:
        go.set()
        other.join()


def test_without_cells_per_job_there_is_no_queue_and_none_is_left(study):
    resolved = grouped(study, cells_per_job=1)
    batches.write_queue(grouped(study))
    assert [
        json.loads(line)["cell"] for file in batches.QUEUE.rglob("*.jsonl") for line in file.read_text().splitlines()
    ]
    batches.write_queue(resolved)
    assert not paths.BATCHES.exists()
