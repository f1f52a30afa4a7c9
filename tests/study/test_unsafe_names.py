"""Names and knob values become folders and shell words, so none may leave its folder or be read by a shell."""

import pytest
import toy
from toy_study import changed, error_of

from junkdna.errors import UserError
from junkdna.study import grid
from junkdna.study.load import resolve

NASTY = [
    "a/b", "..", ".", "", "../x", "a;b", "$(x)", "`x`", "a b", "ü", "a\n", "a\nb", "-x", ".x", "a{b}", "a*",
    "x" * 81, "a%",
]  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_names_that_could_leave_their_folder_or_be_read_by_a_shell(world, name):
    study = toy.STUDY
    places = {
        "study": {**study, "study": name},
        "models": changed(study, f"models|{name}", {"kind": "encoder", "local": "model"}),
        "tasks": changed(study, f"tasks|{name}", {}),
        "experiments": changed(study, f"experiments|{name}", study["experiments"]["context"]),
        "protocols": changed(study, f"protocols|{name}", {}),
        "wheels": changed(study, f"wheels|{name}", {"version": "1", "sha256": "0" * 64, "filename": "a.whl"}),
        "experiments.context.models.0": changed(study, "experiments|context|models", [name]),
        "experiments.context.tasks.0.task": changed(study, "experiments|context|tasks", [name]),
        "experiments.modes.protocol": changed(study, "experiments|modes|protocol", name),
    }
    for place, wrong in places.items():
        with pytest.raises(UserError) as caught:
            resolve(wrong, "study")
        assert f"\n  {place}" in str(caught.value), place
    assert "hash_split.of" in error_of(mood=changed(toy.CLASSIFY_TASK, "hash_split|of", name))


@pytest.mark.parametrize("kind", ["models", "tasks", "protocols", "experiments", "calibrations"])
def test_names_that_some_file_systems_take_for_one(world, kind):
    """Those of macOS and Windows have one folder for both."""
    study = changed(toy.SETTINGS, "calibrations|few", {"task": "mood", "samples": 4, "context_tokens": 8})
    name, entry = next(iter((study.get(kind) or {}).items()), ("default", {}))
    study = changed(changed(study, f"{kind}|{name}", entry), f"{kind}|{name.upper()}", entry)
    if kind == "tasks":
        toy.write_yaml(world / "tasks/MOOD.yaml", {**toy.CLASSIFY_TASK, "name": "MOOD"})
        study = changed(study, "tasks|MOOD", {"file": "tasks/MOOD.yaml"})
    text = error_of(study)
    assert f"{kind}: {name} and {name.upper()} differ only in capital letters" in text
    assert f"for example to {name.upper()}_2" in text


@pytest.mark.parametrize("mark", ["\n", "\x1b[2J", "\u2028", "\u202e", "\u2066"])
def test_titles_that_change_the_text_around_them(world, mark):
    text = error_of(changed(toy.STUDY, "experiments|context|title", f"Fewer {mark}words"))
    assert "experiments.context.title: must be one line, without control characters" in text


def test_titles_may_be_in_any_script(world):
    title = "عربى, עברית, 中文"
    assert (
        resolve(changed(toy.STUDY, "experiments|context|title", title), "study").study.experiments["context"].title
        == title
    )


@pytest.mark.parametrize("value", [*NASTY, "a=b", "a,b", -1, 1.5, True, "1", "plain/../.."])
def test_knob_values_cannot_leave_their_folder(world, value):
    task = changed(toy.CHOICE_TASK, "knobs|context", {"values": ["none", "passage", value], "default": "none"})
    text = error_of(colours=task)
    assert text.startswith("tasks/colours.yaml: ")
    study = changed(toy.STUDY, "experiments|context|knobs", {"context": [value]})
    error_of(study, colours=toy.CHOICE_TASK)


def test_every_path_of_the_toy_study_stays_below_results(world):
    for study in (toy.STUDY, toy.SETTINGS):
        for cell in grid.all_cells(resolve(study, "study")):
            for path in (cell.path, cell.model_folder, *map(cell.tokens_path, cell.roles)):
                assert (world / path).resolve().is_relative_to(world / "results")
