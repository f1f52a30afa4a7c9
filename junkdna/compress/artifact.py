"""What a compression leaves on disk: one safetensors file of packed masks, new weights and facts.

For each matrix it holds "mask:NAME" (`tensors.pack`), "weight:NAME" (in its own dtype, dense: a sparse matrix with new
values stores its zeros too), or both; the masks' shapes stand in the metadata beside the caller's facts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from junkdna.compress.masks import MatrixResult
from junkdna.storage.file_errors import check_made_from
from junkdna.storage.tensor_header import contents_digest
from junkdna.storage.tensors import corrupt_tensors, pack, packed_size, read_tensors, unpack, write_tensors

KIND = "compressed weights 1"
MASK, WEIGHT = "mask:", "weight:"


@dataclass(frozen=True)
class Artifact:
    """A compression as read back, on the CPU, matrices (out, in) by name.

    `masks` are bool, True = kept; `weights` hold new values where there are some. A matrix that the compression left
    dense is in neither. `facts` are the writer's, `digest` is that of all contents.
    """

    masks: dict[str, Tensor]
    weights: dict[str, Tensor]
    facts: dict
    digest: str


def write_artifact(path: Path, results: Iterable[tuple[str, MatrixResult]], facts: dict) -> None:
    """Writes the results of one compression to `path`, whole or not at all; equal contents give equal bytes.

    `results` is gone through once: each mask is packed and each weight taken to the CPU as it comes, and both stay
    there until the file is written (safetensors needs all sizes first), so a device never holds more than the result
    at hand; weights that are on the CPU are not copied, and must not change. `facts` (JSON values) is read after the
    last result: the generator of the results may still fill it.
    An exception out of `results` passes through and leaves no file.
    """
    tensors: dict[str, Tensor] = {}
    shapes: dict[str, list[int]] = {}
    for name, result in results:
        assert {MASK + name, WEIGHT + name}.isdisjoint(tensors), f"{name} comes twice"
        assert result.mask is not None or result.weight is not None, f"{name}: neither mask nor weight"
        if result.mask is not None:
            tensors[MASK + name] = pack(result.mask).cpu()
            shapes[name] = list(result.mask.shape)
        if result.weight is not None:
            tensors[WEIGHT + name] = result.weight.detach().cpu()
    write_tensors(path, KIND, tensors, {"shapes": shapes, "facts": facts})


def read_artifact(path: Path, made_from: str | None = None) -> Artifact:
    """What `write_artifact` wrote. Takes a byte a masked weight, besides the weights.

    `made_from` is the digest of the settings that the reader counts on; it must equal facts["digest"] where given.
    Raises `UserError`, naming the file and what to do, for a file that is missing, cut short, damaged, foreign, or
    made from other settings.
    """
    tensors, about = read_tensors(path, KIND)
    facts = about["facts"]
    if made_from is not None:
        check_made_from(path, facts.get("digest"), made_from)
    shapes = about["shapes"]
    if sorted(MASK + name for name in shapes) != sorted(name for name in tensors if name.startswith(MASK)) or any(
        tensors[MASK + name].shape != (packed_size(shape),) for name, shape in shapes.items()
    ):
        raise corrupt_tensors(path, KIND, "corrupt: its masks do not match the stored shapes")
    return Artifact(
        masks={name: unpack(tensors[MASK + name], shape) for name, shape in shapes.items()},
        weights={name.removeprefix(WEIGHT): one for name, one in tensors.items() if name.startswith(WEIGHT)},
        facts=facts,
        digest=contents_digest(path) or "",
    )
