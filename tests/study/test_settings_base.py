"""Typed settings: written as JSON, read back equal, each wrong key named."""

import json
from dataclasses import dataclass, field
from typing import Literal

import pytest

from junkdna.errors import UserError
from junkdna.storage.fingerprint import canonical_json
from junkdna.study.settings_base import Settings


@dataclass(frozen=True)
class Inner(Settings):
    path: str
    rows: int | None = None


@dataclass(frozen=True)
class Outer(Settings):
    role: Literal["train", "evaluate"]
    source: Inner
    rate: float = 1.0
    seeded: bool = False
    limits: dict[str, int] = field(default_factory=dict)
    names: list[str] | None = None
    shots: Inner | None = None


def test_settings_are_read_back_as_they_were_written():
    for settings in (
        Outer("train", Inner("a")),
        Outer("evaluate", Inner("a", 3), 2, True, {"train": 4}, ["b"], Inner("c")),
    ):
        assert Outer.read(json.loads(canonical_json(settings)), "here") == settings


def test_keys_that_are_not_used_are_not_written():
    assert canonical_json(Outer("train", Inner("a"))) == (
        '{"limits":{},"rate":1.0,"role":"train","seeded":false,"source":{"path":"a"}}'
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rolle": "train"}, r"here: unknown key 'rolle'. Did you mean 'role'\? Valid: "),
        ({"role": None}, r"here: role: None must be 'train' or 'evaluate'"),
        ({"rate": "fast"}, r"here: rate: 'fast' must be a number"),
        ({"seeded": 1}, r"here: seeded: 1 must be true or false"),
        ({"rate": True}, r"here: rate: True must be a number"),
        ({"limits": []}, r"here: limits: \[\] must be an object"),
        ({"names": "a"}, r"here: names: 'a' must be a list"),
        ({"source": {"path": "a", "row": 1}}, r"here: source: unknown key 'row'. Did you mean 'rows'\?"),
        ({"source": {}}, r"here: source: the key path is missing"),
        ({"source": "a"}, r"here: source: 'a' must be an object"),
        ({"shots": {"rows": "3"}}, r"here: shots: the key path is missing"),
    ],
)
def test_a_wrong_key_is_named(change, message):
    with pytest.raises(UserError, match=message):
        Outer.read({"role": "train", "source": {"path": "a"}, **change}, "here")


def test_a_missing_key_is_named():
    with pytest.raises(UserError, match="here: the key source is missing"):
        Outer.read({"role": "train"}, "here")
