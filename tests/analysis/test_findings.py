"""Verdicts: correction for multiple testing against SciPy, which findings count, and the headline of a claim."""

import numpy as np
import pytest
from scipy import stats

from junkdna.analysis.findings import Decided, Finding, decide, distinct, false_discovery_q, headline


def finding(supported: float = 1.0, contradicted: float = 1.0, **more: object) -> Finding:
    fields = {"unit": "", "setting": "", "model": "", "estimate": 0.1} | more
    return Finding(p_supported=supported, p_contradicted=contradicted, **fields)


@pytest.mark.parametrize("count", [1, 2, 20, 200])
def test_q_values_agree_with_scipy(count: int) -> None:
    p = np.random.default_rng(count).random(count) ** 3
    p[: count // 4] = p[0]  # ties
    assert false_discovery_q(p) == pytest.approx(stats.false_discovery_control(p))


def test_no_findings_have_no_q_values() -> None:
    assert false_discovery_q([]) == decide([]) == []


def test_testable_primary_findings_are_corrected_together() -> None:
    found = [
        finding(0.02),
        finding(1.0, 0.001),
        finding(0.3),
        finding(0.001, primary=False),
        finding(estimate=None, reason="nothing"),
        finding(0.0001, decidable=False, reason="one seed"),
    ]
    decided = decide(found)
    wanted = stats.false_discovery_control([0.02, 0.001, 0.3, 1.0])
    assert [each.q for each in decided if each.q is not None] == pytest.approx(wanted)
    assert [each.verdict for each in decided] == [
        "supported", "contradicted", "undecided", "supported", "untestable", "undecided",
    ]  # fmt: skip
    assert decided[3].q is decided[4].q is None


def test_more_tests_make_a_verdict_harder() -> None:
    assert decide([finding(0.04)])[0].verdict == "supported"
    assert {each.verdict for each in decide([finding(0.04), finding(0.5), finding(0.9)])} == {"undecided"}


def test_equal_findings_of_several_experiments_count_once() -> None:
    one = {"about": ("curve",), "kind": "k"}
    found = [
        finding(levels=("a",), **one),
        finding(levels=("a", "b"), **one),
        finding(levels=("b", "a"), **one),
        finding(levels=("c",), **one),
        finding(levels=("a",), about=("curve",), kind="other"),
        finding(levels=("a",), about=("another",), kind="k"),
    ]
    assert distinct(found) == [False, True, False, True, True, True]


def rows(*verdicts: str) -> list[Decided]:
    """Findings with these verdicts; a word after a colon changes one: `supported:against`, `supported:secondary`."""
    decided = []
    for text in verdicts:
        verdict, _, more = text.partition(":")
        scale = {"against": "against the claim", "for": "for the claim", "undecided": "undecided"}.get(more, "")
        reason = "too few" if verdict == "untestable" else ""
        decided.append(Decided(finding(scale_free=scale, primary=more != "secondary", reason=reason), None, verdict))
    return decided


@pytest.mark.parametrize(
    ("verdicts", "headed", "reason"),
    [
        (["supported"], "supported", ""),
        (["supported", "undecided"], "supported", ""),
        (["supported", "undecided", "undecided"], "undecided", "too few rows are decided"),
        (["supported", "untestable", "untestable"], "supported", ""),
        (["supported", "supported", "contradicted"], "undecided", "rows disagree"),
        (["supported", "contradicted"], "undecided", "rows disagree"),
        (["supported", "contradicted", "contradicted"], "contradicted", ""),
        (["contradicted", "undecided"], "contradicted", ""),
        (["contradicted", "undecided", "undecided"], "undecided", "too few rows are decided"),
        (["supported:against", "supported:for"], "undecided", "depends on the scale"),
        (["supported:undecided"], "supported", ""),
        (["supported", "undecided:against"], "supported", ""),
        (["supported", "contradicted:secondary"], "supported", ""),
        (["supported:secondary"], "untestable", "no experiment of the study tests it"),
        (["untestable", "untestable"], "untestable", "too few"),
        ([], "untestable", "no experiment of the study tests it"),
    ],
)
def test_the_headline(verdicts: list[str], headed: str, reason: str) -> None:
    found = headline(rows(*verdicts))
    assert (found.verdict, found.reason) == (headed, reason)
    assert sum(found.counts.values()) == sum("secondary" not in text for text in verdicts)
