"""YAML reading: what is refused, what is read as a number, and what a message about a wrong key says."""

import pytest
from pydantic import BaseModel, ConfigDict

from junkdna.errors import UserError
from junkdna.study.yaml_reader import read_yaml, validated


def read(folder, text):
    file = folder / "x.yaml"
    file.write_text(text, encoding="utf-8")
    return read_yaml(file)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e-3", 0.001), ("3E4", 30000.0), ("-1.e+2", -100.0), ("2e-5", 2e-5), ("1.5", 1.5), ("7", 7), ("none", "none")],
)
def test_numbers_are_numbers(tmp_path, text, value):
    found = read(tmp_path, f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["abc1e-3", "1e", "e5", "1e-3x", "'1e-3'"])
def test_text_that_only_looks_like_a_number_stays_text(tmp_path, text):
    assert isinstance(read(tmp_path, f"a: {text}")["a"], str)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "'a' occurs twice"),
        ("a: {b: 1, c: 2, b: 3}", "'b' occurs twice"),
        ("a: [{b: 1, b: 1}]", "'b' occurs twice"),
        ("? [a]\n: 1", "keys must be plain text"),
        ("a: [1", "not valid YAML"),
        ("a: \t1", "not valid YAML"),
        ("a: &x [*x]", "recursive"),
        ("a: " + "[" * 2000, "not valid YAML"),
        ("a: !!python/object:os.system x", "python/object"),
        ("a: !!bool maybe", "tag does not fit"),
        ("a: !!timestamp never", "tag does not fit"),
        ("a: !!int ''", "tag does not fit"),
        ("a: !!timestamp 2024-99-01", "month"),
        ("a: " + "9" * 5000, "digits"),
        ("\x00", "not valid YAML"),
        ("", "must contain a mapping"),
        ("# only a comment", "must contain a mapping"),
        ("[1, 2]", "not a list"),
        ("words", "not one text"),
    ],
)
def test_what_is_no_mapping_is_a_user_error_that_names_the_file(tmp_path, text, says):
    with pytest.raises(UserError, match=r"x\.yaml") as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_twice_written_key_is_found_at_its_line(tmp_path):
    with pytest.raises(UserError, match="line 3"):
        read(tmp_path, "a: 1\nb: 2\na: 3\n")


def test_merge_keys_and_anchors_are_read(tmp_path):
    text = "base: &base {x: 1, y: 2}\nmine:\n  <<: *base\n  y: 3\n"
    assert read(tmp_path, text)["mine"] == {"x": 1, "y": 3}


def test_unreadable_files(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    for name, says in (("missing.yaml", "does not exist"), (".", "cannot be read"), ("latin.yaml", "cannot be read")):
        with pytest.raises(UserError, match=says):
            read_yaml(tmp_path / name)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    depth: int = 1
    width: int = 1


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner | None = None
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    width: dict[str, int] = {}


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"inner": {"widht": 2}}, "inner.widht"),
        ({"many": [{}, {"widht": 2}]}, "many.1.widht"),
        ({"named": {"a": {"widht": 2}}}, "named.a.widht"),
        ({"named": {"many": {"widht": 2}}}, "named.many.widht"),  # a mapping's key that is also a field's name
        ({"named": {"width": {"widht": 2}}}, "named.width.widht"),
    ],
)
def test_an_unknown_key_is_named_with_the_keys_of_its_own_place(data, place):
    with pytest.raises(UserError) as caught:
        validated(Outer, data, "x.yaml")
    assert f"{place}: unknown key 'widht'. Did you mean 'width'? Valid: depth, width." in str(caught.value)


def test_every_mistake_is_listed_once():
    with pytest.raises(UserError) as caught:
        validated(Outer, {"inner": {"depth": "x"}, "many": 3, "other": "v" * 500}, "x.yaml")
    text = str(caught.value)
    assert text.startswith("x.yaml: 3 mistakes\n")
    assert [line.split(":")[0].strip() for line in text.splitlines()[1:]] == ["inner.depth", "many", "other"]
    assert "(given: 'x')" in text
    assert max(map(len, text.splitlines())) < 250
