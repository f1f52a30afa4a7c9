"""Model folders of the toy world, changed."""

from pathlib import Path


def other_weights(folder: Path) -> None:
    """The folder's model with one weight changed, as a checkpoint that was saved again after more training."""
    from safetensors.torch import load_file, save_file

    file = folder / "model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if tensors[name].ndim == 2)
    tensors[name] = tensors[name] + 0.5
    file.unlink()
    save_file(tensors, file, metadata={"format": "pt"})
