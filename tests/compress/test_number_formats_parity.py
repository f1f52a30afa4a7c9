"""Number formats against ml_dtypes, torchao, compressed-tensors (llm-compressor's formats) and bitsandbytes.

number_formats_run.py makes golden/number_formats.npz in an environment with envs/formats-requirements.txt. Result of
2026-11-27 on a 24x128 weight with rows of many sizes, multiples of 1/8 and a block of zeros; ml_dtypes 0.6.0, torchao
0.18.0, compressed-tensors 0.19.0, bitsandbytes 0.50.2, torch 2.13.0, float32, CPU:

- Elements E2M1 and E4M3 (ml_dtypes): all codes, and all of 1,292 and 2,048 numbers with every half, equal.
- MXFP4 (torchao, scaling mode FLOOR, that of the specification), FP8 per tensor and per channel (compressed-tensors)
  and NF4 (bitsandbytes, without double quantization): all weights equal.
- NVFP4: all but 16 (torchao) and 7 (compressed-tensors) of 3,072 equal. These are multiples of 1/8 halfway between two
  points. The libraries multiply by the reciprocal of a scale, or divide by it after another rounding.

What differs by design and is not compared: compressed-tensors rounds the largest weight of an MXFP4 block before its
exponent is taken. Of very small blocks of NVFP4, torchao raises scales below 2^-6, the smallest normal number, to it,
and compressed-tensors raises those of 0 to 2^-3.
"""

import os
import subprocess

import numpy as np
import pytest
import torch
from project import GOLDEN, SUPPORT

from junkdna.compress.methods import rtn
from junkdna.compress.number_formats import ELEMENTS, NF4, nearest_value, table

with np.load(GOLDEN / "number_formats.npz") as arrays:
    FOUND = {name: torch.from_numpy(arrays[name]) for name in arrays.files if name != "made"}
ORACLE = "JUNKDNA_FORMATS_ORACLE"
WEIGHT = FOUND["in.weight"]


def rounded(name, **options):
    return rtn.compress(WEIGHT, None, name, **options).weight


@pytest.mark.parametrize("element", ["e2m1", "e4m3"])
def test_elements_are_those_of_ml_dtypes(element):
    codes = FOUND[f"ml_dtypes.{element}.codes"]
    assert sorted({*codes[codes.isfinite()].tolist()}) == list(ELEMENTS[element])
    numbers = FOUND[f"in.{element}"]
    assert torch.equal(nearest_value(numbers, *table(element, numbers)), FOUND[f"ml_dtypes.{element}"])


def test_e4m3_is_that_of_torch():
    numbers = FOUND["in.e4m3"]
    assert torch.equal(nearest_value(numbers, *table("e4m3", numbers)), numbers.to(torch.float8_e4m3fn).float())


def test_nf4_has_the_values_of_bitsandbytes():
    assert torch.equal(torch.tensor(NF4), FOUND["bitsandbytes.nf4.codes"])


@pytest.mark.parametrize(
    ("library", "name", "options"),
    [
        ("torchao", "mxfp4", {}),
        ("compressed_tensors", "fp8", {}),
        ("compressed_tensors", "fp8", {"per_channel": True}),
        ("bitsandbytes", "nf4", {}),
    ],
)
def test_weights_are_those_of_the_library(library, name, options):
    theirs = FOUND[".".join([library, name, *options])]
    torch.testing.assert_close(rounded(name, **options), theirs, rtol=1e-6, atol=0)


@pytest.mark.parametrize(("library", "most"), [("torchao", 16), ("compressed_tensors", 7)])
def test_nvfp4_differs_only_halfway_between_two_points(library, most):
    ours, theirs = rounded("nvfp4"), FOUND[f"{library}.nvfp4"]
    other = (ours - theirs).abs() > 1e-6 * theirs.abs()
    assert other.sum() <= most
    assert not other[:16].any()  # random weights
    halfway = ((ours + theirs) / 2)[other]
    torch.testing.assert_close(halfway, WEIGHT[other], rtol=1e-5, atol=0)


@pytest.mark.skipif(
    not os.environ.get(ORACLE), reason=f"needs {ORACLE} to name a python with envs/formats-requirements.txt"
)
def test_the_libraries_still_give_the_golden_data(tmp_path):
    command = [os.environ[ORACLE], SUPPORT / "number_formats_run.py", tmp_path / "now.npz"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    with np.load(tmp_path / "now.npz") as arrays:
        assert {*arrays.files} == {*FOUND, "made"}
        for name, wanted in FOUND.items():
            np.testing.assert_array_equal(arrays[name], wanted.numpy(), err_msg=name)
