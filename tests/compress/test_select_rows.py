import numpy as np
import pytest
import torch
from compress_oracle import kept_after_sort, weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.select_rows import keep_highest_per_row


@given(weight_sets(), st.data())
def test_every_row_keeps_its_highest(scores, data):
    for score in scores.values():
        before = score.clone()
        count = data.draw(st.integers(0, score.shape[1]))
        kept = keep_highest_per_row(score, count)
        assert kept.dtype == torch.bool
        assert kept.is_contiguous()
        assert torch.equal(score, before)
        expected = [kept_after_sort(row, score.shape[1] - count) for row in score.double().numpy()]
        np.testing.assert_array_equal(kept.numpy(), expected)


@given(weight_sets(), st.data())
def test_masks_are_nested(scores, data):
    for score in scores.values():
        fewer, more = sorted(data.draw(st.integers(0, score.shape[1])) for _ in range(2))
        assert not (keep_highest_per_row(score, fewer) & ~keep_highest_per_row(score, more)).any()


def test_ties_lower_column_first_in_some_rows():
    scores = torch.tensor([[1.0, 0.0, 1.0, 1.0], [4.0, 3.0, 2.0, 1.0], [0.0, -0.0, 0.0, -1.0], [2.0, 2.0, 2.0, 2.0]])
    assert keep_highest_per_row(scores, 2).tolist() == [
        [False, False, True, True],
        [True, True, False, False],
        [False, True, True, False],
        [False, False, True, True],
    ]


def test_a_transposed_view():
    scores = torch.tensor([[1.0, 4.0], [2.0, 3.0], [3.0, 2.0]])
    assert keep_highest_per_row(scores.t(), 1).tolist() == [[False, False, True], [True, False, False]]
    assert keep_highest_per_row(scores.t(), 3).is_contiguous()


@pytest.mark.parametrize("count", [-1, 5])
def test_too_large_a_count_fails_an_assertion(count):
    with pytest.raises(AssertionError, match=f"{count} of 4"):
        keep_highest_per_row(torch.ones(2, 4), count)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("shape", [(64, 384), (3, 5000), (1, 70000)])
def test_cuda_gives_the_mask_of_the_cpu(shape):
    generator = torch.Generator().manual_seed(3)
    for scores in (torch.rand(shape, generator=generator), torch.randint(0, 9, shape, generator=generator).float()):
        for count in (0, 1, shape[1] // 3, shape[1]):
            assert torch.equal(keep_highest_per_row(scores.cuda(), count).cpu(), keep_highest_per_row(scores, count))
