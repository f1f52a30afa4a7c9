"""Greedy generation against a plain loop without cache or batch, and against transformers' own `generate`."""

import pytest
import torch
from decoders import CONFIGS, make, plain_greedy, random_rows

from junkdna.errors import UserError
from junkdna.evaluate import greedy, greedy_packs
from junkdna.resumable import Loop

NEW = 12
HEADERS = random_rows(3, 11, 30)
QUERIES = [HEADERS[k % 3] + tail for k, tail in enumerate(random_rows(11, 12, 12))]
QUERIES += [HEADERS[0], QUERIES[0], QUERIES[0] + [9]]


@pytest.fixture(scope="module")
def tokenizer():
    """Token n is the word "tn"; the tokens 0 to 2 are special."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {f"t{n}": n for n in range(31)}
    inner = Tokenizer(models.WordLevel(words, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="t0", bos_token="t1", eos_token="t2")


@pytest.fixture(scope="module")
def llama():
    return make("llama")


def words(tokens: list[int]) -> str:
    return " ".join(f"t{token}" for token in tokens if token > 2)


def plain(model, ends=(2,)) -> list[str]:
    return [words(t for t in plain_greedy(model, query, NEW, set(ends)) if t not in ends) for query in QUERIES]


def generated(model, tokenizer, stop=(), queries=QUERIES, **extra) -> list[str]:
    return greedy.greedy_texts(model, tokenizer, queries, "cpu", NEW, list(stop), **extra)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_generates_as_the_plain_loop(tokenizer, name):
    model = make(name, "eager")
    wanted = plain(model)
    assert len(set(wanted)) > 5
    assert generated(model, tokenizer) == wanted


@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma3", "gemma3 narrow", "mamba"])
def test_as_generate_of_transformers_row_by_row(tokenizer, name):
    model = make(name, "eager")
    wanted = []
    for query in QUERIES:
        made = model.generate(
            torch.tensor([query]), attention_mask=torch.ones(1, len(query)), max_new_tokens=NEW, do_sample=False,
            pad_token_id=0,
        )  # fmt: skip
        wanted.append(tokenizer.decode(made[0, len(query) :], skip_special_tokens=True))
    assert generated(model, tokenizer) == wanted


def shapes_and_answers(model, *args) -> tuple[list[tuple[int, int]], list[str]]:
    """(rows, tokens) of each call of the model by `greedy`, and its answers."""
    shapes = []
    handle = model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    try:
        return shapes, generated(model, *args)
    finally:
        handle.remove()


@pytest.mark.parametrize(
    ("prompts", "cache", "least", "most"),
    [(1, 1, 1, 2), (30, 1000, 2, 8), (100_000, 100, 2, 5), (100_000, 100_000, len(QUERIES), len(QUERIES))],
)
def test_batches_change_no_answer(monkeypatch, tokenizer, llama, prompts, cache, least, most):
    """`least` to `most` rows side by side."""
    monkeypatch.setattr(greedy_packs, "PROMPT_TOKENS", prompts)
    monkeypatch.setattr(greedy_packs, "CACHE_TOKENS", cache)
    shapes, answers = shapes_and_answers(llama, tokenizer)
    assert answers == plain(llama)
    assert least <= max(rows for rows, tokens in shapes if tokens == 1) <= most


def test_common_beginnings_of_prompts_are_computed_once(tokenizer, llama):
    shapes, _ = shapes_and_answers(llama, tokenizer)
    assert shapes[0] == (1, len({tuple(query[: n + 1]) for query in QUERIES for n in range(len(query))}))
    assert {tokens for _, tokens in shapes[1:]} == {1}


def test_rows_that_ended_are_dropped_from_the_batch(tokenizer):
    """Each further token of each row is one row of one step, and no more."""
    model = make("llama")
    ends = {2, *(plain_greedy(model, query, NEW, set())[2 * k] for k, query in enumerate(QUERIES[:4]))}
    model.config.eos_token_id = sorted(ends)
    lengths = [len(plain_greedy(model, query, NEW, ends)) for query in QUERIES]
    assert len(set(lengths)) > 3
    shapes, answers = shapes_and_answers(model, tokenizer)
    assert answers == plain(model, ends)
    assert sum(rows for rows, _ in shapes[1:]) == sum(length - 1 for length in lengths)


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_every_end_token_ends_a_row_and_is_no_text(tokenizer, name):
    """Named as one id or a list, by the configuration or the generation settings."""
    model = make(name, "eager")
    first, second = plain_greedy(model, QUERIES[0], NEW, set())[3], plain_greedy(model, QUERIES[1], NEW, set())[5]
    model.config.eos_token_id = first
    model.generation_config.eos_token_id = [second, 2]
    assert greedy.end_tokens(model, tokenizer) == {first, second, 2}
    wanted = plain(model, (first, second, 2))
    assert wanted != plain(model)
    assert generated(model, tokenizer) == wanted


def test_a_special_token_may_be_a_stop_string(llama):
    """The end of a turn, where neither the model nor the tokenizer says that it ends a text."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    third = plain_greedy(llama, QUERIES[0], NEW, set())[2]
    inner = Tokenizer(models.WordLevel({f"t{n}": n for n in range(31)}, unk_token="t0"))
    own = PreTrainedTokenizerFast(
        tokenizer_object=inner, unk_token="t0", bos_token="t1", eos_token="t2", extra_special_tokens=[f"t{third}"]
    )
    assert greedy.stop_tokens(own, [f"t{third}", "x"]) == {third}
    assert generated(llama, own, stop=[f"t{third}"]) == plain(llama, (2, third))
    assert generated(llama, own) != plain(llama, (2, third))


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_text_ends_before_the_first_stop_string(tokenizer, name):
    """A stop string may begin inside a token and span two of them."""
    model = make(name, "eager")
    whole = plain(model)
    stops = [whole[0].split(" ", 4)[4][:4], whole[1][8:11]]
    wanted = [text[: min([text.find(stop) for stop in stops if stop in text], default=None)] for text in whole]
    assert wanted[0] != whole[0]
    assert wanted[1] != whole[1]
    assert generated(model, tokenizer, stops) == wanted


def test_a_stop_string_saves_the_steps_after_it(tokenizer, llama):
    text = plain(llama)[0]
    stop = text.split(" ")[2]
    shapes, answers = shapes_and_answers(llama, tokenizer, [stop], QUERIES[:1])
    assert answers == [text[: text.find(stop)]]
    assert len(shapes) == 3


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_generation_settings_of_the_model_do_not_join_in(tokenizer, name):
    model = make(name, "eager")
    settings = model.generation_config
    settings.repetition_penalty, settings.do_sample, settings.temperature = 5.0, True, 3.0
    assert generated(model, tokenizer) == plain(model)
    assert model.generation_config is settings


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_progress_wrapper_sees_the_batches(tokenizer, name):
    seen = []
    generated(make(name, "eager"), tokenizer, loop=Loop(lambda batches: seen.extend(batches) or batches))
    assert len(seen) == (1 if name == "llama" else len(QUERIES))


@pytest.mark.parametrize("name", ["llama", "mamba"])
def test_a_query_without_tokens_is_an_error(tokenizer, name):
    with pytest.raises(UserError, match="a query has no tokens"):
        generated(make(name, "eager"), tokenizer, queries=[[3], []])


def test_no_queries_give_no_answers(tokenizer, llama):
    assert generated(llama, tokenizer, queries=[]) == []
