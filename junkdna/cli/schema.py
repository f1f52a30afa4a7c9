"""`junkdna schema`: the JSON Schemas of study and task files."""

import json
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write
from junkdna.study.json_schema import json_schema


def schema_text(kind: str) -> str:
    """The schema of a kind of file ("study" or "task") as indented JSON."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _is_schema(file: Path) -> bool:
    try:
        return "$schema" in json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, RecursionError):
        return False


def write_schema(kind: str, file: Path) -> None:
    """Write the schema, over an older one if there is one. Raises UserError for a folder, for a file that is no schema,
    such as the study itself, and for one that cannot be written."""
    if file.is_dir():
        raise UserError(f"{file} is a folder. Name a file in it, such as {file / f'{kind}.schema.json'}.")
    if file.exists() and not _is_schema(file):
        raise UserError(
            f"{file} exists and is no JSON Schema, so it would be lost. Name the file of the schema, such as "
            f"{kind}.schema.json."
        )
    with atomic_write(file) as temporary:
        temporary.write_text(schema_text(kind), encoding="utf-8")
