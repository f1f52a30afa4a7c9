"""Packs and masks from intervals against trees built token by token."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_oracle import slow_mask, slow_packs

from junkdna.models import tree_plan
from junkdna.models.tree_attention import padded_nodes, tiles_of, tree_mask
from junkdna.models.tree_plan import tree_packs

ROW = st.lists(st.integers(0, 2), min_size=1, max_size=14)
ROWS = st.lists(st.tuples(ROW, st.integers(0, 13)).map(lambda row: (row[0], row[1] % len(row[0]))), max_size=30)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(1, 40))
def test_packs_are_those_built_token_by_token(scored_rows, tokens):
    """Rows of three words, so that they share, and begin one another, in every way."""
    rows, first = [row for row, _ in scored_rows], [start for _, start in scored_rows]
    wanted, got = slow_packs(rows, first, tokens), tree_packs(rows, first, tokens)
    assert [pack.rows for pack in got] == [pack.rows for pack in wanted]
    for ours, slow in zip(got, wanted, strict=True):
        assert (ours.kept, ours.tokens.tolist(), ours.depths.tolist()) == (slow.kept, slow.tokens, slow.depths)
        assert ours.paths == slow.paths
        nodes = [node for r, path in zip(slow.rows, slow.paths, strict=True) for node in path[first[r] :]]
        assert ours.scored.tolist() == sorted(set(nodes))
        assert ours.scored[ours.positions].tolist() == nodes
        assert [ours.scored[place] for place in ours.places.values()] == list(ours.places)
        assert torch.equal(tree_mask(ours, torch.float32, "cpu"), slow_mask(slow, torch.float32))
    for ours, following in pairwise(got):
        assert ours.carried.tolist() == ours.paths[-1][: following.kept]


@settings(max_examples=40, deadline=None)
@given(ROWS.filter(bool), st.integers(1, 40), st.sampled_from([2, 4, 8]))
def test_tiles_show_each_token_its_ancestors_and_itself_once(scored_rows, tokens, queries):
    rows, first = [row for row, _ in scored_rows], [start for _, start in scored_rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("junkdna.models.tree_attention.QUERIES", queries)
        patch.setattr("junkdna.models.tree_attention.KEYS", 4)
        for ours, slow in zip(tree_packs(rows, first, tokens), slow_packs(rows, first, tokens), strict=True):
            size = -(-len(slow.tokens) // queries) * queries + queries
            tiles = tiles_of(ours, size, torch.float32, "cpu")
            wanted = torch.nn.functional.pad(slow_mask(slow, torch.float32) == 0, (0, size, 0, 0))
            wanted = wanted[:, : ours.kept + size]
            keys = tiles.keys.view(len(tiles.mask), -1)
            assert keys.shape[1] % 4 == 0
            for t in range(size):
                tile, query = divmod(t, queries)
                seen = keys[tile][tiles.mask[tile, 0, query] == 0].tolist()
                expected = wanted[t].nonzero().flatten().tolist() if t < len(wanted) else [ours.kept + t]
                assert sorted(seen) == expected


def test_tiles_of_short_questions_hold_few_keys():
    """400 questions of 35 tokens with 4 options of 5: tiles read under a tenth of what a mask over all nodes reads."""
    rng = np.random.default_rng(0)
    rows = [[*q, *rng.integers(1000, 2000, 4)] for q in rng.integers(0, 1000, (400, 35)).tolist() for _ in range(4)]
    pack = tree_packs(rows, [34] * len(rows), 4096)[0]
    tiles = tiles_of(pack, padded_nodes(len(pack.tokens)), torch.float32, "cpu")
    assert tiles.mask.numel() < 0.1 * len(pack.tokens) ** 2


def test_a_plan_is_made_once_for_equal_rows(monkeypatch):
    rows = [[5, 6, 7, 8], [5, 6, 9], [5, 6, 7]]
    packs = tree_packs(rows, [2, 2, 2], 3)
    assert tree_packs([list(row) for row in rows], (2, 2, 2), 3) is packs
    others = [([[5, 6, 7], [8, 5, 6, 9], [5, 6, 7]], [2, 2, 2], 3), (rows, [2, 1, 2], 3), (rows, [2, 2, 2], 4)]
    assert all(tree_packs(*other) is not packs for other in others)
    monkeypatch.setattr(tree_plan, "PLANS", 2)
    tree_packs([[1, 2]], [0], 3)
    tree_packs([[1, 3]], [0], 3)
    assert len(tree_plan._plans) == 2
    assert tree_packs(rows, [2, 2, 2], 3) is not packs


@pytest.mark.parametrize(
    ("nodes", "size"), [(1, 256), (256, 256), (257, 512), (2048, 2048), (2049, 3072), (4097, 5120)]
)
def test_packs_are_padded_to_few_sizes(nodes, size):
    assert padded_nodes(nodes) == size
