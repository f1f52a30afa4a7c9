"""`junkdna export`: folders that transformers loads to the same logits, their masks, cards and refusals."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import toy
import toy_run
import transformers
from safetensors import safe_open
from safetensors.numpy import load_file

from junkdna.cli import export as cli_export
from junkdna.cli.export import split_names, with_all_experiments
from junkdna.compress.artifact import read_artifact
from junkdna.errors import UserError
from junkdna.run.export import MASKS
from junkdna.study.grid import all_cells
from junkdna.study.load import resolve

TAGS = (
    "magnitude-0.5", "magnitude-0.5,embeddings=true", "random-0.5", "nm-keep2of4", "wanda-0.5,calibration=phrases",
    "sparsegpt-keep2of4,calibration=phrases", "rtn-2bit,group=8", "gptq-2bit,calibration=phrases,group=8",
    "svd-rank0.25",
)  # fmt: skip
LOADERS = {"tiny": transformers.AutoModel, "llm": transformers.AutoModelForCausalLM}


@pytest.fixture(scope="module")
def ran(toy_world_once, tmp_path_factory):
    """A toy world in which the cells without training of every method have run; the study is methods.yaml."""
    folder = tmp_path_factory.mktemp("export") / "world"
    shutil.copytree(toy_world_once, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        resolved = toy_run.read("methods.yaml")
        wanted = {"dense", "wanda-keep2of4,calibration=phrases", *TAGS}
        cells = [cell for cell in all_cells(resolved) if cell.task == "hues" and cell.compression.tag in wanted]
        toy_run.prepare(resolved, cells)
        for cell in cells:
            toy_run.run(cell, resolved)
        yield folder


@pytest.fixture
def here(ran, monkeypatch):
    """The world as the working directory, and the study. No Snakemake: everything is built."""
    monkeypatch.chdir(ran)
    monkeypatch.setattr(cli_export, "build_targets", lambda *_: None)
    return toy_run.read("methods.yaml")


def exported(resolved, model: str, names: str, out: Path, **options) -> list[str]:
    return list(cli_export.export(resolved, model, names, out, **options))


def logits(model: torch.nn.Module) -> torch.Tensor:
    ids = torch.arange(3, 19).view(2, 8)
    with torch.no_grad():
        return model(input_ids=ids)[0]


def compressed_by_the_cell(resolved, model: str, tag: str) -> torch.nn.Module:
    """The model as its cell compresses it, through the cell's own code."""
    from junkdna.run.cell import Prepared

    [cell] = [
        cell
        for cell in all_cells(resolved)
        if (cell.model, cell.compression.tag, cell.transfer, cell.task) == (model, tag, "none", "hues")
    ]
    prepared = Prepared(toy_run.settings_of(cell, resolved))
    loaded, head = prepared.load("cpu")
    prepared.compress(loaded, head)
    return loaded


@pytest.mark.parametrize("model", LOADERS)
@pytest.mark.parametrize("tag", TAGS)
def test_transformers_loads_the_logits_of_the_cell_bit_for_bit(here, tmp_path, model, tag):
    [line] = exported(here, model, tag, tmp_path / "out")
    assert line.startswith(f"{tmp_path}/out  {tag}: ")
    loaded = LOADERS[model].from_pretrained(tmp_path / "out")
    assert loaded.dtype == torch.float32
    assert torch.equal(logits(loaded.eval()), logits(compressed_by_the_cell(here, model, tag)))
    assert len(transformers.AutoTokenizer.from_pretrained(tmp_path / "out")) > 20


def unpacked(file: Path) -> dict[str, np.ndarray]:
    """The masks of an export, read as docs/export.md says, without this package."""
    with safe_open(file, "numpy") as stored:
        shapes = json.loads(stored.metadata()["junkdna"])["facts"]["shapes"]
        bits = {name: stored.get_tensor(name) for name in shapes}
    return {
        name: np.unpackbits(bits[name], count=math.prod(shape), bitorder="little").reshape(shape) == 1
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("model", LOADERS)
def test_masks_are_those_of_the_stored_compression_and_of_the_zeros(here, tmp_path, model):
    exported(here, model, "wanda-0.5", tmp_path / "out")
    masks, weights = unpacked(tmp_path / "out" / MASKS), load_file(tmp_path / "out/model.safetensors")
    stored = read_artifact(Path(f"results/compressed/{model}/wanda-0.5,calibration=phrases/seed-0.safetensors")).masks
    assert {name.removeprefix("model.") for name in masks} == {*stored}
    for name, mask in masks.items():
        assert np.array_equal(mask, stored[name.removeprefix("model.")].numpy())
        assert np.array_equal(mask, weights[name] != 0)


@pytest.mark.parametrize("model", LOADERS)
@pytest.mark.parametrize("tag", ["wanda-0.5", "sparsegpt-keep2of4", "random-0.5", "rtn-2bit,group=8"])
def test_an_export_read_as_external_has_the_same_scores(here, tmp_path, model, tag):
    exported(here, model, tag, tmp_path / "out")
    given = [
        {
            "method": "external",
            "path": str(tmp_path / "out"),
            "name": f"ckpt-{tag[:3]}",
            "quantized": tag.startswith("rtn"),
        }
    ]
    if not tag.startswith(("rtn", "sparsegpt")):
        given.append({"method": "external", "path": str(tmp_path / "out" / MASKS), "name": f"masks-{tag[:3]}"})
    study = {
        **toy.METHODS,
        "experiments": {"again": {"title": "", "models": [model], "tasks": ["hues"], "compressions": given}},
    }
    resolved = resolve(study, "study")
    cells = [cell for cell in all_cells(resolved) if cell.compression.level]
    assert len(cells) == len(given)
    toy_run.prepare(resolved, cells)
    original = min(
        (cell for cell in all_cells(here) if cell.model == model and cell.task == "hues"
         and f"{cell.compression.tag},".startswith(f"{tag},")),
        key=lambda cell: len(cell.compression.options),
    )  # fmt: skip
    wanted = pq.read_table(original.path).to_pylist()[0]
    for cell in cells:
        Path(cell.path).unlink(missing_ok=True)
        toy_run.run(cell, resolved)
        row = pq.read_table(cell.path).to_pylist()[0]
        assert row["examples"] == wanted["examples"]
        assert row["score"] == wanted["score"]
        assert row["achieved_sparsity"] == wanted["achieved_sparsity"]


def test_several_names_give_a_folder_each(here, tmp_path):
    lines = exported(here, "llm", "magnitude-0.5,wanda-keep2of4,calibration=phrases", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "magnitude-0.5", "wanda-keep2of4,calibration=phrases"
    ]  # fmt: skip
    assert len(lines) == 2


def test_commas_separate_names_and_options():
    assert split_names("wanda-0.5,gptq-4bit,calibration=c4,group=64, nm-keep2of4,") == [
        "wanda-0.5", "gptq-4bit,calibration=c4,group=64", "nm-keep2of4"
    ]  # fmt: skip
    assert split_names("a-0.5,a-0.5") == ["a-0.5"]


def test_the_card_says_how_it_was_made_and_what_it_scored(here, tmp_path):
    exported(here, "llm", "wanda-0.5", tmp_path / "out")
    card = (tmp_path / "out/README.md").read_text()
    row = pq.read_table(
        next(Path("results/cells/llm/hues/plain/wanda-0.5,calibration=phrases/none").rglob("*.parquet"))
    ).to_pylist()[0]
    assert "Sun et al. 2024" in card
    [line] = [line for line in card.splitlines() if line.startswith("| Hues · no passage (hues) | accuracy | 40 |")]
    score, dense = line.split(" | ")[3:5]
    assert score.startswith(f"{row['score']:.3f} (")
    assert dense == f"{float(dense):.3f}"  # no interval: it is the reference of the drop
    assert "`phrases`: task `hues`" in card
    assert "50.0000 % of the weights in scope are 0" in card
    facts = json.loads((tmp_path / "out/junkdna/export.json").read_text())
    assert facts["versions"]["transformers"] == transformers.__version__
    assert facts["report"]["achieved_sparsity"] == 0.5


def with_grid(grid: dict):
    """The study with one compression, and its cell."""
    experiment = {"title": "", "models": ["llm"], "tasks": ["hues"], "compressions": [grid]}
    resolved = resolve({**toy.METHODS, "experiments": {"x": experiment}}, "study")
    [cell] = [cell for cell in all_cells(resolved) if cell.compression.level]
    return resolved, cell


@pytest.mark.parametrize(
    ("grid", "options"),
    [
        ({"method": "nm", "keep": 2, "of": 4}, "none"),
        ({"method": "magnitude", "sparsity": 0.5, "layers": ["1", "0"]},
         "reference_ties `false`, embeddings `false`, layers `0, 1`"),
    ],
)  # fmt: skip
def test_the_card_has_options_as_a_study_writes_them(here, tmp_path, grid, options):
    resolved, cell = with_grid(grid)
    exported(resolved, "llm", cell.compression.tag, tmp_path / "out")
    assert f"| options | {options} |" in (tmp_path / "out/README.md").read_text()


def test_sparsities_that_differ_by_block_are_those_of_the_cell(here, tmp_path):
    """Their method is computed in the cell, not stored: the checks of the export must know the blocks' sparsities."""
    resolved, cell = with_grid({"method": "magnitude_layer", "sparsity": 0.5, "allocation": [1, 2]})
    [line] = exported(resolved, "llm", cell.compression.tag, tmp_path / "out")
    assert "50 % pruned" in line
    blocks = json.loads((tmp_path / "out/junkdna/export.json").read_text())["report"]["blocks"]
    assert [round(each["sparsity"], 2) for each in blocks.values()] == [0.33, 0.67]
    assert "| options | embeddings `false`, allocation `1, 2` |" in (tmp_path / "out/README.md").read_text()
    loaded = LOADERS["llm"].from_pretrained(tmp_path / "out")
    assert torch.equal(logits(loaded.eval()), logits(compressed_by_the_cell(resolved, "llm", cell.compression.tag)))


def test_a_card_without_finished_cells_says_none(here, tmp_path):
    study = {**toy.METHODS, "experiments": {"x": {"title": "", "models": ["llm"], "tasks": ["hues"], "compressions": [
        {"method": "magnitude", "sparsity": 0.25}]}}}  # fmt: skip
    exported(resolve(study, "study"), "llm", "magnitude-0.25", tmp_path / "out")
    assert "Nothing is known: no finished cell" in (tmp_path / "out/README.md").read_text()


@pytest.mark.parametrize(
    ("model", "names", "options", "words"),
    [
        ("lm", "magnitude-0.5", {}, "unknown model 'lm'. Did you mean 'llm'"),
        ("llm", "magnitud-0.5", {}, "unknown compression 'magnitud-0.5'. Did you mean 'magnitude-0.5'"),
        ("llm", ",", {}, "names none. Valid: "),
        ("llm", "wanda-0.5", {"seed": 7}, "the study has wanda-0.5,calibration=phrases with seed 0"),
        ("llm", "magnitude-0.5", {"seed": 7}, "magnitude-0.5 does not depend on a seed"),
        ("llm", "wanda-0.5", {"packed": "float16"}, "more than 2 of 4 consecutive inputs are kept"),
        ("llm", "nm-keep2of4,wanda-0.5", {"packed": "float16"}, "in wanda-0.5,calibration=phrases more than 2 of 4"),
        ("llm", "rtn-2bit", {"packed": "float16"}, "in rtn-2bit,group=8 more than 2 of 4"),
        ("llm", "nm-keep2of4", {"packed": "float16"}, "is not a multiple of 32 x 64"),
    ],
)
def test_what_cannot_be_exported_names_the_fix_and_leaves_nothing(here, tmp_path, model, names, options, words):
    with pytest.raises(UserError) as error:
        exported(here, model, names, tmp_path / "out", **options)
    assert words in str(error.value)
    assert not [*tmp_path.iterdir()]


def test_a_short_name_stands_for_the_compression_with_the_fewest_options(world):
    texts = {**toy.METHODS["calibrations"], "others": toy.METHODS["calibrations"]["phrases"]}
    grids = [{"method": "wanda", "sparsity": 0.5, "calibration": "phrases", "layers": ["1"]},
             {"method": "wanda", "sparsity": 0.5, "calibration": "phrases"}]  # fmt: skip
    for both in (False, True):
        grids += [{**grids[1], "calibration": "others"}] if both else []
        experiments = {"x": {"title": "", "models": ["llm"], "tasks": ["hues"], "compressions": grids}}
        study = resolve({**toy.METHODS, "calibrations": texts, "experiments": experiments}, "study")
        if not both:
            [cell] = cli_export.chosen_cells(study, "llm", "wanda-0.5", None)
            assert cell.compression.tag == "wanda-0.5,calibration=phrases"
    with pytest.raises(
        UserError, match=r"several compressions: write one of wanda-0.5,calibration=(others|phrases) or"
    ):
        cli_export.chosen_cells(study, "llm", "wanda-0.5", None)


def test_a_folder_with_files_is_refused_before_anything_is_written(here, tmp_path):
    (tmp_path / "out/nm-keep2of4").mkdir(parents=True)
    (tmp_path / "out/nm-keep2of4/x").touch()
    with pytest.raises(UserError, match="the folder is not empty"):
        exported(here, "llm", "magnitude-0.5,nm-keep2of4", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["nm-keep2of4"]
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file"):
        exported(here, "llm", "magnitude-0.5", tmp_path / "file")


def test_missing_calibrated_weights_print_the_command_and_others_are_computed(here, tmp_path):
    wanda = Path("results/compressed/tiny/wanda-0.5,calibration=phrases/seed-0.safetensors")
    svd = Path("results/compressed/tiny/svd-rank0.25/seed-0.safetensors")
    kept = {path: path.read_bytes() for path in (wanda, svd)}
    for path in kept:
        path.unlink()
    try:
        with pytest.raises(UserError, match="To build it, run: snakemake --cores all") as error:
            exported(here, "tiny", "wanda-0.5", tmp_path / "out")
        assert str(error.value).endswith(f" -- {wanda}")
        exported(here, "tiny", "svd-rank0.25", tmp_path / "out")
        assert svd.is_file()
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


def test_optional_experiments_count(here):
    study = {**toy.METHODS, "experiments": {**toy.METHODS["experiments"], "more": {
        "title": "", "models": ["llm"], "tasks": ["hues"], "optional": True,
        "compressions": [{"method": "magnitude", "sparsity": 0.125}]}}}  # fmt: skip
    resolved = with_all_experiments(resolve(study, "study"))
    [cell] = cli_export.chosen_cells(resolved, "llm", "magnitude-0.125", None)
    assert cell.compression.tag == "magnitude-0.125"
