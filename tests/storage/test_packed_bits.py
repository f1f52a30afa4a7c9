import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from junkdna.storage import tensors as packed_module
from junkdna.storage.tensors import pack, packed_size, unpack

shapes = st.lists(st.integers(0, 13), min_size=0, max_size=3).map(tuple)


def random_mask(shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).random(shape) < 0.5)


@given(shapes, st.integers(0, 2**32 - 1))
def test_bytes_are_those_of_numpy_and_come_back(shape, seed):
    mask = random_mask(shape, seed)
    packed = pack(mask)
    assert packed.dtype == torch.uint8
    assert len(packed) == packed_size(shape)
    np.testing.assert_array_equal(packed.numpy(), np.packbits(mask.numpy().ravel(), bitorder="little"))
    assert torch.equal(unpack(packed, shape), mask)


def test_bit_order_by_hand():
    mask = torch.zeros(2, 5, dtype=torch.bool)
    mask[0, 0] = mask[0, 3] = mask[1, 4] = True  # elements 0, 3 and 9
    assert pack(mask).tolist() == [0b00001001, 0b00000010]


@pytest.mark.parametrize("count", [15, 16, 17, 47, 48, 49])
def test_chunks_join(count, monkeypatch):
    monkeypatch.setattr(packed_module, "CHUNK", 2)
    mask = random_mask(count)
    np.testing.assert_array_equal(pack(mask).numpy(), np.packbits(mask.numpy(), bitorder="little"))
    assert torch.equal(unpack(pack(mask), (count,)), mask)


def test_views_are_packed_row_major():
    mask = random_mask((6, 11))
    for view in (mask.t(), mask[1:, 3:], mask[:, 1], mask.expand(2, 6, 11)):
        assert torch.equal(unpack(pack(view), view.shape), view)


def test_the_mask_is_not_changed_nor_shared():
    mask = random_mask((3, 8))
    before = mask.clone()
    unpack(pack(mask), mask.shape).zero_()
    pack(mask).zero_()
    assert torch.equal(mask, before)


def test_wrong_sizes_are_our_own_mistake():
    with pytest.raises(AssertionError, match=r"\(2,\) bytes for a mask of \(17,\)"):
        unpack(pack(torch.ones(16, dtype=torch.bool)), (17,))
    with pytest.raises(AssertionError, match=r"torch\.float32"):
        pack(torch.ones(8))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("shape", [(4096, 4096), (333, 77)])
def test_a_gpu_packs_the_same_bytes(shape):
    mask = random_mask(shape)
    packed = pack(mask.cuda())
    assert packed.is_cuda
    assert torch.equal(packed.cpu(), pack(mask))
    assert torch.equal(unpack(packed, shape).cpu(), mask)
