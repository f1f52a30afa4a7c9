"""Time and memory of `junkdna collect` for many cells, on cell files in the real format with invented contents.

    python benchmarks/join_cells.py [--cells 100 1000 10000 50000] [--examples 500] [--folder FOLDER]

Writes cell files with `write_cell`, N of them or a few more (a study has whole levels and seeds; the table shows how
many), joins them in a separate process, and prints one line of a Markdown table for each N: wall seconds, CPU seconds
and peak memory of that process, including its start and imports. The files have just been written, so they are in the
system's cache. 50,000 cells of 500 examples take about 1 GB of disk.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from math import ceil
from pathlib import Path

import numpy as np
import pyarrow as pa
import yaml
from machine import machine

from junkdna.cli import table_jobs
from junkdna.data.tokens_file import SCHEMA, write_tokens
from junkdna.evaluate.answers import Answers
from junkdna.run.cell_file import cell_table, metrics_row, write_cell
from junkdna.storage.checksums import stored_checksum
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve, study_document
from junkdna.study.settings_from_study import cell_settings
from junkdna.study.study import Resolved
from junkdna.train.finetune import Trained

MODES = ["dense", "sparse", "sparse_to_dense", "dense_freeze"]
LEVELS = [round(0.02 * i, 2) for i in range(1, 34)]  # with three modes and the dense cell: 100 cells per seed
PER_SEED = 3 * len(LEVELS) + 1
MATRICES = 72
TASK = {
    "name": "mood", "title": "Mood", "kind": "classify", "labels": ["bad", "good"], "license": "made up",
    "sources": {"local": {"local": "data", "splits": {"all": "mood.parquet"}}},
    "columns": {"text": "{sentence}", "answer": "label"},
    "hash_split": {"of": "all", "train": 1000, "evaluate": 500},
}  # fmt: skip


def study(cells: int) -> Resolved:
    """A study with at least this number of cells, and with as many if it is a multiple of 100 (from 10,000 on of
    1,000); writes its task file into the working folder."""
    fractions = 10 if cells >= 10_000 else 1
    seeds = ceil(cells / (fractions * PER_SEED))
    levels = max(1, ceil((cells / (fractions * seeds) - 1) / 3))
    Path("mood.yaml").write_text(yaml.safe_dump(TASK))
    experiment = {
        "title": "Many", "models": ["tiny"], "tasks": ["mood"], "transfer": MODES, "seeds": list(range(seeds)),
        "knobs": {"data_fraction": [100 - 10 * i for i in range(fractions)]},
        "compressions": [{"method": "magnitude", "sparsity": LEVELS[:levels]}],
    }  # fmt: skip
    data = {
        "study": "many", "models": {"tiny": {"kind": "encoder", "local": "model"}},
        "tasks": {"mood": {"file": "mood.yaml"}}, "experiments": {"many": experiment},
    }  # fmt: skip
    return resolve(data, "join_cells.py")


def write_cells(cells: list[Cell], resolved: Resolved, examples: int) -> None:
    """Write a file for each cell, with random answers, and the two tokens files that all of them read."""
    row = dict.fromkeys(SCHEMA.names) | {"id": "made up", "split": "evaluate"}
    for role in ("train", "evaluate"):
        write_tokens(pa.Table.from_pylist([row], schema=SCHEMA), Path(cells[0].tokens_path(role)))
    files = {f"file{i}": {"sha256": "0" * 64, "size_bytes": 1, "mtime_ns": 1} for i in range(8)}
    footer = {
        "tokens_sha256": {role: stored_checksum(Path(cells[0].tokens_path(role))) for role in ("train", "evaluate")},
        "model": {"format": "safetensors", "files": files, "digest": "0" * 64}, "compressed_digest": None,
        "device": "cpu", "torch_threads": 1, "versions": {f"package{i}": "1.2.3" for i in range(8)},
        "wall_s": {"load": 1.5, "compress": 0.1, "train": 60.2, "score": 2.5}, "resumed": 0,
    }  # fmt: skip
    layers = {
        f"encoder.layer.{i // 6}.attention.self.part{i % 6}.weight": {
            "rows": 384, "inputs": 384, "sparsity": 0.5 + i / 1e6, "effective_bits": 9.0 + i / 1e6,
        }
        for i in range(MATRICES)
    }  # fmt: skip
    report = {"layers": layers, "left_dense": [], "achieved_sparsity": 0.5, "effective_bits_per_weight": 9.0}
    random = np.random.default_rng(0)
    for cell in cells:
        settings = cell_settings(cell, resolved)
        row = metrics_row(settings, cell, _answers(random, examples), Trained(96, 0.7, 0.5), 1000)
        row |= {"achieved_sparsity": 0.5, "effective_bits_per_weight": 9.0}
        per_cell = {"settings": settings, "settings_fingerprint": settings_fingerprint(settings), "compression": report}
        write_cell(cell_table(row, footer | per_cell), Path(cell.path))


def _answers(random: np.random.Generator, examples: int) -> Answers:
    scores = random.normal(size=(examples, 2)).astype(np.float32)
    gold, prediction = random.integers(2, size=examples), scores.argmax(axis=1)
    correct = (gold == prediction).astype(float)
    columns = {
        "id": [f"row-{i}" for i in range(examples)], "gold": gold.astype(float), "prediction": prediction.astype(float),
        "margin": scores[:, 0] - scores[:, 1], "correct": correct, "scores": list(scores),
        "truncated": [False] * examples,
    }  # fmt: skip
    return Answers(columns, {"accuracy": float(correct.mean())}, 0.5, 0.5, False)


def measured(study_file: Path, output: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of a process that joins the cells."""
    command = [sys.executable, "-m", "junkdna", "collect", str(output), "--study", str(study_file)]
    start = time.perf_counter()
    process = os.posix_spawn(sys.executable, command, os.environ)
    _, status, used = os.wait4(process, 0)
    assert status == 0, "the join failed"
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def _cells(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cells: give a whole number from 1.")
    return int(text)


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cells", type=_cells, nargs="+", default=[100, 1000, 10_000, 50_000])
    options.add_argument("--examples", type=int, default=500)
    options.add_argument("--folder", type=Path, help="folder for the files (default: the system's temporary folder)")
    given = options.parse_args()
    print(f"{machine('polars', 'pyarrow')}; one run of each size\n")
    print("| cells | bytes per file | wall s | CPU s | peak MB |\n|---:|---:|---:|---:|---:|", flush=True)
    for count in given.cells:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            os.chdir(folder)
            resolved = study(count)
            cells = all_cells(resolved)
            write_cells(cells, resolved, given.examples)
            table_jobs.study(Path("study.json"), json.loads(json.dumps(study_document(resolved))))
            wall, cpu, peak = measured(Path("study.json"), Path("cells.parquet"))
            size = sum(Path(cell.path).stat().st_size for cell in cells) / len(cells)
            print(f"| {len(cells):,} | {size:,.0f} | {wall:.1f} | {cpu:.1f} | {peak:.0f} |", flush=True)
            os.chdir("/")


if __name__ == "__main__":
    main()
