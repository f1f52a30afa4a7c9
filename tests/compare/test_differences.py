"""Differences of drops against direct computations with numpy and scipy."""

import copy
from math import sqrt

import numpy as np
import pytest
import study_folders
from scipy import stats
from study_folders import STUDY, chance_of, write_study

from junkdna.cli.compare import Options
from junkdna.compare.differences import mover
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve

B_LOSES = 0.12  # what B loses more at every level


def row(found, tag):
    return next(each for each in found.differences.iter_rows(named=True) if each["compression_a"] == tag)


def worse(cell):
    return chance_of(cell) - (B_LOSES if cell.compression.level else 0)


def right(data, share, tag, seed=0, gold=1, luck="luck"):
    """What `study_folders` wrote for a cell: 1 for each right answer."""
    cell = next(c for c in all_cells(resolve(data, "test")) if c.compression.tag == tag and c.seed == seed)
    given = study_folders.answers(cell, share(cell), [f"q{at}" for at in range(study_folders.N)], gold, luck)
    return (given == gold).astype(float)


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("second"), {**STUDY, "study": "two"}, worse)


def test_a_study_against_itself_differs_by_exactly_zero(first, compare):
    found = compare(first, first)
    assert found.compressed.height == 3
    assert not found.tables["not_compared"].height
    assert not found.tables["settings"].height
    assert found.tables["verdicts"]["same"].all()
    for name in ("drop", "share_lost", "score"):
        for end in ("", "_low", "_high"):
            assert found.compressed[f"{name}_difference{end}"].to_list() == [0.0] * 3
    assert found.compressed["broken"].to_list() == found.compressed["fixed"].to_list() == [0.0] * 3
    assert found.compressed["mcnemar_p"].to_list() == [1.0] * 3


def test_the_drops_are_those_of_the_tables(first, compare):
    found = compare(first, first)
    for each in found.compressed.iter_rows(named=True):
        table = found.a.inputs.drops.filter(compression=each["compression_a"]).row(0, named=True)
        for end in ("", "_low", "_high"):
            assert each[f"drop_a{end}"] == pytest.approx(table[f"drop{end}"], abs=1e-12)
        assert each["share_lost_b_low"] == pytest.approx(1 - table["retention_high"], abs=1e-12)


def test_a_planted_difference_is_that_of_the_paired_answers(first, second, compare):
    each = row(compare(first, second), "magnitude-0.6")
    halves = [
        (share, right(STUDY, share, "magnitude-0.6"), right(STUDY, share, "dense")) for share in (chance_of, worse)
    ]
    net = (halves[1][2] - halves[1][1]) - (halves[0][2] - halves[0][1])
    assert each["drop_difference"] == pytest.approx(net.mean(), abs=1e-7)
    paired = stats.bootstrap((net,), np.mean, n_resamples=4000, method="percentile", random_state=0).confidence_interval
    assert each["drop_difference_low"] == pytest.approx(paired.low, abs=0.012)
    assert each["drop_difference_high"] == pytest.approx(paired.high, abs=0.012)
    assert each["drop_difference_low"] > 0
    assert each["interval"] == "paired"
    a, b = halves[0][1], halves[1][1]
    assert each["broken"] == pytest.approx(((a == 1) & (b == 0)).mean())
    assert each["fixed"] == pytest.approx(((a == 0) & (b == 1)).mean())
    lost, gained = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    assert each["mcnemar_p"] == pytest.approx(stats.binomtest(lost, lost + gained).pvalue)


def test_pairing_narrows_the_interval(first, second, compare):
    each = row(compare(first, second), "magnitude-0.6")
    of_each = [each[f"drop_{part}_high"] - each[f"drop_{part}_low"] for part in "ab"]
    assert each["drop_difference_high"] - each["drop_difference_low"] < 0.9 * sqrt(sum(w**2 for w in of_each))


def test_the_same_seeds_are_left_out_of_both(first, second, compare):
    """Two seeds of random pruning: the t interval of the two paired differences, widened by the examples' part."""
    each = row(compare(first, second), "random-0.3")
    assert each["seeds_a"] == each["seeds_b"] == "0 1"
    by_seed = [
        right(STUDY, worse, "random-0.3", s).mean() - right(STUDY, chance_of, "random-0.3", s).mean() for s in (0, 1)
    ]
    dense = right(STUDY, worse, "dense").mean() - right(STUDY, chance_of, "dense").mean()
    assert each["drop_difference"] == pytest.approx(dense - np.mean(by_seed), abs=1e-7)
    seeds = stats.t.ppf(0.975, 1) * np.std(by_seed, ddof=1) / sqrt(2)
    width = each["drop_difference"] - each["drop_difference_low"]
    net = np.mean(
        [right(STUDY, worse, "random-0.3", s) - right(STUDY, chance_of, "random-0.3", s) for s in (0, 1)], axis=0
    )
    examples = 1.96 * net.std() / sqrt(len(net))
    assert width == pytest.approx(sqrt(seeds**2 + examples**2), rel=0.12)


def test_variances_of_other_seeds_add_up(first, tmp_path, compare):
    data = copy.deepcopy(STUDY)
    data["experiments"]["only"]["seeds"] = [2, 3]
    other = write_study(tmp_path, data)
    with_seed = compare(first, other)
    assert with_seed.compressed["compression_a"].to_list() == ["magnitude-0.3", "magnitude-0.6"]
    each = row(compare(first, other, Options(ignore=("seed",))), "random-0.3")
    assert (each["seeds_a"], each["seeds_b"]) == ("0 1", "2 3")
    scores = {s: right(data, chance_of, "random-0.3", s).mean() for s in (2, 3)}
    scores |= {s: right(STUDY, chance_of, "random-0.3", s).mean() for s in (0, 1)}
    variance = sum(np.var([scores[s] for s in seeds], ddof=1) / 2 for seeds in ((0, 1), (2, 3)))
    half = stats.t.ppf(0.975, 1) * sqrt(variance)
    width = each["drop_difference_high"] - each["drop_difference"]
    assert width >= half
    assert width == pytest.approx(half, rel=0.35)
    assert "other seeds" in each["note"]


def test_unpaired_limits_of_normal_estimates_are_those_of_the_difference():
    """For symmetric intervals MOVER is the usual interval of independent means."""
    a, b = (0.2, 0.2 - 0.03, 0.2 + 0.03), (0.5, 0.5 - 0.04, 0.5 + 0.04)
    assert mover(a, b) == pytest.approx((0.3, 0.25, 0.35))
    assert mover(a, (0.5, None, 0.54))[1:] == (None, pytest.approx(0.35))
    assert mover((None, None, None), b) == (None, None, None)
