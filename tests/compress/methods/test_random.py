import numpy as np
import pytest
import torch
from compress_oracle import joined, kept_after_sort, pruned_count, small_parts, sparsities, weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.methods import random
from junkdna.compress.methods.random import masks
from junkdna.compress.select import kth_lowest

seeds = st.integers(0, 2**63 - 1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@given(weight_sets(), sparsities, seeds)
def test_count_is_exact(weights, sparsity, seed):
    kept = joined(dict(masks(weights, sparsity, generator(seed))))
    assert len(kept) - kept.sum() == pruned_count(len(kept), sparsity)


@given(weight_sets(), sparsities, sparsities, seeds)
def test_masks_of_one_seed_are_nested(weights, one, other, seed):
    light, heavy = (dict(masks(weights, sparsity, generator(seed))) for sparsity in sorted((one, other)))
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


@given(weight_sets(), sparsities, seeds)
def test_same_seed_same_mask_whatever_the_values(weights, sparsity, seed):
    others = {name: torch.zeros(weight.shape, dtype=torch.bfloat16) for name, weight in weights.items()}
    first, second = (dict(masks(each, sparsity, generator(seed))) for each in (weights, others))
    for name in weights:
        assert torch.equal(first[name], second[name])


@given(weight_sets(), sparsities, seeds, st.sampled_from([1, 5, 64]))
def test_the_lowest_of_one_draw_over_all_scalars_go(weights, sparsity, seed, part):
    total = sum(weight.numel() for weight in weights.values())
    scores = torch.randint(2**31 - 1, (total,), generator=generator(seed), dtype=torch.int32).numpy()
    with small_parts(part), pytest.MonkeyPatch.context() as patch:
        patch.setattr(random, "UNSAMPLED", 0)
        kept = joined(dict(masks(weights, sparsity, generator(seed))))
    np.testing.assert_array_equal(kept, kept_after_sort(scores, pruned_count(total, sparsity)))


def test_evenly_spaced_numbers_bracket_the_scores():
    weights = {"w": torch.empty(2**9, 2**9).fill_(1)}
    order = random._order({"w": weights["w"].shape}, torch.device("cpu"), generator(5).get_state())
    assert len(order.sample) == 2**18
    made = []
    counted = order._replace(key_chunks=lambda: made.append(1) or order.key_chunks())
    for quantile in (0.01, 0.5, 0.9):
        made.clear()
        kth_lowest(counted, int(quantile * 2**18))
        assert len(made) == 1


def test_no_generator_is_moved():
    weights = {"a": torch.ones(8, 8), "b": torch.ones(4, 8)}
    before = torch.get_rng_state()
    own = generator(3)
    first = dict(masks(weights, 0.5, own))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(own.get_state(), generator(3).get_state())
    second = {}
    for name, mask in masks(weights, 0.5, own):
        torch.rand(7, generator=own)  # what the caller draws meanwhile changes nothing
        second[name] = mask
    assert all(torch.equal(first[name], second[name]) for name in weights)


def test_every_scalar_is_as_likely():
    weights = {"a": torch.ones(4, 5), "b": torch.ones(10, 2)}
    draws = 2000
    pruned = sum(~joined(dict(masks(weights, 0.25, generator(seed)))) for seed in range(draws))
    # binomial(2000, 1/4): sd 19.4; five sds over 40 scalars is far out, and the seeds are fixed
    assert np.abs(pruned - draws / 4).max() < 5 * np.sqrt(draws * 0.25 * 0.75)
    assert pruned.sum() == draws * 10


def test_seeds_differ():
    weights = {"a": torch.ones(16, 16)}
    one, other = (dict(masks(weights, 0.5, generator(seed)))["a"] for seed in (0, 1))
    assert not torch.equal(one, other)


def test_a_generator_is_required():
    with pytest.raises(AssertionError, match="need a generator"):
        masks({"a": torch.ones(2, 2)}, 0.5, None)


def test_errors_come_before_the_first_mask():
    with pytest.raises(AssertionError, match="50"):
        masks({"a": torch.ones(2, 2)}, 50, generator(0))
