"""Scores against a plain loop: one row at a time, no padding, no batches."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from decoders import make, plain_loglikelihood, random_options, random_rows, same, stretch

from junkdna.evaluate import scores as evaluate_scores
from junkdna.models import batching, prefix_tree
from junkdna.models.batch_isolation import isolated_batches
from junkdna.models.load import load_classifier, load_plain
from junkdna.resumable import Loop

CLOSE = 1e-5


@pytest.fixture(scope="module")
def encoder(toy_world_once: Path):
    return stretch(load_plain(toy_world_once / "model", "encoder"))


@pytest.fixture(scope="module")
def classifier(toy_world_once: Path):
    return stretch(load_classifier(toy_world_once / "model", 3, ("tiny", "mood", 0))[0])


@pytest.fixture(scope="module")
def cross_encoder(toy_world_once: Path):
    return stretch(load_classifier(toy_world_once / "model", 1, ("tiny", "mood", 0))[0])


@pytest.fixture(scope="module")
def decoder():
    return make("llama")


QUERIES, OPTIONS, SECOND = random_rows(30, 0), random_options(30, 1), [k % 9 for k in range(30)]
STARTS = [[0] * len(row) for row in OPTIONS]


@torch.inference_mode()
def plain_similarity(model, queries, options):
    def embed(row):
        hidden = model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0)
        return hidden / hidden.norm()

    return [np.array([float(embed(q) @ embed(o)) for o in row]) for q, row in zip(queries, options, strict=True)]


@torch.inference_mode()
def plain_class_logits(model, queries, starts):
    out = []
    for query, start in zip(queries, starts, strict=True):
        inputs = {"input_ids": torch.tensor([query])}
        if hasattr(model.config, "type_vocab_size"):
            inputs["token_type_ids"] = torch.tensor([[int(t >= start) for t in range(len(query))]])
        out.append(model(**inputs).logits[0].numpy())
    return np.stack(out)


def scores(name: str, model, queries, options):
    """Similarity or log-likelihood of complete options."""
    if name == "similarity":
        return evaluate_scores.similarity(model, queries, options, "cpu")
    return evaluate_scores.loglikelihood(model, queries, options, [[0] * len(row) for row in options], "cpu")


@pytest.fixture(params=[1, 40, 100_000])
def budget(request, monkeypatch):
    monkeypatch.setattr(evaluate_scores, "isolated_batches", partial(isolated_batches, tokens=request.param))
    monkeypatch.setitem(prefix_tree.PACK_TOKENS, "cpu", request.param)


@pytest.mark.usefixtures("budget")
class TestAgainstPlainLoop:
    def test_similarity(self, encoder):
        same(evaluate_scores.similarity(encoder, QUERIES, OPTIONS, "cpu"), plain_similarity(encoder, QUERIES, OPTIONS))

    def test_loglikelihood(self, decoder):
        got = evaluate_scores.loglikelihood(decoder, QUERIES, OPTIONS, STARTS, "cpu")
        same(got, plain_loglikelihood(decoder, QUERIES, OPTIONS, STARTS))

    def test_class_logits(self, classifier):
        got = evaluate_scores.class_logits(classifier, QUERIES, SECOND, "cpu")
        same(list(got), list(plain_class_logits(classifier, QUERIES, SECOND)))

    def test_pair_logits(self, cross_encoder):
        starts = [[k % (len(option) + 1) for k, option in enumerate(row)] for row in OPTIONS]
        got = evaluate_scores.pair_logits(cross_encoder, OPTIONS, starts, "cpu")
        wanted = [plain_class_logits(cross_encoder, *row)[:, 0] for row in zip(OPTIONS, starts, strict=True)]
        same(got, wanted)

    @pytest.mark.parametrize("pad_token_id", [None, 30, 5])
    def test_class_logits_of_a_decoder_read_the_last_token(self, tmp_path, pad_token_id):
        """The row's end is found by comparing ids with the pad token: padding with another id reads off the end.

        Id 0 ends some of the rows (in GPT-2 it is "!"): it is a word and no padding.
        """
        make("llama", pad_token_id=pad_token_id).model.save_pretrained(tmp_path)
        model = load_classifier(tmp_path, 3, ("llm", "mood", 0))[0]
        queries = [[token for token in row if token != 5] + [0] * (i % 2) for i, row in enumerate(QUERIES)]
        queries = [query or [7] for query in queries]
        wanted = []
        with torch.inference_mode():
            for query in queries:
                hidden = model.model(input_ids=torch.tensor([query])).last_hidden_state[0, -1]
                wanted.append(model.score(hidden).numpy())
        same(list(evaluate_scores.class_logits(model, queries, [len(q) for q in queries], "cpu")), wanted)


@pytest.mark.parametrize("function", ["similarity", "loglikelihood"])
def test_shuffled_rows_score_the_same(request, function):
    model = request.getfixturevalue("encoder" if function == "similarity" else "decoder")
    order = np.random.default_rng(5).permutation(len(QUERIES))
    straight = scores(function, model, QUERIES, OPTIONS)
    shuffled = scores(function, model, [QUERIES[i] for i in order], [OPTIONS[i] for i in order])
    same(shuffled, [straight[i] for i in order])


@pytest.mark.parametrize("function", ["similarity", "loglikelihood"])
def test_order_of_options_permutes_scores(request, function):
    model = request.getfixturevalue("encoder" if function == "similarity" else "decoder")
    straight = scores(function, model, QUERIES, OPTIONS)
    turned = scores(function, model, QUERIES, [row[::-1] for row in OPTIONS])
    same(turned, [row[::-1] for row in straight])


@pytest.mark.parametrize("function", ["similarity", "loglikelihood"])
def test_equal_options_get_equal_scores(request, function):
    """Inside a row and between rows with one query; of unlike lengths, so that padding has a say."""
    model = request.getfixturevalue("encoder" if function == "similarity" else "decoder")
    options = [[[4, 5], [6] * 15, [4, 5]], [[4, 5], [7]]]
    first, second = scores(function, model, [[9, 8, 7]] * 2, options)
    np.testing.assert_allclose([first[2], second[0]], first[0], atol=CLOSE)
    assert abs(first[1] - first[0]) > 100 * CLOSE


def test_similarity_lies_in_minus_one_to_one_and_is_one_for_the_query_itself(encoder):
    got = evaluate_scores.similarity(encoder, QUERIES, [[query, [4]] for query in QUERIES], "cpu")
    assert all(row[0] == pytest.approx(1, abs=1e-5) and abs(row[1]) <= 1 + 1e-6 for row in got)


def test_one_token_options_of_all_the_vocabulary_sum_to_one(decoder):
    (got,) = scores("loglikelihood", decoder, [[3, 4, 5]], [[[token] for token in range(31)]])
    assert np.exp(got.astype(float)).sum() == pytest.approx(1, abs=1e-5)


def test_progress_wrapper_sees_every_batch(classifier):
    seen = []

    def wrapper(batches):
        for batch in batches:
            seen.extend(batch)
            yield batch

    evaluate_scores.class_logits(classifier, QUERIES, SECOND, "cpu", Loop(wrapper))
    assert sorted(seen) == list(range(len(QUERIES)))


def test_segment_ids_mark_the_second_text_and_not_the_padding(classifier):
    inputs = batching.classifier_inputs(classifier, [[1, 2, 3, 4], [5, 6]], [2, 1], [0, 1], "cpu")
    assert inputs["token_type_ids"].tolist() == [[0, 0, 1, 1], [0, 1, 0, 0]]
    assert inputs["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
