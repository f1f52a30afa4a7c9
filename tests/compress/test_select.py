from itertools import chain

import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.select import keep_all_but_lowest, key_dtype, kth_smallest, magnitude_keys

HIGHEST = {torch.int32: 2**31 - 1, torch.int64: 2**63 - 1}


@given(weight_sets())
def test_keys_order_as_magnitudes_do(weights):
    dtype = key_dtype(weights)
    keys = joined({name: magnitude_keys(weight, dtype) for name, weight in weights.items()})
    _, by_key = np.unique(keys, return_inverse=True)
    _, by_magnitude = np.unique(np.abs(joined(weights)), return_inverse=True)
    np.testing.assert_array_equal(by_key, by_magnitude)


@pytest.mark.parametrize("dtype", HIGHEST)
@given(data=st.data())
def test_kth_smallest_is_that_of_a_sort(dtype, data):
    # few low digits and few high ones: ties in the first digit, in the second, in the whole key
    digit = st.sampled_from([0, 1, 2**15 - 1, 2**16 - 1])
    top = HIGHEST[dtype]
    key = st.one_of(st.integers(0, top), st.builds(lambda high, low: min(top, high << 16 | low), digit, digit))
    lists = data.draw(st.lists(st.lists(key, min_size=1, max_size=9), min_size=1, max_size=3))
    tensors = [torch.tensor(one, dtype=dtype) for one in lists]
    flat = sorted(chain.from_iterable(lists))
    k = data.draw(st.integers(1, len(flat)))
    value, ties = kth_smallest(lambda: ((str(i), one) for i, one in enumerate(tensors)), k, dtype)
    assert value == flat[k - 1]
    assert ties == k - flat.index(value)


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=3), st.data())
def test_ties_go_in_order(lists, data):
    tensors = {str(i): torch.tensor(one, dtype=torch.int32) for i, one in enumerate(lists)}
    count = data.draw(st.integers(0, sum(map(len, lists))))
    masks = keep_all_but_lowest(lambda: tensors.items(), count, torch.int32)
    np.testing.assert_array_equal(joined(masks), kept_after_sort(joined(tensors), count))


def test_float64_needs_and_gets_64_bit_keys():
    close = {"w": torch.tensor([[1 + 2**-52, 1.0, 1 + 2**-51]], dtype=torch.float64)}
    assert key_dtype(close) == torch.int64
    assert key_dtype({"w": close["w"].float()}) == torch.int32
    assert magnitude_keys(close["w"], torch.int64).diff().sign().tolist() == [[-1, 1]]


def test_too_high_a_rank_is_our_own_mistake():
    with pytest.raises(AssertionError, match="rank 3"):
        kth_smallest(lambda: [("w", torch.tensor([1, 2], dtype=torch.int32))], 3, torch.int32)
