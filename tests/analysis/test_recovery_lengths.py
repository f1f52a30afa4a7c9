"""Recovery lengths in the claim `irreversible`: each is tested by itself, the longest says whether it still gains."""

from dataclasses import replace

import numpy as np
import pytest
from planted_truth import Planted, World, evidence

from junkdna.analysis.claims import irreversible
from junkdna.analysis.curves import Curve
from junkdna.analysis.evidence import Evidence
from junkdna.analysis.findings import Finding

LEVELS = ("0.5", "0.6", "0.7")
DAMAGED = np.array([[0.7, 0.5, 0.3]])


def lengths(short: float, long: float) -> list[Finding]:
    """Findings of a study in which `sparse_to_dense` keeps `short` at one time the steps and `long` at three times."""
    world = World(
        (
            Planted("magnitude", LEVELS, DAMAGED),
            Planted("magnitude", LEVELS, np.full((1, 3), short), "sparse_to_dense"),
            Planted("magnitude", LEVELS, np.full((1, 3), long), "dense_freeze"),  # plays the longer training
        ),
        known=(0.7,), baseline=(0.25,), examples=2000, scatter=0.03,
    )  # fmt: skip
    found = evidence(world, 5, 0)
    sparse, short_curve, long_curve = found.curves
    longer = replace(long_curve, transfer="sparse_to_dense", protocol="default-x3")
    return list(
        irreversible.findings(with_curves(found, sparse, replace(sparse, protocol="default-x3"), short_curve, longer))
    )


def with_curves(found: Evidence, *curves: Curve) -> Evidence:
    return replace(found, curves=curves)


def test_each_length_has_a_finding_of_its_own() -> None:
    usual, longer = lengths(0.6, 0.8)
    assert usual.estimate == pytest.approx(0.6, abs=0.06)
    assert longer.estimate == pytest.approx(0.8, abs=0.06)
    assert "1x" not in usual.details
    assert f"against dense at 1x {longer.estimate:.3f}" in longer.details  # the dense model is the same here


def test_the_longest_training_says_whether_it_still_gains() -> None:
    usual, longer = lengths(0.6, 0.8)
    assert "still rising" not in usual.details
    assert f"still rising: {usual.estimate:.3f} at 1x" in longer.details
    assert all("still rising" not in finding.details for finding in lengths(0.7, 0.71))


def test_enough_training_may_bring_it_back() -> None:
    usual, longer = lengths(0.6, 1.05)
    assert usual.p_supported < 0.05 < longer.p_supported
    assert longer.p_contradicted < 0.05
