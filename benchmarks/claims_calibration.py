"""How often the claims and intervals are right, on studies with planted truth.

    python benchmarks/claims_calibration.py [--studies 100] [--only NAME] [--replicates 1000] [--processes 1]

Prints Markdown tables: false support in worlds where a claim is false or just at its margin, support where it is true,
support among many rows after correction for multiple testing, coverage of 95 % intervals, and the size of McNemar's
test. Every number has its number of studies and its standard error. `--only` is part of the name of a table or row. The
worlds, the findings and the limits are those of `tests/support/planted_claims.py` and of the package itself. Draws are
1,000 and not the 10,000 of a study, for speed. The same command prints the same numbers.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy is imported
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import numpy as np
import planted_claims
from machine import machine
from planted_claims import NULLS, TRUTHS
from planted_clusters import CLUSTERED, rejected
from planted_coverage import CELLS, CONTRASTS, LIKELIHOODS, cell_covered, contrast_covered, likelihood_covered

from junkdna.analysis.findings import SUPPORTED, decide

SEEDS = (1, 3, 5, 10)
FALSE_ROW, TRUE_ROW = "C2 at the margin", "C2 gap 0.30"
MANY = {"20 rows of C2, 12 of them at the margin": (12, 8)}
Outcomes = Iterable[tuple[str, float]]  # named numbers of one study, 0 to 1
Point = Callable[[int], Outcomes]  # of a study's number
Table = dict[str, list[Point | None]]  # row -> its points


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--studies", type=int, default=100, help="number of studies of a point (100); a fifth for many rows"
    )
    parser.add_argument("--replicates", type=int, default=1000, help="bootstrap draws (1000)")
    parser.add_argument("--only", default="", help="print only tables or rows whose name contains this text")
    parser.add_argument("--processes", type=int, default=1, help="number of processes (1)")
    given = parser.parse_args()
    start = time.time()
    print(f"`python benchmarks/claims_calibration.py {' '.join(sys.argv[1:])}`; {machine('numpy', 'scipy')}\n")
    with _mapper(given.processes) as run:
        for title, seeds, studies, rows in tables(given.replicates, given.studies):
            if wanted := _wanted(title, rows, given.only):
                _print_table(title, seeds, wanted, studies, run)
    print(f"{time.time() - start:.0f} s", file=sys.stderr)


def tables(replicates: int, studies: int) -> Iterator[tuple[str, Sequence[int], int, Table]]:
    """(title, numbers of seeds, number of studies, rows) of every table."""
    yield "False support, %", SEEDS, studies, {name: [_point(name, s, replicates) for s in SEEDS] for name in NULLS}
    yield "Power, %", SEEDS, studies, {name: [_point(name, s, replicates) for s in SEEDS] for name in TRUTHS}
    seeds = SEEDS[1:]
    yield (
        "Many rows, corrected: share of studies with a false row / of false rows among supported ones, %",
        seeds,
        -(-studies // 5),
        {name: [partial(many, *counts, s, replicates) for s in seeds] for name, counts in MANY.items()},
    )
    for title, seeds, outcome, names in (
        ("Coverage of a contrast of 3 conditions, new / old rule, %", (2, 3, 5, 10), contrast_covered, CONTRASTS),
        ("Coverage of a cell: drop / retention (/ drop by the old rule), %", (1, 2, 3, 5, 10), cell_covered, CELLS),
        (
            "Coverage of retention of a likelihood: baseline drawn / fixed, %",
            (1, 3, 5),
            likelihood_covered,
            LIKELIHOODS,
        ),
    ):
        yield title, seeds, studies, {name: [partial(outcome, name, s, replicates) for s in seeds] for name in names}
    title = "McNemar's test below 0.05 where nothing changes: clusters / single answers / modified Obuchowski, %"
    yield title, (1,), studies, {name: [partial(rejected, name)] for name in CLUSTERED}


def _point(name: str, seeds: int, replicates: int) -> Point | None:
    if seeds == 1 and name.startswith("C3"):
        return None  # it is about training
    return partial(_supported, name, seeds, replicates)


def _supported(name: str, seeds: int, replicates: int, study: int) -> Outcomes:
    yield "supported", float(planted_claims.verdict(name, seeds, study, replicates) == SUPPORTED)


def many(false: int, true: int, seeds: int, replicates: int, study: int) -> Outcomes:
    """Whether a study with many rows supports a false one, and which share of its supported rows is false."""
    names = [FALSE_ROW] * false + [TRUE_ROW] * true
    drawn = (planted_claims.finding(name, seeds, 1000 * study + at, replicates) for at, name in enumerate(names))
    supported = [each.verdict == SUPPORTED for each in decide(drawn)]
    yield "some", float(any(supported[:false]))
    yield "share", sum(supported[:false]) / max(sum(supported), 1)


def _outcomes(point: Point, study: int) -> list[tuple[str, float]]:
    return list(point(study))


def _print_table(title: str, seeds: Sequence[int], rows: Table, studies: int, run: Callable) -> None:
    heads = [f"{count} seed{'s' * (count > 1)}" for count in seeds]
    print(f"n = {studies} studies a point; standard errors in parentheses\n")
    print(f"| {title} | {' | '.join(heads)} |\n|{'---|' * (1 + len(seeds))}")
    for name, points in rows.items():
        print(f"| {name} | {' | '.join(_entry(point, studies, run) for point in points)} |", flush=True)
    print()


def _entry(point: Point | None, studies: int, run: Callable) -> str:
    """Percentages with their standard errors, one for each outcome of a point."""
    if point is None:
        return ""
    drawn = list(run(partial(_outcomes, point), range(studies)))
    values = np.array([[value for _, value in each] for each in drawn])
    errors = values.std(axis=0) / np.sqrt(studies)
    return " / ".join(f"{100 * mean:.1f} ({100 * e:.1f})" for mean, e in zip(values.mean(axis=0), errors, strict=True))


@contextmanager
def _mapper(processes: int) -> Iterator[Callable]:
    """`map`, on several processes if there are several."""
    if processes == 1:
        yield map
        return
    with ProcessPoolExecutor(processes) as pool:
        yield partial(pool.map, chunksize=5)


def _wanted(title: str, rows: Table, only: str) -> Table:
    return {name: points for name, points in rows.items() if only in title or only in name}


if __name__ == "__main__":
    main()
