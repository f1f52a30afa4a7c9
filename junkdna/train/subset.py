"""The train rows that the knob `data_fraction` keeps (paper, setting 1: data adequacy)."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from junkdna.errors import UserError, unknown_name
from junkdna.seeds import seed_for


def subset(answers: Sequence[int] | None, positions: Sequence[int], percent: int, how: str, seed_key: tuple) -> list:
    """Indices, in stored order, of the train rows to keep at `percent` (1 to 100): round(n * percent / 100) of n rows,
    halves rounded to the even number, at least one.

    `answers` holds the class of each row; None for tasks without classes to balance (choice, regression).
    `positions` are the numbers of the rows in their source.

    random  a sample that depends on `seed_key` (task, seed) only. A larger percentage keeps all rows of a smaller one.
            With classes, the rows per class are a Sainte-Lague (Webster) apportionment with at least one row per
            class, so they differ from a proportional share by about one row.
    first   the first rows of the source, like the authors' `train[:p%]` (not shuffled, not balanced, no seed).

    Raises UserError for a percentage outside 1 to 100, an unknown `how`, and if a class would keep no row.
    """
    assert answers is None or len(answers) == len(positions)
    if not 1 <= percent <= 100:
        raise UserError(f"data_fraction {percent}: it is a percentage of the train rows, from 1 to 100.")
    if how not in ORDERS:
        raise unknown_name("subset", how, ORDERS)
    rows = len(positions)
    size = max(1, round(rows * percent / 100))
    kept = sorted(ORDERS[how](answers or [0] * rows, positions, seed_key)[:size])
    if answers and (lost := sorted({*answers} - {answers[row] for row in kept})):
        cause = "because the file is sorted by class" if how == "first" else "because it keeps fewer rows than classes"
        raise UserError(
            f"data_fraction {percent} keeps {len(kept)} of {rows} train rows (subset: {how}), but none of class "
            f"{', '.join(map(str, lost[:5]))}, {cause}. Raise data_fraction"
            f"{' or set subset: random' if how == 'first' else ''}."
        )
    return kept


def check_targets(targets: Sequence[float], percent: int) -> None:
    """Raise UserError if the train rows kept at `percent` all have the same target."""
    if len({*targets}) == 1:
        raise UserError(
            f"data_fraction {percent}: the {len(targets)} train rows that it keeps all have the target {targets[0]:g}, "
            "so a constant would fit them. Raise data_fraction."
        )


def _random(answers: Sequence[int], positions: Sequence[int], seed_key: tuple) -> list[int]:
    """All rows, in an order in which every prefix is a stratified random sample, so subsets are nested.

    Row k (from 0) of the n_c shuffled rows of class c is sorted by (k + 1/2) / n_c, which is Sainte-Lague's order of
    seats. The first row of each class goes before all others.
    """
    generator = np.random.default_rng(seed_for("data_subset", *seed_key))
    drawn: dict[int, list[int]] = defaultdict(list)
    for row in generator.permutation(len(positions)).tolist():
        drawn[answers[row]].append(row)
    ranked = [
        (rank > 0, (rank + 0.5) / len(rows), label, row)
        for label, rows in drawn.items()
        for rank, row in enumerate(rows)
    ]
    return [row for *_, row in sorted(ranked)]


ORDERS: dict[str, Callable[[Sequence[int], Sequence[int], tuple], list[int]]] = {
    "random": _random,
    "first": lambda _, positions, __: sorted(range(len(positions)), key=positions.__getitem__),
}
