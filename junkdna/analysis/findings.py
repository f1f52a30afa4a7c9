"""Findings: one tested statement about one unit of a study, and its verdict after correction for multiple testing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

SUPPORTED, CONTRADICTED, UNDECIDED, UNTESTABLE = "supported", "contradicted", "undecided", "untestable"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, UNTESTABLE)
FOR, AGAINST = "for the claim", "against the claim"  # what a scale-free check may say, apart from undecided
FALSE_DISCOVERY_RATE = 0.05


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an experiment says about a claim for one unit, before correction for multiple testing.

    - `about`: the names of its curves; `kind`: what is computed from them. Findings with the same curves and `kind`
      differ only in their levels and seeds.
    - `unit`: what is tested, in words; `setting`: compression, transfer mode and protocol, in words.
    - `estimate`, `low`, `high`: the effect and its 95 % interval; None if untestable, infinite where unbounded.
    - `p_supported`, `p_contradicted`: p-values of the two rules; each already counts both directions.
    - `reason`: why it is untestable, or at most undecided (`decidable` is false).
    - `scale_free`: what d' says, whatever the verdict: "for the claim", "against the claim", "undecided", or "" if
      not compared.
    - `levels`: the levels it rests on; `details`: other numbers in words; `losses`: loss of each condition in words.
    - `primary`: whether it takes part in the correction and in the headline.
    - `seeds`: the seeds of its cells; `n_seeds`: the fewest of any level.
    - `detectable`: the effect that would be found in 80 % of studies like this; `seeds_needed` and `examples_needed`:
      how many would find twice the margin above it, one of them or None.
    """

    about: tuple = ()
    kind: str = ""
    unit: str
    setting: str
    model: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_supported: float = 1.0
    p_contradicted: float = 1.0
    reason: str = ""
    decidable: bool = True
    scale_free: str = ""
    levels: tuple[str, ...] = ()
    details: str = ""
    losses: str = ""
    primary: bool = True
    seeds: frozenset[int] = frozenset()
    n_seeds: int = 1
    n_examples: int = 0
    n_tasks: int = 1
    collapsed: int = 0
    detectable: float | None = None
    seeds_needed: int | None = None
    examples_needed: int | None = None

    @property
    def testable(self) -> bool:
        """Whether it has an estimate."""
        return self.estimate is not None

    @property
    def p(self) -> float:
        """The smaller of its two p-values; 1 if no verdict is allowed."""
        return min(self.p_supported, self.p_contradicted, 1.0) if self.decidable else 1.0


@dataclass(frozen=True)
class Decided:
    """A finding with its q-value (None outside the correction) and verdict."""

    finding: Finding
    q: float | None
    verdict: str


def distinct(findings: Sequence[Finding]) -> list[bool]:
    """Which findings to keep: not those about the same curves as another with the same levels and seeds and more, or as
    an earlier one with the same ones. Several experiments of a study may share cells, and name tasks in another order.
    """
    rests_on = [({*finding.levels}, finding.seeds) for finding in findings]
    same = [({*finding.about}, finding.kind) for finding in findings]
    return [
        not any(
            same[at] == same[there] and levels <= more_levels and seeds <= more_seeds
            and ((levels, seeds) != (more_levels, more_seeds) or there < at)
            for there, (more_levels, more_seeds) in enumerate(rests_on)
        )
        for at, (levels, seeds) in enumerate(rests_on)
    ]  # fmt: skip


def decide(findings: Iterable[Finding]) -> list[Decided]:
    """Verdicts of the findings of a study.

    Testable primary findings are corrected together: supported or contradicted needs q <= 0.05 (Benjamini and Hochberg
    1995, doi 10.1111/j.2517-6161.1995.tb02031.x). Other testable findings have no q-value and use p <= 0.05.
    """
    findings = list(findings)
    family = [at for at, finding in enumerate(findings) if finding.primary and finding.testable]
    q = dict(zip(family, false_discovery_q([findings[at].p for at in family]), strict=True))
    return [Decided(finding, q.get(at), _verdict(finding, q.get(at, finding.p))) for at, finding in enumerate(findings)]


def _verdict(finding: Finding, error: float) -> str:
    if not finding.testable:
        return UNTESTABLE
    if not finding.decidable or error > FALSE_DISCOVERY_RATE:
        return UNDECIDED
    return SUPPORTED if finding.p_supported <= finding.p_contradicted else CONTRADICTED


def false_discovery_q(p: Iterable[float]) -> list[float]:
    """Benjamini-Hochberg q-values: the smallest false discovery rate at which each p-value is rejected."""
    p = np.asarray(list(p), float)
    order = np.argsort(p)
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q.tolist()


@dataclass(frozen=True)
class Headline:
    """A claim's verdict for a study, the reason, and the number of findings by verdict."""

    verdict: str
    reason: str
    counts: dict[str, int] = field(default_factory=dict)


def headline(decided: Iterable[Decided]) -> Headline:
    """The verdict of all primary findings of one claim.

    Supported: at least half of the testable ones are, none is contradicted, and no supported one has a
    scale-free check against the claim. With such a check, undecided: it depends on the scale. Contradicted: at least
    half are, and more than are supported.
    """
    decided = [each for each in decided if each.finding.primary]
    counts = {verdict: sum(each.verdict == verdict for each in decided) for verdict in VERDICTS}
    testable = len(decided) - counts[UNTESTABLE]
    if not testable:
        return Headline(UNTESTABLE, _first_reason(decided), counts)
    if counts[SUPPORTED] * 2 >= testable and not counts[CONTRADICTED]:
        reversed_ = any(each.verdict == SUPPORTED and each.finding.scale_free == AGAINST for each in decided)
        return Headline(*((UNDECIDED, "depends on the scale") if reversed_ else (SUPPORTED, "")), counts)
    if counts[CONTRADICTED] * 2 >= testable and counts[CONTRADICTED] > counts[SUPPORTED]:
        return Headline(CONTRADICTED, "", counts)
    disagree = counts[SUPPORTED] and counts[CONTRADICTED]
    return Headline(UNDECIDED, "rows disagree" if disagree else "too few rows are decided", counts)


def _first_reason(decided: list[Decided]) -> str:
    return decided[0].finding.reason if decided else "no experiment of the study tests it"
