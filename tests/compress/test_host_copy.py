import pytest
import torch

from junkdna.compress import host_copy


def test_what_is_on_the_host_stays():
    tensor = torch.arange(6.0, requires_grad=True).reshape(2, 3)
    copy = host_copy.host_copy(tensor)
    assert copy.data_ptr() == tensor.data_ptr()
    assert not copy.requires_grad


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.uint8])
@pytest.mark.parametrize("shape", [(333, 77), (0,), (1,), (1024,), ()])
def test_a_copy_from_a_gpu_is_exact_in_parts_of_any_size(monkeypatch, shape, dtype):
    monkeypatch.setattr(host_copy, "PINNED_BYTES", 1024)
    values = (torch.rand(shape) * 200).to(dtype)
    for tensor in (values, values.t() if values.ndim == 2 else values):
        copy = host_copy.host_copy(tensor.cuda())
        assert copy.device.type == "cpu"
        assert copy.is_contiguous()
        assert copy.dtype == dtype
        assert torch.equal(copy, tensor)
