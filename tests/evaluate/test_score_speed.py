"""`benchmarks/score_speed.py`: both contenders compute the same scores; the lower bound counts each beginning once."""

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from junkdna.models import tree_attention

FILE = Path(__file__).parents[2] / "benchmarks/score_speed.py"
ARGS = argparse.Namespace(shape="tiny", questions=6, text_subjects=2, letter_subjects=2, short_questions=12)


@pytest.fixture(scope="module")
def score_speed():
    spec = importlib.util.spec_from_file_location("score_speed", FILE)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FILE.parent))
        patch.setitem(__import__("sys").modules, "score_speed", module)  # dataclasses look their module up
        spec.loader.exec_module(module)
        yield module


@pytest.mark.parametrize("name", ["text", "letters", "short"])
@pytest.mark.parametrize("tiled", [False, True])
def test_ours_and_the_peer_score_the_same(score_speed, monkeypatch, name, tiled):
    """In float32, with the sizes of tiles and packs that a GPU uses."""
    if tiled:
        monkeypatch.setattr(tree_attention, "TILED_DEVICES", {"cpu"})
    work, model = score_speed.workload(name, ARGS), score_speed.load("tiny", "cpu").float()
    expected = score_speed.plain(work, model, "cpu", 5)
    assert len(set(expected.round(3))) > len(work.queries)
    np.testing.assert_allclose(score_speed.ours(work, model, "cpu", None, None), expected, atol=2e-5)


@pytest.mark.parametrize("name", ["text", "letters", "short"])
def test_the_lower_bound_counts_each_beginning_once(score_speed, name):
    work = score_speed.workload(name, ARGS)
    rows = [[*query, *option[:-1]] for query, row in zip(work.queries, work.options, strict=True) for option in row]
    distinct = len({tuple(row[: n + 1]) for row in rows for n in range(len(row))})
    matrices = 2 * 64 * (4 * 64 + 3 * 128)  # of two blocks
    assert score_speed.lower_bound(name, ARGS, 1.0) == distinct * 2 * matrices
