"""Packed numbers come back bit by bit, in as few bytes as they need."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from junkdna.analysis.packed_values import BITS, DOUBLE, SINGLE, pack, pack_flags, unpack, unpack_flags

FLOATS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, -1.0, float("nan")]), st.floats(width=32))


@given(st.lists(FLOATS, min_size=1, max_size=600))
def test_numbers_come_back_exactly(numbers: list[float]) -> None:
    found = unpack(pack(np.array(numbers)), len(numbers))
    assert np.array_equal(found, np.array(numbers), equal_nan=True)


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_flags_come_back(flags: list[bool]) -> None:
    assert unpack_flags(pack_flags(np.array(flags)), len(flags)).tolist() == flags


@pytest.mark.parametrize(("values", "bits"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (256, 8)])
def test_few_values_take_few_bits(values: int, bits: int) -> None:
    packed = pack(np.arange(1600) % values - 1.0)
    assert packed.kind == BITS
    assert len(packed.data) == 1600 * bits // 8


def test_the_first_bit_plane_of_right_and_wrong_is_that_of_numpy() -> None:
    right = np.random.default_rng(0).random(1003) < 0.7
    assert pack(right.astype(float)).data == np.packbits(right).tobytes()


def test_many_values_are_floats_of_the_least_width() -> None:
    wide = np.random.default_rng(0).normal(size=1000)
    narrow = wide.astype(np.float32).astype(float)
    assert [(pack(each).kind, len(pack(each).data)) for each in (narrow, wide)] == [(SINGLE, 4000), (DOUBLE, 8000)]


def test_bytes_of_another_length_are_refused() -> None:
    packed = pack(np.arange(1000.0) % 2)
    with pytest.raises(ValueError, match="reshape"):
        unpack(packed, 1100)
