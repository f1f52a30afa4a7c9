"""Places of stacks that copies fill, worked out by hand: in estimates of `junkdna plan` from rates and from cells."""

import copy
from pathlib import Path

import pytest
import toy

from junkdna.cli.plan_times import hours
from junkdna.dag import state
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.cell_work import CellWork
from junkdna.dag.measured_rates import rough_times
from junkdna.dag.stack_places import places
from junkdna.dag.state import Finished, Snapshot
from junkdna.study.cell import Cell, Compression
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve
from junkdna.study.study import Resolved

LEVELS = [n / 100 for n in range(1, 37)]  # with the dense cell, 37 cells a seed


def resolved_study(**protocol: object) -> Resolved:
    study = copy.deepcopy(toy.STUDY)
    study["experiments"] = {"modes": study["experiments"]["modes"]}
    study["experiments"]["modes"] |= {"compressions": [{"method": "magnitude", "sparsity": LEVELS}],
                                      "transfer": ["sparse"]}  # fmt: skip
    study["protocols"] = {"default": {"precision": "bfloat16", **protocol}}
    return resolve(study, "study")


def trained(seed: int, count: int, transfer: str = "sparse", knobs: tuple = ()) -> list[Cell]:
    methods = [Compression("magnitude", f"{n / 100:g}") for n in range(1, count + 1)]
    return [Cell("tiny", "mood", knobs, each, transfer, "default", seed) for each in methods]


def test_37_cells_in_stacks_of_8_take_40_places() -> None:
    share = places(trained(0, 37), lambda cell: 8)
    assert set(share.values()) == {40 / 37}
    assert sum(share.values()) == pytest.approx(40)


def test_only_cells_that_run_fill_stacks_and_only_with_their_own_kind() -> None:
    """Seeds do not mix, nor do knobs; untrained cells and stacks of 1 are none."""
    one_left = trained(0, 1)
    half = trained(1, 5, knobs=(("data_fraction", 50),))
    share = places([*one_left, *trained(1, 8), *half, *trained(2, 3, "none")], lambda cell: 8)
    assert [share[cell] for cell in one_left] == [8]
    assert {share[cell] for cell in trained(1, 8)} == {1}
    assert {share[cell] for cell in half} == {8 / 5}
    assert len(share) == 14
    assert places(trained(0, 37), lambda cell: 1) == {}


def test_cells_of_all_modes_stack_together() -> None:
    share = places([*trained(0, 5), *trained(0, 3, "dense_freeze")], lambda cell: 8)
    assert set(share.values()) == {1}


def test_the_rough_time_counts_the_places(world: Path) -> None:
    resolved = resolved_study(stack=8)
    cells = all_cells(resolved)
    assert len(cells) == 2 * 37
    found, one_by_one = rough_times(cells, "gpu", resolved), rough_times(cells, "gpu", resolved_study(stack=1))
    training = next(rate for rate in found.seconds if rate.work == "training" and rate.engine == "stack")
    work = CellWork(resolved).of(cells[0]).trained
    assert found.seconds[training] == pytest.approx(2 * 40 * work / training.per_s)
    assert (found.places, found.filled) == pytest.approx((80, 6))
    assert (one_by_one.places, one_by_one.filled) == (0, 0)
    assert rough_times(cells, "cpu", resolved).filled == 0


def test_cells_that_are_finished_leave_fewer_to_fill_the_stacks(world: Path) -> None:
    """36 of 37 are finished: the last one takes a stack of 8 of its own."""
    resolved = resolved_study(stack=8)
    last = [cell for cell in all_cells(resolved) if cell.seed == 0][:1]
    found = rough_times(last, "gpu", resolved)
    assert (found.places, found.filled) == pytest.approx((8, 7))
    text = "\n".join(hours(resolved, Snapshot(dict.fromkeys(last, "missing"), {}, {}, {}, 0)))
    assert "7 of 8 places of stacks are filled with copies, which count" in text


@pytest.mark.parametrize(
    ("engine", "places"),
    [
        ({"engine": "stack", "size": 8, "cells": ["a", "b", "c", "d", "e"]}, 8 / 5),
        ({"engine": "stack", "size": 2, "cells": ["a", "b"]}, 1),
        ({"engine": "plain loop", "why": "stack: 1"}, 1),
        (None, 1),
    ],
)
def test_the_footer_of_a_cell_tells_how_full_its_stack_was(engine: dict | None, places: float) -> None:
    made = state.finished({"training_engine": engine, "wall_s": {"load": 1.0, "train": 4.0, "score": 2.0}}, 0.0)
    assert made.places == places
    assert made.full_s == pytest.approx(3 + 4 / places)


def test_the_time_of_finished_cells_is_that_of_full_stacks(world: Path) -> None:
    """Measured in a stack of 8 with 5 cells: of 9 s, 8 were training, so it would be 5 in a full stack. Of 3 cells that
    are left, each takes 8/3 places: 1 + 5 * 8/3 s. On the CPU, nothing stacks."""
    resolved = resolved_study(stack=8)
    cells = [cell for cell in all_cells(resolved) if cell.seed == 0]
    facts = Finished(9.0, 0.5, 0.0, "a GPU", train_s=8.0, places=8 / 5)
    times = CellTimes(resolved, dict.fromkeys(cells[:5], facts))
    assert times.expected_s(cells[5]) == pytest.approx(6)
    assert times.total(cells[5:8]).seconds == pytest.approx(3 * (1 + 5 * 8 / 3))
    alone = CellTimes(resolved, dict.fromkeys(cells[:5], Finished(9.0, 0.5, 0.0, "cpu", train_s=8.0)))
    assert alone.total(cells[5:8]).seconds == pytest.approx(27)
