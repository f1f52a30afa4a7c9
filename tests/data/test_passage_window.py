"""Passage windows: they contain the answer, longer ones contain shorter ones, the masked control has no answer."""

import string

import pytest
import toy_tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from junkdna.data.knobs import find_answer, shown_passage
from junkdna.errors import UserError

TOKENIZERS = {family: toy_tokenizers.make(family) for family in toy_tokenizers.FAMILIES}
WORDS = TOKENIZERS["words"]
LINE = "zero one two three four five six seven eight nine"


def window(passage: str, answers: list[str], n: int, span: str = "kept", family: str = "words") -> str:
    return shown_passage(passage, answers, n, span, TOKENIZERS[family])


# --- by hand ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "n", "shown"),
    [
        ("four", 1, "four"),
        ("four", 2, "four five"),  # an odd token goes behind
        ("four", 3, "three four five"),
        ("four", 4, "three four five six"),
        ("four", 5, "two three four five six"),
        ("zero", 3, "zero one two"),  # shifted where the passage begins
        ("one", 5, "zero one two three four"),
        ("nine", 3, "seven eight nine"),  # and where it ends
        ("eight", 4, "six seven eight nine"),
        ("four five", 2, "four five"),
        ("four five", 4, "three four five six"),
        ("three four five", 2, "three four five"),  # an answer longer than the window stays whole
        ("seven eight nine", 1, "seven eight nine"),
        ("four", 9, "zero one two three four five six seven eight"),
        ("four", 10, LINE),
        ("four", 999, LINE),
        ("ten", 3, "zero one two"),  # no answer: the window begins the passage
        ("ten", 999, LINE),
    ],
)
def test_windows_by_hand(answer, n, shown):
    assert window(LINE, [answer], n) == shown


def test_all_and_nothing():
    for span in ("kept", "masked"):
        assert shown_passage(LINE, ["four"], "none", span, None) is None
    assert shown_passage(f" {LINE}\n", ["four"], "passage", "kept", None) == f" {LINE}\n"
    assert shown_passage("a fox, a FOX, a foxy fox", ["fox"], "passage", "masked", None) == "a ___, a ___, a foxy ___"


def test_the_first_and_longest_match_of_any_answer_counts():
    assert window(LINE, ["eight", "two"], 1) == "two"
    assert window(LINE, ["four", "four five", "nine"], 1) == "four five"
    assert find_answer("New York City", ["York", "New York", "New"]) == (0, 8)
    assert find_answer("anything", []) is None


@pytest.mark.parametrize(
    ("passage", "answer", "found"),
    [
        ("to NEW YORK city", "New York", "NEW YORK"),
        ("to New\nYork", "new  york", "New\nYork"),  # any white space
        ("reddish red", "red", "red"),  # whole words
        ("bored, red", "RED", "red"),
        ("an x-ray.", "ray", "ray"),
        ("in the U.S.A. (or U.S.)", "U.S.", "U.S."),
        ("it cost $3.50!", "$3.50", "$3.50"),
        ("C++ or C", "c", "C"),
        ("100 or 10", "10", "10"),
        ("a.b axb", "a.b", "a.b"),  # no pattern in an answer is read as one
        ("(x) [y] \\d 1", "\\d", "\\d"),
        ("Ångström and ANGSTROM", "ångström", "Ångström"),
        ("von 東京 aus", "東京", "東京"),
        ("the caf\u0065\u0301 here", "caf\u0065\u0301", "caf\u0065\u0301"),
        ("\U0001f98a\U0001f98a \U0001f98a", "\U0001f98a", "\U0001f98a"),
    ],
)
def test_the_match_of_an_answer(passage, answer, found):
    start, end = find_answer(passage, [answer])
    assert passage[start:end] == found
    if answer.lower() == "red":
        assert start == passage.rindex("red")  # what stands before is a piece of a longer word
    for family, tokenizer in TOKENIZERS.items():
        for n in (1, 2, 50):
            shown = shown_passage(passage, [answer], n, "kept", tokenizer)
            assert found in shown, (family, n)
            assert find_answer(shown, [answer]) is not None


@pytest.mark.parametrize("passage", ["reddish", "bored", "fred redo", "", "red_fox"])
def test_an_answer_inside_a_word_does_not_match(passage):
    assert find_answer(passage, ["red"]) is None


def test_a_character_that_the_tokenizer_drops_stays_in_the_answer():
    passage = "one two café\u0301\u0301 three four"  # the accents have no token of their own
    for n in range(1, 6):
        assert "café\u0301\u0301" in window(passage, ["café\u0301\u0301"], n, family="wordpiece")


def test_a_window_is_cut_around_a_separate_number():
    assert window("rose 2.5 percent and then by 5 dollars", ["5"], 3) == "by 5 dollars"
    assert window("rose 2.5 percent and then by 5 dollars", ["5"], 3, "masked") == "by ___ dollars"


@pytest.mark.parametrize("family", [family for family in toy_tokenizers.FAMILIES if family != "words"])
def test_windows_in_a_script_without_spaces(family):
    passage = "a b c 昨日は東京タワーに d e f"
    for n in range(1, 12):
        assert "東京タワー" in window(passage, ["東京タワー"], n, family=family)
        masked = window(passage, ["東京タワー"], n, "masked", family)
        assert "東京タワー" not in masked


@pytest.mark.parametrize("family", ["byte_bpe", "sentencepiece_bpe", "unigram", "wordpiece"])
@pytest.mark.parametrize(("passage", "answer"), [("x 10,000 y 10 z", "10"), ("reddish red", "red"), ("re dred", "red")])
def test_no_window_creates_the_masked_answer(family, passage, answer):
    """A window may begin and end inside a word or a number."""
    for n in range(1, 12):
        assert find_answer(window(passage, [answer], n, "masked", family), [answer]) is None


def test_a_passage_that_consists_of_its_answer():
    assert window("Red.", ["red"], 5, "masked") == "___."
    assert window("red", ["red"], 5, "masked", "wordpiece") == "___"


def test_an_empty_answer_never_matches():
    assert find_answer("red fox", ["", " ", "\u200b"]) is None
    assert window("red fox", ["", "fox"], 1) == "fox"
    assert shown_passage("red fox", [""], "passage", "masked", None) == "red fox"


def test_a_tokenizer_without_offsets_is_refused_by_name():
    from transformers import ByT5Tokenizer

    slow = ByT5Tokenizer()
    assert not slow.is_fast
    with pytest.raises(
        UserError, match=r"context 8: the tokenizer ByT5Tokenizer gives no character offsets.*none or pas"
    ):
        shown_passage(LINE, ["four"], 8, "kept", slow)
    assert shown_passage(LINE, ["four"], "passage", "kept", slow) == LINE


# --- properties -------------------------------------------------------------------------------------------------------

VOCABULARY = [f"{letter}{number}" for letter in string.ascii_lowercase for number in range(3)]
CASES = st.sampled_from([str.lower, str.upper, str.title])


@st.composite
def passages(draw) -> tuple[list[str], list[str]]:
    """Words of a passage, each once, and the words of an answer in it."""
    found = draw(st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=40, unique=True))
    start = draw(st.integers(0, len(found) - 1))
    length = draw(st.integers(1, min(5, len(found) - start)))
    return found, found[start : start + length]


@settings(deadline=None, max_examples=200)
@given(passages(), st.sampled_from(toy_tokenizers.FAMILIES), CASES)
def test_windows_contain_the_answer_and_shorter_windows_and_have_n_tokens(made, family, case):
    words, answer = made
    passage = " ".join(words)
    tokenizer = TOKENIZERS[family]
    spans = tokenizer(passage, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    spans = [span for span in spans if span[0] < span[1]]
    before = ""
    for n in range(1, len(spans) + 2):
        shown = window(passage, [case(" ".join(answer))], n, family=family)
        assert " ".join(answer) in shown
        assert before in shown
        before = shown
        start = passage.index(shown)  # each word stands once
        inside = overlapping(spans, start, start + len(shown))
        edges = overlapping(spans, start - 1, start + len(shown) + 1) - inside
        blank = {i for i in edges if passage[slice(*spans[i])] == " "}  # counted, then taken off at the ends
        at = passage.index(" ".join(answer))
        wanted = min(len(spans), max(n, len(overlapping(spans, at, at + len(" ".join(answer))))))
        one_each = {spans[i][0] for i in inside}  # a mark in front of a word is a token that shares its first letter
        assert len(one_each) <= wanted <= len(inside | blank)
        assert family not in ("words", "wordpiece") or len(inside) == wanted
    assert before == passage


def overlapping(spans: list[tuple[int, int]], start: int, end: int) -> set[int]:
    return {i for i, span in enumerate(spans) if span[0] < end and span[1] > start}


def naive_places(words: list[str], answers: list[list[str]]) -> list[int]:
    """The position of any answer, word by word."""
    return [i for i in range(len(words)) for answer in answers if words[i : i + len(answer)] == answer]


FEW = st.sampled_from(["a", "b", "c", "d"])


@settings(deadline=None, max_examples=300)
@given(
    st.lists(FEW, min_size=1, max_size=25),
    st.lists(st.lists(FEW, min_size=1, max_size=3), min_size=1, max_size=3),
    st.integers(1, 30),
)
def test_the_masked_control_has_equal_length_and_no_answer(words, answers, n):
    passage, texts = " ".join(words), [" ".join(answer) for answer in answers]
    places = naive_places(words, answers)
    kept, masked = window(passage, texts, n).split(), window(passage, texts, n, "masked").split()
    assert naive_places(masked, answers) == []
    assert find_answer(" ".join(masked), texts) is None
    assert ("___" in masked) == bool(places)
    assert bool(naive_places(kept, answers)) == bool(places)
    whole = shown_passage(passage, texts, "passage", "masked", WORDS).split()
    assert naive_places(whole, answers) == []
    assert len(masked) == min(n, len(whole))
    if all(len(answer) == 1 for answer in answers):
        assert len(kept) == len(masked) == min(n, len(words))
        if places:  # the same stretch of the passage, its answers apart
            assert masked == ["___" if [word] in answers else word for word in kept]


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=60), st.text(min_size=1, max_size=8), st.integers(1, 40), st.sampled_from([*TOKENIZERS]))
def test_the_window_is_a_part_of_the_passage_for_any_text(passage, answer, n, family):
    if not answer.strip():
        return
    shown = window(passage, [answer.strip()], n, family=family)
    assert shown in passage
    place = find_answer(passage, [answer.strip()])
    if place and TOKENIZERS[family](passage[slice(*place)], add_special_tokens=False)["input_ids"]:
        assert passage[slice(*place)].strip() in shown
