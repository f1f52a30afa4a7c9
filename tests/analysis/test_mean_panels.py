"""Panels of means: against a loop over draws and seeds."""

import numpy as np
import pytest

from junkdna.analysis.draws import Draws
from junkdna.analysis.mean_panels import mean_panels

N = 30
VALUES = {"a": np.random.default_rng(1).random((3, 2, N)), "b": np.random.default_rng(2).random((1, 2, N))}
IDS = tuple(f"row-{i}" for i in range(N))


@pytest.mark.parametrize("cluster_n", [None, np.arange(N) // 3])
def test_replicates_are_means_of_the_drawn_examples(cluster_n):
    draws = Draws(IDS, 50, cluster_n)
    counts = np.concatenate([each for _, each in draws.blocks()]).astype(int)
    for group, panel in mean_panels(VALUES, draws).items():
        values = VALUES[group].mean(axis=0)
        for r in range(50):
            sample = np.repeat(np.arange(N), counts[r])
            np.testing.assert_allclose(panel.replicates[:, r], values[:, sample].mean(axis=1), rtol=1e-5)
        np.testing.assert_allclose(panel.value, values.mean(axis=1))


def test_seeds_are_left_out_one_at_a_time():
    panels = mean_panels(VALUES, Draws(IDS, 10))
    wanted = np.stack([np.delete(VALUES["a"], s, axis=0).mean(axis=(0, 2)) for s in range(3)], axis=1)
    np.testing.assert_allclose(panels["a"].left_out, wanted)
    assert (panels["a"].seeds, panels["b"].seeds) == (3, 1)


def test_one_undefined_measure_leaves_the_others_alone():
    values = {"a": VALUES["a"].copy()}
    values["a"][1, 0, 4], values["a"][:, 1] = np.inf, VALUES["a"][:, 1]
    panel = mean_panels(values, Draws(IDS, 10))["a"]
    assert not np.isfinite(panel.value[0])
    np.testing.assert_array_equal(panel.replicates[1], mean_panels(VALUES, Draws(IDS, 10))["a"].replicates[1])
