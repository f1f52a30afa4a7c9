"""Notes of a test: sentences for readers, without names of settings or false precision."""

import pytest
from page_tables import CLAIM

from junkdna.report.page.finding_notes import levels, notes, scale


def said(**changes) -> str:
    return " ".join(notes(CLAIM | {"setting": "", "levels": ""} | changes))


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (["magnitude-0.5"], "magnitude 50 %"),
        (["magnitude-0.5", "magnitude-0.7", "magnitude-0.9"], "magnitude 50 %, 70 % and 90 %"),
        ([f"magnitude-0.{at}" for at in range(1, 10)], "magnitude 10 % to 90 % (nine levels)"),
        (["rtn-4bit", "magnitude-0.5"], "RTN 4 bits, groups of 128; magnitude 50 %"),
        (["nm-keep2of4", "nm-keep4of8"], "N:M sparsity 2 of 4 kept; N:M sparsity 4 of 8 kept"),
    ],
)
def test_compressions_are_named_in_words_and_the_method_once(tags, words):
    assert levels(tags).replace("sparsity, ", "sparsity ") == words


def test_details_have_no_tags_and_two_decimals():
    details = "largest rise 0.030, at most -0.076 (dense to magnitude-0.2); less than 0.05 lost up to magnitude-0.4"
    words = said(details=details, levels="magnitude-0.2 magnitude-0.4")
    assert words.startswith("Largest rise 0.03, at most −0.08 (dense to magnitude 20 %). ")
    assert "Less than 0.05 lost up to magnitude 40 %. Levels: magnitude 20 % and 40 %." in words


@pytest.mark.parametrize(
    ("verdict", "scale_free", "start"),
    [
        ("supported", "against the claim", "In d′ the order is reversed: "),
        ("supported", "undecided", "In d′: "),
        ("contradicted", "against the claim", "In d′ the effect is against the claim: "),
        ("undecided", "against the claim", "In d′ the effect is against the claim: "),
        ("contradicted", "for the claim", "In d′: "),
    ],
)
def test_the_other_scale_is_named_once(verdict, scale_free, start):
    row = {"details": "d' -0.180 (-0.324 to -0.041); the dense model finds A harder than the next condition"}
    words = said(verdict=verdict, scale_free=scale_free, **row)
    assert words == f"{start}−0.18 (−0.32 to −0.04). The dense model finds A harder than the next condition."
    assert scale(CLAIM | {"details": ""}) == ""


def test_only_an_unusual_setting_is_named_and_its_mode_in_words():
    row = {"setting": "smallest weights pruned (magnitude), sparse_to_dense", "scale_free": ""}
    assert said(**row) == "Smallest weights pruned (magnitude), sparse to dense."
    assert notes(CLAIM | row | {"levels": ""}, usual=row["setting"]) == []


def test_every_sentence_begins_with_a_capital_and_ends_once():
    row = {"details": "d' 0.1 (0.0 to 0.2)", "reason": "one seed", "other_baseline": "supported", "collapsed": 2}
    for sentence in notes(CLAIM | row):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert not sentence.endswith("..")
