import math
import subprocess
import sys
from decimal import Decimal
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.effective_bits import (
    DENSE_BITS,
    format_bits,
    keep_of_bits,
    low_rank_bits,
    mean_bits,
    quantized_bits,
    sparse_bits,
)
from junkdna.study.number_formats import NUMBER_FORMATS


def plain(bits, group, inputs=4096, outputs=4096, symmetric=False, act_order=False):
    return quantized_bits(bits, group, inputs, outputs, symmetric=symmetric, act_order=act_order)


@pytest.mark.parametrize(("bits", "published"), [(2, "2.14"), (3, "3.15"), (4, "4.16"), (8, "8.19")])
def test_group_128_as_published(bits, published):
    assert round(Decimal(plain(bits, 128)), 2) == Decimal(published)


def bits_of_a_file(bits, group, inputs, outputs, symmetric, act_order):
    """The bits of all numbers of one matrix, counted one group at a time."""
    total = 0
    starts = range(0, inputs, group or inputs)
    for _ in range(outputs):
        for start in starts:
            total += bits * len(range(start, min(inputs, start + (group or inputs))))
            total += 16
            if not symmetric:
                total += bits
    if act_order:
        width = 0
        while 2**width < len(starts):
            width += 1
        total += inputs * width
    return total


@given(
    st.sampled_from([2, 3, 4, 8]),
    st.integers(0, 40),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
)
def test_quantized_counts_every_number(bits, group, groups, outputs, symmetric, act_order):
    inputs = groups * (group or 7)
    counted = bits_of_a_file(bits, group, inputs, outputs, symmetric, act_order) / (inputs * outputs)
    found = quantized_bits(bits, group, inputs, outputs, symmetric=symmetric, act_order=act_order)
    assert math.isclose(found, min(16, counted))


def test_quantized_by_hand():
    assert plain(4, 0) == plain(4, 4096) == 4 + 20 / 4096
    assert plain(4, 128, symmetric=True) == 4.125
    assert plain(4, 128, act_order=True) == 4 + 20 / 128 + 5 / 4096  # 32 groups
    assert plain(4, 0, act_order=True) == plain(4, 0)
    assert plain(8, 1) == DENSE_BITS


@pytest.mark.parametrize(
    ("name", "options", "bits"),
    [
        ("nvfp4", {}, 4.5 + 32 / 4096**2),
        ("mxfp4", {}, 4.25),
        ("nf4", {}, 4.5),
        ("fp8", {}, 8 + 32 / 4096**2),
        ("fp8", {"per_channel": True}, 8 + 32 / 4096),
        ("mxfp4", {"act_order": True}, 4.25 + 7 / 4096),  # 128 blocks
        ("fp8", {"act_order": True}, 8 + 32 / 4096**2),
    ],
)
def test_formats_by_hand(name, options, bits):
    options = {"act_order": False, "per_channel": False} | options
    assert format_bits(name, 4096, 4096, **options) == bits
    assert NUMBER_FORMATS[name].usual_bits == pytest.approx(bits, abs=0.01)


def test_a_matrix_of_one_weight_is_stored_dense():
    assert format_bits("fp8", 1, 1, act_order=False, per_channel=False) == DENSE_BITS


def test_sparse_by_hand():
    assert sparse_bits(0.5) == 9
    assert sparse_bits(0) == 1
    assert sparse_bits(15 / 16) == sparse_bits(1) == 16


@given(st.integers(1, 9), st.data())
def test_keep_of_names_every_pattern(of, data):
    keep = data.draw(st.integers(0, of))
    patterns = len(list(combinations(range(of), keep)))
    index = next(width for width in range(20) if 2**width >= patterns)
    assert keep_of_bits(keep, of) == pytest.approx((16 * keep + index) / of)


def test_keep_of_by_hand():
    assert keep_of_bits(2, 4) == 8.75
    assert keep_of_bits(4, 4) == DENSE_BITS
    assert keep_of_bits(0, 4) == 0


@given(st.integers(0, 9), st.integers(9, 20), st.integers(9, 20))
def test_low_rank_counts_both_factors(rank, outputs, inputs):
    counted = 16 * (outputs * rank + rank * inputs) / (outputs * inputs)
    assert low_rank_bits(rank, outputs, inputs) == pytest.approx(min(16, counted))


def test_mean_is_weighted_by_scalars():
    assert mean_bits([(300, 4), (100, DENSE_BITS)]) == 7
    assert mean_bits(iter([(1, 2.5)])) == 2.5


def test_planning_needs_no_torch():
    code = "import sys, junkdna.compress.effective_bits; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
