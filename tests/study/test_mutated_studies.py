"""Any change of a study or task file gives a study that resolves, or one readable UserError."""

import copy
from pathlib import Path

import pytest
import toy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toy_study import changed

from junkdna.errors import UserError
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.cell import parse_cell_path
from junkdna.study.grid import used_examples
from junkdna.study.load import resolve

WORDS = [
    "tiny", "mood", "colours", "none", "dense", "magnitude", "nm", "random", "context", "options", "passage",
    "../x", "",
]  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 4), st.floats(), st.sampled_from(WORDS), st.text(max_size=5)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)
KNOBS = ("shots", "options", "data_fraction", "answer_span", "context")
KEYS = st.sampled_from(
    [*WORDS, *KNOBS, "sparsity", "keep", "of", "seeds", "file", "folder", "source", "hub", "wheel", "run"]
)


def mutate(data: dict, draw: st.DataObject) -> dict:
    """`data` with one to three random places deleted, replaced or filled with something new."""
    data = copy.deepcopy(data)
    for _ in range(draw.draw(st.integers(1, 3))):
        place = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            action = draw.draw(st.sampled_from(["descend"] * 5 + ["delete", "replace", "insert"]))
            inner = [key for key in keys if isinstance(place[key], dict | list)]
            if action == "descend" and inner:
                place = place[draw.draw(st.sampled_from(inner))]
                continue
            if action == "insert" or not keys:
                key = draw.draw(KEYS | SCALARS) if isinstance(place, dict) else len(place)
                place.update({key: draw.draw(VALUES)}) if isinstance(place, dict) else place.append(draw.draw(VALUES))
            elif action == "delete":
                del place[draw.draw(st.sampled_from(keys))]
            else:
                place[draw.draw(st.sampled_from(keys))] = draw.draw(VALUES)
            break
    return data


def check_resolved_or_readable(study: dict) -> None:
    try:
        resolved = resolve(study, "fuzzed")
        cells = grid.all_cells(resolved)
    except UserError as error:
        text = str(error)
        assert len(text) > 20
        assert "Traceback" not in text
        return
    assert cells
    for cell in cells[:3]:
        assert parse_cell_path(cell.path) == cell
        assert study_settings.settings_text(cell, resolved)
        assert study_settings.tokenize_settings(cell.model, cell.task, cell.token_knobs, cell.protocol, resolved)
        assert all(
            study_settings.example_settings(task, role, resolved) for task, role in used_examples([cell], resolved)
        )
        assert study_settings.model_settings(cell.model, resolved)


FUZZ = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)


@settings(FUZZ, max_examples=200)
@given(draw=st.data())
@pytest.mark.parametrize("base", [toy.STUDY, toy.SETTINGS], ids=lambda study: study["study"])
def test_any_change_of_the_study_is_valid_or_a_user_error(world, base, draw):
    check_resolved_or_readable(mutate(base, draw))


TASKS = [toy.CHOICE_TASK, toy.CLASSIFY_TASK, toy.HUES_TASK, toy.NAMED_TASK, toy.ALIKE_TASK, toy.DEGREE_TASK]


@settings(FUZZ, max_examples=50)
@given(draw=st.data())
@pytest.mark.parametrize("base", TASKS, ids=lambda task: task["name"])
def test_any_change_of_a_task_file_is_valid_or_a_user_error(world, base, draw):
    toy.write_yaml(Path("tasks/fuzzed.yaml"), mutate(base, draw))
    study = toy.STUDY if base["name"] in toy.STUDY["tasks"] else toy.SETTINGS
    check_resolved_or_readable(changed(study, f"tasks|{base['name']}|file", "tasks/fuzzed.yaml"))
