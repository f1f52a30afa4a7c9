"""Independent answers for the tests of number formats: one weight at a time, by a search over all codes, with exact
fractions from bit patterns."""

import math
from fractions import Fraction

import numpy as np

BLOCKS = {"nvfp4": 16, "mxfp4": 32, "nf4": 64, "fp8": 0}
NF4 = (
    "-1 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635 -0.18477343022823334 "
    "-0.09105003625154495 0 0.07958029955625534 0.16093020141124725 0.24611230194568634 0.33791524171829224 "
    "0.44070982933044434 0.5626170039176941 0.7229568362236023 1"
)


def decoded(bits, exponent_bits, mantissa_bits):
    """The number of a code: sign, exponent with a bias, mantissa with a hidden bit unless the exponent is 0."""
    sign = -1 if bits >> (exponent_bits + mantissa_bits) else 1
    exponent = bits >> mantissa_bits & 2**exponent_bits - 1
    mantissa = bits & 2**mantissa_bits - 1
    bias = 2 ** (exponent_bits - 1) - 1
    if exponent == 0:
        return sign * Fraction(mantissa, 2**mantissa_bits) * Fraction(2) ** (1 - bias)
    return sign * (1 + Fraction(mantissa, 2**mantissa_bits)) * Fraction(2) ** (exponent - bias)


E2M1 = {code: decoded(code, 2, 1) for code in range(16)}
E4M3 = {code: decoded(code, 4, 3) for code in range(256) if code & 0x7F != 0x7F}  # S.1111.111 is NaN
ELEMENTS = {"nvfp4": E2M1, "mxfp4": E2M1, "fp8": E4M3, "nf4": dict(enumerate(Fraction(text) for text in NF4.split()))}


def nearest_code(value, codes):
    """The number of the nearest code; of two that are equally near the even one. Beyond the ends, the end."""
    value = Fraction(value)
    return codes[min(codes, key=lambda code: (abs(value - codes[code]), code % 2, code))]


def fit(values, name, tensor_largest):
    """The grid of a block: its scale and codes. `tensor_largest` is the largest |w| of the matrix."""
    largest, codes = max(abs(value) for value in values), ELEMENTS[name]
    top = max(codes.values())
    if name == "mxfp4":
        exponent = math.floor(math.log2(largest)) if largest else -125
        return Fraction(2) ** (max(exponent, -125) - 2), codes
    if name == "nvfp4":
        whole = Fraction(tensor_largest) / (6 * 448)
        return nearest_code(Fraction(largest) / 6 / whole, E4M3) * whole, codes
    return Fraction(tensor_largest if name == "fp8" else largest) / top, codes


def nearest_point(value, scale, codes):
    return float(scale * nearest_code(Fraction(value) / scale, codes)) if scale else 0.0


def rtn(weight, name, per_channel=False):
    """The rounded matrix of an array (out, in)."""
    weight = np.asarray(weight, dtype=np.float64)
    rounded = np.zeros_like(weight)
    for i, row in enumerate(weight.tolist()):
        largest = max(map(abs, row)) if per_channel else float(abs(weight).max())
        size = BLOCKS[name] or len(row)
        for first in range(0, len(row), size):
            block = row[first : first + size]
            rounded[i, first : first + size] = [nearest_point(value, *fit(block, name, largest)) for value in block]
    return rounded
