"""Every study that comes with the project is valid, and says what its name promises."""

from pathlib import Path

import pytest
from project import ROOT

from junkdna.study.grid import all_cells
from junkdna.study.load import load_study

STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/studies").glob("*.yaml"))]


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_a_study_is_valid_and_has_cells(file: Path) -> None:
    resolved = load_study(file)
    assert all_cells(resolved)
    assert resolved.study.study == {"config": "default"}.get(file.stem, file.stem)


def test_the_settings_study_turns_every_knob_on_both_kinds_of_model() -> None:
    resolved = load_study(ROOT / "workflow/studies/settings.yaml")
    cells = all_cells(resolved)
    assert {knob for cell in cells for knob, _ in cell.knobs} == {
        "answer_span", "context", "data_fraction", "options", "shots",
    }  # fmt: skip
    assert {resolved.study.models[cell.model].kind for cell in cells} == {"encoder", "decoder"}
    assert {"choice", "generate", "classify"} == {resolved.tasks[cell.task].kind for cell in cells}
    assert {"epochs", "steps"} == {
        resolved.study.protocol(cell.protocol, resolved.tasks[cell.task]).match
        for cell in cells
        if "data_fraction" in dict(cell.knobs)
    }


def test_the_pairs_of_the_paper_are_all_there() -> None:
    resolved = load_study(ROOT / "workflow/studies/paper_pairs.yaml")
    pairs = {tuple(use.task for use in exp.tasks) for exp in resolved.study.experiments.values()}
    assert pairs == {
        ("sst2", "cola"), ("qqp", "stsb"), ("qnli", "rte"), ("winogrande", "csqa"),
        ("mawps_operator", "svamp_operator"),
    }  # fmt: skip
    assert len(all_cells(resolved)) == 10 * 3 * 10  # tasks x seeds x (dense and nine levels)
