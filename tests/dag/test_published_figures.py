"""The workflow expects the figure of published curves exactly where the table of drops gives one."""

import pytest
from figure_tables import Condition, drops_table
from project import ROOT

from junkdna.dag.inputs import figure_files
from junkdna.report import catalog
from junkdna.study import grid
from junkdna.study.cell import knob_text
from junkdna.study.connections import connections
from junkdna.study.load import load_study


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("workflow/studies/paper.yaml",
         {"published_sst2_cola", "published_qqp_stsb", "published_qnli_rte", "published_winogrande_csqa",
          "published_data_fraction", "published_modes_by_data_fraction", "published_modes_by_task",
          "published_mode_connectivity"}),
        ("config.yaml", set()),
    ],
)  # fmt: skip
def test_study_and_table_agree(monkeypatch, file, expected):
    monkeypatch.chdir(ROOT)
    resolved = load_study(ROOT / file)
    names = {path.split("/")[-1].removesuffix(".png") for path in figure_files(resolved, "f") if path.endswith(".png")}
    assert {name for name in names if name.startswith("published")} == expected
    connected = [name for name, some in connections(resolved).items() if some]
    assert names == {*catalog.figure_names(catalog.outlines(planted(resolved), connected=connected))}


def planted(resolved):
    """A table of drops with a row for each group of cells of the study; its numbers mean nothing."""
    conditions = []
    for experiment, cells in grid.expand(resolved).items():
        for cell in dict.fromkeys(cells):
            hub = resolved.study.models[cell.model].hub or ""
            own = {"model": cell.model, "hub": hub, "transfers": (cell.transfer,), "methods": ()}
            own |= {"compressions": (cell.compression.tag,), "n_seeds": 1, "n_examples": 4, "protocol": cell.protocol}
            knobs = knob_text(cell.knobs) if cell.knobs else ""
            conditions.append(Condition(cell.task, knobs, cell.task, 0.25, 0.8, 0.5, experiment, **own))
    return drops_table(conditions)
