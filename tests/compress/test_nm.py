import numpy as np
import pytest
import torch
from compress_oracle import weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.nm import mask
from junkdna.errors import UserError

of_24 = st.sampled_from([1, 2, 3, 4, 6, 8, 12, 24])
twenty_four_wide = weight_sets(widths=(24, 48))


@given(twenty_four_wide, of_24, st.data())
def test_every_group_keeps_its_largest(weights, of, data):
    keep = data.draw(st.integers(0, of))
    masks = mask(weights, (keep, of), None)
    assert list(masks) == list(weights)
    for name, weight in weights.items():
        assert masks[name].dtype == torch.bool
        assert masks[name].shape == weight.shape
        for row, kept in zip(weight.double().abs().tolist(), masks[name].tolist(), strict=True):
            for start in range(0, len(row), of):
                by_size = sorted(range(start, start + of), key=lambda index: (row[index], index))
                expected = [index not in by_size[: of - keep] for index in range(start, start + of)]
                assert kept[start : start + of] == expected


@given(twenty_four_wide, of_24, st.data())
def test_masks_are_nested(weights, of, data):
    fewer, more = sorted(data.draw(st.tuples(st.integers(0, of), st.integers(0, of))))
    heavy, light = mask(weights, (fewer, of), None), mask(weights, (more, of), None)
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


def test_ties_lower_index_first():
    assert mask({"w": torch.tensor([[1.0, -1.0, 1.0, 0.0]])}, (2, 4), None)["w"].tolist() == [
        [False, True, True, False]
    ]


def test_transposed_view_groups_inputs_not_memory():
    stored = torch.tensor(np.arange(1.0, 9.0).reshape(4, 2))  # (in 4, out 2)
    assert mask({"w": stored.t()}, (1, 2), None)["w"].tolist() == [[False, True, False, True]] * 2


def test_row_length_not_divisible():
    with pytest.raises(
        UserError, match=r"^b: shape \(2, 6\) has 6 inputs.*groups of 4 \(6 = 1 x 4 \+ 2\).*\[2, 3, 6\]"
    ):
        mask({"a": torch.ones(2, 8), "b": torch.ones(2, 6)}, (2, 4), None)


def test_row_length_with_no_divisor():
    with pytest.raises(UserError, match="leave this matrix out"):
        mask({"a": torch.ones(2, 37)}, (2, 4), None)


def test_errors_come_through():
    with pytest.raises(UserError, match="swapped"):
        mask({"w": torch.ones(2, 4)}, (4, 2), None)
    with pytest.raises(UserError, match="matched no matrix"):
        mask({}, (2, 4), None)
    with pytest.raises(UserError, match=r"^w: 1 of 4 weights are NaN"):
        mask({"w": torch.tensor([[float("nan"), 1.0, 2.0, 3.0]])}, (2, 4), None)
