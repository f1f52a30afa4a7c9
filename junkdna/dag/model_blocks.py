"""The transformer blocks of a model folder, from the headers of its safetensors files, and allocations that do not fit
them. Reads no weights and imports no torch.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from math import prod
from pathlib import Path

from junkdna.compress.allocation import list_sparsities
from junkdna.compress.layer_patterns import select_layers
from junkdna.errors import UserError
from junkdna.models.fetch import read_header, weight_files
from junkdna.study.cell import Compression
from junkdna.study.levels import exact
from junkdna.study.options import compression_options

BLOCKS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")  # keys of config.json, by model family


def unfit_allocations(folder: Path, config: dict, compressions: Sequence[Compression], where: str) -> Iterator[str]:
    """One line for each allocation without a matrix in a block, and for each list of relative sparsities that has not
    one number for each block or cannot reach its sparsity.

    Models whose files and config.json disagree on the number of blocks are left to their jobs, and so are `layers` that
    match no name in the files (`layer_names`).
    """
    allocated = [each for each in compressions if compression_options(each).get("allocation", "uniform") != "uniform"]
    shapes = block_matrices(folder, where) if allocated else {}
    if len(_weights_of_blocks(shapes)) != next((config[key] for key in BLOCKS if key in config), None):
        return
    for compression in allocated:
        names = selected(all_matrices(folder, where), compression)
        weights = _weights_of_blocks({name: shapes[name] for name in names if name in shapes})
        if names and (problem := _unfit(compression, weights)):
            yield f"{where}: {compression.tag}: {problem}"


def _unfit(compression: Compression, weights: Sequence[int]) -> str:
    """Why an allocation does not fit blocks of these numbers of weights; "" if it does."""
    allocation = compression_options(compression)["allocation"]
    if not weights:
        return "allocation divides a sparsity among the blocks, but `layers` selects no matrix in a block. Remove one."
    try:
        if isinstance(allocation, list):
            list_sparsities(exact(compression.value), weights, allocation)
    except UserError as error:
        return str(error)
    return ""


def selected(names: Collection[str], compression: Compression) -> list[str]:
    """The names that `layers` selects; none if a pattern matches nothing here, because names in files can differ from
    those of the model."""
    patterns = compression_options(compression)["layers"]
    try:
        return select_layers([*names], patterns) if patterns else [*names]
    except UserError:
        return []


def block_matrices(folder: Path, where: str) -> dict[str, tuple[int, int]]:
    """{name: shape} of the matrices in numbered blocks, without embeddings."""

    def in_block(name: str) -> bool:
        numbered = any(part.isdecimal() for part in name.split("."))
        return numbered and not ("embed" in name or "relative" in name)

    return {name: shape for name, shape in all_matrices(folder, where).items() if in_block(name)}


def all_matrices(folder: Path, where: str) -> dict[str, tuple[int, int]]:
    """{name: shape} of the two-dimensional weights in the files, including embeddings and heads."""
    shapes = tensor_shapes(folder, where)
    return {name: shape for name, shape in shapes.items() if name.endswith(".weight") and len(shape) == 2}


def tensor_shapes(folder: Path, where: str) -> dict[str, tuple[int, ...]]:
    """{name: shape} of all tensors in the files."""
    headers = [read_header(folder / file, where)[0] for file in sorted(weight_files(folder, where))]
    return {name: tuple(tensor["shape"]) for header in headers for name, tensor in header.items()}


def _weights_of_blocks(shapes: dict[str, tuple[int, int]]) -> list[int]:
    """Number of weights of each block, in order, of the list of blocks with most weights (a head may be numbered)."""
    lists: dict[str, Counter] = defaultdict(Counter)
    for name, shape in shapes.items():
        parts = name.split(".")
        first = next(index for index, part in enumerate(parts) if part.isdecimal())
        lists[".".join(parts[:first])][int(parts[first])] += prod(shape)
    blocks = max(lists.values(), key=Counter.total, default=Counter())
    return [blocks[number] for number in sorted(blocks)]
