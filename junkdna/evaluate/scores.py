"""Scores of choices and classes; one code path for all compressions.

Shapes: B rows of a batch, T tokens, D embedding width, V vocabulary, N scored positions. All results are float32 on the
CPU.
"""

import inspect
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from junkdna.errors import UserError
from junkdna.models.batch_isolation import isolated_batches
from junkdna.models.batching import Rows, classifier_inputs, mean_pooled, pad
from junkdna.models.prefix_tree import Done, check_context, pack_tokens, run_packs, tree_fits
from junkdna.models.tree_attention import to_device
from junkdna.models.tree_plan import tree_packs
from junkdna.resumable import NO_CHECKPOINTS, Loop


@torch.inference_mode()
def similarity(model: nn.Module, queries: Rows, options: list[Rows], device: str, loop: Loop = NO_CHECKPOINTS) -> list:
    """Cosine similarity of each query to each of its options: one float array per example.

    Embeddings are the mean of the last hidden states over non-pad tokens (the pooling that sentence encoders are
    trained with), scaled to length 1. Each distinct option is embedded once. `loop` iterates over the batches.
    """
    distinct = {tuple(option): None for row in options for option in row}
    number = {option: i for i, option in enumerate(distinct)}
    embedded = _embed(model, [list(option) for option in distinct], device, loop, "score options")
    query = _embed(model, queries, device, loop, "score")
    return [(embedded[[number[tuple(o)] for o in row]] @ query[i]).numpy() for i, row in enumerate(options)]


def _embed(model: nn.Module, rows: Rows, device: str, loop: Loop, stage: str) -> torch.Tensor:
    done: Done = {}
    for batch in loop(stage, isolated_batches(model, [*map(len, rows)]), done.copy, done.update):
        ids, mask = pad([rows[i] for i in batch], device)
        embedded = mean_pooled(model(input_ids=ids, attention_mask=mask).last_hidden_state.float(), mask)
        done.setdefault("embedded", torch.zeros(len(rows), embedded.shape[1]))[batch] = embedded.cpu()
    return done["embedded"]


@torch.inference_mode()
def loglikelihood(
    model: nn.Module, queries: Rows, options: list[Rows], starts: Rows, device: str, loop: Loop = NO_CHECKPOINTS
) -> list[np.ndarray]:
    """Summed log-probability of each option's tokens from its start on: one float array per example.

    log p(option | query) = sum over t >= starts[i][j] of log softmax(logits_t)[option_t], softmax in float32. Tokens
    before the start are read but not scored. If the architecture allows it, the common beginning of options and queries
    is computed once (`models.prefix_tree`). Otherwise each option's row runs in full, batched only with rows that do
    not change it (`models.batch_isolation`). In both cases batching changes a score only by rounding error. Logits are
    computed for scored tokens only, once for all letters after a prompt, but for the whole vocabulary: the softmax
    needs them all. `loop` iterates over the batches.

    Raises UserError for an option without a token to score, and if no token precedes the first scored token: a model
    gives no probability to the first token of a text, so an empty query needs a begin-of-text token.
    """
    rows, scored_from, targets = [], [], []
    for query, row, row_starts in zip(queries, options, starts, strict=True):
        for option, start in zip(row, row_starts, strict=True):
            _check_scored(query, option, start)
            rows.append(query + option[:-1] if len(option) > 1 else query)  # the last token is predicted, not read
            scored_from.append(len(query) + start - 1)
            targets.append(option[start:])
    run = _run_tree if rows and tree_fits(model, max(map(len, rows))) else _run_rows
    done = {"scores": torch.zeros(len(rows), device=device)}
    for batch, positions, logits_nv in run(model, rows, scored_from, device, loop, done):
        sums = _sums(logits_nv.float().log_softmax(-1), positions, [targets[r] for r in batch], device)
        done["scores"] = done["scores"].to(device)  # a checkpoint was read to the CPU
        done["scores"][to_device(np.array(batch), device)] = sums
    return _per_example(done["scores"].cpu().numpy(), options)


def _sums(logp_nv: torch.Tensor, positions: Sequence[int], targets: Rows, device: str) -> torch.Tensor:
    """Sum of each row's log-probabilities, added in float64. It stays on the device: the host need not wait for it.

    `positions` are rows of `logp_nv`, one for each target, row after row.
    """
    lengths = np.array([len(row) for row in targets])
    wanted_rt = np.arange(lengths.max()) < lengths[:, None]
    index_rt = np.zeros((2, *wanted_rt.shape), np.int64)  # where nothing is wanted: the first number, not added
    index_rt[:, wanted_rt] = np.array(positions), np.concatenate(targets)
    place_rt, token_rt = to_device(index_rt, device)
    logp_rt = logp_nv[place_rt, token_rt].double()
    return logp_rt.where(to_device(wanted_rt, device), 0).sum(1).float()


def _check_scored(query: list[int], option: list[int], start: int) -> None:
    if not 0 <= start < len(option):
        raise UserError(
            f"an option of {len(option)} tokens is to be scored from token {start} on, which leaves nothing to score: "
            "is a choice (or the suffix that is scored in its place) empty?"
        )
    check_context(len(query) + start)


def _per_example(values: np.ndarray, options: list[Rows]) -> list[np.ndarray]:
    return np.split(values, np.cumsum([len(row) for row in options], dtype=int))[:-1]


Batches = Iterator[tuple[list[int], Sequence[int], torch.Tensor]]


def _run_tree(model: nn.Module, rows: Rows, scored_from: list[int], device: str, loop: Loop, done: Done) -> Batches:
    """Batches of rows: their numbers; the row in the logits of each scored token, row by row; the logits."""
    packs = tree_packs(rows, scored_from, pack_tokens(model, device))
    for pack, _, logits_nv, _ in run_packs(model, packs, device, loop, done):
        yield pack.rows, pack.positions, logits_nv


def _run_rows(model: nn.Module, rows: Rows, scored_from: list[int], device: str, loop: Loop, done: Done) -> Batches:
    """As `_run_tree` for any causal model: complete rows, right-padded if no token of a row can see the padding."""
    selects = "logits_to_keep" in inspect.signature(model.forward).parameters
    equal: dict[tuple[int, ...], list[int]] = {}
    for r, row in enumerate(rows):
        equal.setdefault(tuple(row), []).append(r)
    distinct, numbers = [list(row) for row in equal], list(equal.values())
    for batch in loop("score", isolated_batches(model, [*map(len, distinct)]), done.copy, done.update):
        ids, mask = pad([distinct[d] for d in batch], device)
        spans = [(b, r, range(scored_from[r], len(rows[r]))) for b, d in enumerate(batch) for r in numbers[d]]
        columns = sorted(set().union(*(span for _, _, span in spans)))  # positions that some row needs
        keep = {"logits_to_keep": torch.tensor(columns, device=device)} if selects else {}
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False, **keep).logits
        cells = sorted({(b, t) for b, _, span in spans for t in span})
        position = {cell: n for n, cell in enumerate(cells)}
        column = {t: n for n, t in enumerate(columns)} if selects else range(ids.shape[1])
        logits_nv = logits[[b for b, _ in cells], [column[t] for _, t in cells]]
        yield [r for _, r, _ in spans], [position[b, t] for b, _, span in spans for t in span], logits_nv


@torch.inference_mode()
def class_logits(
    model: nn.Module, queries: Rows, starts: list[int], device: str, loop: Loop = NO_CHECKPOINTS
) -> np.ndarray:
    """Logits (examples, classes) of a sequence classifier."""
    done: Done = {}
    for batch in loop("score", isolated_batches(model, [*map(len, queries)]), done.copy, done.update):
        logits = model(**classifier_inputs(model, queries, starts, batch, device)).logits.float().cpu()
        done.setdefault("logits", torch.zeros(len(queries), logits.shape[1]))[batch] = logits
    return done["logits"].numpy()


def pair_logits(
    model: nn.Module, options: list[Rows], starts: Rows, device: str, loop: Loop = NO_CHECKPOINTS
) -> list[np.ndarray]:
    """Scores of a cross-encoder, a sequence classifier with one output: one float array per example.

    `options[i][j]` is the complete pair of query i and its option j as token ids; `starts[i][j]` is the position at
    which the pair's second segment begins.
    """
    pairs = [pair for row in options for pair in row]
    logits = class_logits(model, pairs, [start for row in starts for start in row], device, loop)
    assert logits.shape[1] == 1, f"a cross-encoder has one output, but this model has {logits.shape[1]}"
    return _per_example(logits[:, 0], options)
