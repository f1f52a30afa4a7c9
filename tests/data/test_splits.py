"""Which rows train, are evaluated and serve as shots: nested, never on two sides, the same on every machine."""

import pytest
from made_rows import error_of, rows_of

from junkdna.seeds import hash_key

CLASSIFY = {
    "task": "t", "kind": "classify", "limits": {}, "evaluate_split": "test", "labels": ["no", "yes"],
    "columns": {"text": "{s}", "answer": "label"},
}  # fmt: skip


def with_columns(settings: dict, **columns: object) -> dict:
    return {**settings, "columns": {**settings["columns"], **columns}}


def hash_split(rows: list[dict], train: int, evaluate: int, **columns: str) -> dict[str, list[dict]]:
    settings = {**with_columns(CLASSIFY, **columns), "hash_split": {"of": "test", "train": train, "evaluate": evaluate}}
    return {role: rows_of(settings, rows, role) for role in ("train", "evaluate")}


def sentences(n: int, repeat: int = 1) -> list[dict]:
    return [{"s": f"s{i // repeat}", "t": f"t{i}", "label": i % 2} for i in range(n)]


def test_a_hash_split_is_disjoint_and_looks_at_nothing_but_the_text():
    cut = hash_split(sentences(50), 20, 30)
    assert (len(cut["train"]), len(cut["evaluate"])) == (20, 30)
    assert not {row["text"] for row in cut["train"]} & {row["text"] for row in cut["evaluate"]}
    turned = hash_split(sentences(50)[::-1], 20, 30)
    assert [row["text"] for row in turned["train"]] == [row["text"] for row in cut["train"]]
    assert [row["text"] for row in cut["train"]] != sorted(row["text"] for row in cut["train"])


def test_white_space_does_not_make_a_text_another_one():
    rows = [{"s": f"a  {'b' * (1 + i // 2)}" if i % 2 else f" a {'b' * (1 + i // 2)}\n", "label": 0} for i in range(40)]
    for train in range(1, 20):
        cut = hash_split(rows, train, 10)
        sides = [{" ".join(row["text"].split()) for row in cut[role]} for role in ("train", "evaluate")]
        assert not sides[0] & sides[1]


@pytest.mark.parametrize("train", range(1, 41))
@pytest.mark.parametrize("columns", [{}, {"text_b": "{t}"}])
def test_equal_texts_never_stand_on_both_sides(train, columns):
    cut = hash_split(sentences(60, repeat=3), train, 15, **columns)
    assert (len(cut["train"]), len(cut["evaluate"])) == (train, 15)
    assert not {row["text"] for row in cut["train"]} & {row["text"] for row in cut["evaluate"]}


def test_a_larger_training_side_keeps_the_smaller_ones_rows():
    small, large = hash_split(sentences(60), 10, 10)["train"], hash_split(sentences(60), 30, 10)["train"]
    assert large[:10] == small


def test_a_hash_split_that_asks_for_too_much():
    settings = {**CLASSIFY, "hash_split": {"of": "test", "train": 30, "evaluate": 21}}
    assert "needs 30 + 21 rows, but only 50 are usable. Lower one" in error_of(settings, sentences(50))
    settings = {**CLASSIFY, "hash_split": {"of": "test", "train": 1, "evaluate": 2}}
    first, last = sorted("abcdefgh", key=lambda text: hash_key("split", "t", text, None))[:2]
    rows = [{"s": first, "label": 0}, {"s": first, "label": 1}, {"s": last, "label": 1}]
    assert "only 3 are usable and 1 of them repeat a training text" in error_of(settings, rows)


def test_limits_are_nested_and_hold_per_split():
    def limited(**limits: int) -> dict[str, list[str]]:
        settings = {**CLASSIFY, "train_split": "train", "limits": limits}
        roles = ("train", "evaluate")
        return {
            role: [row["id"] for row in rows_of(settings, sentences(40), role, train=sentences(30))] for role in roles
        }

    assert {role: len(ids) for role, ids in limited().items()} == {"train": 30, "evaluate": 40}
    assert {role: len(ids) for role, ids in limited(train=3).items()} == {"train": 3, "evaluate": 40}
    small, large = limited(evaluate=5)["evaluate"], limited(evaluate=20)["evaluate"]
    assert large[:5] == small
    assert small != [f"test-{i}" for i in range(5)]
    assert len(limited(evaluate=999)["evaluate"]) == 40


# --- shots ------------------------------------------------------------------------------------------------------------


def grouped(sizes: dict[str, int]) -> list[dict]:
    """Rows of several groups, in turn as long as a group has any."""
    rows = [(number, group) for group, size in sizes.items() for number in range(size)]
    return [{"s": f"{group}{number}", "g": group, "label": number % 2} for number, group in sorted(rows)]


def test_shots_are_the_first_rows_of_each_group_in_source_order():
    settings = {**with_columns(CLASSIFY, group="{g}"), "shots": {"of": "dev", "count": 2}}
    shots = rows_of(settings, [], "shots", dev=grouped({"x": 4, "y": 2, "z": 3}))
    assert [row["text"] for row in shots] == ["x0", "y0", "z0", "x1", "y1", "z1"]
    assert {row["split"] for row in shots} == {"shots"}
    plain = rows_of({**CLASSIFY, "shots": {"of": "dev", "count": 3}}, [], "shots", dev=sentences(9))
    assert [row["text"] for row in plain] == ["s0", "s1", "s2"]


def test_more_shots_than_there_are():
    settings = {**CLASSIFY, "shots": {"of": "test", "count": 4}}
    assert "shots.count is 4, but its split has only 3 rows. Lower it" in error_of(settings, sentences(3), "shots")
    settings = with_columns(settings, group="{g}")
    text = error_of(settings, grouped({"x": 4, "y": 3}), "shots")
    assert "shots.count is 4, but its split has only 3 rows of group 'y'. Lower it" in text


@pytest.mark.parametrize("evaluate", ["evaluate_split", "hash_split"])
def test_rows_that_are_shots_are_neither_evaluated_nor_trained_on(evaluate):
    settings = {**with_columns(CLASSIFY, group="{g}"), "shots": {"of": "test", "count": 2}}
    roles = ["evaluate"]
    if evaluate == "hash_split":
        settings |= {"hash_split": {"of": "test", "train": 8, "evaluate": 12}}
        roles = ["train", "evaluate"]
    rows = grouped({"x": 14, "y": 10})
    shots = {row["id"] for row in rows_of(settings, rows, "shots")}
    others = [row["id"] for role in roles for row in rows_of(settings, rows, role)]
    assert shots == {"test-0", "test-1", "test-2", "test-3"}
    assert not shots & {*others}
    assert len(others) == len({*others}) == 20


def test_shots_of_another_split_leave_the_evaluated_rows_alone():
    settings = {**CLASSIFY, "train_split": "train", "shots": {"of": "train", "count": 3}}
    assert len(rows_of(settings, sentences(9), "evaluate", train=sentences(5))) == 9
    assert len(rows_of(settings, sentences(9), "train", train=sentences(5))) == 5


def test_limits_do_not_touch_the_shots():
    settings = {**CLASSIFY, "shots": {"of": "test", "count": 3}, "limits": {"evaluate": 2}}
    assert [row["text"] for row in rows_of(settings, sentences(9), "shots")] == ["s0", "s1", "s2"]
    assert len(rows_of(settings, sentences(9))) == 2
