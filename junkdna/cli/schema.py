"""`junkdna schema`: the JSON Schemas of study and task files."""

import json
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.atomic import atomic_write
from junkdna.study.json_schema import json_schema


def schema_text(kind: str) -> str:
    """The schema of a kind of file ("study" or "task") as indented JSON."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False) + "\n"


def write_schema(kind: str, file: Path) -> None:
    """Write the schema. Raises UserError for a folder and for a file that cannot be written."""
    if file.is_dir():
        raise UserError(f"{file} is a folder. Name a file in it, such as {file / f'{kind}.schema.json'}.")
    with atomic_write(file) as temporary:
        temporary.write_text(schema_text(kind), encoding="utf-8")
