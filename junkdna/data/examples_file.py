"""Examples files, with checks that the raw data has not changed since the examples were built from it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.data.usable_rows import counted, read_notes
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.fingerprint import canonical_json, settings_fingerprint
from junkdna.storage.globs import local_folder
from junkdna.storage.origin_checks import check_made_from
from junkdna.storage.tables import read_parquet, write_parquet
from junkdna.study.grid import all_cells, used_examples
from junkdna.study.paths import EXAMPLES, FOOTER_KEY
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    import pyarrow as pa


def write_examples(table: "pa.Table", settings: dict, raw: dict[str, dict], path: Path) -> None:
    """Writes examples with a checksum and the fingerprint of `settings` (`settings.example_settings`).

    `raw` maps each split of the source to its number of raw rows and the SHA-256 of its files. The footer also stores
    the notes on the rows (`usable_rows.add_notes`).
    """
    footer = {
        "folder": settings["source"].get("local"),
        "raw": raw,
        "rows": read_notes(table),
        "settings_fingerprint": settings_fingerprint(settings),
    }
    write_parquet(table.replace_schema_metadata({FOOTER_KEY: canonical_json(footer).encode()}), path)


def read_examples_file(path: Path, made_from: str | None = None) -> "pa.Table":
    """The table of an examples file.

    Raises UserError if the file is corrupt, if it was built from settings with another fingerprint than `made_from`
    (unless None), and if a local raw file still exists but has changed since the examples were built.
    """
    table = read_parquet(path, "file of examples")
    footer = _footer(table)
    for split, raw in footer["raw"].items() if footer["folder"] else ():
        for name, sha256 in raw["files"].items():
            file = local_folder(footer["folder"]) / name
            if file.is_file() and sha256_file(file) != sha256:
                raise UserError(
                    f"{file} has changed since {path} was built from it (split {split} had {raw['rows']} rows then). "
                    f"Delete the folder {path.parent} and rerun to rebuild examples and cells, or restore the old file."
                )
    if made_from is not None:
        check_made_from(path, footer.get("settings_fingerprint"), made_from)
    return table


def check_data(resolved: Resolved) -> dict[str, str]:
    """Notes on the rows of each task for readers of results: counts of skipped rows, and warnings. "" for none.

    Raises UserError if examples of the study are corrupt, if their local data has changed, or if the same raw split
    changed between building the examples of two roles.
    """
    notes: dict[str, list[str]] = {}
    seen: dict[tuple[str, str], tuple[dict, Path]] = {}
    for task, role in used_examples(all_cells(resolved), resolved):
        path = Path(f"{EXAMPLES}/{task}/{role}.parquet")
        if not path.exists():
            continue
        footer = _footer(read_examples_file(path))
        if role != "shots":
            notes.setdefault(task, []).extend(_sentences(role, footer.get("rows", {})))
        for split, raw in footer["raw"].items():
            first, other = seen.setdefault((task, split), (raw, path))
            if first != raw:
                raise UserError(
                    f"{other} and {path} were built from the same split ({split}) of task {task}, which changed in "
                    f"between ({first['rows']} rows, then {raw['rows']}). Delete the folder {path.parent} and rerun to "
                    "rebuild examples and cells."
                )
    return {task: "; ".join(sentences) for task, sentences in notes.items()}


def _sentences(role: str, notes: dict) -> list[str]:
    left_out = notes.get("left_out")
    return [*([f"left out of the rows to {role}: {counted(left_out)}"] if left_out else []), *notes.get("warnings", [])]


def _footer(table: "pa.Table") -> dict:
    return json.loads(table.schema.metadata[FOOTER_KEY])
