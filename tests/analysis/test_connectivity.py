"""Barriers of planted curves, and the table of lines from planted files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import toy_connections

from junkdna.analysis import connectivity as table_module
from junkdna.analysis.connectivity import barrier, connectivity, excess, highest
from junkdna.analysis.published_lines import published_values
from junkdna.errors import UserError
from junkdna.run.connection_file import connection_table, write_connection
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.connections import Connection, all_connections, connect_settings
from junkdna.study.study import Resolved

ALPHA = np.linspace(0, 1, 5)
N = 300


def test_the_excess_is_over_the_line_between_the_ends():
    curve = np.array([1.0, 2.0, 5.0, 4.0, 3.0])
    assert excess(curve[:, None], ALPHA)[:, 0].tolist() == [0.0, 0.5, 3.0, 1.5, 0.0]
    assert highest(curve, ALPHA) == 2
    assert barrier(curve, ALPHA) == 3.0
    assert barrier(-curve, ALPHA, sign=-1) == 3.0


def test_a_curve_below_its_line_has_no_barrier():
    assert barrier(np.array([1.0, 0.2, 0.1, 0.4, 1.0]), ALPHA) == 0.0
    assert barrier(np.linspace(0.3, 0.9, 5), ALPHA) == pytest.approx(0.0, abs=1e-12)
    assert barrier(np.array([0.9, 0.95, 1.0, 0.99, 0.9]), ALPHA, sign=-1) == 0.0


def test_a_mean_of_the_ends_is_another_measure():
    """With unequal ends, Frankle et al. (2020) subtract their mean; a straight line then has a barrier."""
    straight = np.linspace(0.0, 1.0, 5)
    assert straight.max() - (straight[0] + straight[-1]) / 2 == 0.5
    assert barrier(straight, ALPHA) == 0.0


@pytest.mark.parametrize("at", range(5))
def test_a_curve_with_an_undefined_point_has_no_barrier(at):
    """The highest point may be the undefined one."""
    curve = np.array([1.0, 1.5, 2.0, 1.5, 1.0])
    curve[at] = np.nan
    assert barrier(curve, ALPHA) is None


def plant(line: Connection, resolved: Resolved, loss_pn: np.ndarray, right_pn: np.ndarray) -> None:
    """The file of a line with these losses and right answers."""
    footer = {"settings_fingerprint": settings_fingerprint(connect_settings(line, resolved))}
    shared = {"id": [f"e{at}" for at in range(N)], "cluster": [None] * N, "gold": [1.0] * N}
    examples = [
        shared | {"prediction": right.astype(float).tolist(), "correct": right.tolist(), "loss": loss.tolist()}
        for loss, right in zip(loss_pn, right_pn, strict=True)
    ]
    points = {"alpha": ALPHA.tolist(), "score": right_pn.mean(1), "loss": loss_pn.mean(1), "collapsed": [False] * 5}
    write_connection(connection_table(points, examples, footer), Path(line.path))


@pytest.fixture
def resolved(world: Path) -> Resolved:
    return toy_connections.read(seeds=[0, 1, 2])


@pytest.fixture
def planted(resolved: Resolved) -> dict[Connection, tuple[np.ndarray, np.ndarray]]:
    """Lines of three seeds with a barrier near 0.5, and a control with one near 2."""
    rng = np.random.default_rng(0)
    made = {}
    for line in all_connections(resolved):
        height = 2.0 if line.is_control else 0.5 + 0.02 * line.start.seed
        curve = 1 + 0.4 * ALPHA + height * 4 * ALPHA * (1 - ALPHA)
        loss = curve[:, None] + rng.normal(0, 0.3, N)  # the same examples are hard at every point
        right = rng.random(N) < (0.9 - 0.1 * height * 4 * ALPHA * (1 - ALPHA))[:, None]
        made[line] = (loss, right)
        plant(line, resolved, *made[line])
    return made


def of(table: pl.DataFrame, transfer: str) -> pl.DataFrame:
    return table.filter(transfer=transfer).sort("alpha")


def test_curves_are_means_over_the_seeds(resolved: Resolved, planted: dict) -> None:
    table = connectivity(resolved)
    assert table.columns == list(table_module.SCHEMA)
    sparse = of(table, "sparse")
    lines = [each for line, each in planted.items() if not line.is_control]
    assert sparse["alpha"].to_list() == ALPHA.tolist()
    assert sparse["loss"].to_numpy() == pytest.approx(np.mean([loss.mean(1) for loss, _ in lines], axis=0))
    assert sparse["score"].to_numpy() == pytest.approx(np.mean([right.mean(1) for _, right in lines], axis=0))
    assert sparse["loss_seeds"].to_list()[2] == pytest.approx([loss[2].mean() for loss, _ in lines])
    assert set(sparse["n_seeds"]) == {3}
    assert set(sparse["seeds"]) == {"0-0 1-1 2-2"}
    control = of(table, "dense")
    assert (set(control["seeds"]), set(control["n_seeds"])) == ({"0-1"}, {1})


def test_barriers_of_planted_lines_with_their_intervals(resolved: Resolved, planted: dict) -> None:
    table = connectivity(resolved)
    sparse, control = (of(table, mode).row(0, named=True) for mode in ("sparse", "dense"))
    assert sparse["loss_barrier"] == pytest.approx(0.52, abs=1e-6)
    assert (sparse["loss_barrier_at"], control["loss_barrier_at"]) == (0.5, 0.5)
    assert sparse["loss_barrier_seeds"] == pytest.approx([0.5, 0.52, 0.54], abs=1e-6)
    assert control["loss_barrier"] == pytest.approx(2.0, abs=1e-6)
    # examples add nothing, as all have the same excess: what is left is Student's interval over three seeds
    half = 4.302653 * 0.02 / np.sqrt(3)
    assert sparse["loss_barrier_low"] == pytest.approx(0.52 - half, abs=1e-4)
    assert sparse["loss_barrier_high"] == pytest.approx(0.52 + half, abs=1e-4)
    assert control["loss_barrier_high"] - control["loss_barrier_low"] < 1e-4, "one line: examples only"
    assert 0 < control["score_barrier_low"] < control["score_barrier"] < control["score_barrier_high"]


def test_intervals_of_one_line_are_those_of_resampled_examples(resolved: Resolved, planted: dict) -> None:
    control = of(connectivity(resolved), "dense")
    [(loss, _)] = [each for line, each in planted.items() if line.is_control]
    rng = np.random.default_rng(1)
    means = loss[2][rng.integers(0, N, (2000, N))].mean(1)
    low, high = control["loss_low"][2], control["loss_high"][2]
    assert (low, high) == pytest.approx(tuple(np.quantile(means, (0.025, 0.975))), abs=0.01)


def test_missing_and_stale_files_are_errors_but_for_partial_results(resolved: Resolved, planted: dict) -> None:
    first = next(iter(planted))
    Path(first.path).unlink()
    with pytest.raises(UserError, match="does not exist"):
        connectivity(resolved)
    assert set(of(connectivity(resolved, partial=True), "sparse")["seeds"]) == {"1-1 2-2"}
    other = replace(first, points=9)
    Path(first.path).parent.mkdir(parents=True, exist_ok=True)
    plant(other, resolved, *planted[first])
    Path(other.path).rename(first.path)
    with pytest.raises(UserError, match="was made with other settings or code"):
        connectivity(resolved)


def test_a_study_without_the_key_has_an_empty_table(world: Path) -> None:
    table = connectivity(toy_connections.read(connectivity=None))
    assert table.is_empty()
    assert table.columns == list(table_module.SCHEMA)


ROW = {"hub": "FacebookAI/roberta-large", "task": "rte", "knobs": "", "metric": "accuracy", "method": "magnitude",
       "compression": "magnitude-0.5", "transfer": "sparse"}  # fmt: skip


def test_published_values_of_the_same_line():
    found = published_values(ROW, [0.0, 0.05, 0.5, 1.0])
    assert found == {
        "published_score": [0.83755, None, 0.47653, 0.52708],
        "published_loss": [0.41808, None, 0.72262, 0.69171],
    }


@pytest.mark.parametrize("other", [{"hub": "FacebookAI/roberta-base"}, {"knobs": "data_fraction=50"}, {"task": "sst2"},
                                   {"compression": "magnitude-0.6"}, {"transfer": "dense"}, {"metric": "f1"},
                                   {"method": "random", "compression": "random-0.5"}])  # fmt: skip
def test_other_lines_have_no_published_values(other: dict):
    assert published_values(ROW | other, [0.0, 1.0]) == {"published_score": [None] * 2, "published_loss": [None] * 2}
