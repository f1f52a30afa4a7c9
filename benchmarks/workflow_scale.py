"""Time and memory of Snakemake for planning, replanning and scheduling studies of growing size, on the real Snakefile.

    python benchmarks/workflow_scale.py --cells 100 1000 10000 50000 --repeats 3
    python benchmarks/workflow_scale.py --cells 4000 --only schedule

For each size, writes a study with that number of cells (fine-tuning in four transfer modes, 8 levels, tasks from the
Hub that are never downloaded) into an empty folder. Then runs, each in a new process:

plan      `snakemake -n -q` with nothing built
no-op     the same with every file built (empty files, with records written by Snakemake itself)
add       the same after one task was added to the study; its jobs are counted
schedule  `snakemake --cores 2 --until cell` with a shell script as `python` that leaves an empty file: the cost of
          scheduling (and planning) without the cells

Wall time, CPU time and peak memory are those of the Snakemake process and its children. Run it on an idle machine:
planning uses one process on one core.
"""

import argparse
import json
import os
import shutil
import stat
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from machine import machine

SNAKEFILE = Path(__file__).parents[1] / "workflow" / "Snakefile"
TASKS = ("sst2", "cola", "qqp", "stsb", "qnli", "rte", "winogrande", "csqa", "mrpc", "mnli")
ADDED = "boolq"
LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
MODES = ["dense", "sparse", "sparse_to_dense", "dense_freeze"]
CELLS_PER_SEED = 1 + len(LEVELS) * (len(MODES) - 1)
SHAPES = {100: (1, 4, 1), 1000: (1, 4, 10), 4000: (2, 8, 10), 10_000: (2, 10, 20), 50_000: (10, 10, 20)}

MARK = """
import asyncio, os, sys, time
from pathlib import Path
from snakemake.cli import main
from snakemake.workflow import Workflow
build = Workflow._build_dag
async def mark(workflow):
    now = time.time() - 60
    for job in workflow.dag.jobs:
        for file in job.output:
            Path(file).parent.mkdir(parents=True, exist_ok=True)
            Path(file).touch()
            os.utime(file, (now, now))
    for job in workflow.dag.jobs:
        await workflow.persistence.finished(job)
def built(workflow):
    build(workflow)
    workflow.async_run(mark(workflow))
Workflow._build_dag = built
sys.argv = ["snakemake", *sys.argv[1:]]
main()
"""
EMPTY_OUTPUT = """#!/bin/sh
# instead of `python -m junkdna STAGE OUTPUT ...`: leaves an empty output
: > "$4"
"""


def study(models: int, tasks: int, seeds: int, added: bool = False) -> dict:
    """A study of models x tasks x seeds x `CELLS_PER_SEED` cells; `added` adds one task."""
    names = [*TASKS[:tasks], *([ADDED] if added else [])]
    return {
        "study": "scale",
        "models": {f"model_{i}": {"kind": "encoder", "hub": f"lab/model-{i}"} for i in range(models)},
        "tasks": {name: {"source": "hub"} for name in names},
        "experiments": {
            "grid": {
                "title": "Everything with everything",
                "models": [f"model_{i}" for i in range(models)],
                "tasks": names,
                "compressions": [{"method": "magnitude", "sparsity": LEVELS}],
                "transfer": MODES,
                "seeds": list(range(seeds)),
            }
        },
    }


def timed(folder: Path, *command: str, env: dict | None = None) -> tuple[dict, str]:
    """Wall and CPU seconds and peak MB of one process and its children; and its output."""
    with (folder / "output.txt").open("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, env=env, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} ended with {process.returncode}:\n{text[-2000:]}")
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_mb": usage.ru_maxrss / 1024}, text


def snakemake(*arguments: str) -> list[str]:
    """The command line of Snakemake on the project's own Snakefile."""
    return [sys.executable, "-m", "snakemake", "-s", str(SNAKEFILE), *arguments]


def write_study(folder: Path, shape: tuple[int, int, int], added: bool = False) -> None:
    """Write config.yaml."""
    (folder / "config.yaml").write_text(yaml.safe_dump(study(*shape, added), sort_keys=False))


def jobs(folder: Path) -> dict[str, int]:
    """Number of jobs of each rule in a dry run."""
    _, text = timed(folder, *snakemake("-n", "--quiet", "rules"))
    counted: dict[str, int] = {}
    for line in text.splitlines():
        parts = line.split()
        if len(parts) == 2 and parts[1].isdigit():
            counted[parts[0]] = int(parts[1])
    return counted


def measure(cells: int, only: set[str], repeats: int) -> list[dict]:
    """Rows of the table for one size."""
    models, _, seeds = shape = SHAPES[cells]
    rows = []
    with tempfile.TemporaryDirectory(prefix="junkdna-scale-") as name:
        folder = Path(name)
        write_study(folder, shape)
        if "plan" in only:
            rows += [{"what": "plan", **timed(folder, *snakemake("-n", "-q"))[0]} for _ in range(repeats)]
        if only & {"no-op", "add"}:
            timed(folder, sys.executable, "-c", MARK, "-s", str(SNAKEFILE), "-n", "-q")
            stale = jobs(folder)
            assert not stale, f"the built study is not up to date: {stale}"
        if "no-op" in only:
            rows += [{"what": "no-op", **timed(folder, *snakemake("-n", "-q"))[0]} for _ in range(repeats)]
        if "add" in only:
            write_study(folder, shape, added=True)
            rows.append({"what": "add", **timed(folder, *snakemake("-n", "-q"))[0]})
            planned, expected = jobs(folder).get("cell"), models * seeds * CELLS_PER_SEED
            assert planned == expected, f"an added task plans {planned} cells, not {expected}"
        if "schedule" in only:
            shutil.rmtree(folder / "results", ignore_errors=True)
            shutil.rmtree(folder / ".snakemake", ignore_errors=True)
            write_study(folder, shape)
            rows.append({"what": "schedule", **schedule(folder, cells)})
    return [{"cells": cells, **row} for row in rows]


def schedule(folder: Path, cells: int) -> dict:
    """A real run in which every job leaves an empty file."""
    script = folder / "bin" / "python"
    script.parent.mkdir()
    script.write_text(EMPTY_OUTPUT)
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    env = {**os.environ, "PATH": f"{script.parent}{os.pathsep}{os.environ['PATH']}"}
    usage, _ = timed(folder, *snakemake("--cores", "2", "-q", "--until", "cell"), env=env)
    written = sum(1 for _ in (folder / "results" / "cells").rglob("*.parquet"))
    assert written == cells, f"{written} cell files were written, not {cells}"
    return usage


def table(rows: list[dict]) -> list[str]:
    """The rows as a Markdown table: medians over repeats, and the range of wall times."""
    lines = ["| cells | what | runs | wall, s | CPU, s | peak, MB |", "|---|---|---|---|---|---|"]
    for cells, what in dict.fromkeys((row["cells"], row["what"]) for row in rows):
        group = [row for row in rows if (row["cells"], row["what"]) == (cells, what)]
        walls = sorted(row["wall_s"] for row in group)
        spread = f" ({walls[0]:.1f}-{walls[-1]:.1f})" if len(walls) > 1 else ""
        middle = {name: statistics.median(row[name] for row in group) for name in ("wall_s", "cpu_s", "peak_mb")}
        lines.append(
            f"| {cells:,} | {what} | {len(group)} | {middle['wall_s']:.1f}{spread} | {middle['cpu_s']:.1f} "
            f"| {middle['peak_mb']:.0f} |"
        )
    return lines


def main() -> None:
    """Measure, print the table, and write the rows as JSON if --json is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", choices=sorted(SHAPES), default=[100, 1000, 10_000])
    parser.add_argument("--only", nargs="+", choices=["plan", "no-op", "add", "schedule"])
    parser.add_argument("--repeats", type=int, default=1, help="runs of `plan` and `no-op`")
    parser.add_argument("--json", type=Path, help="write every run to this file")
    args = parser.parse_args()
    print(f"{machine('snakemake', 'junkdna')}\n")
    rows = []
    for cells in args.cells:
        rows += measure(cells, set(args.only or ["plan", "no-op", "add"]), args.repeats)
        print(f"{cells:,} cells measured", file=sys.stderr, flush=True)
    print("\n".join(table(rows)))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
