"""Blocks of a page: found, filled, and compared so that the last decimal of another processor is no difference."""

import pytest

from junkdna.errors import UserError
from junkdna.report.findings.markers import Block, differing, filled, same, typed_numbers

PAGE = """# Title

<!-- findings: table most=3 -->
old
<!-- end findings -->

It is <!-- findings: value task=a task='b c' -->0.1<!-- end findings --> here, and
<!-- findings: value task=d --><!-- end findings -->.
"""


def echo(block: Block) -> str:
    return f"{block.name}\n{block.options}"


def test_a_block_with_own_lines_keeps_them_and_any_other_is_part_of_a_sentence() -> None:
    page = filled(PAGE, echo)
    assert "<!-- findings: table most=3 -->\ntable\n{'most': ['3']}\n<!-- end findings -->" in page
    assert "task='b c' -->value {'task': ['a', 'b c']}<!-- end findings --> here" in page
    assert filled(page, echo) == page
    assert not differing(page, echo)


def test_a_changed_block_is_found() -> None:
    page = filled(PAGE, echo).replace("{'most': ['3']}", "{'most': ['4']}")
    assert [words for words, *_ in differing(page, echo)] == ["table most=3"]


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("0.50 (0.43 to 0.57)", "0.51 (0.43 to 0.56)", True),
        ("0.50", "0.52", False),
        ("0.09", "0.10", True),
        ("0.5", "0.50", False),
        ("1,499 examples", "1,500 examples", False),
        ("1,234.5", "1,234.6", True),
        ("0.12 supported", "0.12 undecided", False),
        ("−0.01", "0.01", False),
        ("34.2 %", "34.3 %", True),
        ("a", "a 0.5", False),
    ],
)
def test_only_the_last_decimal_may_differ(one: str, other: str, equal: bool) -> None:
    assert same(one, other) is same(other, one) is equal


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<!-- findings: study -->", "has no end"),
        ("<!-- findings: a --> x <!-- findings: b --> y <!-- end findings -->", r"block 'a' has no end"),
        ("<!-- findings: a b --><!-- end findings -->", r"'b' must be KEY=VALUE"),
        ("<!-- findings: a b='c --><!-- end findings -->", "Quote values with spaces"),
        ("<!-- findings:  --><!-- end findings -->", "a block has no name"),
    ],
)
def test_a_wrong_mark_is_an_error(page: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        filled(page, echo)


def test_numbers_typed_by_hand_are_found() -> None:
    block = "<!-- findings: a -->0.9<!-- end findings -->"
    page = f"It keeps 0.81, or 12 %, of 2 tasks. `0.5` [x](a-0.1.md) <!-- 0.7 --> {block}"
    assert typed_numbers(page) == ["0.81", "12 %"]
