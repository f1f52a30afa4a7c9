"""Lossless bytes for a column of numbers: packed bits for few distinct values, else floats."""

from typing import NamedTuple

import numpy as np

Array = np.ndarray
MOST_VALUES = 256  # distinct values that are packed as bits
BITS, SINGLE, DOUBLE = "bits", "float32", "float64"
TYPES = {SINGLE: "<f4", DOUBLE: "<f8"}


class Packed(NamedTuple):
    """`n` numbers as bytes.

    - `kind` "bits": `values` are the distinct numbers, from small to large, and `data` has the position of each number
      among them, one bit plane after the other, each padded to whole bytes. Two values need one bit a number, one
      value needs none.
    - `kind` "float32" or "float64": the numbers, with the first bytes of all numbers before the second ones. float32
      only if it changes no number.
    """

    kind: str
    values: list[float]
    data: bytes


def pack(numbers: Array) -> Packed:
    """Pack numbers (n,). NaN is a value; 0 and -0 are one."""
    values, code_n = np.unique(np.asarray(numbers, float), return_inverse=True)
    if len(values) <= MOST_VALUES:
        planes = [np.packbits((code_n >> bit) & 1 > 0) for bit in range(_planes(len(values)))]
        return Packed(BITS, values.tolist(), b"".join(plane.tobytes() for plane in planes))
    single = numbers.astype(TYPES[SINGLE])
    exact = np.array_equal(single.astype(float), numbers, equal_nan=True)
    kind = SINGLE if exact else DOUBLE
    return Packed(kind, [], _bytes_nk(numbers.astype(TYPES[kind])).T.tobytes())


def unpack(packed: Packed, n: int) -> Array:
    """The `n` numbers that were packed (n,), as float64. Raises ValueError if the bytes do not have this length."""
    if packed.kind != BITS:
        parts = np.frombuffer(packed.data, np.uint8).reshape(-1, n)
        return np.ascontiguousarray(parts.T).view(TYPES[packed.kind])[:, 0].astype(float)
    planes = _planes(len(packed.values))
    bits = np.frombuffer(packed.data, np.uint8).reshape(planes, -(-n // 8))
    code_n = np.zeros(n, int)
    for bit, plane in enumerate(bits):
        code_n |= np.unpackbits(plane, count=n).astype(int) << bit
    return np.array(packed.values)[code_n]


def pack_flags(flag_n: Array) -> bytes:
    """Booleans (n,) as bits."""
    return np.packbits(flag_n).tobytes()


def unpack_flags(data: bytes, n: int) -> Array:
    """The booleans (n,) of `pack_flags`."""
    return np.unpackbits(np.frombuffer(data, np.uint8), count=n).astype(bool)


def _planes(values: int) -> int:
    return (values - 1).bit_length()


def _bytes_nk(numbers: Array) -> Array:
    return numbers.view(np.uint8).reshape(len(numbers), -1)
