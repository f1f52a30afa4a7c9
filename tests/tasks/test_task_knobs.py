"""Knobs: fewer options lie inside more, the passage goes or stays, and the example itself is left alone."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junkdna.errors import UserError
from junkdna.tasks.knobs import apply_knobs, hash_key

EXAMPLES = st.builds(
    lambda key, n, answer: {
        "id": key, "text": "q", "passage": "p", "choices": [f"c{i}" for i in range(n)], "answer": answer % n,
    },
    st.text(max_size=6), st.integers(2, 9), st.integers(0, 100),
)  # fmt: skip


@given(EXAMPLES)
def test_options_are_nested_keep_their_order_and_the_right_one(example):
    before = copy.deepcopy(example)
    right = example["choices"][example["answer"]]
    kept: list[str] = []
    for n in range(2, len(example["choices"]) + 1):
        changed = apply_knobs(example, {"options": n})
        assert len(changed["choices"]) == n
        assert changed["choices"][changed["answer"]] == right
        assert set(kept) < set(changed["choices"])
        assert changed["choices"] == sorted(changed["choices"], key=example["choices"].index)
        assert {key: changed[key] for key in ("id", "text", "passage")} == {
            "id": example["id"],
            "text": "q",
            "passage": "p",
        }
        kept = changed["choices"]
    assert kept == example["choices"]
    assert example == before


def test_which_distractors_stay_differs_between_examples():
    kept = {
        tuple(apply_knobs({"id": str(i), "choices": list("abcd"), "answer": 0}, {"options": 2})["choices"])
        for i in range(40)
    }
    assert kept == {("a", "b"), ("a", "c"), ("a", "d")}


@pytest.mark.parametrize("n", [-1, 0, 1, 5])
def test_a_number_of_options_that_an_example_cannot_serve(n):
    with pytest.raises(UserError, match=r"options=-?\d: example 'x7' has 4 choices; n must lie in 2..4"):
        apply_knobs({"id": "x7", "choices": list("abcd"), "answer": 0}, {"options": n})


def test_the_passage_goes_or_stays():
    example = {"id": "x", "text": "q", "passage": "p", "choices": None, "answer": 0}
    assert apply_knobs(example, {"context": "none"}) == {**example, "passage": None}
    assert apply_knobs(example, {"context": "passage"}) == example
    assert apply_knobs(example, {}) == example
    assert example["passage"] == "p"


def test_hash_keys_are_the_same_everywhere_and_keep_parts_apart():
    assert hash_key("order", "x", 1) == "c1abd7705641aa13128bbaf094d758838acbfaadf0a542ba2e13ae04bd67b476"
    assert hash_key("ab", "c") != hash_key("a", "bc")
