"""Wheels with files of a test in them."""

import base64
import hashlib
import zipfile
from pathlib import Path


def make_wheel(path: Path, top: str, folder: Path) -> Path:
    """A wheel at `path` that holds the files of `folder` under `top`, with their hashes in its RECORD."""
    record = ["toy-1.0.dist-info/RECORD,,"]
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            code = base64.urlsafe_b64encode(hashlib.sha256(file.read_bytes()).digest()).decode().rstrip("=")
            record.append(f"{top}/{file.name},sha256={code},{file.stat().st_size}")
            archive.write(file, f"{top}/{file.name}")
        archive.writestr("toy-1.0.dist-info/RECORD", "\n".join(record))
    return path
