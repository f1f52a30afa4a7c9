"""One model name, one source: studies in one folder share results by name and would overwrite each other's models."""

from collections.abc import Iterator

from junkdna.errors import UserError
from junkdna.models.manifest import MANIFEST, read_manifest
from junkdna.storage.globs import local_folder
from junkdna.study.grid import all_cells
from junkdna.study.paths import MODELS
from junkdna.study.sources import pinned
from junkdna.study.study import Resolved


def taken_names(resolved: Resolved) -> Iterator[str]:
    """One line per model in use whose folder comes from another source than the study names, with the fix."""
    for name in dict.fromkeys(cell.model for cell in all_cells(resolved)):
        folder = f"{MODELS}/{name}"
        try:
            actual = _source(read_manifest(folder)["source"])
        except UserError:  # missing or corrupt: its job will make it
            continue
        expected = _source(pinned(resolved.study.models[name], resolved.study.pins()).named())
        if actual != expected:
            yield (
                f"models.{name}: {folder}/{MANIFEST} comes from {_text(actual)}, but this study names "
                f"{_text(expected)}. Rename the model in one of the two studies (for example {name}_2), or delete the "
                f"old results if you no longer need them: rm -r {folder}"
            )


def _source(source: dict) -> dict:
    """The source with an absolute folder, because one folder can be written in several ways."""
    if "local" not in source:
        return source
    return {"local": str(local_folder(source["local"]).absolute().resolve())}


def _text(source: dict) -> str:
    return ", ".join(f"{key} {value!r}" for key, value in source.items())
