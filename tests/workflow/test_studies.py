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


def test_the_study_of_the_paper_has_its_figures_and_pairs() -> None:
    resolved = load_study(ROOT / "workflow/studies/paper.yaml")
    experiments = resolved.study.experiments
    titles = " ".join(exp.title for exp in experiments.values())
    assert [number for number in range(1, 12) if f"(figure {number})" not in titles] == [10]  # interpolated weights
    pairs = {tuple(use.task for use in experiments[name].tasks) for name in list(experiments)[10:15]}
    assert pairs == {
        ("sst2", "cola"), ("qqp", "stsb"), ("qnli", "rte"), ("winogrande", "csqa"),
        ("mawps_operator", "svamp_operator"),
    }  # fmt: skip
    tuned = [cell for cell in all_cells(resolved) if cell.transfer != "none"]
    assert {cell.seed for cell in tuned} == {41, 42, 43}
    assert all(resolved.study.protocol(c.protocol, resolved.tasks[c.task]).prune_head for c in tuned)


def test_the_deconfounded_study_trains_every_task_for_the_same_steps_without_pruning_the_head() -> None:
    resolved = load_study(ROOT / "workflow/studies/deconfounded.yaml")
    cells = all_cells(resolved)
    assert {entry.limits.train for entry in resolved.study.tasks.values()} == {2400}
    assert all(resolved.tasks[name].rows["train"] >= 2400 for name in resolved.study.tasks)
    protocols = [resolved.study.protocol(cell.protocol, resolved.tasks[cell.task]) for cell in cells]
    assert not any(protocol.prune_head for protocol in protocols)
    assert {protocol.epochs for protocol in protocols} == {5, 15, 50}
    assert {len({cell.seed for cell in cells if cell.task == task}) for task in resolved.study.tasks} == {5}


@pytest.mark.parametrize("name", ["paper", "deconfounded"])
def test_the_page_states_the_number_of_cells(name: str) -> None:
    cells = all_cells(load_study(ROOT / f"workflow/studies/{name}.yaml"))
    page = (ROOT / "docs/paper-studies.md").read_text(encoding="utf-8")
    assert f"| `workflow/studies/{name}.yaml` | {len(cells):,} |" in page
