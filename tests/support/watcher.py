"""A thread that opens every file of results as soon as it is there: none may ever be half-written."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import safetensors


class Watcher(threading.Thread):
    """Opens every file of results that appears or changes, under its final name; notes those that cannot be read."""

    READERS = {
        ".parquet": lambda file: pq.read_table(file),
        ".arrow": lambda file: pa.ipc.open_file(pa.OSFile(str(file))).read_all(),
        ".safetensors": lambda file: safetensors.deserialize(file.read_bytes()),  # by name it is opened twice
        ".json": lambda file: json.loads(file.read_text()),
    }

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self.folder = folder
        self.seen: set[tuple[str, int, int]] = set()
        self.wrong: list[str] = []
        self._end = threading.Event()

    def run(self) -> None:
        while not self._end.wait(0.05):
            self.look()

    def stop(self) -> None:
        self._end.set()
        self.join()
        self.look()

    def look(self) -> None:
        for file in self._files():
            try:
                stamp = file.stat()
                key = (str(file), stamp.st_ino, stamp.st_mtime_ns)
                if key not in self.seen:
                    self.READERS[file.suffix](file)
                    self.seen.add(key)
            except FileNotFoundError:  # Snakemake removes outputs of jobs that failed
                continue
            except Exception as error:
                if file.exists():
                    self.wrong.append(f"unreadable {file.relative_to(self.folder)}: {type(error).__name__} {error}")

    def _files(self) -> Iterator[Path]:
        for parent, _, names in os.walk(self.folder / "results"):
            yield from (Path(parent, name) for name in names if name[0] != "." and Path(name).suffix in self.READERS)
