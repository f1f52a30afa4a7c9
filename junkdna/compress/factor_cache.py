"""Singular value decompositions kept on disk, one file a layer, so that a second rank costs no second one."""

import logging
from pathlib import Path

from torch import Tensor

from junkdna.compress.methods.svd import Factors, decompose
from junkdna.errors import UserError
from junkdna.storage.atomic import locked
from junkdna.storage.fingerprint import code_fingerprint
from junkdna.storage.tensors import read_tensors, tensors_digest, write_tensors

KIND = "singular value decomposition 1"

log = logging.getLogger(__name__)


def cached_factors(folder: Path, name: str, weight: Tensor) -> Factors:
    """`svd.decompose(weight)`, read from folder/NAME.safetensors where that file is of the same weight, else made and
    written there; on the weight's device.

    The file knows its weight by a digest of dtype, shape and bytes, and the code that made it, so one folder serves one
    model, and other weights under a name are never mixed up: they take the file's place. A broken file is made anew,
    with a warning in the log. Of several processes that want a layer one does the work and the others wait for it. A
    file takes (out + in + 1) min(out, in) numbers of 4 bytes (8 for float64): 134 MB for 4096 x 4096. OSError passes
    through where the folder cannot be written.
    """
    assert "/" not in name, f"{name!r} is no name of a parameter"
    path = folder / f"{name}.safetensors"
    facts = {"weight": tensors_digest({"weight": weight}), "code": code_fingerprint("junkdna.compress.methods.svd")}
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
