"""Loading: seeded heads, honest refusals, batches by length."""

import json
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from junkdna.errors import UserError
from junkdna.models.batching import length_batches, pad
from junkdna.models.load import check_finite, load_classifier, load_plain

KEY = ("tiny", "mood", 0)


@pytest.fixture
def folder(toy_world_once: Path) -> Path:
    """The toy model, to be read only."""
    return toy_world_once / "model"


def edited(folder: Path, to: Path, change) -> Path:
    """A copy of a model folder whose weights went through `change`."""
    shutil.copytree(folder, to)
    weights = load_file(to / "model.safetensors")
    change(weights)
    save_file(weights, to / "model.safetensors", metadata={"format": "pt"})
    return to


def head_of(folder: Path, key: tuple, outputs: int = 2) -> dict[str, torch.Tensor]:
    model, names = load_classifier(folder, outputs, key)
    return {name: dict(model.named_parameters())[name].detach() for name in names}


def test_head_follows_its_key_alone(folder):
    torch.manual_seed(1)
    first = head_of(folder, KEY)
    torch.manual_seed(2)
    again = head_of(folder, KEY)
    assert list(first) == ["classifier.bias", "classifier.weight"]
    assert all(torch.equal(first[name], again[name]) for name in first)
    for other in (("tiny", "mood", 1), ("tiny", "other", 0), ("small", "mood", 0)):
        assert not torch.equal(first["classifier.weight"], head_of(folder, other)["classifier.weight"])


def test_head_scale_is_initializer_range_and_biases_are_zero(folder):
    head = head_of(folder, KEY, outputs=400)  # 400 x 32 draws: the std is known to about 1 %
    assert head["classifier.weight"].std().item() == pytest.approx(0.02, rel=0.05)
    assert abs(head["classifier.weight"].mean().item()) < 1e-3
    assert not head["classifier.bias"].any()


def test_head_with_one_output(folder):
    """For a number: regression, or the score of a query and an option."""
    head = head_of(folder, KEY, outputs=1)
    assert {name: tuple(value.shape) for name, value in head.items()} == {
        "classifier.bias": (1,), "classifier.weight": (1, 32)
    }  # fmt: skip
    assert 0.01 < head["classifier.weight"].std() < 0.03
    assert not head["classifier.bias"].any()
    assert torch.equal(head["classifier.weight"], head_of(folder, KEY, outputs=1)["classifier.weight"])
    other = head_of(folder, ("tiny", "mood", 1), outputs=1)
    assert not torch.equal(head["classifier.weight"], other["classifier.weight"])


CLAIMS = {
    "a problem type": {"problem_type": "multi_label_classification"},
    "another problem type": {"problem_type": "single_label_classification"},
    "labels of another task": {"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {"a": 0, "b": 1, "c": 2}},
    "one label": {"id2label": {"0": "score"}, "label2id": {"score": 0}, "problem_type": "regression"},
}


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("claim", CLAIMS)
def test_what_a_checkpoint_says_of_its_own_task_changes_nothing(folder, tmp_path, claim, outputs):
    """Base checkpoints are published with such entries; losses here are computed from the logits alone."""
    shutil.copytree(folder, tmp_path / "m")
    config = tmp_path / "m/config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **CLAIMS[claim]}))
    plain, told = (load_classifier(path, outputs, KEY)[0] for path in (folder, tmp_path / "m"))
    ids = torch.tensor([[2, 7, 9, 3], [2, 11, 6, 3]])
    assert (told.config.num_labels, told.config.problem_type) == (outputs, None)
    assert plain(input_ids=ids).logits.shape == (2, outputs)
    assert torch.equal(plain(input_ids=ids).logits, told(input_ids=ids).logits)
    assert plain.state_dict().keys() == told.state_dict().keys()


def test_body_of_a_classifier_is_the_checkpoint(folder):
    model, _ = load_classifier(folder, 2, KEY)
    saved, body = load_file(folder / "model.safetensors"), model.bert.state_dict()
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert all(torch.equal(body[name], value) for name, value in saved.items())


@pytest.mark.parametrize("load", [lambda f: load_plain(f, "encoder"), lambda f: load_classifier(f, 2, KEY)])
def test_loading_leaves_the_global_generator_alone(folder, load):
    before = torch.get_rng_state()
    load(folder)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("load", [lambda f: load_plain(f, "encoder"), lambda f: load_classifier(f, 2, KEY)])
@pytest.mark.parametrize(
    "name", ["encoder.layer.0.attention.self.query.weight", "encoder.layer.1.output.LayerNorm.weight"]
)
def test_missing_body_weight_is_refused_and_never_drawn(folder, tmp_path, load, name):
    broken = edited(folder, tmp_path / "m", lambda weights: weights.pop(name))
    with pytest.raises(UserError, match="lacks 1 weights") as caught:
        load(broken)
    assert name in str(caught.value)


def test_missing_pooler_is_part_of_the_head(folder, tmp_path):
    def drop_pooler(weights):
        for name in [name for name in weights if "pooler" in name]:
            weights.pop(name)

    bare = edited(folder, tmp_path / "m", drop_pooler)
    load_plain(bare, "encoder")
    first, again = head_of(bare, KEY), head_of(bare, KEY)
    assert "bert.pooler.dense.weight" in first
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_scale_of_a_norm_in_the_head_is_one(tmp_path):
    """A head's norm drawn as 0 would make every logit a constant."""
    from transformers import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(
        vocab_size=40, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        ModernBertModel(config).save_pretrained(tmp_path)
    head = head_of(tmp_path, KEY)
    assert torch.equal(head["head.norm.weight"], torch.ones(16))
    assert head["classifier.weight"].any()


def test_encoder_given_as_decoder_is_refused(folder):
    with pytest.raises(UserError, match="kind"):
        load_plain(folder, "decoder")


def test_checkpoint_with_a_head_is_refused(folder, tmp_path):
    model, _ = load_classifier(folder, 2, KEY)
    model.save_pretrained(tmp_path)
    with pytest.raises(UserError, match="already has a classification head"):
        load_classifier(tmp_path, 2, KEY)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weight_that_is_not_finite_is_named(folder, tmp_path, value):
    def spoil(weights):
        weights["encoder.layer.1.intermediate.dense.weight"][3, 5] = value

    broken = edited(folder, tmp_path / "m", spoil)
    with pytest.raises(UserError, match=r"encoder\.layer\.1\.intermediate\.dense\.weight"):
        check_finite(load_plain(broken, "encoder"), broken)
    check_finite(load_plain(folder, "encoder"), folder)


def test_unreadable_folder_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="cannot be loaded"):
        load_plain(tmp_path, "encoder")


@given(st.lists(st.integers(1, 60), max_size=80), st.integers(1, 200))
def test_length_batches_cover_each_row_once_within_the_budget(lengths, tokens):
    batches = length_batches(lengths, tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[i] for i in batch) <= tokens or len(batch) == 1
    ends = [(min(lengths[i] for i in batch), max(lengths[i] for i in batch)) for batch in batches]
    assert all(left[1] <= right[0] for left, right in pairwise(ends))


def test_length_batches_fill_the_budget():
    assert [len(batch) for batch in length_batches([4] * 10, tokens=16)] == [4, 4, 2]


def test_pad_is_on_the_right_under_a_zero_mask():
    ids, mask = pad([[5, 6, 7], [8]], "cpu", token=9)
    assert ids.tolist() == [[5, 6, 7], [8, 9, 9]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]
