"""How many places of its stack a trained cell takes: copies of a cell fill a stack that has too few cells."""

import math
from collections import Counter
from collections.abc import Callable, Iterable

from junkdna.study.cell import Cell
from junkdna.study.stacks import stack_of


def places(cells: Iterable[Cell], size_of: Callable[[Cell], int]) -> dict[Cell, float]:
    """Cell -> places of a stack for it, its share of the copies included: at least 1. Only cells that a stack trains.

    `cells` are those that will run, and no others: 37 cells that stack by 8 take 40 places, each of them 40/37. If 36
    of them are finished, the last one takes 8. `size_of` gives the size of a cell's stack; 1 is no stack. Cells make as
    few stacks as possible; a run makes more if their inputs are not ready together.
    """
    trained = [cell for cell in cells if cell.transfer != "none" and size_of(cell) > 1]
    together = Counter(map(stack_of, trained))

    def share(count: int, size: int) -> float:
        return math.ceil(count / size) * size / count

    return {cell: share(together[stack_of(cell)], size_of(cell)) for cell in trained}
