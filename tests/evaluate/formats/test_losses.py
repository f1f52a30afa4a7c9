"""Losses against scikit-learn, transformers and one row at a time."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from job_settings import training_settings
from project import ROOT, SUPPORT, python_path
from sklearn.metrics import log_loss, mean_squared_error
from torch import nn
from toy_training import LANGUAGE_MODELS, NAMES, load, loss_of, training
from transformers import AutoConfig, BertForMultipleChoice, BertForSequenceClassification

from junkdna.evaluate.scores import class_logits, loglikelihood, pair_logits, similarity
from junkdna.models.batch_isolation import batch_rule
from junkdna.study.formats import FORMATS, load_loss
from junkdna.train.finetune import fine_tune

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
    if data.format == "classifier":
        return output_of(model, data.columns["query"][row], data.columns["second_start"][row])
    if data.format == "cross_encoder":
        pairs = zip(data.columns["options"][row], data.columns["option_starts"][row], strict=True)
        return np.array([output_of(model, pair, start)[0] for pair, start in pairs])
    query = embedding_of(model, data.columns["query"][row])
    return np.array([cosine(query, embedding_of(model, option)) for option in data.columns["options"][row]]) / 0.05


@pytest.mark.parametrize("name", ["classifier", "cross_encoder", "bi_encoder"])
def test_cross_entropy_over_a_rows_own_classes_or_options(folder, name):
    model, data = stretched(folder, name), training(name)
    scores = [scores_of(model, data, row) for row in ROWS]
    widest = max(map(len, scores))
    assert name == "classifier" or len({len(row) for row in scores}) == 3
    probabilities = [np.pad(softmax(row), (0, widest - len(row))) for row in scores]
    wanted = log_loss([data.columns["answer"][row] for row in ROWS], probabilities, labels=range(widest))
    assert abs(wanted - np.mean([np.log(len(row)) for row in scores])) > 0.01, "scores that say nothing test nothing"
    assert loss_of(model, data, ROWS).item() == pytest.approx(wanted, rel=1e-5)


def test_regression_is_the_mean_squared_error(folder):
    model, data = stretched(folder, "regressor"), training("regressor")
    outputs = [output_of(model, data.columns["query"][row], data.columns["second_start"][row])[0] for row in ROWS]
    wanted = mean_squared_error([data.columns["target"][row] for row in ROWS], outputs)
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
    model, data = stretched(folder, "cross_encoder"), training("cross_encoder", options=4)
    theirs = BertForMultipleChoice(AutoConfig.from_pretrained(folder)).eval()
    theirs.load_state_dict(model.state_dict())
    pairs = [pair for row in ROWS for pair in data.columns["options"][row]]
    starts = [start for row in ROWS for start in data.columns["option_starts"][row]]
    ids, mask = padded(pairs)
    segments = (torch.arange(ids.shape[1]) >= torch.tensor(starts)[:, None]) & mask.bool()
    out = theirs(
        input_ids=ids.view(len(ROWS), 4, -1),
        attention_mask=mask.view(len(ROWS), 4, -1),
        token_type_ids=segments.long().view(len(ROWS), 4, -1),
        labels=torch.tensor([data.columns["answer"][row] for row in ROWS]),
    )
    ours, wanted = gradients(model, loss_of(model, data, ROWS)), gradients(theirs, out.loss)
    assert loss_of(model, data, ROWS).item() == pytest.approx(out.loss.item(), rel=1e-6)
    assert ours.keys() == wanted.keys()
    for name, gradient in wanted.items():
        close(ours[name], gradient)


def test_regression_is_the_loss_of_transformers(folder):
    model, data = stretched(folder, "regressor"), training("regressor", second_start=[64] * 20)
    theirs = BertForSequenceClassification(AutoConfig.from_pretrained(folder, num_labels=1)).eval()
    theirs.load_state_dict(model.state_dict())
    ids, mask = padded([data.columns["query"][row] for row in ROWS])
    labels = torch.tensor([data.columns["target"][row] for row in ROWS])
    wanted = theirs(input_ids=ids, attention_mask=mask, labels=labels).loss
    assert theirs.config.problem_type == "regression"
    assert loss_of(model, data, ROWS).item() == pytest.approx(wanted.item(), rel=1e-6)


def learned_tokens(data, row: int) -> int:
    """1 where rows count alike; for a language model, the tokens of the row's answers."""
    if data.format not in LANGUAGE_MODELS:
        return 1
    lengths = [
        len(option) - start
        for option, start in zip(data.columns["options"][row], data.columns["option_starts"][row], strict=True)
    ]
    return lengths[data.columns["answer"][row]] if data.format in ("cloze", "mcq") else sum(lengths)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_the_mean_of_its_rows(folder, name):
    """Loss and gradients: neither padding nor the batch's other questions touch a row. Language models weigh rows by
    their answer tokens."""
    model, data = stretched(folder, name), training(name)
    share = np.array([learned_tokens(data, row) for row in ROWS])
    assert name not in LANGUAGE_MODELS or len({*share}) > 1
    share = share / share.sum()
    whole, loss = gradients(model, loss_of(model, data, ROWS)), loss_of(model, data, ROWS).item()
    assert all(torch.isfinite(gradient).all() for gradient in whole.values())
    parts = [gradients(model, loss_of(model, data, [row])) for row in ROWS]
    assert loss == pytest.approx(share @ [loss_of(model, data, [row]).item() for row in ROWS], rel=1e-5)
    for key, gradient in whole.items():
        close(gradient, sum(weight * part[key] for weight, part in zip(share.tolist(), parts, strict=True)))


def test_queries_and_options_are_padded_apart(folder):
    model, data = stretched(folder, "bi_encoder"), training("bi_encoder")
    batch_rule(model)  # asked once, with a few rows of its own
    widths = []
    model.register_forward_pre_hook(lambda _, __, inputs: widths.append(inputs["input_ids"].shape[1]), with_kwargs=True)
    loss_of(model, data, ROWS)
    assert widths == [
        max(len(data.columns["query"][row]) for row in ROWS),
        max(len(option) for row in ROWS for option in data.columns["options"][row]),
    ]


LONG = training_settings(epochs=120, learning_rate=2e-3, warmup_fraction=0.1)


@pytest.mark.long
@pytest.mark.parametrize("name", NAMES)
def test_eight_rows_are_learned_by_heart(folder, name):
    """The trained model also answers right through the scorer."""
    model, _ = load(folder, name, ("tiny", *KEY))
    data = training(name, rows=8)
    report = fine_tune(model, [], {}, "dense", data, LONG, KEY)
    assert report.steps == 120
    assert report.last_loss < 0.2 * report.first_loss
    if name in LANGUAGE_MODELS:
        queries, options, starts = (data.columns[column] for column in ("query", "options", "option_starts"))
        sums = loglikelihood(model, queries, options, starts, "cpu")
        predictions = [int(np.argmax(row)) if name in ("cloze", "mcq") else row.min() > -2 for row in sums]
    elif name == "bi_encoder":
        predictions = [
            int(np.argmax(row)) for row in similarity(model, data.columns["query"], data.columns["options"], "cpu")
        ]
    elif name == "cross_encoder":
        predictions = [
            int(np.argmax(row))
            for row in pair_logits(model, data.columns["options"], data.columns["option_starts"], "cpu")
        ]
    else:
        logits = class_logits(model, data.columns["query"], data.columns["second_start"], "cpu")
        predictions = logits.argmax(1).tolist() if name == "classifier" else logits[:, 0].tolist()
    wanted = data.columns["target"] if name == "regressor" else data.columns["answer"]
    wanted = [True] * 8 if name in ("generate", "likelihood") else wanted
    np.testing.assert_allclose(predictions, wanted, atol=0.5 if name == "regressor" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_maps_over_models(name):
    """Losses, and their gradients by the outputs, of three models at once are those of each alone."""
    loss, draw, rows = load_loss(name).loss, torch.Generator().manual_seed(3), 5
    width = {"classes": 3, "one": 1, "": 4}[FORMATS[name].head] if name != "cross_encoder" else 4
    outputs_mbn = torch.randn(3, rows, width, generator=draw)
    if name in ("bi_encoder", "cross_encoder"):
        outputs_mbn[:, 1, 2:] = -torch.inf  # a row of two options
    labels = {"target": torch.randn(rows, generator=draw), "answer": torch.tensor([0, 1, 2, 0, 2]) % min(width, 3)}
    gradients, losses = torch.func.vmap(torch.func.grad_and_value(loss), in_dims=(0, None))(outputs_mbn, labels)
    for m, outputs_bn in enumerate(outputs_mbn):
        alone = outputs_bn.clone().requires_grad_()
        value = loss(alone, labels)
        value.backward()
        assert value.isfinite()
        torch.testing.assert_close(losses[m], value.detach(), rtol=1e-6, atol=0)
        torch.testing.assert_close(gradients[m], alone.grad, rtol=1e-6, atol=1e-8)
    full = [0, 2, 3]  # rows with all options, so that any answer fits
    labels_mb = {key: torch.stack([value, value.roll(1), value.flip(0)])[:, full] for key, value in labels.items()}
    each = torch.func.vmap(loss)(outputs_mbn[:, full], labels_mb)
    for m in range(3):
        own = {key: value[m] for key, value in labels_mb.items()}
        torch.testing.assert_close(each[m], loss(outputs_mbn[m, full], own), rtol=1e-6, atol=0)


ON_GPU = """
import sys
from pathlib import Path
import torch
from job_settings import training_settings
from toy_training import NAMES, load, training, with_columns
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM
from junkdna.compress.methods.magnitude import masks as pruned
from junkdna.compress.scope import matrices, prunable
from junkdna.train.finetune import fine_tune

# MiniLM's shape and up to 220 tokens: long enough that a GPU's kernels split and reorder their sums
folder, against = Path(sys.argv[1], "model"), sys.argv[2]
torch.manual_seed(7)
BertModel(BertConfig(vocab_size=30, hidden_size=384, num_hidden_layers=6, num_attention_heads=12,
                     intermediate_size=1536)).save_pretrained(folder)
LlamaForCausalLM(LlamaConfig(vocab_size=64, hidden_size=384, num_hidden_layers=4, num_attention_heads=6,
                             intermediate_size=1024)).save_pretrained(folder.with_name("decoder"))
protocol = training_settings(epochs=2, batch_size=16, learning_rate=1e-4, warmup_fraction=0.1, weight_decay=0.01)

def run(name, device):
    model, _ = load(folder, name, ("tiny", "mood", 0))
    model.to(device)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout) and against == "cpu":
            module.p = 0.0  # the generators of the two devices draw differently
    prunables = prunable(model)
    masks = dict(pruned(matrices(prunables), 0.5, None))
    data = training(name, rows=64)
    data = with_columns(data, query=[query * 20 for query in data.columns["query"]],
                        options=[[option * 20 for option in row] for row in data.columns["options"]],
                        option_starts=[[start * 20 for start in row] for row in data.columns["option_starts"]])
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
    done = subprocess.run(
        [sys.executable, "-c", ON_GPU, str(tmp_path), against],
        env={**os.environ, "PYTHONPATH": python_path(ROOT, SUPPORT)}, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
