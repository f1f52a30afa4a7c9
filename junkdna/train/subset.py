"""Which train rows a `data_fraction` keeps (paper, setting 1: data adequacy)."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from junkdna.errors import UserError, unknown_name
from junkdna.seeds import seed_for


def subset(answers: Sequence[int] | None, positions: Sequence[int], percent: int, how: str, seed_key: tuple) -> list:
    """Indices, in stored order, of the train rows that stay at `percent` (1 to 100): round(n * percent / 100) of n
    rows, halves to the even number, at least one.

    `answers` holds the class of each row; None where there are no classes to balance (choice, regression).
    `positions` are the rows' numbers in their source.

    random  drawn by `seed_key` (task, seed) alone. A smaller percentage's rows are among a larger one's. With classes
            the numbers per class are the Sainte-Lague (Webster) apportionment of the rows to the classes with at least
            one row each, so they lie about one row from their share of the whole.
    first   the first rows of the source, as the authors' `train[:p%]` (no shuffling, no balance, no seed).

    100 keeps every row. Raises UserError for a percentage outside 1 to 100, an unknown `how`, and where a class of
    the train rows would have no row left. Regression targets are not balanced: plain random.
    """
    assert answers is None or len(answers) == len(positions)
    if not 1 <= percent <= 100:
        raise UserError(f"data_fraction {percent}: it is a percentage of the train rows, from 1 to 100.")
    if how not in ORDERS:
        raise unknown_name("subset", how, ORDERS)
    rows = len(positions)
    size = max(1, round(rows * percent / 100))
    kept = sorted(ORDERS[how](answers or [0] * rows, positions, seed_key)[:size])
    _refuse_lost_classes(answers or [], kept, percent, how)
    return kept


def check_targets(targets: Sequence[float], percent: int) -> None:
    """UserError where the train rows that stay at `percent` all have the same number to predict."""
    if len({*targets}) == 1:
        raise UserError(
            f"data_fraction {percent}: the {len(targets)} train rows that stay all have the number {targets[0]:g}, so "
            "that a constant would fit them; raise data_fraction."
        )


def _random(answers: Sequence[int], positions: Sequence[int], seed_key: tuple) -> list[int]:
    """All rows, so that every prefix is a stratified random sample: hence subsets are nested.

    Sorting by (k + 1/2) / n_c, for the k-th drawn of the n_c rows of class c, deals the places out as Sainte-Lague's
    divisors do; the first row of each class goes before all others.
    """
    generator = np.random.default_rng(seed_for("data_subset", *seed_key))
    drawn: dict[int, list[int]] = defaultdict(list)
    for row in generator.permutation(len(positions)).tolist():
        drawn[answers[row]].append(row)
    places = [
        (rank > 0, (rank + 0.5) / len(rows), label, row)
        for label, rows in drawn.items()
        for rank, row in enumerate(rows)
    ]
    return [row for *_, row in sorted(places)]


def _first(answers: Sequence[int], positions: Sequence[int], seed_key: tuple) -> list[int]:
    return sorted(range(len(positions)), key=lambda row: positions[row])


ORDERS: dict[str, Callable[[Sequence[int], Sequence[int], tuple], list[int]]] = {"random": _random, "first": _first}


def _refuse_lost_classes(answers: Sequence[int], kept: list[int], percent: int, how: str) -> None:
    lost = sorted(set(answers) - {answers[row] for row in kept}) if answers else []
    if lost:
        cause = "as the file is sorted by class" if how == "first" else "as there are more classes than rows"
        raise UserError(
            f"data_fraction {percent}: no row of class {', '.join(map(str, lost[:5]))} is among the {len(kept)} of "
            f"{len(answers)} train rows that stay (subset: {how}), {cause}. Raise data_fraction"
            f"{', or take subset: random' if how == 'first' else ''}."
        )
