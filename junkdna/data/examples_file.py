"""Stored examples and the raw data they were made of: a data set that changed since must not be mixed with them."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.data.usable_rows import notes_of
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
    """Write examples, sealed, with the digest of `settings`.

    `raw` holds, by split of the source, the number of raw rows and its files' hashes. The notes on the rows
    (`usable.noted`) go into the footer too.
    """
    told = {
        "folder": settings.source.local,
        "raw": raw,
        "rows": notes_of(table),
        "settings_fingerprint": settings_fingerprint(settings),
    }
    write_parquet(table.replace_schema_metadata({FOOTER_KEY: canonical_json(told).encode()}), path)


def read_examples_file(path: Path, made_from: str | None = None) -> "pa.Table":
    """The examples of a file. UserError where it is damaged, where it was made from other settings than those
    of the digest `made_from` (where given), and where a local raw file that is still there has other bytes than when
    the examples were made."""
    table = read_parquet(path, "file of examples")
    told = examples_record(table)
    for split, facts in told["raw"].items() if told["folder"] else ():
        for name, sha256 in facts["files"].items():
            file = local_folder(told["folder"]) / name
            if file.is_file() and sha256_file(file) != sha256:
                raise UserError(
                    f"{file} has changed since {path} was made of it (split {split} had {facts['rows']} rows then). "
                    f"Delete the folder {path.parent} and run again: examples and cells are made anew; or put the old "
                    "file back."
                )
    if made_from is not None:
        check_made_from(path, told.get("settings_fingerprint"), made_from)
    return table


def examples_record(table: "pa.Table") -> dict:
    """What the footer of a file of examples says: `write_examples`."""
    return json.loads(table.schema.metadata[FOOTER_KEY])
