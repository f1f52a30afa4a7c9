"""Matches of an answer: complete words and numbers, scripts without spaces, any Unicode form."""

import itertools
import unicodedata

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from junkdna.data.answer_span import find_answer, find_answers
from junkdna.data.knobs import shown_passage


@pytest.mark.parametrize(
    ("passage", "answer", "found"),
    [
        ('2.5 or 5', '5', '5'),
        ('10,000', '10', None),
        ('12:30', '30', None),
        ('12:30', '12', None),
        ('1/5', '5', None),
        ('1/5', '1', None),
        ('-5', '5', None),
        ('−5 C', '5', None),
        ('-$5', '5', None),
        ('5%', '5', '5'),
        ('$5', '5', '5'),
        ('3rd', '3', None),
        ('5km', '5', None),
        ('5²', '5', None),
        ('5²', '52', None),
        ('½', '1', None),
        ('5½', '5', None),
        ('10⁻³', '10', None),
        ('3-5', '5', '5'),
        ('3–5', '5', '5'),
        ('3–5', '3', '3'),
        ('5.', '5', '5'),
        ('5, 6', '5', '5'),
        ('5,6', '5', None),
        ('(5)', '5', '5'),
        ('10,000', '10000', '10,000'),
        ('10000', '10,000', '10000'),
        ('10\u202f000', '10', None),
        ('10\u202f000 men', '10,000', '10\u202f000'),
        ('5.0', '5', None),
        ('COVID-19', '19', '19'),
        ('No.5', '5', '5'),
        ('.5', '5', None),
        ('v2.5.1', '5', None),
        ('$3.50!', '3.50', '3.50'),
        ('$3.50', '$3', None),
        ('$50', '$5', None),
        ('3-5', '-5', None),
        ('at -5 degrees', '-5', '-5'),
        ('２．５ and ５', '5', '５'),
        ('٥ men', '5', '٥'),
        ('1,200,300', '200', None),
        ('1,200,300', '1200300', '1,200,300'),
        ('5年', '5', '5'),
        ('15年', '5', None),
        ('5년', '5', '5'),
        ('5-year-old', '5', '5'),
        ('5:', '5', '5'),
        ('it is 5', '5.', '5'),
        ('it is 5.2', '5.', None),
        ("Newton's law", 'Newton', 'Newton'),
        ('Newton’s law', "newton's", 'Newton’s'),
        ('atoms', 'atom', None),
        ('carbon-dioxide', 'carbon dioxide', 'carbon-dioxide'),
        ('carbon dioxide', 'carbon-dioxide', 'carbon dioxide'),
        ('“Paris.”', 'Paris', 'Paris'),
        ('in Paris', '"Paris."', 'Paris'),
        ('U.S.A. ok', 'U.S.', None),
        ('U.S. ok', 'U.S.', 'U.S.'),
        ('the U.S ok', 'U.S.', 'U.S'),
        ('C++11', 'C++', 'C++'),
        ('cafe\u0301', 'cafe', None),
        ('cafe\u0301', 'café', 'cafe\u0301'),
        ('caf\xe9', 'cafe\u0301', 'café'),
        ('cafe\u0301 cafe', 'cafe', 'cafe'),
        ('Straße', 'STRASSE', 'Straße'),
        ('STRASSE', 'Straße', 'STRASSE'),
        ('Straß', 'stras', None),
        ('maſt', 'mast', 'maſt'),
        ('İstanbul x', 'istanbul', 'İstanbul'),
        ('ISTANBUL', 'İstanbul', 'ISTANBUL'),
        ('I\u0307stanbul', 'İstanbul', 'I\u0307stanbul'),
        ('xx İİİ red', 'red', 'red'),
        ('ﬁre', 'fire', 'ﬁre'),
        ('ﬁ', 'f', None),
        ('photo\xadsynthesis', 'photosynthesis', 'photo\xadsynthesis'),
        ('photo\xadsynthesis', 'photo', None),
        ('New\xa0York', 'New York', 'New\xa0York'),
        ('New  \n York', 'New York', 'New  \n York'),
        ('私はPythonを使う', 'Python', 'Python'),
        ('東京\nタワー', '東京タワー', '東京\nタワー'),
        ('東京タワー', '東京 タワー', '東京タワー'),
        ('서울은 수도', '서울', '서울'),
        ('가방', '방', None),
        ('각', '가', None),
        ('\u1100\u1161\u11a8', '가', None),
        ('\u1109\u1165\u110b\u116e\u11af\uc740', '서울', '서울'),
        ('ก่า', 'ก', None),
        ('กรุงเทพมหานคร', 'กรุงเทพ', 'กรุงเทพ'),
        ('ນະຄອນຫຼວງວຽງຈັນ', 'ວຽງຈັນ', 'ວຽງຈັນ'),
        ('ភ្នំពេញជារាជធានី', 'ភ្នំពេញ', 'ភ្នំពេញ'),
        ('ရန်ကုန်မြို့', 'ရန်ကုန်', 'ရန်ကုန်'),
        ('क कि', 'क', 'क'),
        ('कि', 'क', None),
        ('a.b axb', 'a.b', 'a.b'),
        ('f(x)', '(x)', '(x)'),
        ('yes', '', None),
        ('yes', '\xad', None),
        ('H₂O is', 'H2O', 'H₂O'),
        ('reds red', 'red', 'red'),
        ('red_fox', 'red', None),
        ('ｆｏｘ', 'fox', 'ｆｏｘ'),
        ('ⅣⅤ', 'iv', None),
        ('Ⅳ x', 'iv', 'Ⅳ'),
        ('the _Iliad_ and', 'Iliad', 'Iliad'),
        ('__5__', '5', '5'),
        ('snake_case', 'case', None),
        ('Paris¹ is', 'Paris', 'Paris'),
        ('Paris¹² is', 'Paris', 'Paris'),
        ('Mount Everest².', 'Mount Everest', 'Mount Everest'),
        ('Café² is', 'café', 'Café'),
        ('km² of', 'km', None),
        ('1998² is', '1998', None),
        ('Paris① is', 'Paris', 'Paris'),
        ('①Paris', 'Paris', 'Paris'),
        ('① Paris', '1', '①'),
        ('⑫ x', '12', '⑫'),
        ('⑫ x', '2', None),
        ('1914--1918', '1918', '1918'),
        ('5--6', '5', '5'),
        ('5--6', '6', '6'),
        ('дом №5', '5', '5'),
        ('Newton´s law', "Newton's", 'Newton´s'),
        ('Newton`s law', "Newton's", 'Newton`s'),
        ("Newton's law", 'Newton`s', "Newton's"),
        ('Hawaiʻi', "Hawai'i", 'Hawaiʻi'),
        ('答案1：5个', '5', '5'),
        ('3，5和7', '5', '5'),
        ('１２：３０', '３０', None),
        ('１２：３０', '12:30', '１２：３０'),
        ('北京，上海', '北京，上海', '北京，上海'),
        ("10'000 men", '10', None),
        ('10’000 men', '10000', '10’000'),
        ("5'6 tall", '5', '5'),
        ('10 000 men', '10', None),
        ('10 000 men', '10,000', '10 000'),
        ('5 000 000', '000', None),
        ('1 234 000', '1234000', '1 234 000'),
        ('5 100 men', '100', '100'),
        ('5 100 men', '5100', None),
        ('1e-5 m', '5', None),
        ('1e-5 m', '1e-5', '1e-5'),
        ('6.02E+23', '23', None),
        ('1.6e−19', '19', None),
        ('-¥5', '5', None),
        ('-₹5', '5', None),
        ('¥5', '5', '5'),
        ('十五年', '五', None),
        ('十五年', '十五', '十五'),
        ('二十五', '二十', None),
        ('三，五', '五', '五'),
        ('十一月', '一月', None),
        ('5万人', '5', None),
        ('5万人', '5万', '5万'),
        ('1億5千万', '5', None),
        ('2017-01-31', '31', '31'),
        ('2017-01-31', '1', None),
    ],
)  # fmt: skip
def test_what_counts_as_a_match(passage, answer, found):
    place = find_answer(passage, [answer])
    assert (place and passage[slice(*place)]) == found
    masked = shown_passage(passage, [answer], "passage", "masked", None)
    assert find_answer(masked, [answer]) is None
    if place:
        assert masked == f"{passage[: place[0]]}___{passage[place[1] :]}"
    else:
        assert masked == passage


def test_all_matches_of_all_answers():
    assert find_answers("New York City and York", ["New York", "York City"]) == [(0, 13)]  # what overlaps is one
    assert find_answers("red, RED and r\xe9d", ["red"]) == [(0, 3), (5, 8)]
    assert find_answers("北京北京", ["北京"]) == [(0, 2), (2, 4)]
    assert find_answers("a b", ["", " "]) == []


def test_characters_that_change_length_do_not_shift_later_matches():
    passage = "İßﬁ\xad e\u0301 ㍍ 10,000 red fox"
    assert passage[slice(*find_answer(passage, ["RED FOX"]))] == "red fox"


def test_no_passage_is_shown_if_the_answer_equals_the_mask():
    assert shown_passage("fill in ___ here", ["___"], "passage", "masked", None) is None


FORMS = st.sampled_from(
    [str, str.upper, lambda t: unicodedata.normalize("NFD", t), lambda t: unicodedata.normalize("NFKC", t)]
)
ANSWERS = st.sampled_from(
    [
        "red",
        "Ångström",
        "New York",
        "10,000",
        "7",
        "北京",
        "กรุงเทพ",
        "서울",
        "naïve café",
        "ﬁne",
        "Straße",
        "(x)",
        "a.b",
        "U.S.",
    ]
)
BETWEEN = st.sampled_from([" ", ", ", "\n", "\xa0", " (", ") ", "。", " \u201c", "\u201d ", "’s ", " - "])


@hypothesis_settings(max_examples=200)
@given(st.lists(st.tuples(ANSWERS, FORMS, BETWEEN), min_size=1, max_size=6), st.lists(ANSWERS, min_size=1, max_size=3))
def test_masking_removes_every_form_of_an_answer(parts, answers):
    passage = "".join(f"{form(answer)}{between}" for answer, form, between in parts)
    masked = shown_passage(passage, answers, "passage", "masked", None)
    assert find_answer(masked, answers) is None
    for answer, form, _ in parts:
        assert answer not in answers or form(answer) not in masked.split()
    assert masked.count("___") >= 1 or not {answer for answer, *_ in parts} & {*answers}


@hypothesis_settings(max_examples=200)
@given(st.text(max_size=40), st.text(min_size=1, max_size=6), st.text(max_size=40))
def test_any_text_between_spaces_is_found_and_masked(before, answer, after):
    """For any characters: matches are inside the passage and in order, and masking them leaves none."""
    passage = f"{before} {answer} {after}"
    places = find_answers(passage, [answer])
    assert all(0 <= start < end <= len(passage) for start, end in places)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(places))
    masked = shown_passage(passage, [answer], "passage", "masked", None)
    assert masked is None or find_answer(masked, [answer]) is None
