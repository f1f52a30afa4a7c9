"""Small made train rows for every answer format that can be trained, and the toy model as each one needs it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from junkdna.models.load import load_classifier, load_plain
from junkdna.study.formats import FORMATS, load_loss
from junkdna.study.formats import load as load_format
from junkdna.train.train_rows import TrainRows

NAMES = tuple(name for name, each in FORMATS.items() if each.training != "none")
LANGUAGE_MODELS = tuple(name for name in NAMES if FORMATS[name].is_language_model)


def training(
    name: str = "classifier", rows: int = 20, options: int | None = None, full_rows: int | None = None, **more: list
) -> TrainRows:
    """Random token ids; 2 to 4 options a row unless `options` says how many. All columns of `TrainRows` are filled. A
    row has one answer for `generate` and two windows for `likelihood`; some first tokens of options are not learned."""
    rng = np.random.default_rng(4)
    queries = [rng.integers(5, 25, rng.integers(3, 12)).tolist() for _ in range(rows)]
    starts = [k % 5 + 1 for k in range(rows)]
    counts = [options or 2 + k % 3 for k in range(rows)]
    texts = [[rng.integers(5, 25, rng.integers(1, 6)).tolist() for _ in range(count)] for count in counts]
    if name == "cross_encoder":
        texts = [[query + text for text in row] for query, row in zip(queries, texts, strict=True)]
    starts_of = [[len(query)] * len(row) for query, row in zip(queries, texts, strict=True)]
    if name in LANGUAGE_MODELS:
        texts = [row if name in ("cloze", "mcq") else row[: 1 + (name == "likelihood")] for row in texts]
        starts_of = [[min(k % 3, len(text) - 1) for text in row] for k, row in enumerate(texts)]
    choice = name in ("cross_encoder", "bi_encoder", "cloze", "mcq")
    answers = [int(rng.integers(count)) for count in counts] if choice else [query[0] % 2 for query in queries]
    columns = {
        "query": queries,
        "second_start": starts,
        "options": texts,
        "option_starts": starts_of,
        "answer": answers,
        "target": [query[0] % 6 / 2 for query in queries],
    }
    return TrainRows(format=name, columns={**columns, **more}, full_rows=full_rows)


def with_columns(data: TrainRows, **columns: list | None) -> TrainRows:
    return replace(data, columns={**data.columns, **columns})


def loss_of(model: nn.Module, data: TrainRows, rows: list[int]) -> torch.Tensor:
    losses = load_loss(data.format)
    batch = load_format(data.format).batch(model, data.columns, rows, "cpu")
    return losses.loss(losses.outputs(model, batch), data.labels(rows, "cpu"))


def load(folder: Path, name: str, key: tuple) -> tuple[nn.Module, list[str]]:
    """The toy model (an encoder, or the decoder next to it) with the head that the format trains, and the names of the
    head's parameters."""
    head = FORMATS[name].head
    if name in LANGUAGE_MODELS:
        return load_plain(folder.with_name("decoder"), "decoder"), []
    if not head:
        return load_plain(folder, "encoder"), []
    return load_classifier(folder, 2 if head == "classes" else 1, key)
