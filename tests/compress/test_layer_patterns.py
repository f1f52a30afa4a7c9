import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress.layer_patterns import select_layers
from junkdna.errors import UserError

LLAMA = [
    f"model.layers.{block}.{part}.weight"
    for block in range(32)
    for part in ("self_attn.q_proj", "self_attn.o_proj", "mlp.up_proj", "mlp.down_proj")
]
BERT = [
    f"encoder.layer.{block}.{part}.weight"
    for block in range(12)
    for part in ("attention.self.query", "attention.output.dense", "intermediate.dense", "output.dense")
]


def test_a_block_is_not_its_namesakes():
    assert select_layers(BERT, ["1"]) == [name for name in BERT if name.startswith("encoder.layer.1.")]
    assert len(select_layers(BERT, ["layer.11"])) == 4


def test_components_match_completely():
    assert select_layers(BERT, ["output"]) == [name for name in BERT if ".output." in name]
    assert select_layers(LLAMA, ["layers.28.mlp.down_proj"]) == ["model.layers.28.mlp.down_proj.weight"]
    with pytest.raises(UserError, match="Did you mean 'self_attn'"):
        select_layers(LLAMA, ["attn"])


def test_the_suffix_weight_is_optional():
    full = "model.layers.3.mlp.up_proj.weight"
    assert select_layers(LLAMA, [full]) == select_layers(LLAMA, ["3.mlp.up_proj"]) == [full]
    with pytest.raises(UserError, match="matches none"):
        select_layers(LLAMA, ["weight"])


def test_ranges_are_of_numbers_and_closed():
    expected = [
        f"model.layers.{block}.mlp.{part}.weight" for block in range(9, 12) for part in ("up_proj", "down_proj")
    ]
    assert select_layers(LLAMA, ["9-11.mlp"]) == expected
    assert select_layers(LLAMA, ["30-99.mlp.up_proj"]) == [
        "model.layers.30.mlp.up_proj.weight",
        "model.layers.31.mlp.up_proj.weight",
    ]
    assert select_layers(["a-1.x", "0-1.x"], ["a-1"]) == ["a-1.x"]


def test_several_patterns_join_in_the_order_of_names():
    assert select_layers(BERT, ["11.output", "0.intermediate", "11"]) == [BERT[2], *BERT[44:]]


def runs_by_regex(names, patterns):
    joined = "|".join(re.escape(pattern) for pattern in patterns)
    return [name for name in names if re.search(rf"(?:^|\.)(?:{joined})(?:\.|$)", name.removesuffix(".weight"))]


dotted = st.lists(st.sampled_from(["a", "aa", "b", "1", "11"]), min_size=1, max_size=4).map(".".join)


@given(st.lists(dotted, unique=True, max_size=6), st.lists(dotted, min_size=1, max_size=3))
def test_as_a_regular_expression_would(stems, patterns):
    names = [f"{stem}.weight" for stem in stems]
    if all(runs_by_regex(names, [pattern]) for pattern in patterns):
        assert select_layers(names, patterns) == runs_by_regex(names, patterns)
    else:
        with pytest.raises(UserError, match="matches none"):
            select_layers(names, patterns)


@pytest.mark.parametrize(
    ("patterns", "words"),
    [
        ([], "layers is empty"),
        ([""], "empty component"),
        (["11..mlp"], "empty component"),
        (["29-24.mlp"], "is decreasing; write 24-29"),
        (["32.mlp"], "'32.mlp' matches none of the 128 matrices.* Did you mean .*'31.mlp'"),
        (["mlp.dwon_proj"], "Did you mean 'mlp.down_proj'"),
        (["mlp", "attention"], "'attention' matches none"),
        (["a.b.c.d.e.f.g.h"], r"matches none.*Matrices: model\.layers\.0\.self_attn\.q_proj\.weight, .*, \.\.\., "),
    ],
)
def test_wrong_patterns(patterns, words):
    with pytest.raises(UserError, match=words):
        select_layers(LLAMA, patterns)
