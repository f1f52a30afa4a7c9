"""Small made train rows for every objective, and the toy model as each one needs it."""

from pathlib import Path

import numpy as np
from torch import nn

from junkdna.models.load import load_classifier, load_plain
from junkdna.train.losses import OBJECTIVES, Training

NAMES = tuple(OBJECTIVES)


def training(objective: str = "classes", rows: int = 20, options: int | None = None, **more) -> Training:
    """Random token ids; 2 to 4 options a row unless `options` says how many. Columns of all objectives are filled."""
    rng = np.random.default_rng(4)
    queries = [rng.integers(5, 25, rng.integers(3, 12)).tolist() for _ in range(rows)]
    starts = [k % 5 + 1 for k in range(rows)]
    counts = [options or 2 + k % 3 for k in range(rows)]
    texts = [[rng.integers(5, 25, rng.integers(1, 6)).tolist() for _ in range(count)] for count in counts]
    if objective == "cross":
        texts = [[query + text for text in row] for query, row in zip(queries, texts, strict=True)]
    choice = objective in ("cross", "similarity")
    answers = [int(rng.integers(count)) for count in counts] if choice else [query[0] % 2 for query in queries]
    columns = {
        "queries": queries,
        "starts": starts,
        "options": texts,
        "option_starts": [[len(query)] * len(row) for query, row in zip(queries, texts, strict=True)],
        "answers": answers,
        "targets": [query[0] % 6 / 2 for query in queries],
    }
    return Training(objective=objective, **{**columns, **more})


def load(folder: Path, objective: str, key: tuple) -> tuple[nn.Module, list[str]]:
    """The toy model with the head that the objective trains, and the names of the head's parameters."""
    if objective == "similarity":
        return load_plain(folder, "encoder"), []
    return load_classifier(folder, 2 if objective == "classes" else 1, key)
