"""Examples files, with checks that the raw data has not changed since the examples were built from it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.data.usable_rows import read_notes
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.storage.file_errors import check_made_from
from junkdna.storage.fingerprint import canonical_json, settings_fingerprint
from junkdna.storage.globs import local_folder
from junkdna.storage.tables import read_parquet, write_parquet
from junkdna.study.paths import FOOTER_KEY

if TYPE_CHECKING:
    import pyarrow as pa

    from junkdna.study.source_settings import ExampleSettings


def write_examples(table: "pa.Table", settings: "ExampleSettings", raw: dict[str, dict], path: Path) -> None:
    """Writes examples with a checksum and the fingerprint of `settings`.

    `raw` maps each split of the source to its number of raw rows and the SHA-256 of its files. The footer also stores
    the notes on the rows (`usable_rows.add_notes`).
    """
    footer = {
        "folder": settings.source.local,
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
    footer = examples_record(table)
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


def examples_record(table: "pa.Table") -> dict:
    """The entries that `write_examples` stored in the footer of an examples file."""
    return json.loads(table.schema.metadata[FOOTER_KEY])
