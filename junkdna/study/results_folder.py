"""The study that is stored with its results."""

from pathlib import Path

from junkdna.errors import UserError

STUDY = "study.json"  # in an archive and in partial results


def stored_study(folder: Path) -> Path:
    """The file of the checked study in a folder of results: the newest, if several versions of it were run.

    Raises UserError if there is none.
    """
    files = [*folder.glob("study-*.json"), *folder.glob(STUDY)]
    if not files:
        raise UserError(
            f"{folder} has no checked study ({STUDY} or study-....json), so it has no results of one. Name a study "
            "file, results/studies/NAME, or an archive."
        )
    return max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
