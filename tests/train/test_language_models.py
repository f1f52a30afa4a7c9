"""Training of language models against a plain loop over transformers' own loss, `model(input_ids, labels=...)`."""

from collections.abc import Callable

import decoders
import pytest
import torch
from job_settings import training_settings
from torch import nn
from toy_training import loss_of, training, with_columns

from junkdna.compress.methods.magnitude import masks as magnitude
from junkdna.compress.scope import matrices, prunable
from junkdna.models import kept_logits
from junkdna.models.batch_isolation import ANY, batch_rule
from junkdna.models.kept_logits import keeps_positions
from junkdna.train.finetune import batch_order, fine_tune, learning_rate_factor
from junkdna.train.stack import fine_tune_stack
from junkdna.train.stack_members import Member
from junkdna.train.stackable import unstackable

KEY = ("sums", 0)
ROWS = [7, 0, 12, 5, 19, 3]
PROTOCOL = training_settings(epochs=2, batch_size=8, learning_rate=1e-3, warmup_fraction=0.34, weight_decay=0.1)
CELLS = (("dense", 0.0), ("sparse", 0.5), ("sparse_to_dense", 0.8), ("dense_freeze", 0.5))
FORMATS = ("cloze", "generate", "likelihood", "mcq")
NO_DROPOUT = {"gpt2": {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0}}


def tied(name: str) -> nn.Module:
    """A model whose head is its table of words."""
    model = decoders.make(name, "eager", tie_word_embeddings=True, **NO_DROPOUT.get(name, {}))
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return model


def labeled(data, batch: list[int]) -> dict[str, torch.Tensor]:
    """Right-padded inputs with label -100 at every token that is not of a right answer."""
    rows = []
    for i in batch:
        query, options, starts = (data.columns[name][i] for name in ("query", "options", "option_starts"))
        for k in [data.columns["answer"][i]] if data.format in ("cloze", "mcq") else range(len(options)):
            rows.append((query + options[k], [-100] * (len(query) + starts[k]) + options[k][starts[k] :]))
    width = max(len(ids) for ids, _ in rows)
    return {
        "input_ids": torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in rows]),
        "attention_mask": torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in rows]),
        "labels": torch.tensor([labels + [-100] * (width - len(labels)) for _, labels in rows]),
    }


def of_batch(model: nn.Module, data, batch: list[int]) -> torch.Tensor:
    """The loss of transformers, text by text for a model whose rows change one another."""
    if batch_rule(model) == ANY:
        return model(**labeled(data, batch), use_cache=False).loss
    inputs = labeled(data, batch)
    losses, tokens = [], (inputs["labels"] != -100).sum(1)
    for row in range(len(tokens)):
        real = int(inputs["attention_mask"][row].sum())
        losses.append(
            model(**{name: each[row : row + 1, :real] for name, each in inputs.items()}, use_cache=False).loss
        )
    return (torch.stack(losses) * tokens).sum() / tokens.sum()


@pytest.mark.parametrize("name", decoders.CONFIGS)
@pytest.mark.parametrize("answer_format", FORMATS)
def test_the_loss_and_its_gradients_are_those_of_transformers(name: str, answer_format: str) -> None:
    model, data = decoders.make(name, "eager"), training(answer_format)
    model.requires_grad_(True)
    ours, theirs = loss_of(model, data, ROWS), of_batch(model, data, ROWS)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-5)
    parameters = [*model.parameters()]
    pairs = (torch.autograd.grad(each, parameters, allow_unused=True) for each in (ours, theirs))
    for own, wanted in zip(*pairs, strict=True):
        assert (own is None) == (wanted is None)
        if own is not None:
            torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-5 * max(1.0, float(wanted.abs().max())))


def plain_loop(name: str, data) -> tuple[list[float], dict[str, torch.Tensor]]:
    """AdamW on the loss of transformers, written here; the schedule is checked in test_finetune."""
    model = tied(name)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PROTOCOL.learning_rate, weight_decay=PROTOCOL.weight_decay)
    losses = []
    model.train()
    for step, batch in enumerate(batch_order(len(data), 8, 6, KEY)):
        optimizer.param_groups[0]["lr"] = PROTOCOL.learning_rate * learning_rate_factor(step, 6, 0.34)
        loss = of_batch(model, data, batch)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses, {key: value.detach() for key, value in model.named_parameters()}


def moved_by_gradients(key: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Without the biases of GPT-2's attention keys: their gradient is 0, so AdamW makes steps out of rounding."""
    return lambda weight: torch.cat([weight[:32], weight[64:]]) if key.endswith("c_attn.bias") else weight


@pytest.mark.parametrize("name", ["llama", "gpt2"])
@pytest.mark.parametrize("answer_format", FORMATS)
def test_dense_training_is_the_plain_loop_over_transformers_loss(name: str, answer_format: str) -> None:
    data, model = training(answer_format), tied(name)
    losses, weights = plain_loop(name, data)
    before = {key: value.detach().clone() for key, value in model.named_parameters()}
    trained = fine_tune(model, [], {}, "dense", data, PROTOCOL, KEY)
    assert (trained.steps, trained.first_loss) == (6, pytest.approx(losses[0], rel=1e-5))
    assert trained.last_loss == pytest.approx(losses[-1], rel=1e-4)
    for key, value in model.named_parameters():
        torch.testing.assert_close(*map(moved_by_gradients(key), (value.detach(), weights[key])), rtol=0, atol=1e-4)
        assert (weights[key] - before[key]).abs().max() > 1e-3
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def cell(name: str, mode: str, sparsity: float) -> tuple[nn.Module, list, dict]:
    model = tied(name)
    model.set_attn_implementation("eager")
    prunables = prunable(model, None)
    return model, prunables, dict(magnitude(matrices(prunables), sparsity, None)) if mode != "dense" else {}


def member(name: str, mode: str, sparsity: float) -> Member:
    model, prunables, masks = cell(name, mode, sparsity)
    if mode in ("sparse", "sparse_to_dense"):
        for each in prunables:
            each.matrix().masked_fill_(~masks[each.name], 0)
    return Member(mode, {key: value.detach() for key, value in model.named_parameters()}, masks)


@pytest.mark.parametrize("name", ["llama", "qwen3", "gpt2", "gemma2"])
@pytest.mark.parametrize("answer_format", FORMATS)
def test_a_stack_of_tied_models_trains_each_cell_as_alone(name: str, answer_format: str) -> None:
    data, model = training(answer_format), tied(name)
    assert unstackable(model, "float32") == ""
    members = [member(name, *each) for each in CELLS]
    weights, trained = fine_tune_stack(model, prunable(model, None), members, 5, data, PROTOCOL, KEY)
    assert not any(key.startswith("lm_head") for key in weights), "one table for both"
    for at, (mode, sparsity) in enumerate(CELLS):
        alone, prunables, masks = cell(name, mode, sparsity)
        of_one = fine_tune(alone, prunables, masks, mode, data, PROTOCOL, KEY)
        assert trained[at].first_loss == pytest.approx(of_one.first_loss, rel=1e-4)
        assert trained[at].last_loss == pytest.approx(of_one.last_loss, rel=1e-3)
        for key, value in alone.named_parameters():
            pair = map(moved_by_gradients(key), (weights[key][at], value.detach()))
            torch.testing.assert_close(*pair, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_logits_are_computed_for_answers_alone(name: str) -> None:
    model, data = decoders.make(name, "eager"), training("mcq", options=4)
    data = with_columns(data, option_starts=[[0] * 4] * 20, options=[[[5], [6], [7], [8]]] * 20)
    assert keeps_positions(model)
    shapes = []
    model.get_output_embeddings().register_forward_hook(lambda _, __, out: shapes.append(tuple(out.shape[:2])))
    loss_of(model, data, ROWS)
    assert shapes[-1] == (len(ROWS), 1)


def test_a_model_that_keeps_the_same_positions_of_all_rows_gives_the_same_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """As transformers did before it took positions of each row."""
    from transformers.models.llama import modeling_llama

    model, data = decoders.make("llama"), training("generate")
    wanted = loss_of(model, data, ROWS).item()
    kept_logits._kept.pop(model)
    old = lambda hidden, keep: hidden[:, slice(-keep, None) if isinstance(keep, int) else keep, :]  # noqa: E731
    monkeypatch.setattr(modeling_llama, "slice_logits_to_keep", old)
    assert not keeps_positions(model)
    assert loss_of(model, data, ROWS).item() == pytest.approx(wanted, rel=1e-6)
