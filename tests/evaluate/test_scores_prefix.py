"""Log-likelihoods with shared beginnings computed once, on several architectures, against a plain loop."""

from functools import partial

import numpy as np
import pytest
import torch
from decoders import CONFIGS, ROWS, TREE, make, plain_loglikelihood, random_rows, same
from hypothesis import given, settings
from hypothesis import strategies as st

from junkdna.errors import UserError
from junkdna.evaluate import scores
from junkdna.models import prefix_tree
from junkdna.models.batch_isolation import isolated_batches
from junkdna.models.load import cast, load_plain
from junkdna.models.prefix_tree import tree_fits
from junkdna.models.tree_plan import tree_packs
from junkdna.resumable import Loop

LETTERS = [[4], [5], [6], [7]]


def few_shot_rows() -> tuple[list, list, list]:
    """Queries, options and starts with every kind of common beginning that tasks make.

    Headers of which one begins another, a query that begins another query, equal queries, letters, options that begin
    alike or begin one another, and options with a suffix that alone is scored.
    """
    tails, (first, second, option) = random_rows(14, 0, 9), random_rows(60, 1, 40)[7:10]
    headers = [first + second, first, option[:2]]
    queries = [headers[k % 3] + tail for k, tail in enumerate(tails)]
    queries += [first + second[:2], first, queries[0], queries[0] + [9]]
    suffix = [11, 12, 13]
    kinds = [
        (LETTERS, [0, 0, 0, 0]),
        ([[8, 9, 10], [8, 9], [8], [8, 10, 9, 4, 5]], [0, 0, 0, 0]),
        ([[20, *suffix], [21, 22, *suffix], suffix], [1, 2, 0]),
        ([[9, 4, 4], [9, 4, 5], [9, 4, 4]], [2, 1, 0]),
    ]
    options, starts = zip(*(kinds[k % 4] for k in range(len(queries))), strict=True)
    return queries, list(options), list(starts)


QUERIES, OPTIONS, STARTS = few_shot_rows()
EAGER_ONLY = ("gemma2", "bloom", "gpt_neo", "mamba", "rwkv")
CASES = [(name, "eager") for name in CONFIGS] + [(name, "sdpa") for name in CONFIGS if name not in EAGER_ONLY]


def budgets(monkeypatch, tokens: int) -> None:
    monkeypatch.setattr(scores, "isolated_batches", partial(isolated_batches, tokens=tokens))
    monkeypatch.setitem(prefix_tree.PACK_TOKENS, "cpu", tokens)


@pytest.fixture(scope="module")
def llama():
    return make("llama")


@pytest.mark.parametrize(("name", "attention"), CASES)
def test_every_architecture_scores_as_the_plain_loop(monkeypatch, name, attention):
    model = make(name, attention)
    wanted = plain_loglikelihood(model, QUERIES, OPTIONS, STARTS)
    for tokens in (1, 25, 100_000):
        budgets(monkeypatch, tokens)
        same(scores.loglikelihood(model, QUERIES, OPTIONS, STARTS, "cpu"), wanted)


TOKENS = st.integers(0, 1)
OPTION = st.tuples(st.lists(TOKENS, min_size=1, max_size=4), st.integers(0, 3)).filter(lambda o: o[1] < len(o[0]))
EXAMPLE = st.tuples(st.lists(TOKENS, min_size=1, max_size=6), st.lists(OPTION, min_size=1, max_size=3))


@settings(max_examples=40, deadline=None)
@given(st.lists(EXAMPLE, min_size=1, max_size=8), st.integers(1, 20))
def test_any_rows_in_packs_of_any_size_score_as_the_plain_loop(llama, examples, tokens):
    """Rows of two words only, so that they share, and begin one another, in every way."""
    queries = [query for query, _ in examples]
    options = [[option for option, _ in row] for _, row in examples]
    starts = [[start for _, start in row] for _, row in examples]
    with pytest.MonkeyPatch.context() as patch:
        budgets(patch, tokens)
        got = scores.loglikelihood(llama, queries, options, starts, "cpu")
    wanted = plain_loglikelihood(llama, queries, options, starts)
    np.testing.assert_allclose(np.concatenate(got), np.concatenate(wanted), atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_trees_go_through_the_architectures_that_can_take_them(name):
    assert tree_fits(make(name, "eager"), 60) == (name in TREE)
    assert set(TREE) | set(ROWS) == set(CONFIGS)


def test_a_sliding_window_takes_trees_up_to_its_width():
    model = make("gemma3", sliding_window=40)
    assert tree_fits(model, 40)
    assert not tree_fits(model, 41)


@pytest.mark.parametrize(
    ("kind", "extra", "fits"),
    [
        ("falcon", {"alibi": False}, True),
        ("falcon", {"alibi": True}, False),  # takes positions and does not use them
        ("roberta", {"intermediate_size": 48, "is_decoder": True}, False),  # its first position is not 0
        ("mistral", {"intermediate_size": 48, "num_key_value_heads": 2, "sliding_window": 8}, False),
        ("falcon_h1", {"mamba_d_ssm": 64, "mamba_n_heads": 4, "mamba_d_head": 16}, False),  # attention and states
    ],
)
def test_what_takes_trees_among_other_architectures(kind, extra, fits):
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"vocab_size": 31, "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = AutoConfig.for_model(kind, **sizes, **extra)
    with torch.random.fork_rng(devices=[]):
        assert tree_fits(AutoModelForCausalLM.from_config(config, attn_implementation="eager"), 20) == fits


def seen_by(model, module, run) -> list[int]:
    """Numbers of positions that `module` of the model got in each call while `run` ran."""
    counts = []
    handle = module.register_forward_pre_hook(lambda _, inputs: counts.append(inputs[0].shape[0] * inputs[0].shape[1]))
    try:
        run()
    finally:
        handle.remove()
    return counts


def beginnings(rows: list[list[int]]) -> set[tuple[int, ...]]:
    return {tuple(row[: n + 1]) for row in rows for n in range(len(row))}


@pytest.mark.parametrize("tokens", [1, 25, 100_000])
def test_a_common_beginning_is_computed_once(monkeypatch, llama, tokens):
    """At most one token of a pack, the last of its first query, is computed in an earlier pack too.

    Queries that begin other queries are left out: their last token may be computed again for each option.
    """
    budgets(monkeypatch, tokens)
    queries, options = QUERIES[:14], OPTIONS[:14]
    calls = seen_by(
        llama,
        llama.get_input_embeddings(),
        lambda: scores.loglikelihood(llama, queries, options, [[0] * len(row) for row in options], "cpu"),
    )
    rows = [query + option[:-1] for query, row in zip(queries, options, strict=True) for option in row]
    once = len(beginnings(rows))
    assert sum(map(len, rows)) > 3 * once
    assert once <= sum(calls) <= once + len(calls) - 1
    assert (len(calls) == 1) == (tokens == 100_000)


def test_only_wanted_logits_are_computed(llama):
    calls = seen_by(
        llama, llama.lm_head, lambda: scores.loglikelihood(llama, QUERIES, [LETTERS] * 18, [[0] * 4] * 18, "cpu")
    )
    assert sum(calls) == len({tuple(query) for query in QUERIES})


def test_letters_of_a_model_without_keys_and_values_run_the_query_once():
    model = make("mamba", "eager")
    calls = seen_by(
        model,
        model.get_input_embeddings(),
        lambda: scores.loglikelihood(model, QUERIES[:1], [LETTERS], [[0] * 4], "cpu"),
    )
    assert calls == [len(QUERIES[0])]


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_a_row_scores_the_same_alone(monkeypatch, name):
    model = make(name, "eager")
    together = scores.loglikelihood(model, QUERIES, OPTIONS, STARTS, "cpu")
    alone = []
    for query, options, starts in zip(QUERIES, OPTIONS, STARTS, strict=True):
        alone += scores.loglikelihood(model, [query], [options], [starts], "cpu")
    same(together, alone)


def test_equal_rows_score_exactly_the_same(llama):
    first, second = scores.loglikelihood(llama, [[5, 6, 7]] * 2, [[[8, 9], [4], [8, 9]]] * 2, [[0, 0, 0]] * 2, "cpu")
    assert first[0] == first[2] == second[0] == second[2] != first[1]
    assert first.dtype == np.float32


def test_progress_wrapper_sees_every_row(monkeypatch, llama):
    budgets(monkeypatch, 25)
    batches = []

    def wrapper(given):
        batches.append(list(given))
        return given

    scores.loglikelihood(llama, QUERIES, OPTIONS, STARTS, "cpu", Loop(wrapper))
    scores.loglikelihood(make("mamba", "eager"), QUERIES, OPTIONS, STARTS, "cpu", Loop(wrapper))
    trees, rows = batches
    assert len(trees) > 3
    assert len(rows) > 3
    assert sum(map(len, trees)) == sum(map(len, OPTIONS))


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_an_empty_query_is_an_error_unless_the_option_brings_context(name):
    model = make(name, "eager")
    with pytest.raises(UserError, match=r"a query has no tokens.*begin-of-text"):
        scores.loglikelihood(model, [[3], []], [[[4]], [[4, 5]]], [[0], [0]], "cpu")
    got = scores.loglikelihood(model, [[], []], [[[4, 5]], [[6, 7, 8]]], [[1], [2]], "cpu")
    np.testing.assert_allclose(
        got, plain_loglikelihood(model, [[], []], [[[4, 5]], [[6, 7, 8]]], [[1], [2]]), atol=1e-5
    )


@pytest.mark.parametrize(("option", "start"), [([], 0), ([4, 5], 2), ([4], 3), ([4], -1)])
def test_an_option_with_nothing_to_score_is_an_error(llama, option, start):
    with pytest.raises(UserError, match=rf"option of {len(option)} tokens .* from token {start} on"):
        scores.loglikelihood(llama, [[3]], [[option]], [[start]], "cpu")


def test_no_examples_give_no_scores(llama):
    assert scores.loglikelihood(llama, [], [], [], "cpu") == []


@given(
    st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), max_size=40),
    st.integers(1, 30),
)
def test_packs_cover_each_row_once_in_lexicographic_order_within_the_budget(rows, tokens):
    wanted = [len(row) - 1 for row in rows]
    packs = tree_packs(rows, wanted, tokens)
    order = [r for pack in packs for r in pack]
    assert sorted(order) == list(range(len(rows)))
    assert [rows[r] for r in order] == sorted(rows)
    for pack, following in zip(packs, [*packs[1:], []], strict=False):
        distinct = {tuple(rows[r]) for r in pack}
        own = beginnings([rows[r] for r in pack])
        before = beginnings([rows[r] for r in order[: order.index(pack.rows[0])]])
        assert len(own - before) <= tokens or len(distinct) == 1
        assert not following or distinct.isdisjoint({tuple(rows[r]) for r in following})


@pytest.mark.parametrize("name", ["llama", "gemma2"])
def test_cast_gives_the_model_that_transformers_loads_in_bfloat16(tmp_path, name):
    """Buffers too: rotary frequencies stay in float32."""
    from transformers import AutoModelForCausalLM

    made = make(name, "eager", head_dim=16, max_position_embeddings=2048)
    made.save_pretrained(tmp_path)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16, attn_implementation="eager").eval()
    ours = cast(load_plain(tmp_path, "decoder"), "bfloat16")
    ours.set_attn_implementation("eager")
    ids = torch.tensor([random_rows(1, 4, 30)[0] * 40])
    with torch.inference_mode():
        assert torch.equal(ours(input_ids=ids).logits, theirs(input_ids=ids).logits)
    assert {p.dtype for p in ours.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in cast(ours, "float32").parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_bfloat16_scores_are_near_float32_scores(name):
    model = make(name, "eager")
    exact = scores.loglikelihood(model, QUERIES, OPTIONS, STARTS, "cpu")
    rounded = scores.loglikelihood(cast(model, "bfloat16"), QUERIES, OPTIONS, STARTS, "cpu")
    np.testing.assert_allclose(np.concatenate(rounded), np.concatenate(exact), atol=0.1, rtol=0.01)
    assert any((a != b).any() for a, b in zip(rounded, exact, strict=True))
