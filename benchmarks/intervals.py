"""Time and memory of the intervals of many cells, next to the arithmetic that they cannot do without.

    python benchmarks/intervals.py [--cells 5000] [--examples 650] [--replicates 10000]

Every cell has its own made-up answers to the same questions and one seed. The first one is the dense reference of the
others. Timed are the bootstrap replicates of all cells (`Scores.add`) and their drops with intervals (`effects`). The
lower bound is one matrix product of counts and answers and one sort of four rows of replicates for each cell, as NumPy
does them in the same process.
"""

import argparse
import resource
import time

import numpy as np
from machine import machine

from junkdna.analysis.effects import effects
from junkdna.analysis.scores import Answers, Scores

OPTIONS = 4


def main() -> None:
    """Print a row of Markdown for the given size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, default in (("cells", 5000), ("examples", 650), ("replicates", 10_000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    made = answers(given.cells, given.examples)
    start = time.perf_counter()
    scores = Scores(made.__getitem__, given.replicates)
    scores.add(range(given.cells))
    drawn = time.perf_counter()
    for cell in range(1, given.cells):
        effects(scores, cell, 0, 1 / OPTIONS)
    total = time.perf_counter() - start
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    bound = lower_bound(given.cells, given.examples, given.replicates)
    print(f"{machine('numpy', 'scipy')}; one run\n")
    print("| cells | examples | replicates | draws, s | intervals, s | lower bound, s | ratio | peak, GB |")
    print("|---|---|---|---|---|---|---|---|")
    times = (drawn - start, total - (drawn - start), bound, total / bound)
    sizes = (given.cells, given.examples, given.replicates)
    print("|", " | ".join([*map(str, sizes), *(f"{value:.1f}" for value in times), f"{peak_gb:.2f}"]), "|")


def answers(cells: int, examples: int) -> list[Answers]:
    """Answers of every cell, right in 55 to 85 % of the examples."""
    generator = np.random.default_rng(0)
    ids = tuple(map(str, range(examples)))
    gold = generator.integers(0, OPTIONS, examples).astype(float)
    rights = generator.random((cells, examples)) < generator.uniform(0.55, 0.85, (cells, 1))
    return [Answers("accuracy", ids, gold, np.where(right, gold, (gold + 1) % OPTIONS)[None], (0,)) for right in rights]


def lower_bound(cells: int, examples: int, replicates: int) -> float:
    """Seconds for the product of counts and answers, and for sorting four rows of replicates of each cell."""
    generator = np.random.default_rng(1)
    counts = generator.integers(0, 4, (replicates, examples)).astype(np.float32)
    given = generator.random((examples, cells), dtype=np.float32)
    start = time.perf_counter()
    values = counts @ given
    product = time.perf_counter() - start
    rows = np.repeat(values[:, :1].T, 4, axis=0)
    start = time.perf_counter()
    np.sort(rows, axis=1)
    return product + cells * (time.perf_counter() - start)


if __name__ == "__main__":
    main()
