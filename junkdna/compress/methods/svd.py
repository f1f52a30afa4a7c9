"""Low rank: keep the largest singular values of each matrix."""

import logging
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from junkdna.compress.checks import check_matrix, kept_rank
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.quant_grid import cast
from junkdna.errors import UserError
from junkdna.storage.atomic import locked
from junkdna.storage.fingerprint import code_fingerprint
from junkdna.storage.tensors import read_tensors, tensors_digest, write_tensors
from junkdna.study.methods import Method

METHOD = Method(
    label="SVD",
    line_style=(0, (1, 3)),
    meaning="keep the largest singular values of each matrix (with `layers`: LASER)",
    source="Eckart and Young 1936; LASER: Sharma et al. 2023, arXiv 2312.13558",
    over="matrix",
    levels=("rank",),
    gives="weight",
    precompute=True,
)

KIND = "singular value decomposition 1"

log = logging.getLogger(__name__)


class Factors(NamedTuple):
    """A matrix (out, in) as u @ diag(s) @ v, with k = min(out, in): u (out, k), s (k,) descending, v (k, in).

    The columns of u and the rows of v are orthonormal. float32, or float64 for a float64 matrix.
    """

    u: Tensor
    s: Tensor
    v: Tensor


def compress(
    weight: Tensor, statistics: InputStatistics | None, level: float, factors: Factors | None = None
) -> MatrixResult:
    """The (out, in) matrix of rank floor(level * min(out, in)) nearest to `weight`, in the weight's dtype.

    level is the fraction of the full rank to keep: 1 returns the weight bit for bit, 0 (or less than one singular
    value) zeros. The result is nearest in the Frobenius and the spectral norm, in which the error is the root of the
    summed squares of the dropped singular values and the largest of them (Eckart and Young 1936), up to rounding to the
    dtype. `factors` are those of `decompose(weight)`, valid for every level. `statistics` are ignored: the distance is
    that of the weights, not of the layer's outputs.

    With `layers` (`layer_patterns.select_layers`) this is the layer-selective rank reduction of Sharma et al. 2023
    (LASER, arXiv 2312.13558). The layer keeps its shape and speed: the product of the factors is returned. Raises
    `UserError` for NaN or infinite weights. Does not change `weight`.
    """
    check_matrix(weight)
    rank = kept_rank(*weight.shape, level)
    if rank == 0:
        return MatrixResult(None, torch.zeros_like(weight))
    if rank == min(weight.shape):
        return MatrixResult(None, weight.detach().clone())
    u, s, v = factors or decompose(weight)
    return MatrixResult(None, cast((u[:, :rank] * s[:rank]) @ v[:rank], weight.dtype))


def decompose(weight: Tensor) -> Factors:
    """The singular value decomposition of a matrix, on its device, in float32 (or float64 for float64).

    The signs of singular vectors are arbitrary and differ between devices and libraries; the product does not.
    """
    wide = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    return Factors(*torch.linalg.svd(wide, full_matrices=False))


def prepare(folder: Path, name: str, weight: Tensor) -> dict[str, Factors]:
    """The argument `factors` of `compress`, valid for every rank: `decompose(weight)` on the weight's device, read from
    folder/NAME.safetensors, or computed and written there.

    The file identifies its weight by a digest of dtype, shape and bytes, and records the code version. So one folder
    serves one model, and a file of another weight with the same name is recomputed and replaced. A corrupt file is
    replaced with a warning in the log. If several processes need a layer, one computes it and the others wait. A file
    takes (out + in + 1) min(out, in) numbers of 4 bytes (8 for float64): 134 MB for 4096 x 4096. Raises OSError if the
    folder is not writable.
    """
    assert "/" not in name, f"{name!r} is not a parameter name"
    path = folder / f"{name}.safetensors"
    facts = {"weight": tensors_digest({"weight": weight}), "code": code_fingerprint(__name__)}
    with locked(path):
        factors = _read(path, facts)
        if factors is None:
            factors = decompose(weight)
            write_tensors(path, KIND, factors._asdict(), facts)
    return {"factors": Factors(*(factor.to(weight.device) for factor in factors))}


def _read(path: Path, expected: dict[str, str]) -> Factors | None:
    """The factors in the file; None if it is missing, corrupt, or of another weight or older code."""
    if not path.exists():
        return None
    try:
        tensors, facts = read_tensors(path, KIND)
    except UserError as error:
        log.warning("recomputing the singular values: %s", error)
        return None
    if facts != expected:
        log.info("%s is from other weights or older code: recomputing the singular values.", path)
        return None
    return Factors(**tensors)
