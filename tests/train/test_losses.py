"""Losses against scikit-learn, transformers and one row at a time; rows that cannot be learned from."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from project import ROOT
from sklearn.metrics import log_loss, mean_squared_error
from torch import nn
from toy_training import NAMES, load, training
from transformers import AutoConfig, BertForMultipleChoice, BertForSequenceClassification

from junkdna.errors import UserError
from junkdna.evaluate.scores import class_logits, pair_logits, similarity
from junkdna.models.batch_isolation import batch_rule
from junkdna.train.finetune import fine_tune
from junkdna.train.losses import OBJECTIVES, check_rows, objective_for

KEY = ("mood", 0)
ROWS = [7, 0, 12, 5, 19, 3]


@pytest.fixture(scope="module")
def folder(toy_world_once: Path) -> Path:
    return toy_world_once / "model"


def stretched(folder: Path, name: str) -> nn.Module:
    """The toy model with larger weights, so that rows differ by far more than the tolerance."""
    model, head = load(folder, name, ("tiny", *KEY))
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim == 2:
                parameter.mul_(100 if key in head else 6)
    return model


def loss_of(model: nn.Module, data, rows: list[int]) -> torch.Tensor:
    return OBJECTIVES[data.objective].loss(model, data, rows, "cpu")


@torch.no_grad()
def output_of(model: nn.Module, ids: list[int], start: int) -> np.ndarray:
    """A classifier's outputs for one row alone: no padding, segments written out."""
    segments = torch.tensor([[0] * start + [1] * (len(ids) - start)])
    return model(input_ids=torch.tensor([ids]), token_type_ids=segments).logits[0].double().numpy()


@torch.no_grad()
def embedding_of(model: nn.Module, ids: list[int]) -> np.ndarray:
    return model(input_ids=torch.tensor([ids])).last_hidden_state[0].double().mean(0).numpy()


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum()


def scores_of(model: nn.Module, data, row: int) -> np.ndarray:
    """A row's class logits or the scores of its options, one text at a time."""
    if data.objective == "classes":
        return output_of(model, data.queries[row], data.starts[row])
    if data.objective == "cross":
        pairs = zip(data.options[row], data.option_starts[row], strict=True)
        return np.array([output_of(model, pair, start)[0] for pair, start in pairs])
    query = embedding_of(model, data.queries[row])
    return np.array([cosine(query, embedding_of(model, option)) for option in data.options[row]]) / 0.05


@pytest.mark.parametrize("name", ["classes", "cross", "similarity"])
def test_cross_entropy_over_a_rows_own_classes_or_options(folder, name):
    model, data = stretched(folder, name), training(name)
    scores = [scores_of(model, data, row) for row in ROWS]
    widest = max(map(len, scores))
    assert name == "classes" or len({len(row) for row in scores}) == 3
    probabilities = [np.pad(softmax(row), (0, widest - len(row))) for row in scores]
    wanted = log_loss([data.answers[row] for row in ROWS], probabilities, labels=range(widest))
    assert abs(wanted - np.mean([np.log(len(row)) for row in scores])) > 0.01, "scores that say nothing test nothing"
    assert loss_of(model, data, ROWS).item() == pytest.approx(wanted, rel=1e-5)


def test_regression_is_the_mean_squared_error(folder):
    model, data = stretched(folder, "regression"), training("regression")
    outputs = [output_of(model, data.queries[row], data.starts[row])[0] for row in ROWS]
    wanted = mean_squared_error([data.targets[row] for row in ROWS], outputs)
    assert np.std(outputs) > 0.05
    assert loss_of(model, data, ROWS).item() == pytest.approx(wanted, rel=1e-5)


def gradients(model: nn.Module, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def close(gradient: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(gradient, wanted, atol=1e-5 + 1e-4 * float(wanted.abs().max()), rtol=1e-3)


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    mask = nn.utils.rnn.pad_sequence([torch.ones(len(row)) for row in rows], batch_first=True)
    return ids, mask


def test_cross_is_the_loss_of_transformers_multiple_choice(folder):
    """Same weights, four options a row: loss and gradients."""
    model, data = stretched(folder, "cross"), training("cross", options=4)
    theirs = BertForMultipleChoice(AutoConfig.from_pretrained(folder)).eval()
    theirs.load_state_dict(model.state_dict())
    pairs = [pair for row in ROWS for pair in data.options[row]]
    starts = [start for row in ROWS for start in data.option_starts[row]]
    ids, mask = padded(pairs)
    segments = (torch.arange(ids.shape[1]) >= torch.tensor(starts)[:, None]) & mask.bool()
    out = theirs(
        input_ids=ids.view(len(ROWS), 4, -1),
        attention_mask=mask.view(len(ROWS), 4, -1),
        token_type_ids=segments.long().view(len(ROWS), 4, -1),
        labels=torch.tensor([data.answers[row] for row in ROWS]),
    )
    ours, wanted = gradients(model, loss_of(model, data, ROWS)), gradients(theirs, out.loss)
    assert loss_of(model, data, ROWS).item() == pytest.approx(out.loss.item(), rel=1e-6)
    assert ours.keys() == wanted.keys()
    for name, gradient in wanted.items():
        close(ours[name], gradient)


def test_regression_is_the_loss_of_transformers(folder):
    model, data = stretched(folder, "regression"), training("regression", starts=[64] * 20)
    theirs = BertForSequenceClassification(AutoConfig.from_pretrained(folder, num_labels=1)).eval()
    theirs.load_state_dict(model.state_dict())
    ids, mask = padded([data.queries[row] for row in ROWS])
    labels = torch.tensor([data.targets[row] for row in ROWS])
    wanted = theirs(input_ids=ids, attention_mask=mask, labels=labels).loss
    assert theirs.config.problem_type == "regression"
    assert loss_of(model, data, ROWS).item() == pytest.approx(wanted.item(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_the_mean_of_its_rows(folder, name):
    """Loss and gradients: neither padding nor the batch's other questions touch a row."""
    model, data = stretched(folder, name), training(name)
    whole, loss = gradients(model, loss_of(model, data, ROWS)), loss_of(model, data, ROWS).item()
    assert all(torch.isfinite(gradient).all() for gradient in whole.values())
    parts = [gradients(model, loss_of(model, data, [row])) for row in ROWS]
    assert loss == pytest.approx(np.mean([loss_of(model, data, [row]).item() for row in ROWS]), rel=1e-5)
    for key, gradient in whole.items():
        close(gradient, sum(part[key] for part in parts) / len(ROWS))


def test_queries_and_options_are_padded_apart(folder):
    model, data = stretched(folder, "similarity"), training("similarity")
    batch_rule(model)  # asked once, with a few rows of its own
    widths = []
    model.register_forward_pre_hook(lambda _, __, inputs: widths.append(inputs["input_ids"].shape[1]), with_kwargs=True)
    loss_of(model, data, ROWS)
    assert widths == [
        max(len(data.queries[row]) for row in ROWS),
        max(len(option) for row in ROWS for option in data.options[row]),
    ]


LONG = {"epochs": 120, "match": "epochs", "batch_size": 8, "learning_rate": 2e-3, "warmup_fraction": 0.1,
        "weight_decay": 0.0}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_eight_rows_are_learned_by_heart(folder, name):
    """The trained model also answers right through the scorer."""
    model, _ = load(folder, name, ("tiny", *KEY))
    data = training(name, rows=8)
    report = fine_tune(model, [], {}, "dense", data, LONG, KEY)
    assert report.steps == 120
    assert report.last_loss < 0.2 * report.first_loss
    if name == "similarity":
        predictions = [int(np.argmax(row)) for row in similarity(model, data.queries, data.options, "cpu")]
    elif name == "cross":
        predictions = [int(np.argmax(row)) for row in pair_logits(model, data.options, data.option_starts, "cpu")]
    else:
        logits = class_logits(model, data.queries, data.starts, "cpu")
        predictions = logits.argmax(1).tolist() if name == "classes" else logits[:, 0].tolist()
    wanted = data.targets if name == "regression" else data.answers
    np.testing.assert_allclose(predictions, wanted, atol=0.5 if name == "regression" else 0)


ABSENT = None  # the whole column; else {row: value}
BAD = {
    "no rows": ("classes", "answers", [], "no train rows"),
    "no answers": ("classes", "answers", ABSENT, r"objective classes reads answers of the train rows, which this task"),
    "no targets": ("regression", "targets", ABSENT, r"objective regression reads targets .* kind"),
    "no options": ("cross", "options", ABSENT, r"objective cross reads options"),
    "null answer": ("classes", "answers", {3: None}, r"1 of 20 .* row 3 \(from 0\): no answers"),
    "null text": ("similarity", "queries", {0: None, 4: None}, r"2 of 20 .* row 0 .*: no queries"),
    "empty text": ("regression", "queries", {19: []}, r"row 19 .*: no queries"),
    "null target": ("regression", "targets", {1: None}, r"row 1 .*: no targets"),
    "nan target": ("regression", "targets", {1: float("nan")}, r"target nan is no finite number"),
    "unknown class": ("classes", "answers", {2: 2}, r"row 2 .*: answer 2 is none of its 2 classes"),
    "negative answer": ("similarity", "answers", {2: -1}, r"answer -1 is none of its 4 options"),
    "answer past the options": ("cross", "answers", {0: 2}, r"answer 2 is none of its 2 options"),
    "one option": ("similarity", "options", {5: [[7, 8]]}, r"two options or more, .* \[2\] tokens"),
    "empty option": ("similarity", "options", {5: [[7], []]}, r"each with tokens; .* \[1, 0\] tokens"),
    "null option": ("similarity", "options", {5: [[7], None]}, r"each with tokens; .* \[1, 0\] tokens"),
    "null options": ("cross", "options", {5: None}, r"row 5 .*: no options"),
}


@pytest.mark.parametrize("case", BAD)
def test_rows_that_cannot_be_learned_from_stop_before_training(folder, case):
    name, column, change, message = BAD[case]
    data = training(name, rows=0 if change == [] else 20)
    if isinstance(change, dict):
        change = [change.get(row, value) for row, value in enumerate(getattr(data, column))]
    model, _ = load(folder, name, ("tiny", *KEY))
    before = {key: p.detach().clone() for key, p in model.named_parameters()}
    with pytest.raises(UserError, match=message):
        fine_tune(model, [], {}, "dense", replace(data, **{column: change}), LONG, KEY)
    assert all(torch.equal(before[key], p) for key, p in model.named_parameters())


def test_unknown_objective_gives_close_names():
    with pytest.raises(UserError, match=r"unknown objective 'similarty'. Did you mean 'similarity'"):
        check_rows(training("similarty"), 2)


def test_columns_that_are_not_read_may_be_missing(folder):
    for name in NAMES:
        unread = {"queries", "starts", "options", "option_starts", "answers", "targets"} - {*OBJECTIVES[name].columns}
        bare = replace(training(name), **dict.fromkeys(unread))
        check_rows(bare, 2)
        assert len(bare) == 20
        assert loss_of(load(folder, name, KEY)[0], bare, [0, 1]).isfinite()


@pytest.mark.parametrize(
    ("kind", "choice", "name"),
    [
        ("classify", "", "classes"),
        ("pair", "similarity", "classes"),
        ("regress", "", "regression"),
        ("choice", "cross", "cross"),
        ("choice", "similarity", "similarity"),
    ],
)
def test_objective_of_a_kind(kind, choice, name):
    assert objective_for(kind, choice) == name


@pytest.mark.parametrize(("kind", "choice", "said"), [("generate", "", ""), ("choice", "letters", " .* by letters")])
def test_what_cannot_be_trained_is_said(kind, choice, said):
    with pytest.raises(UserError, match=rf"kind '{kind}' cannot be fine-tuned{said}.* transfer: none"):
        objective_for(kind, choice)


ON_GPU = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from toy_training import NAMES, load, training
from transformers import BertConfig, BertModel
from junkdna.compress.methods.magnitude import masks as pruned
from junkdna.compress.scope import matrices, prunable
from junkdna.train.finetune import fine_tune

# MiniLM's shape and up to 220 tokens: long enough that a GPU's kernels split and reorder their sums
folder, against = Path(sys.argv[1]), sys.argv[2]
torch.manual_seed(7)
BertModel(BertConfig(vocab_size=30, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                     intermediate_size=1536)).save_pretrained(folder)
protocol = {"epochs": 2, "match": "epochs", "batch_size": 16, "learning_rate": 1e-4, "warmup_fraction": 0.1,
            "weight_decay": 0.01}

def run(name, device):
    model, _ = load(folder, name, ("tiny", "mood", 0))
    model.to(device)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and against == "cpu":
            module.p = 0.0  # the generators of the two devices draw differently
    prunables = prunable(model)
    masks = dict(pruned(matrices(prunables), 0.5, None))
    data = training(name, rows=64)
    data = replace(data, queries=[query * 20 for query in data.queries],
                   options=[[option * 20 for option in row] for row in data.options],
                   option_starts=[[start * 20 for start in row] for row in data.option_starts])
    report = fine_tune(model, prunables, masks, "sparse", data, protocol, ("mood", 0))
    return report, [parameter.detach().cpu() for parameter in model.parameters()]

for name in NAMES:
    report, weights = run(name, "cuda:0")
    other, other_weights = run(name, "cuda:0" if against == "itself" else "cpu")
    print(name, report, other)
    if against == "itself":
        assert report == other
        assert all(torch.equal(one, two) for one, two in zip(weights, other_weights, strict=True))
    else:
        assert abs(report.first_loss - other.first_loss) < 1e-3 * max(1, other.first_loss)
        assert abs(report.last_loss - other.last_loss) < 1e-2 * max(1, other.last_loss)
"""


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() == 0, reason="needs a CUDA device, and torch sees none")
@pytest.mark.parametrize("against", ["itself", "cpu"])
def test_training_on_a_gpu_repeats_and_agrees_with_the_cpu(tmp_path, against):
    """In a process of its own: once this one has started CUDA, other tests can take no lease in it."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, "-c", ON_GPU, str(tmp_path), against],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
