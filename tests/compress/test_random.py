import numpy as np
import pytest
import torch
from compress_oracle import joined, pruned_count, sparsities, weight_sets
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.random import mask
from junkdna.errors import UserError

seeds = st.integers(0, 2**63 - 1)


def generator(seed):
    return torch.Generator().manual_seed(seed)


@given(weight_sets(), sparsities, seeds)
def test_count_is_exact(weights, sparsity, seed):
    kept = joined(mask(weights, sparsity, generator(seed)))
    assert len(kept) - kept.sum() == pruned_count(len(kept), sparsity)


@given(weight_sets(), sparsities, sparsities, seeds)
def test_masks_of_one_seed_are_nested(weights, one, other, seed):
    light, heavy = (mask(weights, sparsity, generator(seed)) for sparsity in sorted((one, other)))
    for name in weights:
        assert not (heavy[name] & ~light[name]).any()


@given(weight_sets(), sparsities, seeds)
def test_same_seed_same_mask_whatever_the_values(weights, sparsity, seed):
    others = {name: torch.zeros(weight.shape, dtype=torch.bfloat16) for name, weight in weights.items()}
    first, second = mask(weights, sparsity, generator(seed)), mask(others, sparsity, generator(seed))
    for name in weights:
        assert torch.equal(first[name], second[name])


def test_global_generator_is_untouched_and_the_own_one_advances_alike_at_every_level():
    weights = {"a": torch.ones(8, 8), "b": torch.ones(4, 8)}
    before = torch.get_rng_state()
    states = []
    for sparsity in (0, 0.5, 1):
        own = generator(3)
        mask(weights, sparsity, own)
        states.append(own.get_state())
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[1], states[2])
    assert not torch.equal(states[0], generator(3).get_state())


def test_every_scalar_is_as_likely():
    weights = {"a": torch.ones(4, 5), "b": torch.ones(10, 2)}
    draws = 2000
    pruned = sum(~joined(mask(weights, 0.25, generator(seed))) for seed in range(draws))
    # binomial(2000, 1/4): sd 19.4; five sds over 40 scalars is far out, and the seeds are fixed
    assert np.abs(pruned - draws / 4).max() < 5 * np.sqrt(draws * 0.25 * 0.75)
    assert pruned.sum() == draws * 10


def test_seeds_differ():
    weights = {"a": torch.ones(16, 16)}
    assert not torch.equal(mask(weights, 0.5, generator(0))["a"], mask(weights, 0.5, generator(1))["a"])


def test_a_generator_is_required():
    with pytest.raises(AssertionError, match="need a generator"):
        mask({"a": torch.ones(2, 2)}, 0.5, None)


def test_errors_come_through():
    with pytest.raises(UserError, match=r"write 0\.5"):
        mask({"a": torch.ones(2, 2)}, 50, generator(0))
