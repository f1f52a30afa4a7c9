"""The folder that an archive is written to: a new one, or that of an earlier archive of the same study."""

import json
from collections.abc import Collection, Iterator
from pathlib import Path

from junkdna.analysis.archive_files import ABOUT, is_archive
from junkdna.errors import UserError
from junkdna.study.results_folder import STUDY

FIGURES = "figures"  # folder of an archive with the figures that pages show


def check_target(target: Path, study: str | None = None) -> None:
    """Raises UserError unless `target` can be replaced: it does not exist, is empty, or has an archive (of `study`, if
    that is given) and nothing else but the figures that `junkdna findings` drew into it."""
    if target.exists() and not target.is_dir():
        raise UserError(f"--out {target} is a file. Name a folder.")
    if not target.is_dir() or not any(target.iterdir()):
        return
    if not is_archive(target):
        raise UserError(
            f"--out {target} has files and is no archive; they would be lost. Name a new folder, or that of an archive "
            "to replace."
        )
    if (listed := _listed(target)) is None:
        raise UserError(
            f"--out {target}: its {ABOUT} is damaged, so what else is there is not known, and nothing is replaced. "
            "Name a new folder, or delete this one."
        )
    if other := next(_foreign(target, listed), None):
        raise UserError(
            f"--out {target} is an archive, but {other} is no file of it and would be lost. Move the file away, or "
            "name a new folder."
        )
    if study is not None and (there := _study_of(target)) != study:
        raise UserError(
            f"--out {target} has an archive of the study {there}, which would be lost: this one is of the study "
            f"{study}. Name another folder."
        )


def _foreign(folder: Path, listed: Collection[str]) -> Iterator[Path]:
    """Files of an archive that neither `junkdna archive`, which lists its own, nor `junkdna findings` wrote."""
    own = {ABOUT, *listed}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        drawn = name.parent == Path(FIGURES) and name.suffix == ".png"
        if not path.is_dir() and name.as_posix() not in own and not drawn:
            yield path


def _listed(folder: Path) -> set[str] | None:
    """The files that the description of an archive lists; None if it is damaged."""
    try:
        return {*json.loads((folder / ABOUT).read_text(encoding="utf-8"))["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _study_of(folder: Path) -> str:
    try:
        return str(json.loads((folder / STUDY).read_text(encoding="utf-8"))["study"]["study"])
    except (OSError, ValueError, KeyError, TypeError):
        return "(not known: its study.json is damaged)"
