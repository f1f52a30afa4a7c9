"""The palette: contrast, lightness and distances under simulated color blindness, computed here from scratch."""

import itertools
import math

import pytest

from junkdna.report.plotting import palette

# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB
BLIND = {
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
SHOWN = {  # what figures show together
    "pruned": ["pruned-30", "pruned-50", "pruned-70", "pruned-90"],
    "bits": ["bits-8", "bits-4", "bits-3", "bits-2"],
    "rank": ["rank-1", "rank-0.5", "rank-0.25", "rank-0.125"],
}
NAMES = [f"pruned-{at}" for at in range(10, 100, 10)] + SHOWN["bits"] + SHOWN["rank"]


def times(matrix: list, vector: list) -> list:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def linear(color: str) -> list[float]:
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]


def lab(color: str, blind: str = "none") -> tuple[float, float, float]:
    seen = [min(1, max(0, value)) for value in times(BLIND[blind], linear(color))]
    x, y, z = (v / w for v, w in zip(times(XYZ, seen), (0.95047, 1, 1.08883), strict=True))
    f = [t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def ratio(one: str, other: str) -> float:
    high, low = sorted((times(XYZ, linear(one))[1], times(XYZ, linear(other))[1]), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_marks_and_text_have_contrast_with_the_ground(name, dark):
    ground = ("#ffffff", "#12171d")[dark]
    assert ratio(palette.color(name, dark), ground) >= 3
    assert ratio(palette.text_color(name, dark), ground) >= 4.5


@pytest.mark.parametrize("ramp", SHOWN)
@pytest.mark.parametrize("blind", BLIND)
def test_levels_that_are_shown_together_stay_apart(ramp, blind):
    seen = [lab(palette.color(name), blind) for name in SHOWN[ramp]]
    assert min(math.dist(a, b) for a, b in itertools.pairwise(seen)) >= 12


@pytest.mark.parametrize("names", [NAMES[:9], SHOWN["bits"], SHOWN["rank"]])
def test_a_stronger_level_is_darker(names):
    light = [lab(palette.color(name))[0] for name in names]
    assert light == sorted(light, reverse=True)


@pytest.mark.parametrize("blind", BLIND)
def test_ramps_of_different_kinds_differ(blind):
    """The strongest levels are nearly black in every ramp; marker and label tell them apart."""
    for one, other in itertools.combinations(SHOWN.values(), 2):
        for a, b in itertools.product(one[:2], other[:2]):
            assert math.dist(lab(palette.color(a), blind), lab(palette.color(b), blind)) >= 6, (a, b)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("dense", "ink"),
        ("magnitude-0.3", "pruned-30"),
        ("wanda-0.3,calibration=c4", "pruned-30"),
        ("nm-keep2of4", "pruned-50"),
        ("band-0.2to0.3", "pruned-10"),
        ("rtn-4bit,group=64", "bits-4"),
        ("svd-rank0.25", "rank-0.25"),
    ],
)
def test_a_level_has_one_color_whatever_prunes_it(tag, name):
    assert palette.level_color(tag) == name


def test_levels_between_the_steps_are_mixed_and_beyond_them_end():
    assert palette.color("pruned-30") == "#cc7018"
    between = palette.color("pruned-37.5")
    assert between not in (palette.color("pruned-30"), palette.color("pruned-40"))
    assert palette.color("pruned-5") == palette.color("pruned-10")
    assert palette.color("bits-16") == palette.color("bits-8")
