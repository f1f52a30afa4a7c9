"""What other libraries make of one weight in the number formats, for test_number_formats_parity.py.

    ORACLE/bin/python tests/support/number_formats_run.py tests/golden/number_formats.npz

ORACLE is a virtual environment with `pip install -r envs/formats-requirements.txt`; junkdna is not imported. The file
holds the inputs too, with names that start with "in.". One thread, CPU, float32.
"""

import json
import platform
import sys
from importlib.metadata import version

import bitsandbytes.functional as bnb
import ml_dtypes
import numpy as np
import torch
from compressed_tensors.quantization import QuantizationArgs, fake_quantize
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from torchao.prototype.mx_formats.config import ScaleCalculationMode
from torchao.prototype.mx_formats.mx_tensor import MXTensor
from torchao.prototype.mx_formats.nvfp4_tensor import NVFP4Tensor, per_tensor_amax_to_scale

torch.set_num_threads(1)
PACKAGES = ("ml_dtypes", "torchao", "compressed-tensors", "bitsandbytes", "torch", "numpy")
FP8 = {"num_bits": 8, "type": "float", "symmetric": True}


def numbers(limit: float) -> np.ndarray:
    """Numbers of many sizes up to a limit, and every half and quarter with its neighbors where halves can be."""
    rng = np.random.default_rng(0)
    spread = np.exp2(rng.uniform(-12, np.log2(limit), 400))
    grid = np.concatenate([np.arange(0, 8, 0.125), np.arange(8, 449, 4), np.arange(0, 33) * 2.0**-10])
    exact = grid[grid <= limit].astype(np.float32)
    near = [np.nextafter(exact, np.float32(way)) for way in (0, limit)]
    found = np.concatenate([spread.astype(np.float32), exact, *near])
    return np.concatenate([found, -found])


def weight() -> torch.Tensor:
    """24 rows of 128 inputs: of sizes from 1 to 2^-7, multiples of 1/8 with many halves, and a block of zeros."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(24, 128)) * np.exp2(-rng.integers(0, 8, (24, 1)))
    rows[16:20] = rng.integers(-48, 49, (4, 128)) / 8
    rows[20, 64:] = 0
    return torch.from_numpy(rows.astype(np.float32))


def nvfp4_of_torchao(w: torch.Tensor) -> torch.Tensor:
    scale = per_tensor_amax_to_scale(w.abs().max())
    return NVFP4Tensor.to_nvfp4(w, per_tensor_scale=scale).dequantize(torch.float32)


def nvfp4_of_compressed_tensors(w: torch.Tensor) -> torch.Tensor:
    args = QuantizationArgs(
        num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16,
        scale_dtype=torch.float8_e4m3fn, zp_dtype=torch.float8_e4m3fn,
    )  # fmt: skip
    whole = generate_gparam(w.min(), w.max())
    groups = w.unflatten(1, (-1, 16))
    scale, zero_point = calculate_qparams(groups.amin(-1), groups.amax(-1), args, global_scale=whole)
    return fake_quantize(w, scale, zero_point, args, global_scale=whole)


def fp8_of_compressed_tensors(w: torch.Tensor, strategy: str) -> torch.Tensor:
    args = QuantizationArgs(**FP8, strategy=strategy)
    low, high = (w.amin(1, True), w.amax(1, True)) if strategy == "channel" else (w.min(), w.max())
    return fake_quantize(w, *calculate_qparams(low, high, args), args)


def mxfp4_of_torchao(w: torch.Tensor) -> torch.Tensor:
    e2m1 = torch.float4_e2m1fn_x2
    return MXTensor.to_mx(w, e2m1, 32, scaling_mode=ScaleCalculationMode.FLOOR).dequantize(torch.float32)


def nf4_of_bitsandbytes(w: torch.Tensor) -> torch.Tensor:
    codes, state = bnb.quantize_4bit(w, blocksize=64, quant_type="nf4", compress_statistics=False)
    return bnb.dequantize_4bit(codes, state)


def main() -> None:
    w = weight()
    found = {"in.weight": w}
    for name, dtype, limit in (("e2m1", ml_dtypes.float4_e2m1fn, 6), ("e4m3", ml_dtypes.float8_e4m3fn, 448)):
        found[f"in.{name}"] = numbers(limit)
        found[f"ml_dtypes.{name}"] = found[f"in.{name}"].astype(dtype).astype(np.float32)
        codes = np.arange(2 ** (4 if name == "e2m1" else 8), dtype=np.uint8)
        found[f"ml_dtypes.{name}.codes"] = codes.view(dtype).astype(np.float32)
    found["torchao.nvfp4"] = nvfp4_of_torchao(w)
    found["compressed_tensors.nvfp4"] = nvfp4_of_compressed_tensors(w)
    found["torchao.mxfp4"] = mxfp4_of_torchao(w)
    found["compressed_tensors.fp8"] = fp8_of_compressed_tensors(w, "tensor")
    found["compressed_tensors.fp8.per_channel"] = fp8_of_compressed_tensors(w, "channel")
    found["bitsandbytes.nf4"] = nf4_of_bitsandbytes(w)
    found["bitsandbytes.nf4.codes"] = bnb.get_4bit_type("nf4", device="cpu")
    made = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    np.savez_compressed(
        sys.argv[1], made=json.dumps(made), **{name: np.asarray(value) for name, value in found.items()}
    )


if __name__ == "__main__":
    main()
