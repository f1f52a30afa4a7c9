"""Interpolation between levels, and equality of scores whose replicates have 32 bits."""

import numpy as np
import pytest

from junkdna.analysis.interpolation import along, segment
from junkdna.analysis.retention import retention


def test_a_value_lies_on_the_line_of_its_neighbors():
    points, values = np.array([[0.0], [0.4], [0.8]]), np.array([[0.0], [2.0], [6.0]])
    assert segment(0.5, points[:, 0]) == (1, 2)
    assert along(np.array([0.5]), points, values, (1, 2)) == pytest.approx([3.0])
    assert segment(0.9, points[:, 0]) is None


@pytest.mark.parametrize("bit", [0.0, 6e-8, -6e-8])
def test_neighbors_that_differ_in_their_last_bit_are_equal(bit):
    """A condition that lost everything has the same loss at several levels."""
    points = np.array([[0.2, 0.2], [1.0, 1.0 + bit]])
    flat = np.array([[1.0, 1.0], [1.0 + bit, 0.5]])
    assert along(np.array([0.6, 0.6]), points, points, (0, 1)) == pytest.approx([0.6, 0.6])
    assert np.isnan(along(np.array([1.0, 0.6]), flat, flat, (0, 1))).tolist() == [True, False]
    assert segment(1.0, np.array([1.0, 1.0 + bit, 0.5])) == (1, 2)


@pytest.mark.parametrize("bit", [0.0, 6e-8, -6e-8])
def test_a_dense_model_at_its_baseline_has_no_retention(bit):
    scores = np.array([[[0.7, 0.9], [0.8, 0.8]]])
    kept = retention(scores, np.array([0.7 + bit]))
    assert np.isnan(kept[0, 0]).tolist() == [True, False]
    assert kept[0, 0, 1] == pytest.approx(0.5, abs=1e-6)
