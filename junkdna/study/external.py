"""Checkpoints and mask files of other tools as compressions: the name that stands for each, and what pins its contents.

A study names a path; cells are named after `name`, by default the folder's or file's own name.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.storage.globs import local_folder
from junkdna.storage.local_file_hashes import files_digest
from junkdna.study.levels import parse_level
from junkdna.study.model_files import INDEX
from junkdna.study.settings_base import Settings
from junkdna.study.strict_model import valid_name

if TYPE_CHECKING:
    from junkdna.study.cell import Compression
    from junkdna.study.study import Resolved, Study

MASK_SUFFIX = ".safetensors"
"""A path that ends so is a file of masks; any other is the folder of a checkpoint."""
CHECKPOINT_FILES = ("config.json", "*.safetensors", INDEX)


@dataclass(frozen=True)
class ExternalSettings(Settings):
    """A checkpoint folder or mask file, with the checksum of the names and contents of its files."""

    path: str
    files_sha256: str | None = None


def external_name(path: str, name: str | None = None) -> str:
    """The name of an external compression: `name`, else a valid name that resembles that of the folder or file.

    Raises ValueError for a path without a name, such as "..".
    """
    found = name or valid_name(Path(path).name.removesuffix(MASK_SUFFIX))
    if not found:
        raise ValueError(f"path {path!r} has no name that could name its cells; add one, such as `name: pruned`")
    return found


def external_paths(study: "Study") -> dict[str, str]:
    """Name -> path of every external compression of a study."""
    return {name: path for name, path, _ in _named(study)}


def check_external(resolved: "Resolved", where: str) -> None:
    """Raise UserError, prefixed with `where`, if two paths of a study have one name: their cells would be the same."""
    first: dict[str, str] = {}
    for name, path, place in _named(resolved.study):
        if first.setdefault(name, path) != path:
            raise UserError(
                f"{where}: {place}: external compressions {first[name]} and {path} are both called {name!r}, so they "
                "would have the same cells. Give one of them another name, in an entry of its own: "
                f"{{method: external, path: {path}, name: {name}-2}}."
            )


def _named(study: "Study") -> list[tuple[str, str, str]]:
    return [
        (external_name(path, grid.name), path, f"experiments.{experiment}.compressions.{number}")
        for experiment, exp in study.experiments.items()
        for number, grid in enumerate(exp.compressions)
        for path in grid.path or ()
    ]


def external_settings(compression: "Compression", resolved: "Resolved") -> ExternalSettings | None:
    """The path and checksum of an external compression; None for any other."""
    kind, name = parse_level(compression.level)
    if kind != "external":
        return None
    path = external_paths(resolved.study)[name]
    return ExternalSettings(path, external_digest(path))


def external_digest(path: str) -> str | None:
    """Checksum of the weights and configuration of a checkpoint folder, or of a mask file; None if there are none."""
    if path.endswith(MASK_SUFFIX):
        file = local_folder(path)
        return files_digest(str(file.parent), (file.name,))
    return files_digest(path, CHECKPOINT_FILES)
