"""Bootstrap draws: whole resamples of examples or of clusters, which belong to the examples."""

import numpy as np
import pytest
from bootstrap_cases import all_counts, ids

from junkdna.analysis.draws import BLOCK, Draws, clusters


def test_counts_are_whole_resamples() -> None:
    counts = all_counts(37, 500)
    assert (counts.sum(axis=1) == 37).all()
    assert counts.mean(axis=0).std() < 0.15
    assert counts.var() == pytest.approx(1, rel=0.05)  # multinomial, not a permutation


def test_counts_are_whole_numbers_in_blocks_that_cover_every_replicate() -> None:
    found = list(Draws(ids(5), 2 * BLOCK + 300).blocks())
    assert [part for part, _ in found] == [slice(0, 1000), slice(1000, 2000), slice(2000, 2300)]
    for part, counts in found:
        assert counts.shape == (part.stop - part.start, 5)
        assert counts.dtype == np.float32
        assert (counts == counts.round()).all()


def test_draws_belong_to_the_examples() -> None:
    assert np.array_equal(all_counts(20, 100), all_counts(20, 100))
    assert not np.array_equal(all_counts(20, 100), all_counts(20, 100, prefix="other"))


def test_more_replicates_keep_the_first_ones() -> None:
    assert np.array_equal(all_counts(20, 2 * BLOCK)[:BLOCK], all_counts(20, BLOCK))


def test_whole_clusters_are_drawn_and_as_many_as_there_are() -> None:
    cluster = np.array([0, 1, 1, 2, 0, 3, 1])
    counts = all_counts(7, 400, cluster)
    for name in range(4):
        of_cluster = counts[:, cluster == name]
        assert (of_cluster == of_cluster[:, :1]).all()
    drawn = counts[:, [0, 1, 3, 5]]
    assert (drawn.sum(axis=1) == 4).all()
    assert drawn.mean() == 1
    assert len({*counts.sum(axis=1)}) > 1  # the number of examples varies


def test_clusters_of_examples() -> None:
    assert clusters(["a", "b", "c"]) is None
    assert clusters([None, None]) is None
    found = clusters(["a", None, "b", "a", None])
    assert sorted({*found}) == [0, 1, 2, 3]
    assert found[0] == found[3]
    assert len({*found[[0, 1, 2, 4]]}) == 4


def test_a_cluster_with_the_name_of_a_row_is_no_row() -> None:
    found = clusters(["row 1", None, "row 1"])
    assert found[0] == found[2] != found[1]
