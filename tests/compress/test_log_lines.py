import logging

import pytest
import toy_run

from junkdna.compress.log_lines import method_line
from junkdna.compress.store import make_compressed
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import parse_compression


@pytest.mark.parametrize(
    ("tag", "line"),
    [
        ("rtn-4bit,symmetric=true", "RTN, 4bit: group 128, symmetric yes"),
        ("rtn-nvfp4", "RTN, nvfp4"),
        ("nm-keep2of4", "N:M sparsity, keep2of4"),
        (
            "magnitude-0.5,layers=0-3.mlp+attention",
            "magnitude, 0.5: reference_ties no, embeddings no, layers 0-3.mlp and attention",
        ),
        ("magnitude_layer-0.5,allocation=1+2.5", "magnitude per matrix, 0.5: embeddings no, allocation 1 and 2.5"),
        (
            "wanda-0.5,allocation=owl,calibration=c4,owl_lambda=0.1",
            "Wanda, 0.5: allocation owl, owl_threshold 5, owl_lambda 0.1, calibration c4",
        ),
    ],
)
def test_the_method_and_its_options(tag, line):
    assert method_line(parse_compression(tag)) == line


def test_the_log_of_a_job(world, caplog):
    """One line for the method, one for each matrix, one for the model; no Python values."""
    resolved = toy_run.read("methods.yaml")
    cells = grid.stored(grid.all_cells(resolved))
    cell = next(cell for cell in cells if cell.compression.method == "sparsegpt" and cell.model == "tiny")
    toy_run.prepare(resolved)
    settings = study_settings.compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    caplog.set_level(logging.INFO, logger="junkdna.compress.store")
    rows = world / f"results/calibration/tiny/{cell.compression.tag.partition('calibration=')[2].partition(',')[0]}"
    make_compressed(world / "x.safetensors", settings, toy_run.manifest("tiny").parent, rows / "seed-0.parquet", "cpu")
    lines = [record.getMessage() for record in caplog.records if record.name == "junkdna.compress.store"]
    assert lines[0] == method_line(cell.compression)
    assert len(lines) == 12 + 2
    share = 100 * cell.compression.nominal_sparsity
    assert lines[1].startswith("encoder.layer.0.attention.self.query.weight: 32 x 32, ")
    assert f" of 1,024 pruned ({share:.2g}" in lines[1]
    assert lines[-1].startswith("12 matrices compressed: ")
    assert not any(sign in line for line in lines for sign in "{}'")
