import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from obs_oracle import correlated_inputs, damped, obs_step, refit, sparsegpt, statistics_of

from junkdna.compress.column_sweep import sweep
from junkdna.compress.input_stats import inverse_factor


def problem(rows, inputs, seed):
    weight = torch.tensor(np.random.default_rng(seed).normal(size=(rows, inputs)))
    statistics = statistics_of(correlated_inputs(inputs + 20, inputs, seed))
    return weight, inverse_factor(statistics), damped(statistics)


def prune(weight, factor, kept, group=128):
    """The weight with a fixed mask (out, in) put on by a sweep."""
    columns = torch.tensor(kept).t()
    return sweep(weight, factor, group, lambda first, columns: None, lambda index, column: column * columns[index])


@pytest.mark.parametrize(
    ("inputs", "group"),
    [(1, 1), (1, 4), (5, 2), (16, 16), (17, 5), (33, 1), (40, 24), (48, 16), (50, 16), (70, 128), (131, 64), (131, 17)],
)
def test_groups_come_once_in_order_and_up_to_date(inputs, group):
    weight, factor, hessian = problem(3, inputs, seed=inputs)
    kept = np.random.default_rng(group).random((3, inputs)) < 0.5
    seen = {}

    def start(first, columns):
        seen[first] = columns.clone()

    def replace(index, column):
        assert max(seen) == index - index % group
        return column * torch.tensor(kept[:, index])

    new = sweep(weight, factor, group, start, replace)
    assert list(seen) == list(range(0, inputs, group))
    states = {}

    def keep_and_note(first, saliencies):
        states[first] = saliencies
        return kept[:, first : first + group]

    _, expected = sparsegpt(weight.numpy(), hessian, [], group, keep_and_note)
    np.testing.assert_allclose(new, expected, rtol=0, atol=1e-9)
    for first, saliencies in states.items():
        unit = factor.diagonal()[first : first + group].numpy()
        np.testing.assert_allclose((seen[first].t().numpy() / unit) ** 2, saliencies, rtol=1e-8, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_columns_before_those_kept_are_pruned_as_least_squares_would(inputs, group, seed):
    """With every pruned column ahead of every kept one, nothing is fixed too early: the sweep finds the optimum."""
    weight, factor, hessian = problem(3, inputs, seed)
    ahead = np.random.default_rng(seed).integers(0, inputs + 1, 3)
    kept = np.arange(inputs) >= ahead[:, None]
    new = prune(weight, factor, kept, group)
    for row in range(3):
        expected = refit(weight[row].numpy(), hessian, kept[row])
        np.testing.assert_allclose(new[row], expected, rtol=0, atol=1e-9 * (1 + np.abs(expected).max()))


def test_one_pruned_weight_in_front_is_a_step_of_the_optimal_brain_surgeon():
    weight, factor, hessian = problem(2, 12, seed=0)
    kept = np.ones((2, 12), dtype=bool)
    kept[1, 0] = False
    new = prune(weight, factor, kept)
    assert torch.equal(new[0], weight[0])
    np.testing.assert_allclose(new[1], obs_step(weight[1].numpy(), hessian, 0)[0], rtol=0, atol=1e-12)


def test_nothing_replaced_nothing_changed():
    weight, factor, _ = problem(4, 60, seed=1)
    new = sweep(weight.float(), factor, 8, lambda first, columns: None, lambda index, column: column)
    assert torch.equal(new, weight.float())


def test_replaced_columns_are_kept_bit_for_bit():
    weight, factor, _ = problem(4, 60, seed=4)
    given = weight.float().t().sin()
    new = sweep(weight.float(), factor, 8, lambda first, columns: None, lambda index, column: given[index])
    assert torch.equal(new, given.t())


def test_inputs_that_share_nothing_make_up_for_nothing():
    weight = problem(4, 60, seed=2)[0]
    factor = torch.arange(1.0, 61.0).diag()
    new = sweep(weight, factor, 8, lambda first, columns: None, lambda index, column: column.round())
    assert torch.equal(new, weight.round())


@pytest.mark.parametrize("transposed", [False, True])
def test_the_weight_given_stays_and_sets_the_precision(transposed):
    weight, factor, _ = problem(40, 40, seed=3)
    weight = weight.float().t() if transposed else weight.float()
    before = weight.clone()
    new = prune(weight, factor, np.zeros((40, 40), dtype=bool))
    assert new.dtype == torch.float32
    assert not new.any()
    assert torch.equal(weight, before)


def test_working_copies_die_with_the_call():
    """With the garbage collector off, as in a job's first seconds: a model has hundreds of matrices."""
    seen = []

    def replace(index, column):
        if index == 0:
            seen.append(weakref.ref(column._base))
        return column * 0

    gc.disable()
    try:
        sweep(torch.ones(4, 40), torch.eye(40), 8, lambda first, columns: None, replace)
        alive = seen[0]() is not None
    finally:
        gc.enable()
    assert not alive
