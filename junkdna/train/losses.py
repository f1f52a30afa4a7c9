"""What one optimizer step minimizes: a loss over a batch of train rows, chosen by name.

classes     one text or two -> class: cross-entropy of a sequence classifier's logits
regression  one text or two -> number: mean squared error of a sequence classifier with one output
cross       multiple choice by a cross-encoder: one output for each [query, option] pair, softmax cross-entropy over
            the options of a question (Devlin et al. 2019, section 4.4)
similarity  multiple choice by a bi-encoder: cosine of the mean-pooled embeddings of query and option (Reimers and
            Gurevych 2019) divided by a temperature, softmax cross-entropy over the options of a question (the
            contrastive loss of SimCSE, Gao et al. 2021, equation 1)

Shapes: B rows of a batch, T tokens, D embedding width, C classes, N options of a row, P options of all rows together.
Questions of one batch may have different numbers of options. Every loss is the mean over the rows of the batch.
Not done: options of other questions as negatives, since scoring compares the options of one question alone and
another question's option may be right too.

Rows of a batch that would change one another's outputs (`companions`) go through the model apart; the loss is the same
mean over all of them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from junkdna.errors import UserError, unknown_name
from junkdna.evaluate.scores import classifier_outputs, in_order
from junkdna.models.batch_isolation import row_groups
from junkdna.models.batching import mean_pooled, pad

Rows = list[list[int]]

TEMPERATURE = 0.05  # of the cosines: SimCSE's value; sentence-transformers' default scale, 20, is its inverse


@dataclass(frozen=True, kw_only=True)
class Training:
    """Rows to train on, as columns of one length, and the name of what is minimized on them.

    classes, regression: `queries` (token ids), `starts` (of each second segment), and `answers` (class ids) or
    `targets`. similarity: `queries`, `options` (token ids of each row's options), `answers` (positions of the right
    options). cross: `options` (token ids of whole pairs), `option_starts` (of their second segments), `answers`.
    Columns that the objective does not read may be given or left out. `full_rows` is the number of train rows before
    a data fraction took some; None: these are all.
    """

    objective: str
    queries: Rows | None = None
    starts: list[int] | None = None
    options: list[Rows] | None = None
    option_starts: list[list[int]] | None = None
    answers: list[int] | None = None
    targets: list[float] | None = None
    full_rows: int | None = None

    def __len__(self) -> int:
        return len(getattr(self, OBJECTIVES[self.objective].columns[0]))


@dataclass(frozen=True)
class Objective:
    """`loss(model, data, batch, device)`: mean loss of the rows `batch`; `columns` of `Training` that it reads."""

    loss: Callable[[nn.Module, Training, list[int], str], Tensor]
    columns: tuple[str, ...]


def objective_for(kind: str, choice: str) -> str:
    """Name of the objective that trains a task of a kind; of a choice task, the one named as its way of answering.

    Raises UserError for a kind that is not trained here (generate), and for choices of a decoder.
    """
    name = {"classify": "classes", "pair": "classes", "regress": "regression", "choice": choice}.get(kind)
    if name not in OBJECTIVES:
        way = f" when answered by {name}" if name else ""
        raise UserError(
            f"a task of kind {kind!r} cannot be fine-tuned{way}. Kinds that can: classify, pair, regress, and choice "
            "answered by cross or similarity (encoders). Use transfer: none."
        )
    return name


def check_rows(data: Training, classes: int) -> None:
    """UserError unless every row can be learned from; `classes` is the number of the classifier's outputs."""
    if data.objective not in OBJECTIVES:
        raise unknown_name("objective", data.objective, OBJECTIVES)
    columns = OBJECTIVES[data.objective].columns
    absent = [name for name in columns if getattr(data, name) is None]
    if absent:
        raise UserError(
            f"objective {data.objective} reads {', '.join(absent)} of the train rows, which this task does not give; "
            "its kind probably is another one."
        )
    assert len({len(getattr(data, name)) for name in columns}) == 1, "columns of different lengths"
    if not len(data):
        raise UserError("there are no train rows: check the task's train split and what it requires of a row.")
    problems = [(row, text) for row in range(len(data)) if (text := _problem(data, row, classes))]
    if problems:
        row, text = problems[0]
        raise UserError(
            f"{len(problems)} of {len(data)} train rows cannot be learned from (objective {data.objective}); the first "
            f"is row {row} (from 0): {text}. Correct the task's columns or leave such rows out."
        )


def _problem(data: Training, row: int, classes: int) -> str | None:
    values = {name: getattr(data, name)[row] for name in OBJECTIVES[data.objective].columns}
    missing = [name for name, value in values.items() if value is None or value == []]
    if missing:
        return f"no {' and no '.join(missing)}"
    options = values.get("options")
    if options is not None and (len(options) < 2 or not all(options)):
        lengths = [len(option or []) for option in options]
        return f"a choice needs two options or more, each with tokens; these are {lengths} tokens long"
    if "targets" in values:
        return None if math.isfinite(values["targets"]) else f"target {values['targets']} is no finite number"
    places = f"{classes} classes" if options is None else f"{len(options)} options"
    inside = values["answers"] in range(classes if options is None else len(options))
    return None if inside else f"answer {values['answers']} is none of its {places} (counted from 0)"


def _classes(model: nn.Module, data: Training, batch: list[int], device: str) -> Tensor:
    logits_bc = classifier_outputs(model, data.queries, data.starts, batch, device)
    return nn.functional.cross_entropy(logits_bc, torch.tensor([data.answers[i] for i in batch], device=device))


def _regression(model: nn.Module, data: Training, batch: list[int], device: str) -> Tensor:
    outputs_b = _one_output(model, data.queries, data.starts, batch, device)
    targets_b = torch.tensor([data.targets[i] for i in batch], dtype=torch.float32, device=device)
    return nn.functional.mse_loss(outputs_b, targets_b)


def _cross(model: nn.Module, data: Training, batch: list[int], device: str) -> Tensor:
    pairs = [pair for i in batch for pair in data.options[i]]
    starts = [start for i in batch for start in data.option_starts[i]]
    outputs_p = _one_output(model, pairs, starts, list(range(len(pairs))), device)
    return _choice_loss(outputs_p.split([len(data.options[i]) for i in batch]), data, batch)


def _similarity(model: nn.Module, data: Training, batch: list[int], device: str) -> Tensor:
    queries_bd = _embed(model, [data.queries[i] for i in batch], device)
    options_pd = _embed(model, [option for i in batch for option in data.options[i]], device)  # apart: they are short
    by_row = options_pd.split([len(data.options[i]) for i in batch])
    cosines = [options @ query / TEMPERATURE for options, query in zip(by_row, queries_bd, strict=True)]
    return _choice_loss(cosines, data, batch)


def _choice_loss(scores: Sequence[Tensor], data: Training, batch: list[int]) -> Tensor:
    """Mean cross-entropy of each row's softmax over its own options' scores; places without an option are -inf."""
    scores_bn = nn.utils.rnn.pad_sequence(list(scores), batch_first=True, padding_value=-math.inf)
    answers_b = torch.tensor([data.answers[i] for i in batch], device=scores_bn.device)
    return nn.functional.cross_entropy(scores_bn, answers_b)


def _one_output(model: nn.Module, rows: Rows, starts: list[int], batch: list[int], device: str) -> Tensor:
    logits = classifier_outputs(model, rows, starts, batch, device)
    assert logits.shape[1] == 1, f"a head with one output is needed, not {logits.shape[1]}"
    return logits[:, 0]


def _embed(model: nn.Module, rows: Rows, device: str) -> Tensor:
    """What the scorer compares, with gradients."""
    groups = row_groups(model, [len(row) for row in rows])
    found = []
    for group in groups:
        ids, mask_bt = pad([rows[i] for i in group], device)
        found.append(mean_pooled(model(input_ids=ids, attention_mask=mask_bt).last_hidden_state, mask_bt))
    return in_order(found, groups)


OBJECTIVES = {
    "classes": Objective(_classes, ("queries", "starts", "answers")),
    "regression": Objective(_regression, ("queries", "starts", "targets")),
    "cross": Objective(_cross, ("options", "option_starts", "answers")),
    "similarity": Objective(_similarity, ("queries", "options", "answers")),
}
