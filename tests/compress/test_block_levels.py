"""The levels of matrices under allocations: exact totals, on models of several families."""

from fractions import Fraction

import pytest
import tiny_models
import torch
from obs_oracle import statistics_of

from junkdna.compress.apply import Reports, compress_each, compress_matrix, select_prunables
from junkdna.compress.block_levels import by_block, matrix_levels
from junkdna.compress.scope import prunable
from junkdna.errors import UserError
from junkdna.study.cell import parse_compression

LIST = "magnitude_layer-0.37,allocation=1+2"


def pruned_of(model, compression, ratios=None, head=None):
    """{matrix: number pruned} and the report, by the method on random statistics."""
    generator = torch.Generator().manual_seed(3)
    prunables = select_prunables(model, compression, head)
    levels = matrix_levels(prunables, compression, ratios)
    reports = Reports(model, compression, prunable(model, head), levels, ratios)
    counts = {}
    for each in prunables:
        weight = each.matrix()
        statistics = statistics_of(torch.randn(64, weight.shape[1], generator=generator))
        result = compress_matrix(each.name, weight, statistics, compression, levels)
        reports.add(each.name, weight, result)
        counts[each.name] = int((~result.mask).sum())
    return counts, reports.report()


def block_share(model, counts, block):
    names = [each for each in prunable(model) if each.block == block and each.name in counts]
    return sum(counts[each.name] for each in names) / sum(each.parameter.numel() for each in names)


@pytest.mark.parametrize("name", ["bert", "deberta_v3", "llama", "gpt2", "opt"])
@pytest.mark.parametrize("method", ["magnitude_layer", "wanda", "sparsegpt"])
@pytest.mark.parametrize("sparsity", ["0.37", "0.5"])
def test_an_allocation_moves_weights_and_changes_no_total(name, method, sparsity):
    model = tiny_models.plain(name)
    uniform, _ = pruned_of(model, parse_compression(f"{method}-{sparsity}"))
    listed, report = pruned_of(model, parse_compression(f"{method}-{sparsity},allocation=1+2"))
    assert sum(listed.values()) == sum(uniform.values())
    blocks = list(by_block(prunable(model)))
    shares = [block_share(model, listed, block) for block in blocks]
    assert shares[1] / shares[0] == pytest.approx(2, rel=0.01)
    assert [report["blocks"][block]["sparsity"] for block in blocks] == shares
    assert report["achieved_sparsity"] == sum(uniform.values()) / sum(
        each.parameter.numel() for each in prunable(model)
    )


def test_every_matrix_gets_its_share_rounded():
    """Total 2 * floor(0.5 n) of matrices of one size: 1/3 and 2/3 of each matrix."""
    model = tiny_models.plain("bert")
    prunables = prunable(model)
    levels = matrix_levels(prunables, parse_compression("magnitude_layer-0.5,allocation=1+2"))
    for each in prunables:
        share = Fraction(1, 3) if ".0." in each.name else Fraction(2, 3)
        count = levels[each.name] * each.parameter.numel()
        assert count.denominator == 1
        assert abs(count - share * each.parameter.numel()) < 1


@pytest.mark.parametrize("method", ["magnitude_layer", "wanda", "sparsegpt"])
@pytest.mark.parametrize("listed", ["1+1", "0.3+0.3"])
def test_equal_numbers_are_uniform(method, listed):
    prunables = prunable(tiny_models.plain("llama"))
    levels = matrix_levels(prunables, parse_compression(f"{method}-0.37,allocation={listed}"))
    assert set(levels.values()) == {0.37}
    assert levels == matrix_levels(prunables, parse_compression(f"{method}-0.37"))


def test_rows_of_wanda_differ_by_at_most_one():
    model = tiny_models.plain("llama")
    compression = parse_compression("wanda-0.37,allocation=1+2")
    prunables = prunable(model)
    levels = matrix_levels(prunables, compression)
    for each in prunables:
        statistics = statistics_of(torch.randn(40, each.matrix().shape[1]), gram=False)
        mask = compress_matrix(each.name, each.matrix(), statistics, compression, levels).mask
        lost = (~mask).sum(1)
        assert int(lost.sum()) == levels[each.name] * mask.numel()
        assert lost.tolist() == sorted(lost.tolist(), reverse=True)
        assert lost.max() - lost.min() <= 1


def test_owl_prunes_the_block_with_outliers_less():
    model = tiny_models.plain("bert")
    ratios = {"encoder.layer.0": Fraction(4, 100), "encoder.layer.1": Fraction(1, 100)}
    compression = parse_compression("wanda-0.5,allocation=owl,calibration=c")
    _, report = pruned_of(model, compression, ratios)
    assert report["blocks"]["encoder.layer.0"] == {"sparsity": pytest.approx(0.42, abs=1e-3), "outlier_ratio": 0.04}
    assert report["blocks"]["encoder.layer.1"] == {"sparsity": pytest.approx(0.58, abs=1e-3), "outlier_ratio": 0.01}
    assert report["achieved_sparsity"] == 0.5
    narrow = parse_compression("wanda-0.5,allocation=owl,calibration=c,owl_lambda=0.02")
    assert block_share(model, pruned_of(model, narrow, ratios)[0], "encoder.layer.0") == pytest.approx(0.48, abs=1e-3)


def test_layers_leave_their_blocks_out():
    """Of two blocks, the attention of both and nothing else; then one block alone, whose list has one number."""
    model = tiny_models.plain("bert")
    counts, report = pruned_of(model, parse_compression("magnitude_layer-0.5,allocation=1+3,layers=attention"))
    assert all("attention" in name for name in counts)
    assert [each["sparsity"] for each in report["blocks"].values()] == [pytest.approx(0.25), pytest.approx(0.75)]
    assert sum(counts.values()) == 4 * 32 * 32
    assert len(report["left_dense"]) == 4
    counts, _ = pruned_of(model, parse_compression("magnitude_layer-0.5,allocation=3,layers=1"))
    assert counts == {each.name: each.parameter.numel() // 2 for each in prunable(model) if ".1." in each.name}
    with pytest.raises(UserError, match="lists 2 numbers for 1 compressed block"):
        matrix_levels(
            select_prunables(model, parse_compression(f"{LIST},layers=1")), parse_compression(f"{LIST},layers=1")
        )


def test_matrices_outside_the_blocks_keep_the_sparsity():
    model = tiny_models.task_model("bert")
    compression = parse_compression("magnitude_layer-0.5,allocation=1+3,embeddings=true")
    prunables = select_prunables(model, compression, ["classifier.weight"])
    levels = matrix_levels(prunables, compression)
    assert {levels[each.name] for each in prunables if not each.block} == {0.5}
    assert any("classifier" in each.name for each in prunables if not each.block)
    results = dict(compress_each(prunables, compression, None))
    total = sum(int((~results[each.name].mask).sum()) for each in prunables if each.block)
    assert total == sum(each.parameter.numel() // 2 for each in prunables if each.block)


def test_the_head_is_compressed_only_if_layers_name_it():
    model = tiny_models.task_model("bert")
    names = {
        patterns: [
            each.name
            for each in select_prunables(
                model, parse_compression(f"magnitude-0.5,layers={patterns}"), ["classifier.weight"]
            )
        ]
        for patterns in ("attention", "attention+classifier", "classifier")
    }
    assert all("attention" in name for name in names["attention"])
    assert names["attention+classifier"] == [*names["attention"], "classifier.weight"]
    assert names["classifier"] == ["classifier.weight"]


def test_a_selection_without_blocks_has_nothing_to_divide():
    model = tiny_models.task_model("bert")
    compression = parse_compression("magnitude_layer-0.5,allocation=1+3,layers=classifier")
    with pytest.raises(UserError, match="none of the selected matrices is in one: select some with `layers`"):
        matrix_levels(select_prunables(model, compression, ["classifier.weight"]), compression)


def test_a_list_that_does_not_fit_stops_before_anything_is_computed():
    prunables = prunable(tiny_models.plain("llama"))
    for tag, says in (("1+2+3", "lists 3 numbers for 2 compressed blocks"), ("1+9", "cannot reach sparsity 0.6")):
        with pytest.raises(UserError, match=says):
            next(compress_each(prunables, parse_compression(f"magnitude_layer-0.6,allocation={tag}"), None))
