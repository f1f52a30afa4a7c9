"""Number formats of quantized weights other than integers, by their names in studies. Imports no torch.

A weight is stored as the code of an element, times a scale that a block of consecutive inputs of its row shares.
`compress.number_formats` has the values of the elements and the rules for scales. Integer formats (int2 to int8) are
levels of kind `bits`, with a scale and a zero point for each group (`compress.quant_grid`).
"""

from dataclasses import dataclass

SCALE_BITS = {"e4m3": 8, "e8m0": 8, "float32": 32}


@dataclass(frozen=True, kw_only=True)
class NumberFormat:
    """One number format.

    - `label`: its name in figures and tables.
    - `element`, `bits`: the type of an element (`compress.number_formats.ELEMENTS`) and the bits of its code.
    - `block`: how many consecutive inputs of a row share a scale; 0 means all of them.
    - `scale`: the type of a scale, a key of `SCALE_BITS`.
    - `tensor_scale`: whether the scales of a matrix are multiples of one float32 scale.
    """

    label: str
    element: str
    bits: int
    block: int
    scale: str
    tensor_scale: bool = False

    @property
    def usual_bits(self) -> float:
        """Bits per weight in a large matrix: those of an element and its share of the block's scale."""
        return self.bits + (SCALE_BITS[self.scale] / self.block if self.block else 0)


NUMBER_FORMATS = {
    "fp8": NumberFormat(label="FP8", element="e4m3", bits=8, block=0, scale="float32"),
    "mxfp4": NumberFormat(label="MXFP4", element="e2m1", bits=4, block=32, scale="e8m0"),
    "nf4": NumberFormat(label="NF4", element="nf4", bits=4, block=64, scale="float32"),
    "nvfp4": NumberFormat(label="NVFP4", element="e2m1", bits=4, block=16, scale="e4m3", tensor_scale=True),
}
