"""Knobs: option sets are nested, the right option is at every position equally often, the example is not changed."""

import copy
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junkdna.data.knobs import keep_options, ranks
from junkdna.errors import UserError
from junkdna.seeds import hash_key

EXAMPLES = st.builds(
    lambda key, n, answer: {
        "id": key, "text": "q", "passage": "p", "choices": [f"c{i}" for i in range(n)], "answer": answer % n,
    },
    st.text(max_size=6), st.integers(2, 9), st.integers(0, 100),
)  # fmt: skip


@given(EXAMPLES, st.integers(0, 1000))
def test_option_sets_are_nested_and_the_rank_sets_the_right_position(example, rank):
    before = copy.deepcopy(example)
    right = example["choices"][example["answer"]]
    kept: list[str] = []
    for n in range(2, len(example["choices"])):
        changed = keep_options(example, n, rank)
        assert len(changed["choices"]) == n
        assert changed["answer"] == rank % n
        assert changed["choices"][rank % n] == right
        wrong = [choice for choice in changed["choices"] if choice != right]
        assert wrong == sorted(wrong, key=example["choices"].index)
        assert {*kept} < {*changed["choices"]} < {*example["choices"]}
        assert {key: changed[key] for key in ("id", "text", "passage")} == {
            "id": example["id"], "text": "q", "passage": "p",
        }  # fmt: skip
        kept = changed["choices"]
    whole = keep_options(example, len(example["choices"]), rank)
    assert whole == example
    assert whole is not example
    assert example == before


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("rows", [12, 13, 600])
def test_the_right_option_is_at_every_position_equally_often(n, rows):
    examples = [{"id": f"r{i}", "choices": list("abcde"), "answer": 0} for i in range(rows)]
    changed = [
        keep_options(row, n, rank) for row, rank in zip(examples, ranks([row["id"] for row in examples]), strict=True)
    ]
    places = Counter(row["answer"] for row in changed)
    assert max(places.values()) - min(places.values()) <= 1
    assert {*places} == {*range(n)}
    assert all(row["choices"][row["answer"]] == "a" for row in changed)


@given(st.lists(st.text(max_size=4), unique=True, max_size=30), st.randoms())
def test_ranks_do_not_depend_on_the_order_of_rows(ids, random):
    found = dict(zip(ids, ranks(ids), strict=True))
    assert sorted(found.values()) == list(range(len(ids)))
    shuffled = [*ids]
    random.shuffle(shuffled)
    assert dict(zip(shuffled, ranks(shuffled), strict=True)) == found


def test_kept_distractors_differ_between_examples():
    rows = [_kept(i) for i in range(3000)]
    assert {tuple(row) for row in rows} == {("a", "b"), ("a", "c"), ("a", "d")}
    counts = Counter(row[1] for row in rows)
    assert all(abs(count - 1000) < 4.5 * (3000 * 2 / 9) ** 0.5 for count in counts.values())  # evenly drawn


def _kept(i: int) -> list[str]:
    return keep_options({"id": str(i), "choices": list("abcd"), "answer": 0}, 2, 0)["choices"]


@pytest.mark.parametrize("n", [-1, 0, 1, 5])
def test_more_options_than_an_example_has(n):
    with pytest.raises(UserError, match=r"options=-?\d: example 'x7' has 4 choices, so n must be 2 to 4"):
        keep_options({"id": "x7", "choices": list("abcd"), "answer": 0}, n, 0)


def test_hash_keys_are_the_same_everywhere_and_keep_parts_apart():
    assert hash_key("order", "x", 1) == "c1abd7705641aa13128bbaf094d758838acbfaadf0a542ba2e13ae04bd67b476"
    assert hash_key("ab", "c") != hash_key("a", "bc")
