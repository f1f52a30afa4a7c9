"""Models whose blocks cannot be compressed (experts, state spaces, convolutions), found before any job starts."""

from collections.abc import Iterator
from pathlib import Path

from junkdna.dag.model_blocks import tensor_shapes
from junkdna.errors import UserError


def unsupported_blocks(folder: Path, kind: str, where: str) -> Iterator[str]:
    """The error of `prunable`, with which every cell would end; nothing for a model that can be compressed.

    The model is built without values, which imports torch, only if a tensor in the headers is no plain linear layer.
    """
    if not any(_unusual(name, shape) for name, shape in tensor_shapes(folder, where).items()):
        return
    from junkdna.compress.scope import prunable
    from junkdna.models.empty_model import empty_model

    try:
        model = empty_model(folder, kind)
    except UserError:  # the job says what is wrong with the configuration
        return
    try:
        prunable(model, loaded=False)
    except UserError as error:
        yield f"{where}: {error}"


def _unusual(name: str, shape: tuple[int, ...]) -> bool:
    """Whether a tensor in a numbered block may be something else than a linear layer, a vector or an old buffer."""
    parts = name.split(".")
    if not any(part.isdecimal() for part in parts) or parts[-1] == "bias":
        return False
    return "experts" in parts or len(shape) > 2 or (len(shape) == 2 and parts[-1] != "weight")
