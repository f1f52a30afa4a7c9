"""The rules for levels: which values a study may ask for, and how they are written in names."""

import pytest

from junkdna.study.levels import BITS, LEVEL_KINDS, family, parse_level, read_format
from junkdna.study.number_formats import NUMBER_FORMATS

FORMATS = "int2, int3, int4, int5, int6, int7, int8, fp8, mxfp4, nf4, nvfp4"

GOOD = [
    ("sparsity", 0), ("sparsity", 0.7), ("sparsity", 1), ("sparsity", 1e-6), ("keep_of", (0, 1)), ("keep_of", (2, 4)),
    ("keep_of", (4, 4)), ("band", (0, 1)), ("band", (0.5, 0.5)), ("rank", 0), ("rank", 0.25), ("rank", 1),
    *(("bits", bits) for bits in BITS), *(("format", name) for name in NUMBER_FORMATS),
    ("external", "half"), ("external", "0.5"), ("external", "a-b_c.d"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), GOOD)
def test_a_good_level_survives_its_text(kind, value):
    assert LEVEL_KINDS[kind].error(value) == ""
    assert parse_level(LEVEL_KINDS[kind].write(value)) == (kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("sparsity", 70, "must be in 0..1 (the fraction of weights pruned); did you mean 0.7?"),
        ("sparsity", -0.1, "must be in 0..1 (the fraction of weights pruned)"),
        ("sparsity", 101, "must be in 0..1 (the fraction of weights pruned)"),
        ("sparsity", float("nan"), "must be in 0..1 (the fraction of weights pruned)"),
        ("sparsity", float("inf"), "must be in 0..1 (the fraction of weights pruned)"),
        ("sparsity", 0.12345678, "is 0.12345678, which has more than six digits, too many for a file name; round it"),
        (
            "sparsity",
            0.1 + 0.2,
            "is 0.30000000000000004, which has more than six digits, too many for a file name; round it",
        ),
        ("keep_of", (4, 2), "must have keep in 0..2 (of); did you mean keep: 2, of: 4?"),
        ("keep_of", (-1, 4), "must have keep in 0..4 (of)"),
        ("keep_of", (0, 0), "must have keep in 0..0 (of)"),
        ("keep_of", (1, -4), "must have keep in 0..-4 (of)"),
        ("band", (0.3, 0.2), "must be increasing; did you mean [0.2, 0.3]?"),
        ("band", (20, 30), "must be in 0..1 (quantiles of |w|); did you mean [0.2, 0.3]?"),
        ("band", (0.2, 1.5), "must be in 0..1 (quantiles of |w|)"),
        ("band", (-0.1, 0.2), "must be in 0..1 (quantiles of |w|)"),
        ("band", (0.1, float("nan")), "must be in 0..1 (quantiles of |w|)"),
        ("bits", 9, "must be one of 2, 3, 4, 5, 6, 7, 8 bits"),
        ("bits", 0, "must be one of 2, 3, 4, 5, 6, 7, 8 bits"),
        ("bits", 16, "must be one of 2, 3, 4, 5, 6, 7, 8 bits; a model in 16 bits is dense"),
        ("format", "NVFP4", f"must be one of {FORMATS}; did you mean nvfp4?"),
        ("format", "fp4", f"must be one of {FORMATS}; did you mean nvfp4 or mxfp4?"),
        ("format", "bfloat16", f"must be one of {FORMATS}"),
        ("rank", 25, "must be in 0..1 (the kept fraction of min(outputs, inputs), not a number of singular values)"),
        ("external", "a/b", "must start with a letter or digit and have only A-Z a-z 0-9 _ . - (at most 80)"),
        ("external", "", "must start with a letter or digit and have only A-Z a-z 0-9 _ . - (at most 80)"),
        ("external", "a" * 81, "must start with a letter or digit and have only A-Z a-z 0-9 _ . - (at most 80)"),
        ("rank", -1, "must be in 0..1 (the kept fraction of min(outputs, inputs), not a number of singular values)"),
    ],
)
def test_a_bad_level_says_the_rule_and_the_likely_fix(kind, value, words):
    assert LEVEL_KINDS[kind].error(value) == words


@pytest.mark.parametrize(
    "text",
    ["", "1.5", "0.50", "keep5of4", "keep02of4", "0.3to0.2", "9bit", "rank2", "half", "int4", "NF4", "from-", "from-."],
)
def test_texts_that_no_level_writes(text):
    with pytest.raises(ValueError, match=f"^{text}$"):
        parse_level(text)


@pytest.mark.parametrize(
    ("name", "level", "options_of"),
    [
        ("int2", ("bits", 2), "bits"),
        ("int8", ("bits", 8), "bits"),
        ("nvfp4", ("format", "nvfp4"), "nvfp4"),
        ("int9", ("format", "int9"), "int9"),
        ("int16", ("format", "int16"), "int16"),
    ],
)
def test_integer_formats_are_bits(name, level, options_of):
    assert read_format(name) == level
    assert family(*level) == options_of
