import json
from dataclasses import replace

import pytest
import torch

from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.report import check_total, layer_report, model_report
from junkdna.errors import UserError
from junkdna.study.cell import Compression
from junkdna.study.levels import LEVEL_KINDS, family
from junkdna.study.methods import METHODS, load
from junkdna.study.options import option_texts

WEIGHT = torch.arange(1.0, 49.0).reshape(4, 12)
OVER_MATRICES = [method for method in METHODS.values() if method.over == "matrix" and method.name != "external"]


def mask_of(*rows):
    return torch.tensor([[digit == "1" for digit in row] for row in rows])


def at(method, level, **options):
    """The compression of a method at a level's value."""
    kinds = METHODS[method].levels
    kind = "keep_of" if "keep_of" in kinds and isinstance(level, tuple) else kinds[0]
    kind = "format" if isinstance(level, str) else kind
    return Compression(method, LEVEL_KINDS[kind].write(level), option_texts(method, options))


def report(mask, method, level, weight=None, **options):
    return layer_report("w", WEIGHT, MatrixResult(mask, weight), at(method, level, **options))


HALF = mask_of("110010101010", "001111000110", "111111000000", "000000111111")
IN_EACH_ROW = "101010101010"


def test_a_mask_is_counted():
    found = report(HALF, "magnitude", 0.9)  # with a guarantee over the model, a matrix may get less
    assert (found.name, found.rows, found.inputs, found.weights) == ("w", 4, 12, 48)
    assert (found.pruned, found.sparsity, found.effective_bits) == (24, 0.5, 9)
    assert found.rank is None
    assert found.bits is None
    error = float((WEIGHT * ~HALF).norm() / WEIGHT.norm())
    assert found.weight_error == pytest.approx(error, rel=6e-6)
    facts = {"rows": 4, "inputs": 12, "sparsity": 0.5, "effective_bits": 9, "weight_error": found.weight_error}
    assert found.facts() == facts


@pytest.mark.parametrize("method", ["magnitude_layer", "sparsegpt"])
def test_a_matrix_that_lost_one_less_than_required(method):
    uneven = mask_of("111111111111", "111111111110", "000000000000", "000000000000")
    assert report(uneven, method, 0.52).pruned == 25  # floor(48 * 0.52) = 24
    with pytest.raises(RuntimeError, match=f"^w: {method}-0.55 .*25 of 48 weights are pruned, fewer than 26"):
        report(uneven, method, 0.55)


def test_wanda_owes_every_row_its_share():
    even = mask_of(*[IN_EACH_ROW] * 4)
    assert report(even, "wanda", 0.5).sparsity == 0.5
    even[2, 1] = True
    even[3, 0] = False
    with pytest.raises(RuntimeError, match="a row of 12 weights has 5 pruned, fewer than 6"):
        report(even, "wanda", 0.5)
    assert report(even, "wanda", 0.49).pruned == 24  # floor(12 * 0.49) = 5 a row
    assert report(even, "magnitude_layer", 0.5).pruned == 24


@pytest.mark.parametrize("method", ["nm", "wanda", "sparsegpt"])
def test_every_group_keeps_n(method):
    mask = mask_of(*["110001010000"] * 4)
    assert report(mask, method, (2, 4)).effective_bits == 8.75
    mask[1, 2] = True
    with pytest.raises(RuntimeError, match=r"w: .*-keep2of4 .*a group of 4 keeps 3 weights, more than 2"):
        report(mask, method, (2, 4))


def test_new_weights_are_zero_where_pruned():
    weight = WEIGHT * HALF
    assert report(HALF, "sparsegpt", 0.5, weight).pruned == 24
    weight[0, 2] = 1e-30
    weight[0, 3] = float("nan")
    with pytest.raises(RuntimeError, match="2 pruned weights are not 0"):
        report(HALF, "sparsegpt", 0.5, weight)


def on_grid(rows, inputs, group, bits, generator):
    """Weights that take up to 2^bits values in each group, and another set of values in each."""
    codes = torch.randint(2**bits, (rows, inputs // group, group), generator=generator)
    offsets = torch.rand(rows, inputs // group, 1, generator=generator)
    return (codes + offsets).reshape(rows, inputs)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_a_group_has_no_more_values_than_codes(bits):
    generator = torch.Generator().manual_seed(bits)
    weight = on_grid(40, 96, 32, bits, generator)

    def measured(new, group):
        return layer_report("w", weight, MatrixResult(None, new), at("rtn", bits, group=group))

    found = measured(weight, 32)
    assert (found.bits, found.pruned, found.rank) == (bits, None, None)
    assert found.effective_bits == bits + (16 + bits) / 32
    with pytest.raises(RuntimeError, match=rf"values share a grid of {2**bits}"):
        measured(weight, 0)  # three grids in one row
    with pytest.raises(RuntimeError, match=rf"values share a grid of {2**bits}"):
        measured(torch.randn(40, 96, generator=generator), 32)
    one_row = weight.clone()
    one_row[39] = torch.randn(96, generator=generator)
    with pytest.raises(RuntimeError, match="share a grid"):
        measured(one_row, 32)


def test_nan_is_no_point_of_a_grid():
    weight = torch.zeros(4, 12)
    weight[0, :5] = float("nan")
    with pytest.raises(RuntimeError, match="6 values"):
        layer_report("w", WEIGHT, MatrixResult(None, weight), at("rtn", 2, group=0))


def test_act_order_mixes_the_groups():
    generator = torch.Generator().manual_seed(0)
    weight = on_grid(8, 96, 32, 2, generator)[:, torch.randperm(96, generator=generator)]
    result = MatrixResult(None, weight)
    with pytest.raises(RuntimeError, match="share a grid of 4"):
        layer_report("w", weight, result, at("gptq", 2, group=32))
    found = layer_report("w", weight, result, at("gptq", 2, group=32, act_order=True))
    assert found.effective_bits == 2 + 18 / 32 + 2 / 8
    noise = MatrixResult(None, torch.randn(8, 96, generator=generator))
    with pytest.raises(RuntimeError, match="96 values share a grid of 12"):
        layer_report("w", weight, noise, at("gptq", 2, group=32, act_order=True))


def test_missing_options_have_their_defaults():
    weight = torch.zeros(2, 256)
    result = MatrixResult(None, weight)
    assert layer_report("w", weight, result, at("rtn", 4)).effective_bits == 4 + 20 / 128
    assert layer_report("w", weight, result, at("rtn", 4, symmetric=True)).effective_bits == 4 + 16 / 128


@pytest.mark.parametrize(
    ("name", "options", "bits"),
    [
        ("nvfp4", {}, 4 + 8 / 16 + 32 / (8 * 256)),
        ("mxfp4", {}, 4 + 8 / 32),
        ("nf4", {}, 4 + 32 / 64),
        ("fp8", {}, 8 + 32 / (8 * 256)),
        ("fp8", {"per_channel": True}, 8 + 32 / 256),
    ],
)
def test_number_formats(name, options, bits):
    weight = torch.randn(8, 256, generator=torch.Generator().manual_seed(0))
    new = load("rtn")(weight, None, name, **options)
    found = layer_report("w", weight, new, at("rtn", name, **options))
    assert found.effective_bits == pytest.approx(bits, rel=1e-15)
    same = {"effective_bits": found.effective_bits, "weight_error": found.weight_error}
    assert found.facts() == {"rows": 8, "inputs": 256, "bits": int(bits), **same}


def test_a_block_has_no_more_values_than_codes():
    weight = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    with pytest.raises(RuntimeError, match=r"w: rtn-mxfp4 .*32 values share a grid of 16"):
        layer_report("w", weight, MatrixResult(None, weight), at("rtn", "mxfp4"))
    new = MatrixResult(None, torch.arange(256.0).reshape(4, 64))
    assert layer_report("w", weight, new, at("gptq", "nvfp4", act_order=True)).bits == 4  # 4 blocks, 64 values
    with pytest.raises(RuntimeError, match=r"w: gptq-mxfp4,act_order=true .*64 values share a grid of 32"):
        layer_report("w", weight, new, at("gptq", "mxfp4", act_order=True))


def test_low_rank():
    found = report(None, "svd", 0.5, WEIGHT)
    assert (found.rank, found.sparsity, found.bits) == (2, None, None)
    assert found.effective_bits == 16 * 2 * 16 / 48
    assert found.facts()["rank"] == 2


def test_results_of_another_shape_or_dtype_fail_an_assertion():
    with pytest.raises(AssertionError, match=r"w: \(12, 4\) of \(4, 12\)"):
        report(HALF.t(), "magnitude", 0.5)
    with pytest.raises(AssertionError, match=r"w: torch\.float64"):
        report(None, "svd", 0.5, WEIGHT.double())


def test_a_method_that_prunes_matrix_by_matrix_owes_something():
    """Each method over matrices is held to its level: a mask that keeps all, or weights as they were, is found out."""
    levels = {"sparsity": 0.5, "keep_of": (2, 4), "bits": 2}
    for method in OVER_MATRICES:
        for kind in set(method.levels) & set(levels):
            mask = None if method.gives == "weight" else torch.ones_like(WEIGHT, dtype=torch.bool)
            weight = None if method.gives == "mask" else WEIGHT
            with pytest.raises(RuntimeError, match=f"w: {method.name}-"):
                report(mask, method.name, levels[kind], weight, **({"group": 0} if kind == "bits" else {}))


@pytest.mark.parametrize("method", OVER_MATRICES, ids=lambda method: method.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_methods_deliver_what_the_level_requires(method, dtype):
    generator = torch.Generator().manual_seed(9)
    weight = torch.randn(20, 96, generator=generator).to(dtype)
    statistics = InputStatistics(96, gram=True, device="cpu")
    statistics.add(torch.randn(300, 96, generator=generator))
    levels = {"sparsity": 0.37, "keep_of": (3, 8), "bits": 3, "format": "mxfp4", "rank": 0.3}
    for kind in method.levels:
        possible = [name for name, option in method.options.items() if option.applies(family(kind, levels[kind]))]
        grids = {"group": 32} if "group" in possible else {}
        choices = [grids | {name: True} for name in ("symmetric", "act_order") if name in possible]
        for options in (grids, *choices):
            result = load(method.name)(weight, statistics, levels[kind], **options)
            found = layer_report("w", weight, result, at(method.name, levels[kind], **options))
            assert 0 < found.effective_bits < 12


def two_matrices():
    return [report(HALF, "magnitude", 0.3), report(~mask_of(*["000000000000"] * 4), "magnitude", 0.3)]


def test_totals_over_the_model_are_exact():
    reports = two_matrices()  # 24 of 96 are pruned
    check_total(reports, at("magnitude", 0.25))
    check_total(reports, at("largest", 0.2599))  # 24.95
    check_total(reports, at("band", (0.25, 0.5)))
    check_total(reports, at("band", (0.1, 0.35)))  # 33 - 9
    with pytest.raises(RuntimeError, match=r"magnitude-0\.2 pruned 24 of 96 weights, not 19"):
        check_total(reports, at("magnitude", 0.2))
    with pytest.raises(RuntimeError, match="not 28"):
        check_total(reports, at("random", 0.3))
    with pytest.raises(RuntimeError, match="not 25"):
        check_total(reports, at("band", (0.1, 0.36)))


@pytest.mark.parametrize("method", ["magnitude", "random", "wanda", "sparsegpt"])
def test_a_level_that_prunes_nothing_is_refused(method):
    nothing = [report(~mask_of(*["000000000000"] * 4), method, 0.001)]
    with pytest.raises(UserError, match=rf"{method}-0\.001 prunes none of 48 weights.*Use a higher level"):
        check_total(nothing, at(method, 0.001))
    check_total([report(~mask_of(*["000000000000"] * 4), "wanda", (4, 4))], at("wanda", (4, 4)))


def test_reference_ties_may_prune_more_but_not_less():
    check_total(two_matrices(), at("magnitude", 0.2, reference_ties=True))
    with pytest.raises(RuntimeError, match="not 28"):
        check_total(two_matrices(), at("magnitude", 0.3, reference_ties=True))


def test_totals_of_matrices_and_rows_are_exact():
    """48 weights in rows of 12 (see WEIGHT): 24 pruned in one matrix, none in the other."""
    for method in ("wanda", "magnitude_layer", "sparsegpt"):
        check_total(two_matrices(), at(method, 0.25))
        for sparsity in (0.1, 0.5):
            with pytest.raises(RuntimeError, match="pruned 24 of 96 weights, not"):
                check_total(two_matrices(), at(method, sparsity))


def test_other_levels_have_no_total():
    check_total(two_matrices(), at("wanda", (2, 4)))
    check_total([report(None, "svd", 0.5, WEIGHT)], at("svd", 0.5))


def test_model_report():
    reports = [replace(each, name=name) for name, each in zip("ab", two_matrices(), strict=True)]
    found = model_report(reports, {"c": 96})
    assert json.loads(json.dumps(found)) == found
    assert list(found["layers"]) == ["a", "b"]
    assert found["layers"]["a"] == reports[0].facts()
    assert found["left_dense"] == ["c"]
    assert found["achieved_sparsity"] == 24 / 192
    assert found["effective_bits_per_weight"] == (48 * 9 + 48 * 16 + 96 * 16) / 192


def test_model_report_of_what_prunes_nothing():
    found = model_report([report(None, "svd", 0.25, WEIGHT)], {})
    assert found["achieved_sparsity"] == 0
    assert found["effective_bits_per_weight"] == 16 * 16 / 48
    assert model_report([], {"c": 7})["effective_bits_per_weight"] == 16
