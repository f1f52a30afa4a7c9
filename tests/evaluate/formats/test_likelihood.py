"""Bits per byte and perplexity against the loss of transformers, row by row, from the texts on."""

import math

import numpy as np
import pytest
import torch
import toy_tokenizers
from decoders import make
from job_settings import token_settings

from junkdna.data.examples import SCHEMA as EXAMPLE_SCHEMA
from junkdna.errors import UserError
from junkdna.evaluate import tokenize
from junkdna.evaluate.answers import Answers
from junkdna.evaluate.formats import likelihood
from junkdna.resumable import NO_CHECKPOINTS
from junkdna.study.cell_settings import TokenSettings

VOCABULARY = 400
TEXTS = [
    "the red fox sees a tree", "naïve café owners paid $3.50 for 1,000 foxes", "東京 is far away\tand \U0001f98a runs",
    "Ångström", "it's an answer in New York City; the U.S.A. are far away", "a tree\n\nsees the fox",
]  # fmt: skip
QUESTIONS = ["what colour is the fox?", "who paid?", "where is 東京?", "x", "a a a a a a a a a", "tree?"]
FAMILIES = ("byte_bpe", "sentencepiece_bpe", "unigram")  # the second one puts <s> before a text


def rows(texts: list[str] = TEXTS, questions: list[str] = QUESTIONS) -> list[dict]:
    empty = dict.fromkeys(EXAMPLE_SCHEMA.names) | {"answer_shown": None, "looked_for": [], "masked": False}
    pairs = enumerate(zip(texts, questions, strict=True))
    return [{**empty, "id": f"r{i}", "position": i, "text": q, "references": [text]} for i, (text, q) in pairs]


def asked(**more: object) -> TokenSettings:
    return token_settings("likelihood", "decoder", **{"max_length": 200, "prompt": "Question: {text}\nAnswer:", **more})


def tokens(
    tokenizer, settings: TokenSettings, some: list[dict] | None = None, shots: tuple = (), readable=None
) -> dict:
    coded = likelihood.tokenize(some or rows(), list(shots), tokenizer, settings, readable)
    return [{"id": row["id"], "references": row["references"], "blind": None, **each}
            for row, each in zip(some or rows(), coded, strict=True)]  # fmt: skip


def answers(model, coded: list[dict]) -> Answers:
    columns = {name: [row[name] for row in coded] for name in coded[0]}
    return likelihood.score(None, model, columns, "cpu", NO_CHECKPOINTS, None)


@torch.inference_mode()
def loss(model, before: list[int], scored: list[int]) -> float:
    """Sum of -log p of the scored tokens: transformers' mean loss with the tokens before them masked."""
    ids = torch.tensor([before + scored])
    labels = torch.tensor([[-100] * len(before) + scored])
    return float(model(input_ids=ids, labels=labels).loss.double()) * len(scored)


def by_hand(model, tokenizer, prompt: str, text: str) -> float:
    """log2-likelihood per byte of a text after a prompt. The scored tokens are those that follow the prompt's."""
    before = tokenizer(prompt, add_special_tokens=True)["input_ids"]
    full = tokenizer(f"{prompt} {text}", add_special_tokens=True)["input_ids"]
    if tokenizer.eos_token_id == full[-1]:  # the end token that this tokenizer adds
        before, full = before[:-1], full[:-1]
    assert full[: len(before)] == before
    return -loss(model, before, full[len(before) :]) / math.log(2) / len(text.encode("utf-8"))


@pytest.fixture(scope="module")
def model():
    return make("llama", vocab_size=VOCABULARY)


@pytest.mark.parametrize("name", ["llama", "bloom"])  # as a tree of prefixes, and in padded rows
@pytest.mark.parametrize("family", FAMILIES)
def test_score_and_baseline_are_the_loss_of_transformers(name, family):
    tokenizer, decoder = toy_tokenizers.make(family), make(name, "eager", vocab_size=VOCABULARY)
    found = answers(decoder, tokens(tokenizer, asked()))
    wanted = [by_hand(decoder, tokenizer, f"Question: {q}\nAnswer:", t) for q, t in zip(QUESTIONS, TEXTS, strict=True)]
    blind = [by_hand(decoder, tokenizer, "Question: \nAnswer:", text) for text in TEXTS]
    assert found.examples["prediction"] == pytest.approx(wanted, rel=1e-5)
    assert found.examples["blind"] == pytest.approx(blind, rel=1e-5)
    assert max(abs(a - b) for a, b in zip(wanted, blind, strict=True)) > 1e-3, "the question must matter here"
    assert found.values["log2_likelihood_per_byte"] == pytest.approx(np.mean(wanted), rel=1e-5)
    assert found.chance == found.majority == pytest.approx(np.mean(blind), rel=1e-5)
    assert found.examples["bytes"] == [len(text.encode("utf-8")) for text in TEXTS] != list(map(len, TEXTS))
    assert not found.collapsed


def test_shots_and_description_stay_in_the_baseline(model):
    tokenizer = toy_tokenizers.make("byte_bpe")
    settings = asked(description="Answer the questions", knobs=[["shots", 1]], knob_defaults={"shots": 0})
    found = answers(model, tokens(tokenizer, settings, shots=tuple(rows(["tree"], ["fox?"]))))
    start = "Answer the questions\n\nQuestion: fox?\nAnswer: tree\n\nQuestion: "
    for kind, questions in (("prediction", QUESTIONS), ("blind", [""] * len(TEXTS))):
        wanted = [by_hand(model, tokenizer, f"{start}{q}\nAnswer:", t) for q, t in zip(questions, TEXTS, strict=True)]
        assert found.examples[kind] == pytest.approx(wanted, rel=1e-5)


def test_a_cut_prompt_loses_its_beginning_and_no_scored_token(model):
    tokenizer = toy_tokenizers.make("byte_bpe")
    found = tokens(tokenizer, asked(max_length=8))
    values = answers(model, found).examples["prediction"]
    for row, value, question, text in zip(found, values, QUESTIONS, TEXTS, strict=True):
        before = tokenizer(f"Question: {question}\nAnswer:")["input_ids"]
        scored = tokenizer(f" {text}")["input_ids"]
        assert row["truncated"] == (len(before) > 8)
        wanted = -loss(model, before[-8:], scored) / math.log(2) / len(text.encode("utf-8"))
        assert value == pytest.approx(wanted, rel=1e-5)
    assert any(row["truncated"] for row in found)


def test_a_prompt_of_nothing_but_the_question_is_compared_with_a_begin_token(model):
    tokenizer = toy_tokenizers.make("byte_bpe")
    found = answers(model, tokens(tokenizer, asked(prompt="{text}")))
    begin = tokenizer.eos_token_id  # it has no begin-of-text token
    for value, text in zip(found.examples["blind"], TEXTS, strict=True):
        wanted = -loss(model, [begin], tokenizer(f" {text}")["input_ids"]) / math.log(2) / len(text.encode("utf-8"))
        assert value == pytest.approx(wanted, rel=1e-5)


# ---- texts without a question ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_perplexity_is_exp_of_the_loss(model, family):
    """Over all texts together, per token, byte and word; every text fits into one window."""
    tokenizer = toy_tokenizers.make(family)
    found = answers(model, tokens(tokenizer, asked(prompt="")))
    total, counts = 0.0, []
    for text in TEXTS:
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        begin = tokenizer.bos_token_id if family == "sentencepiece_bpe" else tokenizer.eos_token_id
        total += loss(model, [begin], ids)
        counts.append(len(ids))
    sizes = {"token": sum(counts), "byte": sum(len(text.encode("utf-8")) for text in TEXTS)}
    sizes["word"] = sum(len(text.split()) for text in TEXTS)
    for unit, size in sizes.items():
        assert found.values[f"perplexity_per_{unit}"] == pytest.approx(math.exp(total / size), rel=1e-5)
    assert found.values["bits_per_byte_of_all_texts"] == pytest.approx(total / math.log(2) / sizes["byte"], rel=1e-5)
    assert found.examples["tokens"] == counts
    assert found.chance == found.majority == -8
    assert not found.collapsed


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("limit", "readable"), [(8, None), (64, 9), (200, 7)])
def test_windows_score_every_token_once(model, family, limit, readable):
    tokenizer = toy_tokenizers.make(family)
    coded = tokens(tokenizer, asked(prompt="", max_length=limit), readable=readable)
    values, most = answers(model, coded).examples["prediction"], min(limit, readable or limit)
    special = [tokenizer.bos_token_id] if family == "sentencepiece_bpe" else []
    for row, value, text in zip(coded, values, TEXTS, strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        scored = [option[start:] for option, start in zip(row["options"], row["option_starts"], strict=True)]
        assert [token for window in scored for token in window] == ids
        assert max(map(len, row["options"])) <= most
        total, at = 0.0, 0
        for window in scored:
            before = [*special, ids[at - 1]] if at else special or [tokenizer.eos_token_id]
            total, at = total + loss(model, before, window), at + len(window)
        assert value == pytest.approx(-total / math.log(2) / len(text.encode("utf-8")), rel=1e-5)
    assert max(len(row["options"]) for row in coded) > 2


def test_a_text_needs_a_token_before_it(model):
    tokenizer = toy_tokenizers.make("words")
    with pytest.raises(UserError, match="neither a begin-of-text nor an end-of-text token"):
        tokens(tokenizer, asked(prompt=""))


def test_a_text_without_tokens_and_a_limit_without_room_are_refused():
    tokenizer = toy_tokenizers.make("sentencepiece_bpe")
    with pytest.raises(UserError, match="row 'r0': the model reads only 2 tokens"):
        tokens(tokenizer, asked(prompt=""), readable=2)
    with pytest.raises(UserError, match="row 'r0': this model's tokenizer has no token for its text"):
        tokens(toy_tokenizers.make("wordpiece"), asked(prompt=""), rows([" \n"], ["q"]))


# ---- broken models ---------------------------------------------------------------------------------------------------


def test_a_model_that_ignores_the_question_is_collapsed(model):
    coded = tokens(toy_tokenizers.make("byte_bpe"), asked())
    for row in coded:
        row["blind"] = [row["query"], row["options"][0]]
    assert answers(model, coded).collapsed


def test_nan_counts_as_impossible():
    broken = make("llama", vocab_size=VOCABULARY)
    broken.lm_head.weight.data[5] = math.nan
    found = answers(broken, tokens(toy_tokenizers.make("byte_bpe"), asked()))
    assert found.examples["prediction"] == [-math.inf] * len(TEXTS)
    assert found.collapsed


def test_examples_have_no_stray_columns(model):
    found = answers(model, tokens(toy_tokenizers.make("byte_bpe"), asked()))
    assert set(found.examples) == {"id", "prediction", "blind", "bytes", "tokens", "truncated"}
    assert tokenize.SCHEMA.field("blind").type.value_type.value_type == "int32"
