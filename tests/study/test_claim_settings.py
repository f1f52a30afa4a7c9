"""The key `claims` of a study: margins and pairs, and what is wrong with them in words."""

import pytest
import toy
from toy_study import changed, error_of

from junkdna.study.claim_settings import PairedCondition
from junkdna.study.load import resolve

PASSAGE = {"task": "colours", "knobs": {"context": "passage"}}


@pytest.mark.parametrize("key", ["margin", "rise", "quantization_share"])
@pytest.mark.parametrize("value", [0, 1, -0.1, 5])
def test_a_margin_lies_between_0_and_1(world, key: str, value: float) -> None:
    bound = "more than 0" if value <= 0 else "less than 1"
    assert f"claims.{key}: must be {bound} (given: {value})" in error_of(changed(toy.STUDY, f"claims|{key}", value))


@pytest.mark.parametrize(
    ("pair", "says"),
    [
        ({"easy": "colors", "hard": "mood"}, ("claims.pairs.0.easy", "unknown task 'colors'", "'colours'")),
        ({"easy": "colours", "hard": "moods"}, ("claims.pairs.0.hard", "unknown task 'moods'", "'mood'")),
        ({"easy": {"task": "colours", "knobs": {"contxt": "passage"}}, "hard": "mood"},
         ("claims.pairs.0.easy: task colours", "unknown knob 'contxt'", "'context'", "options")),
        ({"easy": {"task": "mood", "knobs": {"options": 2}}, "hard": "colours"},
         ("claims.pairs.0.easy: task mood", "unknown knob 'options'", "data_fraction")),
        ({"easy": {"task": "colours", "knobs": {"options": 7}}, "hard": "mood"},
         ("claims.pairs.0.easy: task colours", "unknown value of knob options 7", "2, 3, 4")),
        ({"easy": {"task": "colours", "knobs": {"context": "none"}}, "hard": "mood"},
         ("claims.pairs.0.easy: task colours", "none is the default of knob context. Leave it out.")),
        ({"easy": "mood", "hard": "mood"}, ("claims.pairs.0", "easy and hard are both 'mood'")),
        ({"easy": "mood"}, ("claims.pairs.0.hard",)),
        ({"easy": "mood", "hard": "colours", "harder": "x"}, ("harder",)),
        ("mood", ("claims.pairs.0",)),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_be(world, pair: object, says: tuple[str, ...]) -> None:
    text = error_of(changed(toy.STUDY, "claims|pairs", [pair]))
    assert [part for part in says if part not in text] == []


@pytest.mark.parametrize("again", [{"easy": "mood", "hard": PASSAGE}, {"easy": PASSAGE, "hard": "mood"}])
def test_a_pair_counts_once(world, again: dict) -> None:
    """Copies of a pair would narrow the interval over pairs, and a pair has one hard side."""
    pairs = [{"easy": "mood", "hard": PASSAGE}, {"easy": "mood", "hard": "colours"}, again]
    assert "pairs 0 and 2 are the same two conditions" in error_of(changed(toy.STUDY, "claims|pairs", pairs))


def test_pairs_may_be_names_and_settings_have_defaults(world) -> None:
    study = changed(toy.STUDY, "claims|pairs", [{"easy": PASSAGE, "hard": "colours"}])
    claims = resolve(study, "test").study.claims
    [pair] = claims.pairs
    assert pair.easy == PairedCondition(task="colours", knobs={"context": "passage"})
    assert pair.hard == PairedCondition(task="colours")
    assert (claims.margin, claims.rise, claims.quantization_share, claims.baseline) == (0.05, 0.1, 0.5, "auto")


def test_an_empty_mapping_means_the_defaults(world) -> None:
    for value in ({}, None):
        assert resolve({**toy.STUDY, "claims": value}, "test").study.claims == resolve(toy.STUDY, "test").study.claims
