"""Every study that comes with the project is valid, and says what its name promises."""

import re
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from project import ROOT

from junkdna.study.cell import Cell
from junkdna.study.grid import all_cells, expand
from junkdna.study.load import load_study
from junkdna.study.stacks import stack_of
from junkdna.study.study import Resolved

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
    assert all(f"(figure {number})" in titles for number in range(1, 12))
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


LAB = ROOT / "workflow/studies/lab.yaml"
LAB_PAGE = (ROOT / "docs/lab-study.md").read_text(encoding="utf-8")


@cache
def lab() -> tuple[Resolved, dict[str, list[Cell]]]:
    """The study, and the cells of each of its experiments, with the optional ones."""
    resolved = load_study(LAB)
    return resolved, expand(load_study(LAB, {"run": list(resolved.study.experiments)}))


def lab_pieces() -> list[set[Cell]]:
    """The cells of each piece of the page, from its commands."""
    resolved, cells_of = lab()
    names = dict(re.findall(r"^(\w+)=([\w,]+)$", LAB_PAGE, flags=re.MULTILINE))
    pieces = [
        ",".join(names[part] for part in line.replace("$", "").split(","))
        for line in re.findall(r"^piece (\$\S+)", LAB_PAGE, flags=re.MULTILINE)
    ]
    chosen = [piece.split(",") for piece in pieces] + [list(resolved.study.active())]
    return [{cell for name in piece for cell in cells_of[name]} for piece in chosen]


def test_each_piece_of_the_lab_study_has_the_cells_of_the_pieces_before_it() -> None:
    pieces = lab_pieces()
    assert all(before < piece for before, piece in pairwise(pieces))
    assert pieces[-1] == {*all_cells(lab()[0])}
    new = [len(piece) - len(before) for before, piece in pairwise([set(), *pieces])]
    assert [line.split("|")[3].strip() for line in LAB_PAGE.splitlines() if re.match(r"\| \d \|", line)] == [
        str(number) for number in new
    ]
    assert f"{len(pieces[-1]):,} cells in all" in LAB_PAGE


def test_a_piece_of_the_lab_study_has_all_tasks_and_levels_of_an_encoder_with_the_same_seeds() -> None:
    for piece in lab_pieces():
        for model in ("minilm", "mpnet"):
            trained = [c for c in piece if c.model == model and c.transfer != "none" and "-x" not in c.protocol]
            assert {len([c for c in trained if c.task == task]) % 37 for task in {c.task for c in trained}} <= {0}
            assert len({(c.task, c.seed) for c in trained}) == 10 * len({c.seed for c in trained})


def test_the_lab_study_trains_ten_tasks_for_about_500_steps_in_full_stacks() -> None:
    resolved, _ = lab()
    trained = [c for c in all_cells(resolved) if c.protocol in ("minilm", "mpnet")]
    assert len(trained) == 3700
    for task in {cell.task for cell in trained}:
        protocol = resolved.study.protocol("minilm", resolved.tasks[task])
        limits = resolved.study.tasks[task].limits
        rows = min(resolved.tasks[task].rows["train"], (limits and limits.train) or 8000)
        assert 450 <= -(-rows // protocol.batch_size) * protocol.epochs <= 550, task
        assert (protocol.precision, protocol.prune_head) == ("bfloat16", False)
    assert {*Counter(map(stack_of, trained)).values()} == {37}
    places = {name: resolved.study.protocols[name].stack for name in ("minilm", "mpnet")}
    assert {name: -(-37 // size) * size for name, size in places.items()} == {"minilm": 40, "mpnet": 40}
    longer = [c for c in all_cells(resolved) if c.protocol.endswith(("-x3", "-x10"))]
    assert {*Counter(map(stack_of, longer)).values()} == {7}
    assert {-(-7 // size) * size for size in places.values()} == {8}
