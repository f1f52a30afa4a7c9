"""Low rank: the largest singular values of each matrix."""

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
    meaning="keep the largest singular values of each matrix; of some layers only, it is LASER",
    source="Eckart and Young 1936; LASER: Sharma et al. 2023, arXiv 2312.13558",
    over="matrix",
    levels=("rank",),
    scope=("layers",),
    gives="weight",
    precompute=True,
)

KIND = "singular value decomposition 1"

log = logging.getLogger(__name__)


class Factors(NamedTuple):
    """A matrix (out, in) as u @ diag(s) @ v, with k = min(out, in): u (out, k), s (k,) falling, v (k, in).

    The columns of u and the rows of v are orthonormal. float32, or float64 where the matrix is.
    """

    u: Tensor
    s: Tensor
    v: Tensor


def compress(
    weight: Tensor, statistics: InputStatistics | None, level: float, factors: Factors | None = None
) -> MatrixResult:
    """The (out, in) matrix of rank floor(level * min(out, in)) nearest to `weight`, in the weight's dtype.

    level is the kept fraction of the full rank: 1 gives the weight bit for bit, 0 (or less than one singular value)
    zeros. Nearest in the Frobenius and the spectral norm: the error's are the root of the summed squares of the dropped
    singular values and the largest of them (Eckart and Young 1936), up to the rounding of the result to its dtype.
    `factors` are those of `decompose(weight)` where the caller has them: they serve every level. `statistics` are not
    looked at: nearest is meant in the weights, not in the layer's outputs.

    Used on some layers only (`scope.select_layers`) it is the layer-selective rank reduction of Sharma et al.
    2023 (LASER, arXiv 2312.13558). Raises `UserError` for NaN or infinite weights. It does not change `weight`, nor
    return factors: the layer keeps its shape and speed.
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
    """The singular value decomposition of a matrix, on its device, in float32 (float64 stays).

    The signs of singular vectors are free, and differ between devices and libraries; the product does not.
    """
    wide = weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
    return Factors(*torch.linalg.svd(wide, full_matrices=False))


def prepare(folder: Path, name: str, weight: Tensor) -> dict[str, Factors]:
    """The factors of one matrix for `compress`; kept in `folder`, they serve every rank."""
    return {"factors": cached_factors(folder, name, weight)}


def cached_factors(folder: Path, name: str, weight: Tensor) -> Factors:
    """`decompose(weight)`, read from folder/NAME.safetensors where that file is of the same weight, else made and
    written there; on the weight's device.

    The file knows its weight by a digest of dtype, shape and bytes, and the code that made it, so one folder serves one
    model, and other weights under a name are never mixed up: they take the file's place. A corrupt file is replaced,
    with a warning in the log. Of several processes that want a layer one does the work and the others wait for it. A
    file takes (out + in + 1) min(out, in) numbers of 4 bytes (8 for float64): 134 MB for 4096 x 4096. OSError passes
    through where the folder cannot be written.
    """
    assert "/" not in name, f"{name!r} is no name of a parameter"
    path = folder / f"{name}.safetensors"
    facts = {"weight": tensors_digest({"weight": weight}), "code": code_fingerprint(__name__)}
    with locked(path):
        kept = _read(path, facts)
        if kept is None:
            kept = decompose(weight)
            write_tensors(path, KIND, kept._asdict(), facts)
    return Factors(*(part.to(weight.device) for part in kept))


def _read(path: Path, wanted: dict[str, str]) -> Factors | None:
    """The file's factors; None where there is no file, a broken one, or one of another weight or older code."""
    if not path.exists():
        return None
    try:
        tensors, facts = read_tensors(path, KIND)
    except UserError as error:
        log.warning("the singular values are computed again: %s", error)
        return None
    if facts != wanted:
        log.info("%s is of other weights or older code: the singular values are computed again.", path)
        return None
    return Factors(**tensors)
