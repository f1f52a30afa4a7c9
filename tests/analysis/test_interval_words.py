"""Intervals whose limits are missing or infinite, in words and in decisions."""

from math import inf, nan

import pytest

from junkdna.analysis.interval_words import between, excludes_zero
from junkdna.analysis.scale_free import scale_free
from junkdna.cli.tables import interval as terminal
from junkdna.compare.differences import mover
from junkdna.report.model_card import _interval as card
from junkdna.report.page.words import interval as page

OPEN = (None, inf, -inf, nan)


@pytest.mark.parametrize("low", OPEN)
@pytest.mark.parametrize("high", OPEN)
def test_an_interval_without_limits_is_unbounded_everywhere(low: float | None, high: float | None) -> None:
    assert between(low, high) == page(low, high) == "unbounded"
    assert terminal(0.2, low, high) == "0.200 (unbounded)"
    assert card({"drop": 0.2, "drop_low": low, "drop_high": high}, "drop") == "0.200 (unbounded)"
    assert not excludes_zero(low, high)
    assert mover((0.2, low, high), (0.3, 0.25, 0.35)) == (pytest.approx(0.1), None, None)


@pytest.mark.parametrize("missing", OPEN)
def test_one_limit_still_says_something(missing: float | None) -> None:
    assert (between(0.1, missing), page(-0.1, missing)) == ("at least 0.100", "at least −0.10")
    assert (between(missing, 0.1), page(missing, -0.1)) == ("at most 0.100", "at most −0.10")
    assert terminal(0.2, 0.1, missing) == "0.200 (at least 0.100)"
    assert excludes_zero(0.1, missing)
    assert excludes_zero(missing, -0.1)
    assert not excludes_zero(-0.1, missing)
    assert not excludes_zero(missing, 0.1)


@pytest.mark.parametrize(
    ("low", "high", "apart"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.2, False), (0.0, 0.2, False)]
)
def test_a_bounded_interval_excludes_zero_or_not(low: float, high: float, apart: bool) -> None:
    assert excludes_zero(low, high) is apart
    assert between(low, high) == f"{low:.3f} to {high:.3f}"


def test_details_of_claims_have_no_infinite_limit() -> None:
    assert scale_free(0.2, -inf, inf).words == "d' 0.200 (unbounded)"
