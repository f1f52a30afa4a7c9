"""A row's numbers do not depend on the other rows of its batch: compared with each row alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers as hf
from decoders import make, plain_greedy, plain_loglikelihood, random_options, random_rows, same
from tiny_models import WIDE
from toy_training import loss_of

from junkdna.compress.store import _batches
from junkdna.data.calibration_file import CalibrationRows
from junkdna.errors import UserError
from junkdna.evaluate import greedy, scores
from junkdna.models.batch_isolation import ANY, EQUAL, NONE, batch_rule, row_groups
from junkdna.models.prefix_tree import tree_fits
from junkdna.models.rotary import frequency_limit
from junkdna.train.train_rows import TrainRows

MOBILE = {"intra_bottleneck_size": 16, "embedding_size": 16, "num_feedforward_networks": 1}
ENCODERS = {
    "fnet": (hf.FNetConfig(**WIDE), EQUAL),  # mixes over padding
    "convbert": (hf.ConvBertConfig(**WIDE, embedding_size=32, conv_kernel_size=3), EQUAL),  # convolutions
    "mobilebert": (hf.MobileBertConfig(**WIDE, **MOBILE), EQUAL),  # embeddings of three neighbors
    "bert": (hf.BertConfig(**WIDE), ANY),
    "deberta": (hf.DebertaV2Config(**WIDE, relative_attention=True, pos_att_type=["p2c", "c2p"]), ANY),
    "longformer": (hf.LongformerConfig(**WIDE, attention_window=[4, 4], pad_token_id=1), ANY),
}


def encoder(name: str, auto: type = hf.AutoModel) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return auto.from_config(ENCODERS[name][0]).eval()


@torch.inference_mode()
def embedding(model, row):
    hidden = model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0)
    return hidden / hidden.norm()


@pytest.mark.parametrize("name", ENCODERS)
def test_similarity_is_that_of_rows_alone(name):
    model, queries, options = encoder(name), random_rows(12, 3), random_options(12, 4)
    assert batch_rule(model) == ENCODERS[name][1]
    pairs = zip(queries, options, strict=True)
    wanted = [np.array([float(embedding(model, q) @ embedding(model, o)) for o in row]) for q, row in pairs]
    same(scores.similarity(model, queries, options, "cpu"), wanted)


def test_classes_and_training_losses_are_those_of_rows_alone():
    model = encoder("fnet", hf.AutoModelForSequenceClassification)
    rows, starts, answers = random_rows(12, 5), [3] * 12, [i % 2 for i in range(12)]
    alone = [scores.class_logits(model, [row], [3], "cpu")[0] for row in rows]
    np.testing.assert_allclose(scores.class_logits(model, rows, starts, "cpu"), np.stack(alone), atol=1e-5)
    data = TrainRows(format="classifier", columns={"query": rows, "second_start": starts, "answer": answers})
    loss = loss_of(model, data, [*range(12)])
    single = [float(loss_of(model, data, [i]).detach()) for i in range(12)]
    assert float(loss.detach()) == pytest.approx(np.mean(single), rel=1e-4)


def test_rows_are_given_back_in_their_order_when_trained_as_a_bi_encoder():
    model, options = encoder("fnet"), random_options(8, 6)
    data = TrainRows(format="bi_encoder", columns={"query": random_rows(8, 7), "options": options, "answer": [1] * 8})
    loss = loss_of(model, data, [*range(8)])
    single = [float(loss_of(model, data, [i]).detach()) for i in range(8)]
    assert float(loss.detach()) == pytest.approx(np.mean(single), rel=1e-4)


class Made(torch.nn.Module):
    """Token embeddings and something else that `mix` does to them."""

    def __init__(self, mix):
        super().__init__()
        self.table, self.mix = torch.nn.Embedding(40, 8), mix
        self.config = hf.BertConfig(vocab_size=40, hidden_size=8)

    def get_input_embeddings(self):
        return self.table

    def forward(self, input_ids, attention_mask=None):
        return SimpleNamespace(last_hidden_state=self.mix(self.table(input_ids)))


def test_batch_statistics_leave_each_row_alone():
    model = Made(lambda x: x - x.mean((0, 1)))
    assert batch_rule(model) == NONE
    assert row_groups(model, [3, 2, 3]) == [[1], [0], [2]]


def test_a_leak_far_below_rounding_is_seen():
    assert batch_rule(Made(lambda x: x + 1e-5 * x.mean(1, keepdim=True))) == EQUAL
    assert batch_rule(Made(lambda x: x * (1 + x.shape[1]))) == EQUAL  # no gradient: the outputs differ
    assert batch_rule(Made(torch.tanh)) == ANY


@pytest.mark.parametrize("size", [1, 0.1])
def test_a_forward_pass_that_draws_is_refused(size):
    """Also where two draws are close: within the tolerance of another batch shape in about 1 of 100 pairs."""
    for seed in range(300):
        draws = torch.Generator().manual_seed(seed)
        model = Made(lambda x, draws=draws: x + size * torch.rand((), generator=draws))
        with pytest.raises(UserError, match="is random, so its scores are not reproducible"):
            batch_rule(model)


def test_one_row_asks_nothing():
    assert row_groups(Made(lambda x: x + torch.rand(())), [5]) == [[0]]


# --- rotary frequencies -----------------------------------------------------------------------------------------------

LIMIT = 16
LONGROPE = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 8, "long_factor": [8.0] * 8,
            "original_max_position_embeddings": LIMIT, "factor": 8.0}  # fmt: skip
DYNAMIC = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}


def phi3() -> torch.nn.Module:
    config = hf.Phi3Config(
        **WIDE, num_key_value_heads=2, bos_token_id=0, eos_token_id=1, pad_token_id=2, sliding_window=None,
        rope_parameters=dict(LONGROPE), original_max_position_embeddings=LIMIT,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return hf.Phi3ForCausalLM(config).eval()


@torch.inference_mode()
def alone(model, query, option, start) -> float:
    """The last token is predicted and never read, so it does not count in the length of the row."""
    logp = model(input_ids=torch.tensor([(query + option)[:-1]]), use_cache=False).logits[0].log_softmax(-1)
    return sum(float(logp[len(query) + t - 1, option[t]]) for t in range(start, len(option)))


@pytest.mark.parametrize("made", [phi3, lambda: make("llama", rope_parameters=dict(LONGROPE))])
def test_each_row_has_the_frequencies_of_its_own_length(made):
    model = made()
    queries = [[3 + (7 * i + 5 * k) % 25 for i in range(n)] for k, n in enumerate((3, 12, 15, 16, 17, 30, 9))]
    options = [[[8, 9], [10], [4, 5, 6, 7]]] * len(queries)
    starts = [[0, 0, 1]] * len(queries)
    assert frequency_limit(model.config) == LIMIT
    wanted = [
        np.array([alone(model, query, option, start) for option, start in zip(row, row_starts, strict=True)])
        for query, row, row_starts in zip(queries, options, starts, strict=True)
    ]
    same(scores.loglikelihood(model, queries, options, starts, "cpu"), wanted)
    assert tree_fits(model, LIMIT)
    assert not tree_fits(model, LIMIT + 1)


def test_generation_across_the_limit_computes_rows_in_full():
    model = phi3()
    tokenizer = SimpleNamespace(
        added_tokens_decoder={}, eos_token_id=1, decode=lambda ids, **_: " ".join(map(str, ids))
    )
    queries = [[3 + (7 * i + 5 * k) % 25 for i in range(n)] for k, n in enumerate((4, 14, 20))]
    got = greedy.greedy_texts(model, tokenizer, queries, "cpu", 6, [])
    wanted = [plain_greedy(model, query, 6, {1}) for query in queries]
    assert got == [" ".join(map(str, tokens[:-1] if tokens[-1] == 1 else tokens)) for tokens in wanted]


def test_calibration_rows_of_both_sides_are_no_batch():
    batches = _batches(phi3(), CalibrationRows([[5] * n for n in (4, 20, 8, 17, 16)], [*"abcde"]))
    assert [batch.mask.sum(1).tolist() for batch in batches] == [[4, 8, 16], [17, 20]]


def test_dynamic_scaling_serves_rows_within_its_limit_only():
    """Beyond it, transformers keeps the frequencies of the longest row so far."""
    model = make("llama", rope_parameters=dict(DYNAMIC), max_position_embeddings=LIMIT)
    queries, options = [[5, 6, 7], [9] * 12], [[[8, 9], [10]]] * 2
    wanted = plain_loglikelihood(model, queries, options, [[0, 0]] * 2)
    same(scores.loglikelihood(model, queries, options, [[0, 0]] * 2, "cpu"), wanted)
    with pytest.raises(UserError, match=r"rope_type dynamic.*at most 16 tokens"):
        scores.loglikelihood(model, [*queries, [4] * 20], [*options, options[0]], [[0, 0]] * 3, "cpu")
    tokenizer = SimpleNamespace(added_tokens_decoder={}, eos_token_id=1, decode=lambda ids, **_: "")
    with pytest.raises(UserError, match="max_new_tokens until rows have at most 16 tokens"):
        greedy.greedy_texts(model, tokenizer, queries, "cpu", 6, [])


def test_limits_are_found_wherever_a_configuration_holds_them():
    def config(**given):
        found = SimpleNamespace(max_position_embeddings=64, **given)
        found.get_text_config = lambda: found
        return found

    assert frequency_limit(config()) is None
    assert frequency_limit(config(rope_parameters={"rope_type": "yarn", "factor": 2.0})) is None
    assert frequency_limit(config(rope_parameters=LONGROPE)) == LIMIT
    assert frequency_limit(config(rope_parameters={"full": DYNAMIC, "sliding": {"rope_type": "default"}})) == 64
    assert frequency_limit(config(rope_scaling={"type": "longrope"}, original_max_position_embeddings=32)) == 32
    inner = config(rope_parameters=LONGROPE)
    assert frequency_limit(SimpleNamespace(get_text_config=lambda: inner)) == LIMIT
