"""Names of cells: path and cell hold the same facts, and nothing else is a path."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junkdna.errors import UserError
from junkdna.study.cell import (
    TRAINING_KNOBS,
    Cell,
    Compression,
    knob_text,
    parse_cell_path,
    parse_compression,
    parse_knobs,
)
from junkdna.study.levels import BITS, LEVEL_KINDS
from junkdna.study.methods import METHODS

METHODS_OF = {kind: sorted(n for n, method in METHODS.items() if kind in method.levels) for kind in LEVEL_KINDS}

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,8}", fullmatch=True)
WORDS = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,6}", fullmatch=True)
SIX_DIGITS = st.one_of(
    st.integers(1, 10**6).map(lambda n: n / 10**6),
    st.floats(1e-12, 1.0).map(lambda x: float(f"{x:.6g}")),
    st.sampled_from([1e-06, 1e-05, 0.0001, 0.1, 0.3, 1 / 2, 0.999999, 1.0]),
)
VALUES = {
    "sparsity": SIX_DIGITS,
    "keep_of": st.integers(1, 1024).flatmap(lambda of: st.tuples(st.integers(0, of - 1), st.just(of))),
    "band": st.tuples(SIX_DIGITS | st.just(0.0), SIX_DIGITS).filter(lambda ends: ends[0] < ends[1]),
    "bits": st.sampled_from(BITS),
    "rank": SIX_DIGITS.filter(lambda share: share < 1) | st.just(0.0),
    "external": NAMES,
}
OPTIONS = st.dictionaries(WORDS, st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,8}", fullmatch=True), max_size=3)


def with_level(kind):
    return st.builds(
        lambda method, value, options: Compression(
            method, LEVEL_KINDS[kind].write(value), tuple(sorted(options.items()))
        ),
        st.sampled_from(METHODS_OF[kind]), VALUES[kind], OPTIONS,
    )  # fmt: skip


COMPRESSIONS = st.one_of(st.just(Compression()), *map(with_level, LEVEL_KINDS))
KNOBS = st.dictionaries(
    st.sampled_from(["answer_span", "context", "data_fraction", "options", "shots"]), WORDS | st.integers(0, 10**6)
).map(lambda values: tuple(sorted(values.items())))
MODES = st.sampled_from(["none", "dense", "sparse", "sparse_to_dense", "dense_freeze"])
CELLS = st.builds(Cell, NAMES, NAMES, KNOBS, COMPRESSIONS, MODES, NAMES, st.integers(0, 2**31 - 1))

CELL = Cell("tiny", "mood", (), Compression("magnitude", "0.5"), "sparse", "default", 3)


@given(CELLS)
def test_a_cell_survives_its_path(cell):
    assert parse_cell_path(cell.path) == cell
    assert parse_cell_path(cell.key) == cell
    assert parse_knobs(knob_text(cell.knobs)) == cell.knobs
    assert cell.path.startswith("results/cells/")
    assert ".." not in cell.path.split("/")


@given(CELLS, CELLS, st.data())
def test_distinct_cells_have_distinct_paths(one, other, data):
    fields = data.draw(st.sets(st.sampled_from([*Cell.__dataclass_fields__])))
    other = replace(one, **{name: getattr(other, name) for name in fields})
    assert (one == other) == (one.path == other.path)
    encoded = ("model", "task", "protocol", "token_knobs")
    same_tokens = all(getattr(one, name) == getattr(other, name) for name in encoded)
    for role in ("train", "evaluate"):
        assert same_tokens == (one.tokens_path(role) == other.tokens_path(role))
    assert one.tokens_path("train") != one.tokens_path("evaluate")


@given(CELLS)
def test_knobs_of_training_are_no_knobs_of_the_encoded_files(cell):
    named = {name for name, _ in cell.knobs}
    assert {name for name, _ in cell.token_knobs} == named - {"data_fraction"}
    assert {*cell.token_knobs} <= {*cell.knobs}
    assert TRAINING_KNOBS == ("data_fraction",)
    assert cell.roles == (("evaluate",) if cell.transfer == "none" else ("train", "evaluate"))


def test_paths_are_readable():
    assert CELL.path == "results/cells/tiny/mood/plain/magnitude-0.5/sparse/default/seed-3.parquet"
    cell = replace(CELL, knobs=(("context", "passage"), ("options", 3)), compression=Compression("nm", "keep2of4"))
    assert cell.key == "tiny/mood/context=passage,options=3/nm-keep2of4/sparse/default/seed-3"
    folder = "results/tokens/tiny/mood/context=passage,options=3/default"
    assert [cell.tokens_path(role) for role in cell.roles] == [f"{folder}/train.arrow", f"{folder}/evaluate.arrow"]
    cell = replace(cell, knobs=(("data_fraction", 50),), transfer="none")
    assert cell.path == "results/cells/tiny/mood/data_fraction=50/nm-keep2of4/none/default/seed-3.parquet"
    assert [cell.tokens_path(role) for role in cell.roles] == ["results/tokens/tiny/mood/plain/default/evaluate.arrow"]
    assert cell.model_folder == "results/models/tiny"


@pytest.mark.parametrize(
    ("compression", "tag", "nominal", "level"),
    [
        (Compression("magnitude", "1e-06"), "magnitude-1e-06", 1e-06, 1e-06),
        (Compression("random", "1"), "random-1", 1.0, 1.0),
        (Compression("nm", "keep1of4"), "nm-keep1of4", 0.75, (1, 4)),
        (Compression("nm", "keep0of4"), "nm-keep0of4", 1.0, (0, 4)),
        (Compression("band", "0.2to0.3"), "band-0.2to0.3", 0.1, (0.2, 0.3)),
        (Compression("rtn", "4bit", (("group", "64"),)), "rtn-4bit,group=64", 0.0, 4),
        (Compression("svd", "rank0.25", (("layers", "11.mlp+8-10"),)), "svd-rank0.25,layers=11.mlp+8-10", 0.0, 0.25),
    ],
)
def test_compressions(compression, tag, nominal, level):
    assert compression.tag == tag
    assert parse_compression(tag) == compression
    assert compression.nominal_sparsity == nominal
    assert compression.value == level


def test_dense_has_no_level():
    assert (Compression().tag, Compression().nominal_sparsity) == ("dense", 0.0)
    assert parse_compression("dense") == Compression()


def test_methods_can_stand_in_a_tag():
    for name in METHODS:
        assert re.fullmatch(r"[a-z_]+", name)
    assert "dense" not in METHODS


GOOD = ["tiny", "mood", "plain", "magnitude-0.5", "sparse", "default", "seed-3"]
WRONG_PARTS = {
    0: ["", "..", ".", ".hidden", "-x", "a b", "a;b", "$(x)"],
    1: ["", "..", "mood\n"],
    2: ["", "context", "options=03", "options=+3", "options=", "plain,options=3", "..", "context=../x"],
    3: [
        "", "magnitude", "magnitude-", "magnitude-0.50", "magnitude-5e-1", "magnitude-.5", "magnitude-0",
        "magnitude-1.5", "magnitude--0.5", "magnitude-nan", "magnitude-inf", "magnitude-1e-6", "magnitude-0.1234567",
        "-0.5", "dense-0.5", "nm-keep2of", "nm-keep4of4", "nm-keep5of4", "nm-keep0of0", "nm-keep02of4",
        "nm-keep٢of4", "Nm-keep2of4 ", "rtn-5bit", "rtn-04bit", "rtn-4bits", "svd-rank1", "svd-rank2", "svd-0.5rank",
        "band-0.3to0.2", "band-0.2to0.2", "band-0.2to1.2", "rtn-4bit,", "rtn-4bit,group",
        "rtn-4bit,b=1,a=2", "rtn-4bit,a=1,a=2", "rtn,group=4", "rtn-4bit,layers=../x",
    ],
    4: ["", ".."],
    5: ["", ".."],
    6: ["seed-", "seed--1", "seed-03", "seed-1.0", "3.5", "seed-x", "seed-1_0", "seed-+1", "Seed-3"],
}  # fmt: skip


def test_the_good_path_is_good():
    assert parse_cell_path("/".join(GOOD)) == CELL


@pytest.mark.parametrize(("place", "part"), [(place, part) for place, parts in WRONG_PARTS.items() for part in parts])
def test_a_malformed_part_is_a_user_error(place, part):
    parts = [*GOOD[:place], part, *GOOD[place + 1 :]]
    with pytest.raises(UserError, match=r"is not the path of a cell\. The pattern is"):
        parse_cell_path("/".join(parts))


@pytest.mark.parametrize(
    "path", ["", "/", "x", "results/cells/", "/".join(GOOD[:-1]), "/".join([*GOOD, "x"]), CELL.path[1:]]
)
def test_a_path_with_too_few_or_too_many_parts_is_a_user_error(path):
    with pytest.raises(UserError, match="is not the path of a cell"):
        parse_cell_path(path)


@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*GOOD, "..", "", "options=x", "a=b=c"]), max_size=9).map("/".join)
)
def test_any_text_is_a_cell_or_a_user_error(text):
    try:
        cell = parse_cell_path(text)
    except UserError:
        return
    assert cell.key == text.removeprefix("results/cells/").removesuffix(".parquet")
    assert parse_cell_path(cell.path) == cell
