"""The number of parameters of a model folder, from the headers of its weight files."""

from math import prod
from pathlib import Path

from junkdna.models.fetch import read_header


def parameter_count(folder: Path) -> int:
    """Number of parameters in the `*.safetensors` files of a folder; 0 if it has none. Raises UserError for a file
    that is corrupt."""
    headers = [read_header(file, "")[0] for file in folder.glob("*.safetensors")]
    return sum(prod(tensor["shape"]) for header in headers for tensor in header.values())
