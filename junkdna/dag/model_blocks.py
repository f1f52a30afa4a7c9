"""The transformer blocks of a model folder, from the headers of its safetensors files, and allocations that do not fit
them. Reads no weights and imports no torch.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

from junkdna.compress.allocation import list_sparsities
from junkdna.errors import UserError
from junkdna.models.fetch import read_header, weight_files
from junkdna.study.cell import Compression
from junkdna.study.levels import exact
from junkdna.study.options import compression_options

BLOCKS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")  # keys of config.json, by model family


def unfit_allocations(folder: Path, config: dict, compressions: Sequence[Compression], where: str) -> Iterator[str]:
    """One line for each list of relative sparsities that has not one number for each block, or that cannot reach its
    sparsity.

    Compressions with `layers` are left to their jobs, which know the names in the model. So are models whose files and
    config.json disagree on the number of blocks.
    """
    listed = [each for each in compressions if isinstance(compression_options(each).get("allocation"), list)]
    listed = [each for each in listed if not compression_options(each)["layers"]]
    weights = _weights_of_blocks(block_matrices(folder, where)) if listed else []
    if len(weights) != next((config[key] for key in BLOCKS if key in config), None):
        return
    for compression in listed:
        try:
            list_sparsities(exact(compression.value), weights, compression_options(compression)["allocation"])
        except UserError as error:
            yield f"{where}: {compression.tag}: {error}"


def block_matrices(folder: Path, where: str) -> dict[str, tuple[int, int]]:
    """{name: shape} of the matrices in numbered blocks, without embeddings."""
    shapes = {}
    for file in sorted(weight_files(folder, where)):
        for name, tensor in read_header(folder / file, where)[0].items():
            numbered = any(part.isdecimal() for part in name.split("."))
            table = "embed" in name or "relative" in name
            if name.endswith(".weight") and len(tensor["shape"]) == 2 and numbered and not table:
                shapes[name] = tuple(tensor["shape"])
    return shapes


def _weights_of_blocks(shapes: dict[str, tuple[int, int]]) -> list[int]:
    """Number of weights of each block, in order, of the list of blocks with most weights (a head may be numbered)."""
    lists: dict[str, Counter] = defaultdict(Counter)
    for name, shape in shapes.items():
        parts = name.split(".")
        first = next(index for index, part in enumerate(parts) if part.isdecimal())
        lists[".".join(parts[:first])][int(parts[first])] += prod(shape)
    blocks = max(lists.values(), key=Counter.total, default=Counter())
    return [blocks[number] for number in sorted(blocks)]
