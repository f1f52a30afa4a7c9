import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from junkdna.compress.methods.svd import compress, decompose, prepare

NAME = "model.layers.0.mlp.down_proj.weight"


@pytest.fixture
def weight():
    return torch.tensor(np.random.default_rng(1).normal(size=(12, 7)), dtype=torch.float32)


@pytest.fixture
def decompositions(monkeypatch):
    """The shapes that the real decomposition was called with, in order."""
    shapes, real = [], torch.linalg.svd

    def counted(matrix, **options):
        shapes.append(tuple(matrix.shape))
        return real(matrix, **options)

    monkeypatch.setattr(torch.linalg, "svd", counted)
    return shapes


def test_a_second_rank_costs_no_second_decomposition(tmp_path, weight, decompositions):
    for level in (0.5, 0.3, 0.9):
        factors = prepare(tmp_path, NAME, weight)["factors"]
        with_cache = compress(weight, None, level, factors=factors).weight
        assert len(decompositions) == 1
        np.testing.assert_array_equal(with_cache, compress(weight, None, level).weight)
        decompositions.pop()


def test_factors_are_read_back(tmp_path, weight, decompositions):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        typed = weight.to(dtype)
        made, read = (prepare(tmp_path, NAME, typed)["factors"] for _ in range(2))
        for one, other, fresh in zip(made, read, decompose(typed), strict=True):
            assert one.dtype == other.dtype == torch.promote_types(dtype, torch.float32)
            assert torch.equal(one, other)
            assert torch.equal(one, fresh)
    assert len(decompositions) == 6  # made and fresh for each dtype: bytes of another dtype are no hit
    assert [path.name for path in tmp_path.glob("[!.]*")] == [f"{NAME}.safetensors"]


def test_other_weights_with_the_same_name_are_not_used(tmp_path, weight, decompositions, caplog):
    prepare(tmp_path, NAME, weight)
    moved = weight.clone()
    moved[3, 3] += 1e-6
    with caplog.at_level(logging.INFO):
        found = prepare(tmp_path, NAME, moved)["factors"]
    assert "is from other weights" in caplog.text
    assert len(decompositions) == 2
    np.testing.assert_allclose(found.u * found.s @ found.v, moved, atol=1e-5)
    prepare(tmp_path, NAME, moved)
    assert len(decompositions) == 2  # the new factors took the file's place


def test_equal_bytes_of_another_shape_are_no_hit(tmp_path, weight):
    prepare(tmp_path, NAME, weight)
    assert prepare(tmp_path, NAME, weight.reshape(7, 12))["factors"].u.shape == (7, 7)


def test_layers_do_not_share_a_file(tmp_path, weight, decompositions):
    prepare(tmp_path, "a.weight", weight)
    prepare(tmp_path, "b.weight", weight)
    assert len(decompositions) == 2
    assert len(list(tmp_path.glob("[!.]*"))) == 2


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign"])
def test_a_corrupt_file_is_replaced(tmp_path, weight, decompositions, caplog, damage):
    made = prepare(tmp_path, NAME, weight)["factors"]
    path = tmp_path / f"{NAME}.safetensors"
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[:-9], "flip": whole[:-1] + bytes([whole[-1] ^ 1]), "foreign": b"x" * 99}[damage])
    again = prepare(tmp_path, NAME, weight)["factors"]
    assert len(decompositions) == 2
    assert f"recomputing the singular values: {path}" in caplog.text
    assert all(torch.equal(one, other) for one, other in zip(made, again, strict=True))
    assert path.read_bytes() == whole


def test_concurrent_writers_leave_one_complete_file(tmp_path, weight):
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: prepare(tmp_path, NAME, weight)["factors"], range(12)))
    assert [path.name for path in tmp_path.glob("[!.]*")] == [f"{NAME}.safetensors"]
    for each in found:
        np.testing.assert_allclose(each.u * each.s @ each.v, weight, atol=1e-5)


def test_a_transposed_view_reads_the_cache_of_its_copy(tmp_path, weight, decompositions):
    prepare(tmp_path, NAME, weight.t())
    prepare(tmp_path, NAME, weight.t().contiguous())
    assert len(decompositions) == 1


def test_a_name_is_no_path(tmp_path, weight):
    with pytest.raises(AssertionError, match="not a parameter name"):
        prepare(tmp_path, "../elsewhere", weight)
