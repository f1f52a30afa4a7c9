"""Messages of other libraries inside our own."""

import pytest

from junkdna.errors import cause


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\n  two\n\nthree"), "one two"),
        (ValueError(), "ValueError"),
        (KeyError("gelu_neww"), "unknown name 'gelu_neww'"),  # str of a KeyError is the key alone
        (KeyError(), "KeyError"),
        (ValueError("x" * 300), "x" * 197 + "..."),
    ],
)
def test_the_cause_of_an_error(error, text):
    assert cause(error) == text
