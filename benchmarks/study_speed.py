"""Wall time of a real study of fine-tuned cells in a tree of this project: where it goes, and how busy the GPUs are.

    python benchmarks/study_speed.py --data GLUE_FOLDER --model MINILM_FOLDER --work FOLDER --gpus 4 --runs 2 \\
        --protocol stack=16 precision=bfloat16
    git archive --prefix=old/ 3d6a3b2 | tar -x
    python benchmarks/study_speed.py --tree old --data GLUE_FOLDER --model MINILM_FOLDER --work FOLDER --gpus 4

The study has 104 cells: MiniLM on SST-2 (8,000 rows), CoLA, RTE and STS-B, 2 epochs, batch 32, four transfer modes at
four sparsities (dense counts once), 2 seeds. It is built in an empty work folder and run by `snakemake --cores all
--resources gpu=N`, the same command for every tree. A second run (`--runs 2`) keeps results/cache and nothing else.

Prints the wall time, the seconds inside cells by the stages that their footers name (what a stack's cells share counts
once), what is left of the workers' time (process starts, planning, reports), and the mean utilization of each GPU
as nvidia-smi reports it. `--data` has a folder for each task with train.parquet and validation.parquet; `--model` is a
model folder, or the folder of parts that `stack_equivalence.py prepare` writes. Rules call `python`, which is this
Python with the tree first on its path, so it needs no installation.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from machine import machine

from junkdna.run.process import output_of

TASKS = ("sst2", "cola", "rte", "stsb")
SPARSITIES = (0.3, 0.5, 0.7, 0.9)
MODES = ("dense", "sparse", "sparse_to_dense", "dense_freeze")
SAMPLE_MS = 250


def study_of(args: argparse.Namespace, model: Path) -> dict:
    limits = {name: count for name, count in (("train", args.train), ("evaluate", args.evaluate)) if count}
    entries = {
        name: {"source": "local", "folder": str(args.data.absolute() / name), "limits": {**limits}} for name in TASKS
    }
    entries["sst2"]["limits"] = {"train": 8000, **limits}
    compressions = [{"method": "magnitude", "sparsity": list(args.sparsities)}]
    experiment = {"title": "", "models": ["minilm"], "tasks": list(TASKS), "compressions": compressions}
    experiment |= {"transfer": list(MODES), "seeds": list(range(args.seeds)), "protocol": "tuned"}
    protocol = {"epochs": args.epochs, "batch_size": 32, "learning_rate": 5.0e-5, "max_length": 128}
    return {
        "study": "speed",
        "cells_per_job": args.cells_per_job,
        "models": {"minilm": {"kind": "encoder", "local": str(model)}},
        "tasks": entries,
        "protocols": {"tuned": protocol | dict(map(_key, args.protocol))},
        "experiments": {"modes": experiment},
    }


def _key(text: str) -> tuple[str, str | int]:
    """KEY=VALUE, the value a number if it is one."""
    name, _, value = text.partition("=")
    return name, int(value) if value.isdigit() else value


def build(args: argparse.Namespace) -> None:
    """The work folder: the model, the study, and a `python` that finds the tree."""
    args.work.mkdir(parents=True, exist_ok=True)
    if any(args.work.iterdir()):
        sys.exit(f"{args.work} is not empty; name another folder")
    model = args.model.absolute()
    if (model / "part-0").is_dir():
        from stack_equivalence import join_weights

        join_weights(model, args.work / "minilm")
        model = args.work.absolute() / "minilm"
    (args.work / "config.yaml").write_text(yaml.safe_dump(study_of(args, model)), encoding="utf-8")
    python = args.work / "bin/python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)


def snakemake(args: argparse.Namespace) -> float:
    """Wall seconds of the run. Exits with the end of its output if it fails."""
    tree, work = args.tree.absolute(), args.work.absolute()
    paths = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
    programs = os.pathsep.join([str(work / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "snakemake", "-s", str(tree / "workflow/Snakefile"), "--directory", str(work)]
    command += ["--cores", "all", "--resources", f"gpu={args.gpus}"]
    start = time.perf_counter()
    with (work / "snakemake.log").open("w") as log:
        process = subprocess.run(
            command, cwd=work, env={**os.environ, "PYTHONPATH": paths, "PATH": programs}, stdout=log, stderr=log
        )
    if process.returncode:
        sys.exit((work / "snakemake.log").read_text()[-6000:])
    return time.perf_counter() - start


@contextmanager
def utilization(gpus: int) -> Iterator[dict[str, float]]:
    """Yields a dictionary that has the mean utilization (percent) of each GPU after the block."""
    busy: dict[str, float] = {}
    if not gpus:
        yield busy
        return
    query = ["nvidia-smi", "--query-gpu=index,utilization.gpu", "--format=csv,noheader,nounits", "-lms", str(SAMPLE_MS)]
    with tempfile.TemporaryFile("w+") as samples:
        process = subprocess.Popen(query, stdout=samples)
        try:
            yield busy
        finally:
            process.terminate()
            process.wait()
            samples.seek(0)
            by_gpu = defaultdict(list)
            for line in samples:
                index, _, percent = line.partition(",")
                if percent.strip().isdigit():
                    by_gpu[index].append(float(percent))
            busy |= {index: statistics.mean(values) for index, values in by_gpu.items()}


def stages(results: Path) -> tuple[int, Counter]:
    """Number of cells, and the seconds of each stage: those that their footers name (a stack divides its time among
    its cells), and the time to write their files, which the logs have."""
    import pyarrow.parquet as pq

    files, seconds = sorted((results / "cells").rglob("*.parquet")), Counter()
    for file in files:
        footer = json.loads(pq.read_metadata(file).metadata[b"junkdna"])
        seconds.update(footer["wall_s"])
    for log in (results / "logs/cells").rglob("*.log"):
        seconds["write"] += sum(map(float, re.findall(r": written in ([0-9.]+) s", log.read_text(encoding="utf-8"))))
    return len(files), seconds


def report(args: argparse.Namespace, run: int, wall: float, busy: dict[str, float]) -> None:
    count, seconds = stages(args.work / "results")
    lanes = args.gpus or os.cpu_count()
    inside = sum(seconds.values())
    by_stage = ", ".join(f"{stage} {taken:.1f}" for stage, taken in seconds.most_common())
    caches = "empty caches" if run == 0 else "warm caches"
    print(f"{args.tree.name}, run {run + 1} ({caches}): {wall:.1f} s, {count} cells")
    print(f"  inside cells {inside:.1f} s: {by_stage}")
    print(f"  outside cells {lanes * wall - inside:.1f} s of {lanes} x {wall:.1f} s")
    if busy:
        print("  GPU busy: " + ", ".join(f"{index}: {percent:.0f} %" for index, percent in busy.items()))
    sys.stdout.flush()


def gpu_names(count: int) -> str:
    """Such as "4 x NVIDIA H100"; "" without GPUs."""
    names = output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") if count else None
    return f"{count} x {names.splitlines()[0]}" if names else ""


def clear(work: Path) -> None:
    """Delete everything that the run wrote except results/cache."""
    shutil.rmtree(work / ".snakemake")
    for path in (work / "results").iterdir():
        if path.name != "cache":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=Path(__file__).parents[1], help="the project's tree to measure")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="empty folder, or one to make")
    parser.add_argument("--gpus", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--protocol", nargs="*", default=[], help="more keys of the protocol: stack=16")
    parser.add_argument("--cells-per-job", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--sparsities", type=float, nargs="+", default=SPARSITIES)
    parser.add_argument("--train", type=int, help="train rows of each task (default: all, 8,000 of SST-2)")
    parser.add_argument("--evaluate", type=int, help="evaluated rows of each task (default: all)")
    args = parser.parse_args()
    print(machine("torch", "transformers", "snakemake", gpu=gpu_names(args.gpus)))
    build(args)
    for run in range(args.runs):
        if run:
            clear(args.work)
        with utilization(args.gpus) as busy:
            wall = snakemake(args)
        report(args, run, wall, busy)


if __name__ == "__main__":
    main()
