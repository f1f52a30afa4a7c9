"""The values of number formats and the scales of their blocks, against a search over all codes in exact arithmetic."""

import math
from itertools import pairwise

import format_oracle as oracle
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from junkdna.compress import number_formats
from junkdna.compress.number_formats import ELEMENTS, NF4, BlockScales, check_block, nearest_value, power_floor, table
from junkdna.errors import UserError
from junkdna.study.number_formats import NUMBER_FORMATS

CODES = {"e2m1": oracle.E2M1, "e4m3": oracle.E4M3, "nf4": oracle.ELEMENTS["nf4"]}
elements = st.sampled_from([*CODES])
dtypes = st.sampled_from([torch.float32, torch.float64])


def rounded(numbers, element, dtype=torch.float64):
    numbers = torch.tensor(numbers, dtype=dtype)
    return nearest_value(numbers, *table(element, numbers)).tolist()


def fit(weights, name, per_channel=False, matrix=None):
    """The scales of blocks along the first dimension."""
    whole = weights if matrix is None else matrix
    return BlockScales(NUMBER_FORMATS[name], whole, per_channel).fit(weights)[0]


def test_e2m1_by_hand():
    assert ELEMENTS["e2m1"] == (-6, -4, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 4, 6)


def test_e4m3_by_hand():
    values = ELEMENTS["e4m3"]
    assert len(values) == 253  # 256 codes, of which two are NaN and two 0
    assert values[-1] == 448  # 1.75 * 2^8
    assert values[values.index(0) + 1] == 2**-9  # the smallest subnormal
    assert [value for value in values if 2**-6 <= value < 2**-5] == [(8 + k) / 8 * 2**-6 for k in range(8)]


@pytest.mark.parametrize("element", CODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_code_is_rounded_to_itself(element, dtype):
    values = sorted({float(value) for value in CODES[element].values()})
    assert list(ELEMENTS[element]) == values
    assert rounded(values, element, dtype) == torch.tensor(values, dtype=dtype).tolist()


@given(elements, st.floats(-500, 500, width=32), dtypes)
def test_numbers_go_to_the_nearest_of_all_codes(element, number, dtype):
    assert rounded([number], element, dtype) == rounded(
        [float(oracle.nearest_code(number, CODES[element]))], element, dtype
    )


@pytest.mark.parametrize("element", ["e2m1", "e4m3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_halves_go_to_the_even_code_and_their_neighbors_to_the_nearest(element, dtype):
    values = ELEMENTS[element]
    halves = torch.tensor([(low + high) / 2 for low, high in pairwise(values)], dtype=dtype)
    for numbers in (halves, *(halves.nextafter(torch.full_like(halves, way)) for way in (-1000, 1000))):
        expected = [float(oracle.nearest_code(number, CODES[element])) for number in numbers.tolist()]
        assert nearest_value(numbers, *table(element, numbers)).tolist() == expected


def test_halves_of_e2m1_by_hand():
    assert rounded([0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5], "e2m1") == [0, 1, 1, 2, 2, 4, 4]
    assert rounded([-0.25, -0.75, -1.25, -1.75, -2.5, -3.5, -5], "e2m1") == [0, -1, -1, -2, -2, -4, -4]


@pytest.mark.parametrize("element", CODES)
def test_what_is_too_large_is_cut_and_zero_has_no_sign(element):
    top = ELEMENTS[element][-1]
    assert rounded([1e30, math.inf, -1e30, -math.inf], element) == [top, top, -top, -top]
    assert math.copysign(1, rounded([-0.0], element)[0]) == 1


def test_nf4_has_the_quantiles_of_the_paper():
    """Appendix E of QLoRA: 8 negative and 9 positive quantiles of a normal distribution, from (1/32 + 1/30) / 2 to one
    half, with one 0, divided by the largest."""
    end = 1 - (1 / 32 + 1 / 30) / 2
    positive, negative = norm.ppf(np.linspace(end, 0.5, 9)), -norm.ppf(np.linspace(end, 0.5, 8))
    expected = np.unique(np.concatenate([positive, negative]).round(12)) / norm.ppf(end)
    np.testing.assert_allclose(NF4, expected, atol=2e-7)


@given(st.floats(2**-149, 2**127, width=32))
def test_power_floor_is_exact(number):
    found = power_floor(torch.tensor([number], dtype=torch.float32)).item()
    assert found <= number < 2 * found
    assert math.frexp(found)[0] == 0.5


@pytest.mark.parametrize(
    ("largest", "scale"),
    [(1, 0.25), (3.99, 0.5), (4, 1), (6, 1), (7.99, 1), (8, 2), (2.0**-130, 2.0**-127), (0, 2.0**-127)],
)
def test_scales_of_mxfp4_are_those_of_the_specification(largest, scale):
    """MX 1.0, section 6.3: the largest power of two that is not above the largest |v|, divided by that of E2M1, 4."""
    assert fit(torch.tensor([largest, 0, -largest / 2], dtype=torch.float64), "mxfp4").item() == scale


def test_scales_of_nvfp4_by_hand():
    # The tensor scale is 2688 / (6 * 448) = 1. Scales 448, 1, 1.0625 -> 1 (halves to even), 2^-9, and 2^-11 -> 0.
    largest = torch.tensor([2688, 6, 6.375, 6 * 2**-9, 6 * 2**-11], dtype=torch.float64)
    assert fit(largest[None], "nvfp4")[:4].tolist() == [448, 1, 1, 2**-9]
    blocks = largest.repeat(16, 1)
    scale, *of_elements = BlockScales(NUMBER_FORMATS["nvfp4"], blocks, False).fit(blocks)
    new = number_formats.nearest(blocks, scale, *of_elements)
    assert new[0].tolist() == [2688, 6, 6, 6 * 2**-9, 0]


def test_scales_of_fp8_are_of_the_matrix_or_of_each_row():
    weights = torch.tensor([[44.8, -1], [-448, 0.5]]).double()  # two inputs of two rows
    assert fit(weights, "fp8").tolist() == [1, 1]
    assert fit(weights, "fp8", per_channel=True).tolist() == pytest.approx([1, 1 / 448])


def test_scales_of_nf4_are_the_largest_weights():
    assert fit(torch.tensor([[0.5, -1], [-3, 0.25]]).double(), "nf4").tolist() == [3, 1]


@pytest.mark.parametrize("name", NUMBER_FORMATS)
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-45, -1e-45])
def test_blocks_of_zeros_or_of_next_to_nothing_become_zero(name, value):
    blocks = torch.full((16, 3), value)
    assert not number_formats.nearest(blocks, *BlockScales(NUMBER_FORMATS[name], blocks, True).fit(blocks)).any()
    blocks[:, 1] = torch.linspace(-1, 1, 16)
    new = number_formats.nearest(blocks, *BlockScales(NUMBER_FORMATS[name], blocks, True).fit(blocks))
    assert new.isfinite().all()
    assert new[:, 1].any()
    assert not new[:, [0, 2]].any()


@pytest.mark.parametrize("name", NUMBER_FORMATS)
def test_blocks_are_divided_as_the_format_says(name):
    block = NUMBER_FORMATS[name].block
    assert block == oracle.BLOCKS[name]
    assert check_block(192, name) == (block or 192)


def test_a_block_that_does_not_divide_the_row_names_the_fix():
    with pytest.raises(UserError, match="blocks of 32 inputs of mxfp4 do not divide the 48 inputs") as error:
        check_block(48, "mxfp4")
    assert "use fp8 or nvfp4, or an integer format (int2 to int8) with a `group`" in str(error.value)
