"""The file of compressed weights: one safetensors file with packed masks, new weights and metadata.

Each matrix has an entry "mask:NAME" (`tensors.pack`), "weight:NAME" (dense, in its own dtype; zeros of a sparse matrix
are stored too), or both. The metadata contain the shapes of the masks and the writer's facts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from junkdna.compress.host_copy import host_copy
from junkdna.compress.masks import MatrixResult
from junkdna.storage.file_errors import check_made_from
from junkdna.storage.tensor_header import contents_digest
from junkdna.storage.tensors import corrupt_tensors, pack, packed_size, read_tensors, unpack, write_tensors

KIND = "compressed weights 1"
MASK, WEIGHT = "mask:", "weight:"


@dataclass(frozen=True)
class Artifact:
    """Compressed weights as read from their file, on the CPU: matrices (out, in) by name.

    `masks` are bool, True = kept. `weights` contain the new values of the matrices that have some. A matrix that stayed
    dense is in neither. `facts` are those of the writer; `digest` covers the complete contents.
    """

    masks: dict[str, Tensor]
    weights: dict[str, Tensor]
    facts: dict
    digest: str


def write_artifact(path: Path, results: Iterable[tuple[str, MatrixResult]], facts: dict) -> None:
    """Writes the results of one compression to `path` atomically. Equal contents give equal bytes.

    `results` is read once. Each mask is packed and moved to the CPU with the new weight as soon as it arrives, so a
    device never stores more than the current result. All of them stay in memory until the file is written, because
    safetensors needs all sizes first. Weights that are already on the CPU are not copied and must not change. `facts`
    (JSON values) is read after the last result, so the generator of the results may still add to it. An exception
    raised by `results` propagates, and no file is written.
    """
    tensors: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, result in results:
        assert {MASK + name, WEIGHT + name}.isdisjoint(tensors), f"{name} occurs twice"
        assert result.mask is not None or result.weight is not None, f"{name}: neither mask nor weight"
        if result.mask is not None:
            tensors[MASK + name] = host_copy(pack(result.mask))
            shapes[name] = list(result.mask.shape)
        if result.weight is not None:
            tensors[WEIGHT + name] = host_copy(result.weight)
    write_tensors(path, KIND, tensors, {"shapes": shapes, "facts": facts})


def read_artifact(path: Path, settings_fingerprint: str | None = None) -> Artifact:
    """Reads what `write_artifact` wrote. Takes one byte per masked weight in addition to the weights.

    `settings_fingerprint` is what the reader expects as facts["digest"]; None skips this check. Raises `UserError` with
    the file and the fix if the file is missing, truncated, corrupt, of another kind, or built from other settings.
    """
    tensors, metadata = read_tensors(path, KIND)
    facts, shapes = metadata["facts"], metadata["shapes"]
    if settings_fingerprint is not None:
        check_made_from(path, facts.get("digest"), settings_fingerprint)
    if sorted(MASK + name for name in shapes) != sorted(name for name in tensors if name.startswith(MASK)) or any(
        tensors[MASK + name].shape != (packed_size(shape),) for name, shape in shapes.items()
    ):
        raise corrupt_tensors(path, KIND, "corrupt: its masks do not match the stored shapes")
    return Artifact(
        masks={name: unpack(tensors[MASK + name], shape) for name, shape in shapes.items()},
        weights={name.removeprefix(WEIGHT): weight for name, weight in tensors.items() if name.startswith(WEIGHT)},
        facts=facts,
        digest=contents_digest(path) or "",
    )
