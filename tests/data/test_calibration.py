"""Calibration rows: which texts are drawn, and what the tokens of a row are."""

from collections import Counter
from dataclasses import replace
from functools import cache
from hashlib import sha256

import pytest
import toy_tokenizers
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from junkdna.data.calibration import draw
from junkdna.data.calibration_file import CalibrationRows
from junkdna.errors import UserError
from junkdna.study.compress_settings import CalibrationSettings

TEXTS = [(f"row-{i}", text) for i, text in enumerate(toy_tokenizers.corpus(60))]
FAMILIES = toy_tokenizers.FAMILIES


@cache
def tokenizer(family: str) -> object:
    return toy_tokenizers.make(family)


def settings(windows: str = "texts", samples: int = 8, context_tokens: int = 24, **more: object) -> CalibrationSettings:
    given = {"calibration": "c", "seed": 0, "samples": samples, "context_tokens": context_tokens, "windows": windows}
    return CalibrationSettings(version=0, code="", **given | more)


def content(family: str, text: str) -> list[int]:
    return tokenizer(family)(text, add_special_tokens=False)["input_ids"]


def framed(family: str, ids: list[int]) -> list[int]:
    """The ids with the special tokens of the family around them, by hand."""
    front, back = {"wordpiece": ([2], [3]), "sentencepiece_bpe": ([1], []), "unigram": ([], [1])}.get(family, ([], []))
    return [*front, *ids, *back]


def drawn_order(texts: list[tuple[str, str]], **more: object) -> list[str]:
    usable = sum(bool(text.strip()) for _, text in texts)
    return draw(texts, tokenizer("words"), settings(samples=usable, **more)).sample_ids


# --- which texts ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows", ["texts", "joined", "long"])
def test_the_same_key_gives_the_same_rows_and_another_seed_or_name_others(windows):
    first = draw(TEXTS, tokenizer("byte_bpe"), settings(windows))
    assert first == draw(list(TEXTS), tokenizer("byte_bpe"), settings(windows))
    for other in ({"seed": 1}, {"calibration": "d"}):
        assert draw(TEXTS, tokenizer("byte_bpe"), settings(windows, **other)).sample_ids != first.sample_ids


def test_the_draw_is_the_same_on_every_machine():
    """The order is that of SHA-256 hashes (their first 63 bits) of purpose, name, seed and id."""

    def hashed(text_id: str) -> int:
        return int(sha256(f"calibration_order\x1f'c'\x1f0\x1f'{text_id}'".encode()).hexdigest()[:16], 16) // 2

    assert drawn_order(TEXTS) == sorted((text_id for text_id, _ in TEXTS), key=hashed)
    assert drawn_order(TEXTS)[0] == "row-53"


def test_all_models_get_the_same_texts():
    found = {tuple(draw(TEXTS, tokenizer(family), settings(samples=20)).sample_ids) for family in FAMILIES}
    assert len(found) == 1


@pytest.mark.parametrize("windows", ["texts", "joined", "long"])
def test_fewer_samples_are_the_beginning_of_more(windows):
    many = draw(TEXTS, tokenizer("byte_bpe"), settings(windows, samples=20))
    for samples in (1, 7, 19):
        few = draw(TEXTS, tokenizer("byte_bpe"), settings(windows, samples=samples))
        assert few == CalibrationRows(many.ids[:samples], many.sample_ids[:samples])


def test_nothing_is_drawn_twice_and_everything_can_be():
    assert sorted(drawn_order(TEXTS)) == sorted(text_id for text_id, _ in TEXTS)
    long = draw(TEXTS, tokenizer("byte_bpe"), settings("long", samples=30)).sample_ids
    assert len({sample.split("@")[0] for sample in long}) == 30


def test_every_text_is_drawn_equally_often_over_seeds():
    times = Counter(drawn_order(TEXTS[:10], seed=seed)[0] for seed in range(500))
    assert {*times} == {text_id for text_id, _ in TEXTS[:10]}
    squared = sum((times[text_id] - 50) ** 2 / 50 for text_id in times)
    assert squared < 27.9  # chi-square, 9 degrees of freedom: exceeded once in a thousand keys


def test_the_order_of_the_source_does_not_move_the_draw():
    turned = draw(TEXTS[::-1], tokenizer("byte_bpe"), settings())
    assert turned == draw(TEXTS, tokenizer("byte_bpe"), settings())


# --- windows: texts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_is_cut_as_the_tokenizer_itself_cuts_it(family):
    rows = draw(TEXTS, tokenizer(family), settings(samples=len(TEXTS)))
    for sample_id, ids in zip(rows.sample_ids, rows.ids, strict=True):
        assert ids == tokenizer(family)(dict(TEXTS)[sample_id], truncation=True, max_length=24)["input_ids"]
    assert max(map(len, rows.ids)) == 24


def test_short_texts_stay_short():
    rows = draw([("a", "the red fox"), ("b", "a")], tokenizer("words"), settings(samples=2))
    assert sorted(map(len, rows.ids)) == [1, 3]


def test_a_text_that_a_tokenizer_does_not_see_is_refused_and_not_replaced():
    with pytest.raises(UserError, match=r"calibration c: text 'b' .* has no token in this model's tokenizer"):
        draw([("a", "fox"), ("b", "\u0301"), ("c", "tree")], tokenizer("wordpiece"), settings(samples=3))


# --- windows: joined --------------------------------------------------------------------------------------------------


def naive_joined(texts: list[tuple[str, list[int]]], order: list[str], room: int) -> list[tuple[str, list[int]]]:
    """Rows of the joined texts (their ids end with whatever parts them), one token at a time round a ring."""
    ring = [(text_id, k, token) for text_id, ids in texts for k, token in enumerate(ids)]
    taken = [False] * len(ring)
    rows = []
    while taken.count(False) >= room:
        start = order[len(rows) % len(order)]
        at = next(i for i, (text_id, _, _) in enumerate(ring) if text_id == start)
        row = []
        while len(row) < room:
            if not taken[at]:
                taken[at] = True
                row.append(ring[at])
            at = (at + 1) % len(ring)
        rows.append((f"{row[0][0]}@{row[0][1]}", [token for _, _, token in row]))
    return rows


@pytest.mark.parametrize(("family", "end"), [("byte_bpe", 0), ("sentencepiece_bpe", 2), ("unigram", 1), ("words", None),
                                             ("wordpiece", 3)])  # fmt: skip
@pytest.mark.parametrize("context_tokens", [9, 64, 300])
def test_joined_rows_are_the_texts_one_after_another(family, end, context_tokens):
    texts = [*TEXTS[:9], ("blank", " \n"), *TEXTS[9:20]]
    between = [] if end is None else [end]
    coded = [(text_id, content(family, text) + between) for text_id, text in TEXTS[:20]]
    room = context_tokens - len(framed(family, []))
    expected = naive_joined(coded, drawn_order(texts), room)
    assert len(expected) == sum(len(ids) for _, ids in coded) // room
    rows = draw(texts, tokenizer(family), settings("joined", len(expected), context_tokens))
    assert rows.ids == [framed(family, ids) for _, ids in expected]
    assert rows.sample_ids == [sample_id for sample_id, _ in expected]
    assert {len(ids) for ids in rows.ids} == {context_tokens}
    assert len({*rows.sample_ids}) == len(rows.sample_ids)


def test_one_long_text_is_joined_to_itself_in_windows_that_do_not_overlap():
    text = " ".join(toy_tokenizers.WORDS * 5)
    ids = content("byte_bpe", text)
    rows = draw([("book", text)], tokenizer("byte_bpe"), settings("joined", len(ids) // 24))
    assert [token for row in rows.ids for token in row] == ids[: len(ids) // 24 * 24]
    assert rows.sample_ids == [f"book@{24 * k}" for k in range(len(ids) // 24)]


def test_a_row_of_joined_texts_is_running_text():
    """Until a row meets another one it is a stretch of the stored order, which begins with a text."""
    stream = [token for _, text in TEXTS for token in [*content("byte_bpe", text), 0]]
    starts = {text_id: sum(len(content("byte_bpe", text)) + 1 for _, text in TEXTS[:i])
              for i, (text_id, _) in enumerate(TEXTS)}  # fmt: skip
    rows = draw(TEXTS, tokenizer("byte_bpe"), settings("joined", samples=1, context_tokens=400))
    (at,) = (starts[sample_id.split("@")[0]] for sample_id in rows.sample_ids)
    assert rows.ids[0] == (stream + stream)[at : at + 400]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    words=st.lists(st.lists(st.sampled_from(["the", "fox", " "]), max_size=9).map(" ".join), min_size=1, max_size=12),
    context_tokens=st.integers(1, 15),
    seed=st.integers(0, 5),
)
def test_joined_rows_hold_every_token_once(words, context_tokens, seed):
    texts = [(str(i), text) for i, text in enumerate(words)]
    coded = [(text_id, content("words", text)) for text_id, text in texts if text.strip()]
    order = drawn_order(texts, seed=seed) if coded else []
    expected = naive_joined(coded, order, context_tokens) if coded else []
    asked = settings("joined", max(len(expected), 1), context_tokens, seed=seed)
    if expected:
        rows = draw(texts, tokenizer("words"), asked)
        assert [*zip(rows.sample_ids, rows.ids, strict=True)] == expected
    with pytest.raises(UserError, match=f"give {len(expected)} of [0-9]+ samples .windows: joined."):
        draw(texts, tokenizer("words"), replace(asked, samples=len(expected) + 1))


# --- windows: long ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_long_rows_are_stretches_of_texts_that_are_long_enough(family):
    room = 24 - len(framed(family, []))
    coded = {text_id: content(family, text) for text_id, text in TEXTS}
    long = [text_id for text_id in drawn_order(TEXTS) if len(coded[text_id]) >= room]
    rows = draw(TEXTS, tokenizer(family), settings("long", samples=len(long)))
    assert [sample_id.split("@")[0] for sample_id in rows.sample_ids] == long
    for sample_id, ids in zip(rows.sample_ids, rows.ids, strict=True):
        text_id, first = sample_id.split("@")
        assert ids == framed(family, coded[text_id][int(first) : int(first) + room])
        assert len(ids) == 24
    with pytest.raises(UserError, match=f"give {len(long)} .*{len(TEXTS) - len(long)} have fewer than {room} tokens"):
        draw(TEXTS, tokenizer(family), settings("long", samples=len(long) + 1))


def test_every_place_of_a_long_text_can_be_drawn_and_a_text_that_just_fits_is_taken():
    text = " ".join(["fox"] * 12)
    places = {draw([("a", text)], tokenizer("words"), settings("long", 1, 8, seed=seed)).sample_ids[0]
              for seed in range(100)}  # fmt: skip
    assert places == {f"a@{k}" for k in range(5)}
    assert draw([("a", text)], tokenizer("words"), settings("long", 1, 12)).sample_ids == ["a@0"]


# --- too few ----------------------------------------------------------------------------------------------------------


def test_blank_texts_are_left_out_and_counted():
    texts = [("a", ""), ("b", "the fox"), ("c", " \n\t"), ("d", "a tree")]
    assert sorted(draw(texts, tokenizer("words"), settings(samples=2)).sample_ids) == ["b", "d"]
    with pytest.raises(UserError) as caught:
        draw(texts, tokenizer("words"), settings(samples=3))
    assert str(caught.value) == (
        "calibration c: the texts give 2 of 3 samples (windows: texts): 2 of 4 texts are blank. Lower "
        "samples or name more texts."
    )


def test_too_few_rows_say_what_was_left_out_and_what_to_do():
    texts = [("a", ""), *((str(n), " ".join(["fox"] * n)) for n in (5, 22, 23, 40))]
    with pytest.raises(UserError) as caught:
        draw(texts, tokenizer("wordpiece"), settings("long", samples=4))
    assert str(caught.value) == (
        "calibration c: the texts give 3 of 4 samples (windows: long): 1 of 5 texts are blank, 1 have "
        "fewer than 22 tokens (24 with 2 special tokens). Lower samples or context_tokens, or use windows: texts or "
        "joined."
    )
    with pytest.raises(
        UserError, match=r"1 of 5 texts are blank, the other 4 joined fill 4 rows of 22 tokens \(24 with 2 spec"
    ):
        draw(texts, tokenizer("wordpiece"), settings("joined", samples=5))  # 5 + 22 + 23 + 40 and 4 separators: 94
    for windows in ("texts", "joined", "long"):
        with pytest.raises(UserError, match="the texts give 0"):
            draw([("a", " ")], tokenizer("words"), settings(windows))


def test_a_context_that_special_tokens_fill_is_refused():
    with pytest.raises(UserError, match="context_tokens 2 leaves no room"):
        draw(TEXTS, tokenizer("wordpiece"), settings(context_tokens=2))
