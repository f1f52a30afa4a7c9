"""Loading a study: files that hold none, overrides, changed task files, and the study that is kept with the results."""

import json
from pathlib import Path

import pytest
import toy
from toy_study import changed

from junkdna.errors import UserError
from junkdna.storage.fingerprint import canonical_json
from junkdna.study import grid
from junkdna.study import settings_from_study as study_settings
from junkdna.study.grid import used_examples
from junkdna.study.load import from_document, load_study, resolve, study_document


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "study: toy\nstudy: toy\n", "study: [\n"])
def test_files_that_hold_no_study(world, text):
    Path("config.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^config.yaml"):
        load_study(Path("config.yaml"))
    with pytest.raises(UserError, match=r"^nowhere.yaml does not exist"):
        load_study(Path("nowhere.yaml"))


def test_overrides_replace_top_level_keys_and_select_experiments(world):
    study = changed(toy.STUDY, "experiments|modes|optional", True)
    assert list(resolve(study, "s").study.active()) == ["context"]
    assert list(resolve(study, "s", {"experiments": "modes"}).study.active()) == ["modes"]
    assert list(resolve(study, "s", {"experiments": ["modes", "context"]}).study.active()) == ["modes", "context"]
    assert resolve(study, "s", {"bootstrap": 300}).study.bootstrap == 300
    for wrong in ({"experiments": ["mods"]}, {"experimnts": ["modes"]}, {"experiments": 3}, {"bootstrap": "many"}):
        with pytest.raises(UserError):
            resolve(study, "s", wrong)


def test_a_task_file_is_read_again_when_it_changed(world):
    before = load_study(Path("config.yaml")).tasks["mood"].protocol.epochs
    toy.write_yaml(Path("tasks/mood.yaml"), changed(toy.CLASSIFY_TASK, "protocol|epochs", before + 1))
    assert load_study(Path("config.yaml")).tasks["mood"].protocol.epochs == before + 1


def test_the_kept_study_means_what_the_study_means(world):
    study = changed(toy.STUDY, "protocols", {"short": {"batch_size": 8}, "same": None})
    study["experiments"]["modes"]["protocol"] = "short"
    study["experiments"]["context"]["protocol"] = "same"
    study["tasks"]["mood"]["protocol"] = {"epochs": 5}
    study["tasks"]["mmlu_area"] = None  # has two sources, and the first is not the first by name
    study["tasks"]["hues"] = toy.SETTINGS["tasks"]["hues"]
    study["experiments"]["shots"] = {**toy.SETTINGS["experiments"]["shots"], "protocol": "same"}
    study["models"] = toy.SETTINGS["models"]
    resolved = resolve(study, "study")
    again = from_document(json.loads(canonical_json(study_document(resolved))), "study.json")
    cells = grid.all_cells(resolved)
    assert {*grid.all_cells(again)} == {*cells}
    assert [study_settings.settings_text(c, again) for c in cells] == [
        study_settings.settings_text(c, resolved) for c in cells
    ]
    assert again.study.protocol("short", again.tasks["mood"]).epochs == 5
    for task, role in [("mmlu_area", "evaluate"), *used_examples(cells, resolved)]:
        assert study_settings.example_settings(task, role, again) == study_settings.example_settings(
            task, role, resolved
        )
    assert study_document(again) == study_document(resolved)
