"""Log-likelihoods of trees that run in tiles, as they do on a GPU: the CPU's numbers, at any size of a pack."""

import numpy as np
import pytest
import torch
from decoders import TREE, make, plain_loglikelihood, same

from junkdna.evaluate import scores
from junkdna.models import prefix_tree, tree_attention
from junkdna.models.load import cast
from junkdna.models.tree_attention import uses_tiles
from junkdna.models.tree_plan import tree_packs
from junkdna.resumable import NO_CHECKPOINTS

TILED = [name for name in TREE if name != "gemma2"]  # its attention scores are capped, which needs "eager"
SIZES = (1, 60, 300, 100_000)


@pytest.fixture
def tiles(monkeypatch):
    """Tiles on every device, and small ones, so that packs have several."""
    monkeypatch.setattr(tree_attention, "TILED_DEVICES", {"cpu", "cuda"})
    monkeypatch.setattr(tree_attention, "QUERIES", 8)
    monkeypatch.setattr(tree_attention, "KEYS", 8)
    monkeypatch.setattr(tree_attention, "SIZES", (32, 64, 256))


def rows(seed: int = 0, vocabulary: int = 29) -> tuple[list, list, list]:
    """Few-shot prompts with two headers, options of 1 to 6 tokens, some of which are scored from their second token."""
    rng = np.random.default_rng(seed)
    headers = [rng.integers(3, vocabulary, size).tolist() for size in (40, 25)]
    queries = [headers[k % 2] + rng.integers(3, vocabulary, 1 + k % 9).tolist() for k in range(24)]
    options = [[rng.integers(3, vocabulary, 1 + (k + j) % 6).tolist() for j in range(3)] for k in range(24)]
    return queries, options, [[min(k % 2, len(option) - 1) for option in row] for k, row in enumerate(options)]


def scored(model, size: int, monkeypatch, device: str = "cpu") -> np.ndarray:
    monkeypatch.setitem(prefix_tree.PACK_TOKENS, "tiles", size)
    return np.concatenate(scores.loglikelihood(model, *rows(vocabulary=model.config.vocab_size - 2), device))


@pytest.mark.usefixtures("tiles")
@pytest.mark.parametrize("name", TILED)
def test_tiles_score_as_the_plain_loop(monkeypatch, name):
    model = make(name)
    assert uses_tiles(model, "cpu")
    wanted = plain_loglikelihood(model, *rows())
    for size in SIZES:
        same([scored(model, size, monkeypatch)], [np.concatenate(wanted)])


@pytest.mark.usefixtures("tiles")
@torch.inference_mode()
def test_a_pack_gives_the_cache_and_the_logits_of_each_row():
    """What generation continues from."""
    model, queries = make("qwen2"), rows()[0]
    packs = tree_packs(queries, [len(query) - 1 for query in queries], 60)
    assert len(packs) > 3
    for pack, cache, logits_nv, place in prefix_tree.run_packs(model, packs, "cpu", NO_CHECKPOINTS, {}):
        for r, path in zip(pack.rows, pack.paths, strict=True):
            wanted = model(input_ids=torch.tensor([queries[r]]), use_cache=True)
            torch.testing.assert_close(logits_nv[place[path[-1]]], wanted.logits[0, -1], atol=1e-5, rtol=1e-5)
            for ours, theirs in zip(cache.layers, wanted.past_key_values.layers, strict=True):
                torch.testing.assert_close(ours.keys[:, :, path], theirs.keys, atol=1e-5, rtol=1e-5)
                torch.testing.assert_close(ours.values[:, :, path], theirs.values, atol=1e-5, rtol=1e-5)


@pytest.mark.usefixtures("tiles")
def test_more_padding_changes_nothing(monkeypatch):
    model = make("llama")
    tight = scored(model, 100_000, monkeypatch)
    monkeypatch.setattr(tree_attention, "SIZES", (2048,))
    monkeypatch.setattr(tree_attention, "SCORED", 512)
    monkeypatch.setattr(tree_attention, "KEYS", 64)
    np.testing.assert_allclose(scored(model, 100_000, monkeypatch), tight, atol=1e-6)


@pytest.mark.usefixtures("tiles")
def test_packs_have_few_shapes(monkeypatch):
    model, shapes = make("llama"), []
    for module in (model.model.embed_tokens, model.lm_head):
        module.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    scored(model, 60, monkeypatch)
    assert len(shapes) > 10
    assert set(shapes) <= {(1, 32), (1, 64), (1, 256), (1, 64, 32), (1, 128, 32)}


@pytest.mark.usefixtures("tiles")
def test_attention_is_as_before_after_scoring_and_after_a_failure(monkeypatch):
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    before = ALL_ATTENTION_FUNCTIONS["sdpa"]
    model = make("llama")
    scored(model, 60, monkeypatch)
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is before
    monkeypatch.setattr(model.model.norm, "forward", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scored(model, 60, monkeypatch)
    assert ALL_ATTENTION_FUNCTIONS["sdpa"] is before


def test_what_does_not_run_in_tiles(monkeypatch):
    assert not uses_tiles(make("llama"), "cpu")
    assert uses_tiles(make("llama"), "cuda:0")
    assert not uses_tiles(make("llama", "eager"), "cuda")
    with monkeypatch.context() as patch:
        patch.setattr(type(make("llama")), "_supports_attention_backend", False)
        assert not uses_tiles(make("llama"), "cuda")
    with monkeypatch.context() as patch:  # a table of its own, which tiles do not reach
        patch.setattr("transformers.models.llama.modeling_llama.ALL_ATTENTION_FUNCTIONS", {})
        assert not uses_tiles(make("llama"), "cuda")


@pytest.mark.usefixtures("tiles")
def test_a_model_that_ignores_the_tiles_returns_no_number(monkeypatch):
    """Not the scores of tokens that see other rows."""
    from contextlib import nullcontext

    monkeypatch.setattr(prefix_tree, "tile_attention", lambda tiles: nullcontext())
    assert np.isnan(scored(make("llama"), 60, monkeypatch)).all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and torch sees none")
class TestOnGpu:
    SHAPE = {"vocab_size": 512, "hidden_size": 256, "num_attention_heads": 4, "num_hidden_layers": 4,
             "initializer_range": 0.05}  # fmt: skip

    def scores_at_every_size(self, model, monkeypatch) -> tuple[np.ndarray, list[np.ndarray]]:
        """Those of one pack for all rows, and those of smaller packs."""
        first, *others = [scored(model, size, monkeypatch, "cuda") for size in (100_000, 1, 60, 300, 1000)]
        return first, others

    @pytest.mark.parametrize("name", ["llama", "qwen2"])
    def test_any_size_of_a_pack_gives_the_same_scores(self, monkeypatch, name):
        """Relative to scores between 6 and 40."""
        first, others = self.scores_at_every_size(make(name, **self.SHAPE).cuda(), monkeypatch)
        for other in others:
            np.testing.assert_allclose(other, first, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("name", ["llama", "qwen2"])
    def test_any_size_of_a_pack_gives_scores_within_rounding_in_bfloat16(self, monkeypatch, name):
        """The root mean square of the differences against that of the scores.

        Sizes sum in other orders, and one unit of rounding is 2**-8, 4e-3. So single scores may differ by more than
        1e-3 of themselves, though rounding has no direction and stays below that over all scores. One lost, changed, or
        foreign token in each prompt gives 6e-3 or more.
        """
        first, others = self.scores_at_every_size(cast(make(name, **self.SHAPE), "bfloat16").cuda(), monkeypatch)
        for other in others:
            assert np.linalg.norm(other - first) <= 1e-3 * np.linalg.norm(first)

    def test_scores_are_those_of_the_cpu(self, monkeypatch):
        model = make("llama", **self.SHAPE)
        wanted = scored(model, 100_000, monkeypatch)
        np.testing.assert_allclose(scored(model.cuda(), 300, monkeypatch, "cuda"), wanted, rtol=1e-5, atol=1e-5)

    def test_two_runs_give_the_same_bits(self, monkeypatch):
        model = cast(make("llama", **self.SHAPE), "bfloat16").cuda()
        first, second = (scored(model, 300, monkeypatch, "cuda") for _ in range(2))
        assert np.array_equal(first, second)
