"""The peer of scoring by log-likelihood: complete rows in padded batches, grouped as lm-evaluation-harness groups them.

Equal rows run once (one row for a prompt whose continuations are single tokens), and rows are sorted by length, longest
first. Logits are computed from the first scored position of a batch on.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

Rows = list[list[int]]


def plain_rows(
    model: nn.Module, queries: Rows, options: list[Rows], starts: Rows, device: str, batch: int
) -> list[np.ndarray]:
    """The same as `evaluate.scores.loglikelihood`, `batch` rows at a time."""
    wanted: dict[tuple, list[tuple[int, int, list[int]]]] = {}  # row -> number, first position and targets of options
    numbers = itertools.count()
    for query, own, first in zip(queries, options, starts, strict=True):
        for option, start in zip(own, first, strict=True):
            row = (*query, *option[:-1])
            wanted.setdefault(row, []).append((next(numbers), len(query) + start - 1, option[start:]))
    rows = sorted(wanted, key=lambda row: (-len(row), row))
    scores = np.zeros(next(numbers))
    with torch.inference_mode():
        for at in range(0, len(rows), batch):
            for number, value in _batch(model, [(row, wanted[row]) for row in rows[at : at + batch]], device):
                scores[number] = value
    return np.split(scores, np.cumsum([len(own) for own in options], dtype=int))[:-1]


def _batch(model: nn.Module, rows: list[tuple[tuple, list]], device: str) -> Iterator[tuple[int, float]]:
    """Number and score of each option of the rows."""
    width = len(rows[0][0])
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row, _ in rows], device=device)
    first = min(start for _, each in rows for _, start, _ in each)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=width - first).logits
    cells = [
        (b, start - first + t, token)
        for b, (_, each) in enumerate(rows)
        for _, start, targets in each
        for t, token in enumerate(targets)
    ]
    b, t, token = torch.tensor(cells, device=device).T
    logp = logits[b, t].float().log_softmax(-1).gather(1, token[:, None])[:, 0].double().cpu().numpy()
    scored = [(number, len(targets)) for _, each in rows for number, _, targets in each]
    sums = np.add.reduceat(logp, np.cumsum([0, *(length for _, length in scored[:-1])]))
    yield from zip((number for number, _ in scored), sums, strict=True)
