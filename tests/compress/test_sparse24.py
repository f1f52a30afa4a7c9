"""The 2-of-4 layout against torch's own conversion back, and against plain numpy."""

import numpy as np
import pytest
import torch
from torch.sparse import SparseSemiStructuredTensorCUTLASS
from torch.sparse._semi_structured_conversions import sparse_semi_structured_to_dense_cutlass

from junkdna.compress.methods.nm import compress
from junkdna.compress.sparse24 import keeps_2_of_4, pack_2_of_4
from junkdna.errors import UserError


def pruned(rows: int, inputs: int, dtype: torch.dtype, keep: int = 2, seed: int = 0) -> torch.Tensor:
    weight = torch.randn(rows, inputs, generator=torch.Generator().manual_seed(seed)).to(dtype)
    return torch.where(compress(weight, None, (keep, 4)).mask, weight, 0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("keep", [0, 1, 2])
@pytest.mark.parametrize("shape", [(32, 64), (96, 192)])
def test_torch_converts_it_back_to_the_same_bits(dtype, keep, shape):
    dense = pruned(*shape, dtype, keep)
    packed = pack_2_of_4("w", dense, dtype)
    values, meta = packed["w.values"], packed["w.meta"]
    assert (values.shape, values.dtype) == ((shape[0], shape[1] // 2), dtype)
    assert (meta.shape, meta.dtype) == ((shape[0], shape[1] // 16), torch.int16)
    assert torch.equal(sparse_semi_structured_to_dense_cutlass(values, meta), dense)


def test_the_values_are_those_that_numpy_finds_in_order():
    dense = pruned(32, 64, torch.float16)
    kept = dense.numpy()[dense.numpy() != 0]
    assert kept.size == 32 * 32
    values = pack_2_of_4("w", dense, torch.float16)["w.values"]
    np.testing.assert_array_equal(values.numpy().ravel(), kept)


def test_it_is_what_the_tensor_of_the_kernels_is_made_of():
    """On a GPU this tensor multiplies; on a CPU it can only be made and turned back."""
    dense = pruned(64, 128, torch.bfloat16)
    packed = pack_2_of_4("w", dense, torch.bfloat16)
    tensor = SparseSemiStructuredTensorCUTLASS(dense.shape, packed["w.values"], packed["w.meta"], None, None, None)
    assert torch.equal(sparse_semi_structured_to_dense_cutlass(tensor.packed, tensor.meta), dense)


def capability() -> int:
    return torch.cuda.get_device_capability()[0] if torch.cuda.is_available() else 0


def gpu_error(dense: torch.Tensor, weight: torch.Tensor) -> float:
    """Largest error of a product with `weight`, as a share of the largest value of the product with `dense`."""
    inputs = torch.randn(32, dense.shape[1], generator=torch.Generator().manual_seed(1)).to(dense)
    exact = inputs.double() @ dense.double().T
    return float((torch.nn.functional.linear(inputs, weight).double() - exact).abs().max() / exact.abs().max())


@pytest.mark.gpu
@pytest.mark.skipif(capability() != 8, reason="torch's CUTLASS kernels need a GPU of compute capability 8.x")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_gpu_multiplies_with_the_packed_tensors(dtype):
    dense = pruned(64, 128, dtype).cuda()
    packed = pack_2_of_4("w", dense, dtype)

    def error(meta: torch.Tensor) -> float:
        weight = SparseSemiStructuredTensorCUTLASS(dense.shape, packed["w.values"], meta, None, None, None)
        return gpu_error(dense, weight)

    assert error(packed["w.meta"]) < 0.01
    assert error(packed["w.meta"].flip(0)) > 0.1, "the positions of the values count"


@pytest.mark.gpu
@pytest.mark.skipif(capability() < 8, reason="sparse kernels need a GPU of compute capability 8 or more")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_gpu_multiplies_what_torch_converts_from_the_exported_weights(dtype):
    dense = pruned(128, 256, dtype).cuda()
    sparse = torch.sparse.to_sparse_semi_structured(dense)
    assert gpu_error(dense, sparse) < 0.01
    assert gpu_error(dense.flip(0), sparse) > 0.1


def test_float32_values_are_rounded():
    dense = pruned(32, 64, torch.float32)
    packed = pack_2_of_4("w", dense, torch.bfloat16)
    back = sparse_semi_structured_to_dense_cutlass(packed["w.values"], packed["w.meta"])
    assert torch.equal(back, dense.to(torch.bfloat16))


@pytest.mark.parametrize(
    ("matrix", "keeps"),
    [
        (torch.tensor([[1.0, 2, 0, 0, 0, 0, 3, 4]]), True),
        (torch.tensor([[0.0, 1, 2, 3, 0, 0, 0, 0]]), False),
        (torch.zeros(2, 6), False),
        (torch.zeros(2, 4), True),
    ],
)
def test_keeps_2_of_4(matrix, keeps):
    assert keeps_2_of_4(matrix) is keeps


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (torch.ones(32, 64), "w: more than 2 of 4"),
        (torch.zeros(16, 64), "w: 16 x 64 is not a multiple of 32 x 64"),
        (torch.full((32, 64), 1e5) * torch.tensor([1.0, 0, 0, 0]).repeat(16), "w: values exceed the largest"),
    ],
)
def test_what_cannot_be_packed(matrix, words):
    with pytest.raises(UserError, match=words):
        pack_2_of_4("w", matrix, torch.float16)
