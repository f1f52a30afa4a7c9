from itertools import chain

import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, small_parts, weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress import select
from junkdna.compress.chunks import CPU_CHUNK
from junkdna.compress.select import (
    Order,
    keep_all_but_lowest,
    keep_from,
    key_dtype,
    kth_lowest,
    magnitude_keys,
    magnitude_order,
)

TOP = {torch.int16: 2**15 - 1, torch.int32: 2**31 - 1, torch.int64: 2**63 - 1}


def order_of(lists, dtype, sample=()):
    """An order over one-row matrices of the given keys, a part for each."""
    tensors = [torch.tensor(one, dtype=dtype) for one in lists]
    shapes = {str(index): torch.Size([1, len(one)]) for index, one in enumerate(tensors)}
    return Order(shapes, lambda: iter(tensors), torch.tensor(sorted(sample), dtype=dtype))


@given(weight_sets())
def test_keys_order_as_magnitudes_do(weights):
    dtype = key_dtype(weights)
    keys = joined({name: magnitude_keys(weight, dtype) for name, weight in weights.items()})
    assert (keys >= 0).all()
    assert (keys < TOP[dtype]).all()
    _, by_key = np.unique(keys, return_inverse=True)
    _, by_magnitude = np.unique(np.abs(joined(weights)), return_inverse=True)
    np.testing.assert_array_equal(by_key, by_magnitude)


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (("bfloat16", "bfloat16"), torch.int16),
        (("float16",), torch.int16),
        (("bfloat16", "float16"), torch.int32),  # the bits of the two mean different things
        (("bfloat16", "float32"), torch.int32),
        (("float16", "float64"), torch.int64),
    ],
)
def test_keys_are_as_narrow_as_may_be(dtypes, expected):
    assert key_dtype({str(i): torch.ones(1, 1, dtype=getattr(torch, one)) for i, one in enumerate(dtypes)}) == expected


@pytest.mark.parametrize("dtype", TOP)
@given(data=st.data())
def test_kth_lowest_is_that_of_a_sort_whatever_the_sample_says(dtype, data):
    top = TOP[dtype] - 1
    key = st.one_of(st.integers(0, top), st.integers(0, 3), st.sampled_from([top, top - 1, top // 2]))
    lists = data.draw(st.lists(st.lists(key, min_size=1, max_size=9), min_size=1, max_size=4))
    flat = sorted(chain.from_iterable(lists))
    sample = data.draw(st.one_of(st.just([]), st.just(flat), st.lists(key, min_size=1, max_size=400)))
    k = data.draw(st.integers(1, len(flat)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select, "DEVIATIONS", data.draw(st.sampled_from([0, 0.2, 5])))
        value, ties = kth_lowest(order_of(lists, dtype, sample), k)
    assert value == flat[k - 1]
    assert ties == k - flat.index(value)


def test_any_bracket_leads_to_the_kth_lowest(monkeypatch):
    keys = [1, 2, 2, 4, 4, 4, 6]
    order = order_of([keys[4:], keys[:4]], torch.int16)
    for low in range(-1, 7):
        for high in range(low + 1, 9):
            monkeypatch.setattr(select, "_bracket", lambda order, k, ends=(low, high): ends)
            for k, key in enumerate(keys, 1):
                assert kth_lowest(order, k) == (key, k - keys.index(key))


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=3), st.data())
def test_ties_go_in_order(lists, data):
    count = data.draw(st.integers(0, sum(map(len, lists))))
    masks = dict(keep_all_but_lowest(order_of(lists, torch.int32), count))
    np.testing.assert_array_equal(joined(masks), kept_after_sort(np.concatenate(lists), count))


@given(weight_sets(), st.sampled_from([1, 3, 8, 50]), st.booleans(), st.data())
def test_parts_and_samples_of_any_size_give_the_mask_of_a_sort(weights, part, largest_first, data):
    magnitudes = np.abs(joined(weights))
    count = data.draw(st.integers(0, len(magnitudes)))
    with small_parts(part):
        masks = dict(keep_all_but_lowest(magnitude_order(weights, largest_first), count))
    scores = -magnitudes if largest_first else magnitudes
    np.testing.assert_array_equal(joined(masks), kept_after_sort(scores, count))
    assert {name: mask.shape for name, mask in masks.items()} == {name: one.shape for name, one in weights.items()}


SIZE = 3 * 2**17  # several parts, and a sample
STEP = select.SAMPLE_STEP | 1


def hidden_from_the_sample():
    """Large at the sampled positions and small at all others, so the bracket is far from the threshold."""
    values = torch.linspace(1e-3, 1, SIZE)
    for part in values.split(CPU_CHUNK):
        part[::STEP] += 100
    return values


def uniform(seed=0):
    return torch.rand(SIZE, generator=torch.Generator().manual_seed(seed))


ADVERSARIAL = {
    "all equal": lambda: torch.full((SIZE,), -0.25),
    "two values": lambda: torch.where(uniform() > 0.3, 0.5, -0.25),
    "two values, both signs of zero": lambda: (uniform() > 0.6).float() * -1,
    "sorted": lambda: torch.linspace(0, 1, SIZE),
    "sorted downwards": lambda: torch.linspace(1, 0, SIZE),
    "mostly zeros": lambda: torch.where(uniform() < 0.6, 0, uniform(1)),
    "few values": lambda: (uniform() * 20).floor() / 7,
    "denormals": lambda: uniform() * 1e-41,
    "tiny to huge": lambda: torch.exp(uniform() * 170 - 85),
    "bfloat16": lambda: (uniform() - 0.5).bfloat16(),
    "float16": lambda: (uniform() - 0.5).half(),
    "float64, differing in the last bits": lambda: 1 + uniform().double() * 1e-12,
    "every 7th": lambda: torch.arange(SIZE).remainder(7).float(),
    "in step with the sample": lambda: torch.arange(SIZE).remainder(STEP).float(),
    "hidden from the sample": hidden_from_the_sample,
}


@pytest.mark.parametrize("name", ADVERSARIAL)
def test_adversarial_data(name):
    flat = ADVERSARIAL[name]()
    assert torch.isfinite(flat).all()
    first, second = flat.split([SIZE // 3 + 256, SIZE - SIZE // 3 - 256])
    weights = {"b": first.view(256, -1), "a": second.view(-1, 256)}
    ranks = flat.double().abs().numpy().argsort(kind="stable")
    order = magnitude_order(weights)
    for count in (1, SIZE // 10, SIZE // 2, int(SIZE * 0.7), SIZE - 1, SIZE):
        kept = np.ones(SIZE, dtype=bool)
        kept[ranks[:count]] = False
        np.testing.assert_array_equal(joined(dict(keep_all_but_lowest(order, count))), kept)


def passes(order):
    """The order, and a list that gets an entry at each pass over its keys."""
    made = []
    return order._replace(key_chunks=lambda: made.append(1) or order.key_chunks()), made


@pytest.mark.parametrize(
    ("name", "most"), [("sorted", 1), ("bfloat16", 1), ("all equal", 2), ("mostly zeros", 2), ("two values", 2)]
)
def test_the_threshold_takes_one_pass_or_two_with_many_ties(name, most):
    order, made = passes(magnitude_order({"w": ADVERSARIAL[name]().view(256, -1)}))
    for count in (SIZE // 10, int(SIZE * 0.3), SIZE // 2, int(SIZE * 0.9)):
        made.clear()
        kth_lowest(order, count)
        assert len(made) <= most


def test_a_bracket_with_far_too_many_keys_is_abandoned():
    order, made = passes(magnitude_order({"w": uniform().view(256, -1)}))
    ends = torch.tensor([0, TOP[torch.int32] - 1], dtype=torch.int32).repeat_interleave(len(order.sample) // 2)
    misled = order._replace(sample=ends)
    assert select._count_and_gather(misled, *select._bracket(misled, SIZE // 2))[1] is None
    made.clear()
    found = kth_lowest(misled, SIZE // 2)
    assert len(made) <= 2 + 31  # the pass that was given up, one for the lower end, one for each bit
    assert found == kth_lowest(order, SIZE // 2)


def test_a_matrix_may_be_changed_once_its_mask_exists():
    weights = {name: uniform(seed)[: 7 * 11].view(7, 11) for seed, name in enumerate("ba")}
    weights["c"] = uniform(2)[: 7 * 11].view(11, 7).t()
    with small_parts(10):
        order = magnitude_order(weights)
        upfront = {name: mask.clone() for name, mask in keep_all_but_lowest(order, 100)}
        for name, mask in keep_all_but_lowest(order, 100):
            assert torch.equal(mask, upfront[name])
            weights[name].fill_(5)


def test_masks_are_computed_on_request():
    weights = {str(index): torch.ones(2, 8) for index in range(6)}
    with small_parts(4):
        order = magnitude_order(weights)
        read = []
        counted = order._replace(key_chunks=lambda: (read.append(1) or part for part in order.key_chunks()))
        masks = keep_from(counted, 1)
        next(masks)
        assert len(read) == 4  # of 24


def test_keep_from_prunes_below_and_so_many_ties():
    order = order_of([[1, 2, 2], [2, 3]], torch.int16)
    assert [mask.tolist() for _, mask in keep_from(order, 2)] == [[[False, True, True]], [[True, True]]]
    assert [mask.tolist() for _, mask in keep_from(order, 2, 2)] == [[[False, False, False]], [[True, True]]]
    with pytest.raises(AssertionError, match="changed between passes"):
        list(keep_from(order, 2, 4))


@pytest.mark.parametrize("rank", [0, 3])
def test_a_rank_out_of_range_fails_an_assertion(rank):
    with pytest.raises(AssertionError, match=f"rank {rank}"):
        kth_lowest(order_of([[1, 2]], torch.int32), rank)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", ADVERSARIAL)
def test_cuda_gives_the_masks_of_the_cpu(name):
    flat = ADVERSARIAL[name]()
    weights = {"b": flat[: SIZE // 2].view(256, -1), "a": flat[SIZE // 2 :].view(256, -1)}
    with small_parts(2**17 + 5):
        on_gpu = magnitude_order({name: weight.cuda() for name, weight in weights.items()})
        for count in (0, 1, SIZE // 2, int(SIZE * 0.7), SIZE):
            expected = keep_all_but_lowest(magnitude_order(weights), count)
            for (_, mask), (_, wanted) in zip(keep_all_but_lowest(on_gpu, count), expected, strict=True):
                assert mask.is_cuda
                assert torch.equal(mask.cpu(), wanted)
