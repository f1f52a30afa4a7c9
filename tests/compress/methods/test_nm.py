import numpy as np
import pytest
import torch
from compress_oracle import weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.methods.nm import compress
from junkdna.compress.select_rows import keep_highest_per_group
from junkdna.errors import UserError

of_24 = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24])
twenty_four_wide = weight_sets(widths=(24, 48))


def kept_by_sorting(scores, keep, of):
    """A loop over rows and groups."""
    kept = []
    for row in scores.tolist():
        kept.append([True] * len(row))
        for start in range(0, len(row), of):
            by_size = sorted(range(start, start + of), key=lambda index: (row[index], index))
            for index in by_size[: of - keep]:
                kept[-1][index] = False
    return kept


@given(twenty_four_wide, of_24, st.data())
def test_every_group_keeps_its_largest(weights, of, data):
    keep = data.draw(st.integers(0, of))
    for weight in weights.values():
        before = weight.clone()
        mask, new = compress(weight, None, (keep, of))
        assert new is None
        assert mask.dtype == torch.bool
        assert mask.shape == weight.shape
        assert mask.is_contiguous()
        assert torch.equal(weight, before)
        assert mask.tolist() == kept_by_sorting(weight.double().abs(), keep, of)


@given(twenty_four_wide, of_24, st.data())
def test_scores_of_either_sign(scores, of, data):
    keep = data.draw(st.integers(0, of))
    for score in scores.values():
        assert keep_highest_per_group(score, keep, of).tolist() == kept_by_sorting(score.double(), keep, of)


@pytest.mark.parametrize("of", [127, 128, 300])
def test_large_groups_do_not_overflow(of):
    scores = torch.arange(2.0 * of).reshape(1, 2 * of)
    kept = keep_highest_per_group(scores, 1, of)
    assert kept.nonzero()[:, 1].tolist() == [of - 1, 2 * of - 1]
    assert torch.equal(keep_highest_per_group(-scores, of - 1, of), ~kept)


@given(twenty_four_wide, of_24, st.data())
def test_masks_are_nested(weights, of, data):
    fewer, more = sorted(data.draw(st.tuples(st.integers(0, of), st.integers(0, of))))
    for weight in weights.values():
        heavy, light = compress(weight, None, (fewer, of)).mask, compress(weight, None, (more, of)).mask
        assert not (heavy & ~light).any()


def test_ties_lower_index_first():
    assert compress(torch.tensor([[1.0, -1.0, 1.0, 0.0]]), None, (2, 4)).mask.tolist() == [[False, True, True, False]]


def test_transposed_view_groups_inputs_not_memory():
    stored = torch.tensor(np.arange(1.0, 9.0).reshape(4, 2))  # (in 4, out 2)
    assert compress(stored.t(), None, (1, 2)).mask.tolist() == [[False, True, False, True]] * 2


def test_row_length_not_divisible():
    words = r"^6 inputs per row do not divide into groups of 4 \(6 = 1 x 4 \+ 2\): use one of \[2, 3, 6\] for `of`\.$"
    with pytest.raises(UserError, match=words):
        compress(torch.ones(2, 6), None, (2, 4))
    with pytest.raises(UserError, match=words):
        keep_highest_per_group(torch.ones(2, 6), 2, 4)


def test_bad_input():
    with pytest.raises(AssertionError, match=r"\(4, 2\)"):
        compress(torch.ones(2, 4), None, (4, 2))
    with pytest.raises(UserError, match=r"^1 of 4 weights are NaN"):
        compress(torch.tensor([[float("nan"), 1.0, 2.0, 3.0]]), None, (2, 4))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_mask_of_the_cpu():
    scores = torch.randint(0, 5, (64, 96), generator=torch.Generator().manual_seed(3)).float()
    for keep, of in ((2, 4), (5, 8), (1, 96)):
        assert torch.equal(
            keep_highest_per_group(scores.cuda(), keep, of).cpu(), keep_highest_per_group(scores, keep, of)
        )
