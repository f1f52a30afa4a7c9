import gc
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from obs_oracle import correlated_inputs, damped, obs_step, refit, sparsegpt, statistics_of

from junkdna.compress import sweep_block
from junkdna.compress.column_sweep import sweep
from junkdna.compress.input_stats import inverse_factor
from junkdna.models import cuda_graph


def problem(rows, inputs, seed):
    weight = torch.tensor(np.random.default_rng(seed).normal(size=(rows, inputs)))
    statistics = statistics_of(correlated_inputs(inputs + 20, inputs, seed))
    return weight, inverse_factor(statistics), damped(statistics)


def prune(weight, factor, kept, group=128):
    """The weight with a fixed mask (out, in) put on by a sweep."""
    return sweep(weight, factor, group, parts_of(torch.tensor(kept).t()), lambda column, part: column * part)


def parts_of(values):
    """A `start` whose state is the group's part of `values` (in, out)."""
    return lambda first, columns: (values[first : first + len(columns)],)


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
        return torch.tensor(kept[:, first : first + len(columns)]).t(), torch.full((3,), first)

    def replace(column, part, first):
        assert max(seen) == first[0]
        return column * part

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
    new = sweep(weight.float(), factor, 8, lambda first, columns: (), lambda column: column)
    assert torch.equal(new, weight.float())


def test_replaced_columns_are_kept_bit_for_bit():
    weight, factor, _ = problem(4, 60, seed=4)
    given = weight.float().t().sin()
    new = sweep(weight.float(), factor, 8, parts_of(given), lambda column, part: part)
    assert torch.equal(new, given.t())


def test_inputs_that_share_nothing_make_up_for_nothing():
    weight = problem(4, 60, seed=2)[0]
    factor = torch.arange(1.0, 61.0).diag()
    new = sweep(weight, factor, 8, lambda first, columns: (), lambda column: column.round())
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

    def replace(column):
        if not seen:
            seen.append(weakref.ref(column._base))
        return column * 0

    gc.disable()
    try:
        sweep(torch.ones(4, 40), torch.eye(40), 8, lambda first, columns: (), replace)
        alive = seen[0]() is not None
    finally:
        gc.enable()
    assert not alive


def pruned_and_rounded(column, kept, scale):
    return torch.round(column / scale) * scale * kept


@pytest.mark.parametrize(("inputs", "group"), [(2, 2), (16, 16), (17, 32), (86, 86), (128, 128), (128, 256)])
def test_a_block_replaces_columns_as_the_sweep_does(inputs, group):
    """On the CPU, uncaptured: the same steps on tensors of their own, twice with the same block."""
    for seed in range(2):
        weight, factor, _ = problem(5, inputs, seed)
        kept = torch.tensor(np.random.default_rng(seed).random((inputs, 5)) < 0.5)
        state = (kept, torch.linspace(0.1, 0.2, 5, dtype=torch.float64))
        wanted = sweep(weight, factor, group, lambda first, columns, state=state: state, pruned_and_rounded)
        columns = weight.t().contiguous()
        unit, errors = factor / factor.diagonal().unsqueeze(1), torch.empty_like(columns)
        block = sweep_block.like_earlier(columns, state, pruned_and_rounded, capture=False)
        assert block is sweep_block.like_earlier(wanted.t(), state, pruned_and_rounded, capture=False)
        block.run(columns, errors, unit, state)
        torch.testing.assert_close(columns.t(), wanted, rtol=0, atol=1e-9)
        assert inputs == 2 or not torch.equal(wanted, pruned_and_rounded(weight.t(), *state).t())
        torch.testing.assert_close(_from_errors(weight, errors, unit), wanted, rtol=0, atol=1e-9)


def _from_errors(weight, errors, unit):
    """The new weight, from the errors that the sweep moves on to later columns."""
    return weight - (errors.t() @ unit.triu())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("inputs", "group"), [(384, 128), (344, 344), (131, 64), (96, 4), (300, 128), (40, 1)])
def test_captured_sweeps_give_the_bits_of_uncaptured_ones(inputs, group, dtype):
    """For several matrices with the same blocks, and nearly the numbers of the CPU."""
    sweep_block._kept_block.cache_clear()
    for seed in range(3):
        weight, factor, _ = problem(200, inputs, seed)
        kept = np.random.default_rng(seed).random((200, inputs)) < 0.5
        wanted = prune(weight, factor, kept, group)
        weight, factor = weight.to("cuda", dtype), factor.cuda()
        start = parts_of(torch.tensor(kept).t().cuda())
        captured, plain = (sweep(weight, factor, group, start, multiplied, capture) for capture in (True, False))
        assert torch.equal(captured, plain)
        tolerance = 1e-9 if dtype == torch.float64 else 1e-2
        torch.testing.assert_close(captured.cpu().double(), wanted, rtol=0, atol=tolerance * float(wanted.abs().max()))


def multiplied(column, part):
    return column * part


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_sweeps_are_really_captured_and_a_shape_only_once(monkeypatch):
    sweep_block._kept_block.cache_clear()
    captures, capture = [], cuda_graph.captured
    monkeypatch.setattr(cuda_graph, "captured", lambda step: captures.append(1) or capture(step))
    for seed in range(3):
        weight, factor, _ = problem(64, 384, seed)
        sweep(weight.cuda(), factor.cuda(), 128, lambda first, columns: (), torch.round)
    assert len(captures) == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_replacement_that_waits_for_the_device_runs_uncaptured(caplog):
    caplog.set_level("INFO")
    weight, factor, _ = problem(64, 256, 0)

    def waiting(column):
        return column.round() if float(column.sum()) == float(column.sum()) else column

    new = sweep(weight.cuda(), factor.cuda(), 128, lambda first, columns: (), waiting)
    assert torch.equal(new, sweep(weight.cuda(), factor.cuda(), 128, lambda first, columns: (), torch.round, False))
    assert caplog.text.count("column sweep: runs without a CUDA graph") == 1
