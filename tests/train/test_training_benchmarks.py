"""The benchmarks of training run on a CPU, and their equivalence test is that of two one-sided t-tests."""

import re

import numpy as np
import pytest
from project import ROOT
from scipy import stats


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def test_every_contender_takes_its_steps(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    import compress_speed
    import train_speed

    monkeypatch.setitem(compress_speed.MEASURED_SIDE, "cpu", 96)  # the speeds of the machine do not matter here
    monkeypatch.setitem(compress_speed.COPIED_BYTES, "cpu", 2**20)
    train_speed.main(["--shape", "toy", "--steps", "4", "--repeats", "2", "--device", "cpu"])
    lines = capsys.readouterr().out.splitlines()
    times = {line.split(" | ")[0].strip("| "): float(line.split("|")[2].split()[0]) for line in lines[-4:]}
    assert [*times] == ["stack-4", "plain", "authors", "3d6a3b2"]
    assert all(0 < each < 5000 for each in times.values())
    assert re.search(r"toy: batch 8, mean length 7\.\d, padded 1\d\.\d, 12 steps a run", "\n".join(lines))


@pytest.mark.parametrize("shift", [0.0, 0.4, -0.4, 2.0])
def test_equivalence_is_two_one_sided_tests(shift: float) -> None:
    from equivalence_report import tost

    differences = np.random.default_rng(3).normal(shift, 1, 20).tolist()
    below = stats.ttest_1samp(differences, 0.8, alternative="less").pvalue
    above = stats.ttest_1samp(differences, -0.8, alternative="greater").pvalue
    assert tost(differences, 0.8) == pytest.approx(max(below, above))


def test_a_row_compares_paired_seeds_and_counts_collapses() -> None:
    from equivalence_report import compared

    def cells(contender: str, values: list[float], moved: int) -> list[dict]:
        common = {"task": "t", "mode": "sparse", "contender": contender, "metric_name": "accuracy", "zeros": 5}
        return [
            {**common, "seed": seed, "metric": value, "collapsed": value == 0, "moved": moved, "losses": [2.0, value]}
            for seed, value in enumerate(values)
        ]

    [row] = compared([*cells("plain", [0.0, 0.5, 0.7], 0), *cells("stack-bfloat16", [0.1, 0.4], 3)])
    assert row["seeds"] == 2
    assert row["difference"] == pytest.approx(0.0)
    assert row["margin"] == pytest.approx(np.std([0.0, 0.5], ddof=1))
    assert (row["collapsed_plain"], row["collapsed_ours"], row["moved_ours"]) == (1, 0, 6)
    assert row["loss_ours"] == [2.0, pytest.approx(0.25)]
