"""Every compression method through the stages: toy models compressed, scored and trained as the rules do it."""

import copy
import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run
from toy_run import read_footer

from junkdna.cli import jobs, plan
from junkdna.cli.main import parser
from junkdna.compress import apply
from junkdna.compress.artifact import read_artifact
from junkdna.compress.masks import write_result
from junkdna.compress.scope import body_name, prunable
from junkdna.compress.store import make_compressed
from junkdna.data.calibration_file import read_calibration
from junkdna.errors import UserError
from junkdna.models.load import load_plain
from junkdna.storage.fingerprint import canonical_json
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import parse_compression
from junkdna.study.load import resolve
from junkdna.study.methods import METHODS

KINDS = {"tiny": "encoder", "llm": "decoder"}


@pytest.fixture(scope="module")
def ran(toy_world_once, tmp_path_factory):
    """All cells of the toy study of methods, in a separate world: {cell: its row}."""
    folder = tmp_path_factory.mktemp("methods") / "world"
    shutil.copytree(toy_world_once, folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        cells = toy_run.run_all(toy_run.read("methods.yaml"))
        yield {cell: pq.read_table(cell.path).to_pylist()[0] for cell in cells}
    finally:
        os.chdir(before)


def plain(model: str) -> torch.nn.Module:
    return load_plain(Path(f"results/models/{model}"), KINDS[model])


def target_sparsity(cell) -> float:
    """The sparsity of a cell's level; the toy world's external files prune one half."""
    return 0.5 if cell.compression.method == "external" else cell.compression.nominal_sparsity


def compressed_weights(cell) -> tuple[dict, dict]:
    """Weights of the plain model before and after a cell's compression, by name, as the cell puts them on."""
    model = plain(cell.model)
    scope = apply.select_prunables(model, cell.compression)
    before = {each.name: each.matrix().clone() for each in scope}
    if cell.compressed_path:
        artifact = read_artifact(Path(cell.compressed_path))
        found = apply.artifact_results(artifact, model, scope)
    else:
        generator = torch.Generator().manual_seed(0) if METHODS[cell.compression.method].random else None
        found = apply.compress_each(scope, cell.compression, generator)
    by_name = {each.name: each for each in scope}
    for name, result in list(found):
        write_result(by_name[name], result)
    return before, {each.name: each.matrix().clone() for each in scope}


def test_every_method_of_the_registry_ran(ran):
    assert {cell.compression.method for cell in ran} == {"dense", *METHODS}
    assert {cell.transfer for cell in ran} == {"none", "dense", "sparse", "sparse_to_dense", "dense_freeze"}


def test_achieved_sparsity_equals_the_level(ran):
    for cell, row in ran.items():
        if METHODS.get(cell.compression.method) and METHODS[cell.compression.method].gives == "weight":
            assert row["achieved_sparsity"] == 0
        elif "layers" in cell.compression.tag:  # one of two blocks of the same size
            expected = cell.compression.nominal_sparsity / 2
            assert row["achieved_sparsity"] == pytest.approx(expected, abs=2e-3), cell.key
        elif "reference_ties" not in cell.compression.tag:
            assert row["achieved_sparsity"] == pytest.approx(target_sparsity(cell), abs=2e-3), cell.key


def test_effective_bits_put_methods_on_one_axis(ran):
    """Group 8, 2 bits: 2 + (16 + 2) / 8; symmetric 2 + 16 / 8; half the weights 8 + 1; 2 of 4: 8 + 3 / 4; dense 16."""
    bits = {(cell.model, cell.compression.tag): row["effective_bits_per_weight"] for cell, row in ran.items()}
    for model in KINDS:
        assert bits[model, "dense"] == 16
        assert bits[model, "magnitude-0.5"] == pytest.approx(9, abs=0.01)
        assert bits[model, "wanda-0.5,calibration=phrases"] == pytest.approx(9, abs=0.01)
        assert bits[model, "nm-keep2of4"] == bits[model, "sparsegpt-keep2of4,calibration=phrases"] == 8.75
        assert bits[model, "rtn-2bit,group=8"] == bits[model, "gptq-2bit,calibration=phrases,group=8"] == 4.25
        assert bits[model, "rtn-2bit,group=8,symmetric=true"] == 4
        assert bits[model, "rtn-nvfp4"] == bits[model, "gptq-nvfp4,calibration=phrases"]
        assert 4.5 < bits[model, "rtn-nvfp4"] < 4.54  # and 32 bits for 1,024 weights or more
        assert 8 < bits[model, "rtn-fp8"] < 8.04
        assert bits[model, "svd-rank0.25"] < bits[model, "svd-rank0.5"] < 16
        assert bits[model, "svd-rank0.25"] < bits[model, "svd-rank0.25,layers=0"] < 16


def test_the_footer_reports_every_matrix(ran):
    for cell in ran:
        report = read_footer(Path(cell.path))["compression"]
        model = plain(cell.model)
        scope = {body_name(model, each.name) for each in prunable(model)}
        named = {*report["layers"], *report["left_dense"]}
        assert named >= scope
        assert report["effective_bits_per_weight"] == ran[cell]["effective_bits_per_weight"]
        if layers := dict(cell.compression.options).get("layers"):
            assert report["left_dense"]
            assert all(f".{layers}." in name for name in report["layers"])
            assert not any(f".{layers}." in name for name in report["left_dense"])
        elif cell.compression.level:
            assert not report["left_dense"]


def test_the_weight_error_of_every_matrix_is_that_of_its_weights_before_and_after(ran):
    """NumPy's norms of the weights that the stages stored or put on; random masks have other draws here."""
    for cell in ran:
        if not cell.compression.level or cell.compression.method == "random" or cell.transfer not in ("none", "sparse"):
            continue
        layers, model = read_footer(Path(cell.path))["compression"]["layers"], plain(cell.model)
        before, after = compressed_weights(cell)
        for name, weight in before.items():
            old, new = (each.double().numpy() for each in (weight, after[name]))
            expected = np.linalg.norm(old - new) / np.linalg.norm(old)
            found = layers[body_name(model, name)]["weight_error"]
            assert found == pytest.approx(expected, rel=6e-6), (cell.key, name)


def test_the_output_error_of_the_first_matrix_is_that_of_its_outputs_on_the_calibration_rows(ran):
    """The first matrix sees the outputs of the embeddings of the dense model; rows run one by one, without pads."""
    for cell in ran:
        layers = read_footer(Path(cell.path))["compression"]["layers"]
        gram = METHODS[cell.compression.method].statistics == "gram" if cell.compression.level else False
        assert all(("output_error" in facts) == gram for facts in layers.values())
        if not gram or "layers" in cell.compression.tag or cell.transfer != "none":
            continue
        model = plain(cell.model).eval()
        first = apply.select_prunables(model, cell.compression)[0]
        inputs: list[torch.Tensor] = []
        layer = model.get_submodule(first.name.removesuffix(".weight"))
        layer.register_forward_hook(lambda module, args, output, inputs=inputs: inputs.append(args[0][0]))
        rows, _ = read_calibration(Path(f"results/calibration/{cell.model}/phrases/seed-{cell.seed}.parquet"))
        with torch.no_grad():
            for ids in rows.ids:
                model(input_ids=torch.tensor([ids]))
        x = torch.cat(inputs).double().numpy().T
        before, after = (each[first.name].double().numpy() for each in compressed_weights(cell))
        expected = np.linalg.norm((before - after) @ x) / np.linalg.norm(before @ x)
        found = layers[body_name(model, first.name)]["output_error"]
        assert found == pytest.approx(expected, rel=1e-4), cell.key


def test_the_footer_reports_the_blocks_of_an_allocation(ran):
    """All weights that any allocation prunes at 0.5 are as many as with a uniform one, to the last one."""
    for cell in ran:
        report = read_footer(Path(cell.path))["compression"]
        allocation = dict(cell.compression.options).get("allocation")
        assert ("blocks" in report) == (allocation is not None)
        if allocation is None:
            continue
        uniform = next(
            other for other in ran
            if other.model == cell.model and other.compression.tag in (f"{cell.compression.method}-0.5",
                                                                       f"{cell.compression.method}-0.5,calibration=phrases")
        )  # fmt: skip
        first, second = report["blocks"].values()
        if allocation == "owl":
            assert abs(first["sparsity"] - 0.5) == pytest.approx(0.08, abs=2e-3)
            assert (first["sparsity"] < second["sparsity"]) == (first["outlier_ratio"] > second["outlier_ratio"])
        else:
            ratio = {"1+2": 2, "2+1": 0.5}[allocation]
            assert second["sparsity"] / first["sparsity"] == pytest.approx(ratio, rel=0.01)
        if "embeddings" not in cell.compression.tag:
            assert ran[cell]["achieved_sparsity"] == ran[uniform]["achieved_sparsity"]


def test_layers_leave_the_other_block_bit_for_bit(ran):
    for cell in ran:
        layers = dict(cell.compression.options).get("layers")
        if layers is None or cell.transfer != "none":
            continue
        dense, model = plain(cell.model), plain(cell.model)
        scope = apply.select_prunables(model, cell.compression)
        assert {each.block[-1] for each in scope} == {layers}
        if cell.compressed_path:
            results = apply.artifact_results(read_artifact(Path(cell.compressed_path)), model, scope)
        else:
            results = apply.compress_each(scope, cell.compression, None)
        by_name = {each.name: each for each in scope}
        for name, result in results:
            write_result(by_name[name], result)
        same = {name: torch.equal(weight, model.get_parameter(name)) for name, weight in dense.named_parameters()}
        assert not any(same[name] for name in by_name), cell.compression.tag
        assert all(unchanged for name, unchanged in same.items() if name not in by_name)


def test_weights_really_change_as_the_method_says(ran):
    for cell in ran:
        if cell.transfer != "none" or not cell.compression.level:
            continue
        before, after = compressed_weights(cell)
        changed = sum(int((after[name] != before[name]).sum()) for name in before)
        assert changed > 0, cell.compression.tag
        if METHODS[cell.compression.method].gives == "mask":
            moved = sum(int(((after[name] != before[name]) & (after[name] != 0)).sum()) for name in before)
            assert moved == 0, cell.compression.tag
        elif METHODS[cell.compression.method].gives == "both":
            zeros = sum(int((after[name] == 0).sum()) for name in before)
            total = sum(weight.numel() for weight in before.values())
            assert zeros / total == pytest.approx(target_sparsity(cell), abs=2e-3)


def test_compressed_weights_are_shared_and_record_their_origin(ran):
    resolved = toy_run.read("methods.yaml")
    wanda = [cell for cell in ran if cell.compression.tag == "wanda-0.5,calibration=phrases" and cell.model == "tiny"]
    assert len({cell.compressed_path for cell in wanda}) == 1
    assert {cell.task for cell in wanda} == {"hues", "mood"}
    for cell in ran:
        if cell.compressed_path is None:
            continue
        facts = read_artifact(Path(cell.compressed_path)).facts
        settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
        assert canonical_json(facts["settings"]) == canonical_json(settings)
        assert facts["digest"] == study_settings.cell_settings(cell, resolved).inputs["compressed"]
        if cell.compression.calibrated:
            assert len(facts["sample_ids"]) == len({*facts["sample_ids"]}) == 6


def test_methods_that_calibrate_share_their_samples(ran):
    ids = {
        tuple(read_artifact(Path(cell.compressed_path)).facts["sample_ids"])
        for cell in ran
        if cell.compressed_path and cell.compression.calibrated
    }
    assert len(ids) == 1


def test_a_stored_compression_of_other_settings_is_refused(ran, tmp_path):
    cell = next(cell for cell in ran if cell.compressed_path)
    settings = toy_run.settings_of(cell, toy_run.read("methods.yaml"))
    settings.inputs["compressed"] = "0" * 16
    with pytest.raises(UserError, match=r"(?s)results/compressed.*other settings"):
        compressing_cell(settings)


def compressing_cell(settings: object) -> None:
    from junkdna.run.cell import run_cell

    run_cell(settings, "cpu")


def test_compressed_weights_of_another_model_are_refused(ran):
    cell = next(cell for cell in ran if cell.compressed_path and cell.model == "llm")
    model = plain("tiny")
    artifact = read_artifact(Path(cell.compressed_path))
    with pytest.raises(UserError, match="built from another model"):
        list(apply.artifact_results(artifact, model, prunable(model)))


@pytest.mark.parametrize(
    ("tag", "says"), [("nm-keep2of5", "of"), ("rtn-4bit,group=5", "group"), ("rtn-4bit", "128"), ("rtn-nf4", "64")]
)
def test_a_level_that_does_not_fit_a_matrix_names_it(ran, tag, says):
    model = plain("tiny")
    with pytest.raises(UserError, match=r"encoder\.layer\.0\.attention.*: ") as error:
        list(apply.compress_each(prunable(model), parse_compression(tag), None))
    assert says in str(error.value)


def test_layers_that_match_nothing_are_an_error(ran):
    with pytest.raises(UserError, match=r"layers.*'9'"):
        apply.select_prunables(plain("tiny"), parse_compression("svd-rank0.5,layers=9"))


def test_rerun_cells_are_equal(ran):
    """The same numbers again, including recomputed compressions."""
    resolved = toy_run.read("methods.yaml")
    cells = [cell for cell in ran if cell.compressed_path and cell.model == "llm"][:4]
    for cell in cells:
        Path(cell.compressed_path).unlink()
        toy_run.compress(cell, resolved)
        toy_run.run(cell, resolved)
        again = pq.read_table(cell.path).to_pylist()[0]
        assert {**again, "examples": None} == {**ran[cell], "examples": None}
        assert again["examples"] == ran[cell]["examples"]
    assert grid.stored(cells)


def test_stale_calibration_rows_are_refused(ran):
    """Rows that other settings drew would be stamped with these."""
    resolved = toy_run.read("methods.yaml")
    cell = next(cell for cell in ran if cell.compression.method == "wanda" and cell.model == "tiny")
    settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    rows = Path("results/calibration/tiny/phrases/seed-0.parquet")
    other = Path("results/calibration/llm/phrases/seed-0.parquet")
    folder = toy_run.manifest("tiny").parent
    for wrong, says in (
        (other, "other settings"),
        (Path("no.parquet"), "junkdna calibration"),
        (None, "do not exist"),
    ):
        with pytest.raises(UserError, match=says):
            make_compressed(Path("results/new.safetensors"), settings, folder, wrong, "cpu")
    settings = replace(settings, inputs={**settings.inputs, "calibration": "0" * 16})
    with pytest.raises(UserError, match=r"llm|other settings"):
        make_compressed(Path("results/new.safetensors"), settings, folder, rows, "cpu")
    assert not Path("results/new.safetensors").exists()


def test_a_job_makes_the_file_its_settings_describe_and_no_other(ran):
    resolved = toy_run.read("methods.yaml")
    cell = next(cell for cell in ran if cell.compression.method == "svd" and cell.model == "tiny")
    settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    for output, model in ((cell.compressed_path + "x", "tiny"), (cell.compressed_path, "llm")):
        with pytest.raises(UserError, match="does not match --settings"):
            jobs.compress(Path(output), settings, toy_run.manifest(model), None, gpus=0, threads=1)
    other = replace(settings, compression="magnitude-x")
    with pytest.raises(UserError, match="no stored compression"):
        jobs.compress(Path("x"), other, toy_run.manifest("tiny"), None, gpus=0, threads=1)


def test_every_printed_command_runs(ran, tmp_path):
    """Calibration rows, compressions and cells of one method, made again by the lines of `junkdna plan --commands`."""
    resolved = toy_run.read("methods.yaml")
    for folder in ("calibration", "compressed", "cells"):
        shutil.copytree(f"results/{folder}", tmp_path / folder)
        shutil.rmtree(f"results/{folder}")
    try:
        lines = [
            line for line in plan.commands(resolved) if "wanda-0.5,calibration=phrases/" in line and "tiny" in line
        ]
        lines = [line for line in plan.commands(resolved) if "junkdna calibration" in line and "/tiny/" in line] + lines
        words = [shlex.split(line)[4:] for line in lines]  # after JUNKDNA_STUDY=... python -m junkdna
        assert [each[0] for each in words] == ["calibration", "compress", "cell"] + ["cell"] * (len(lines) - 3)
        for each in words[:3]:
            args = parser().parse_args(each)
            args.run(args)
            assert Path(each[1]).is_file()
    finally:
        for folder in ("calibration", "compressed", "cells"):
            shutil.rmtree(f"results/{folder}", ignore_errors=True)
            shutil.copytree(tmp_path / folder, f"results/{folder}")


def test_a_model_in_bfloat16_is_compressed_in_it(ran):
    """Stored weights are of that dtype and the scores others; the folder of the model is the same."""
    data = copy.deepcopy(toy.METHODS)
    data["models"] = {"llm": {**data["models"]["llm"], "dtype": "bfloat16"}}
    few = [{"method": "sparsegpt", "sparsity": 0.5, **toy.CALIBRATED}, {"method": "magnitude", "sparsity": 0.5}]
    data["experiments"] = {"few": {"title": "", "models": ["llm"], "tasks": ["hues"], "compressions": few}}
    resolved = resolve(data, "test")
    assert study_settings.model_settings("llm", resolved) == study_settings.model_settings(
        "llm", toy_run.read("methods.yaml")
    )
    kept = {}
    for cell in grid.all_cells(resolved):
        for path in filter(None, (cell.compressed_path, cell.path)):
            kept[path] = Path(path).read_bytes()
            Path(path).unlink()
        toy_run.compress(cell, resolved)
        toy_run.run(cell, resolved)
        row = pq.read_table(cell.path).to_pylist()[0]
        assert row["achieved_sparsity"] == pytest.approx(cell.compression.nominal_sparsity, abs=2e-3)
        margins = [[example["margin"] for example in one["examples"]] for one in (row, ran[cell])]
        assert margins[0] != margins[1]
        assert np.corrcoef(margins)[0, 1] > 0.9
        if cell.compressed_path:
            assert {weight.dtype for weight in read_artifact(Path(cell.compressed_path)).weights.values()} == {
                torch.bfloat16
            }
    for path, content in kept.items():
        Path(path).write_bytes(content)


def test_a_model_in_bfloat16_is_not_trained(ran):
    data = copy.deepcopy(toy.METHODS)
    data["models"]["tiny"] = {**data["models"]["tiny"], "dtype": "bfloat16"}
    with pytest.raises(UserError, match=r"models\.tiny\.dtype is bfloat16.*trains in float32"):
        resolve(data, "test")
