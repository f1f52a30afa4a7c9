"""The study that is stored with its results."""

import logging
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.table_record import record_of
from junkdna.study.paths import TABLES

STUDY = "study.json"  # in an archive and in partial results
log = logging.getLogger(__name__)


def results_folder(path: Path) -> Path:
    """The folder of results that a path names: itself, or the folder of its tables."""
    return path.parent if (path / "drops.parquet").is_file() else path


def stored_study(folder: Path) -> Path:
    """The file of the checked study that the tables in a folder of results were made from.

    A folder may have several, because each version of a study that was run leaves one. The tables record theirs; of
    results that record none, the newest file is taken, and a warning says so. Raises UserError if there is no file, if
    that of the tables is missing or changed, or if two tables were made from different studies.
    """
    files = sorted({*folder.glob("study-*.json"), *folder.glob(STUDY)})
    if not files:
        raise UserError(
            f"{folder} has no checked study ({STUDY} or study-....json), which says what was run. Name a folder of "
            "results as the run left it (results/studies/NAME), or an archive."
        )
    if recorded := _recorded(folder):
        return _with_sha256(folder, files, *recorded)
    newest = max(files, key=lambda file: (file.stat().st_mtime_ns, file.name))
    if len(files) > 1:
        log.warning(
            "%s has %d versions of its study, and its tables do not record which they were made from: the newest, %s, "
            "is taken. Run snakemake with --forcerun collect to make the tables again.",
            folder, len(files), newest.name,
        )  # fmt: skip
    return newest


def _recorded(folder: Path) -> tuple[str, str] | None:
    """SHA-256 and name of the study that the tables were made from; None if they record none. Raises UserError if two
    tables differ."""
    records = [(name, record_of(folder / f"tables/{name}.parquet")) for name in ("cells", *TABLES)]
    known = [(name, record["study_sha256"], record["study"]) for name, record in records if "study_sha256" in record]
    for name, sha256, study in known[1:]:
        if sha256 != known[0][1]:
            raise UserError(
                f"{folder}: the table of {known[0][0]} was made from {known[0][2]}, that of {name} from {study}: a run "
                "stopped between the two. Run snakemake again to make all tables from one study."
            )
    return known[0][1:] if known else None


def _with_sha256(folder: Path, files: list[Path], sha256: str, name: str) -> Path:
    """The file with these bytes; `name` is what it was called when the tables were made."""
    for file in files:
        if sha256_file(file) == sha256:
            return file
    there = "has changed since then" if (folder / name).is_file() else "is not there"
    raise UserError(
        f"{folder}: the tables were made from the study {name}, which {there}. Copy that file from the folder of the "
        "run, or run snakemake there to make the tables again."
    )
