"""Checks the external checkpoints and mask files of a study before any job starts: do they exist, and do they fit?

Reads JSON and the headers of safetensors files, no weights, and does not import torch.
"""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from junkdna.errors import UserError
from junkdna.models.external_headers import checkpoint_problem, checkpoint_shapes, mask_problem, mask_shapes
from junkdna.storage.globs import local_folder
from junkdna.study.external import MASK_SUFFIX, external_paths
from junkdna.study.grid import all_cells
from junkdna.study.levels import parse_level
from junkdna.study.study import Resolved


def external_problems(resolved: Resolved, folders: Mapping[str, Path]) -> Iterator[str]:
    """One line for each external compression in use that is missing, unreadable, or not of its model.

    `folders` are the model folders on this machine, by name. A model without one is compared in its job.
    """
    paths = external_paths(resolved.study)
    models: dict[str, dict[str, None]] = {}
    for cell in all_cells(resolved):
        kind, name = parse_level(cell.compression.level) if cell.compression.level else ("", "")
        if kind == "external":
            models.setdefault(name, {})[cell.model] = None
    for name, used in models.items():
        where = f"external compression {name} ({paths[name]})"
        try:
            yield from _problems(paths[name], {model: folders[model] for model in used if model in folders}, where)
        except UserError as error:
            yield str(error)
        except OSError as error:
            yield f"{where}: {error.filename} cannot be read: {error.strerror}"


def _problems(path: str, folders: Mapping[str, Path], where: str) -> Iterator[str]:
    place = local_folder(path)
    masks = path.endswith(MASK_SUFFIX)
    if not (place.is_file() if masks else place.is_dir()):
        yield _missing(place, masks, where)
        return
    theirs = mask_shapes(place, where) if masks else checkpoint_shapes(place, where)
    for model, folder in folders.items():
        ours = checkpoint_shapes(folder, f"model {model}")
        if problem := (mask_problem if masks else checkpoint_problem)(theirs, ours):
            yield f"{where}, for model {model}: {problem}"


def _missing(place: Path, masks: bool, where: str) -> str:
    if place.exists():
        kind = "a folder, but a path that ends in .safetensors is a file of masks" if masks else "a file"
        return f"{where}: is {kind}. Name the folder of a checkpoint, or a file of masks that ends in {MASK_SUFFIX}"
    if not place.parent.is_dir():
        return f"{where}: folder {str(place.parent)!r} does not exist (paths start at the working directory)"
    close = get_close_matches(place.name, [item.name for item in place.parent.iterdir()], n=3)
    hint = f"did you mean {place.parent / close[0]}?" if close else "paths start at the working directory"
    return f"{where}: does not exist; {hint}"
