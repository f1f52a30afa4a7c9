"""Bootstrap draws of the examples of one evaluation set."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from junkdna.seeds import seed_for

BLOCK = 1000  # replicates drawn at a time, so that memory does not grow with replicates x examples


@dataclass(frozen=True)
class Draws:
    """Draws with replacement of the examples of one evaluation set, the same for every cell scored on these ids.

    `cluster_n` is the cluster of each example, as whole numbers from 0. Whole clusters are drawn, because examples that
    share a passage are not independent. Without clusters, every example is its own.
    """

    ids: tuple[str, ...]
    replicates: int
    cluster_n: np.ndarray | None = None

    @property
    def units(self) -> int:
        """Number of clusters: what is drawn, and how many examples are independent of each other."""
        return len(self.ids) if self.cluster_n is None else int(self.cluster_n.max()) + 1

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (replicates, counts): `counts[r, i]` is how often a replicate of the slice draws example i (float32).

        As many clusters are drawn as there are. The number of examples of a replicate varies with the clusters drawn.
        """
        generator = np.random.default_rng(seed_for("bootstrap", *self.ids))
        units = self.units
        for start in range(0, self.replicates, BLOCK):
            rows = min(BLOCK, self.replicates - start)
            drawn = generator.integers(0, units, (rows, units)) + units * np.arange(rows)[:, None]
            counts = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float32)
            yield slice(start, start + rows), counts if self.cluster_n is None else counts[:, self.cluster_n]


def clusters(names: list[str | None]) -> np.ndarray | None:
    """The clusters of examples as whole numbers; an example without a name is its own. None if all are their own."""
    keys = [f"name {name}" if name is not None else f"row {at}" for at, name in enumerate(names)]
    _, cluster_n = np.unique(keys, return_inverse=True)
    return cluster_n if len({*keys}) < len(keys) else None
