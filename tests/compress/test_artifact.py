import dataclasses

import pytest
import torch

from junkdna.compress.artifact import KIND, read_artifact, write_artifact
from junkdna.compress.masks import MatrixResult
from junkdna.errors import UserError
from junkdna.storage.tensors import write_tensors

FACTS = {"digest": "abc", "layers": {"b.weight": {"sparsity": 0.5}}}


@pytest.fixture
def results():
    """A mask alone, both, a weight alone; names out of alphabetical order, sizes that eight does not divide."""
    generator = torch.Generator().manual_seed(3)
    masks = [torch.rand(shape, generator=generator) < 0.5 for shape in ((5, 7), (4, 6))]
    weight = torch.randn(4, 6, generator=generator).bfloat16() * masks[1]
    quantized = torch.randn(6, 3, generator=generator).t()
    return {
        "b.weight": MatrixResult(masks[0], None),
        "c.weight": MatrixResult(masks[1], weight),
        "a.weight": MatrixResult(None, quantized),
    }


@pytest.fixture
def path(tmp_path, results):
    target = tmp_path / "model" / "method.safetensors"
    write_artifact(target, iter(results.items()), FACTS)
    return target


def test_round_trip(path, results):
    found = read_artifact(path)
    assert found.facts == FACTS
    assert found.masks.keys() == {"b.weight", "c.weight"}
    assert found.weights.keys() == {"a.weight", "c.weight"}
    for name, result in results.items():
        if result.mask is not None:
            assert found.masks[name].dtype == torch.bool
            assert torch.equal(found.masks[name], result.mask)
        if result.weight is not None:
            assert found.weights[name].dtype == result.weight.dtype
            assert torch.equal(found.weights[name], result.weight)
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.facts = {}


def test_masks_take_a_bit_a_weight(tmp_path):
    sizes = []
    for side in (256, 512):
        write_artifact(tmp_path / "x", [("w", MatrixResult(torch.ones(side, side, dtype=torch.bool), None))], {})
        sizes.append((tmp_path / "x").stat().st_size)
    assert sizes[1] - sizes[0] == (512**2 - 256**2) // 8


def test_results_are_packed_as_they_come_and_facts_read_last(tmp_path):
    """The generator reuses one mask, so it must be packed at once, and tells its facts when it is through."""
    mask, facts = torch.empty(2, 3, dtype=torch.bool), {}

    def results():
        for number, name in enumerate(("one", "two")):
            mask.fill_(number)
            yield name, MatrixResult(mask, None)
        facts["layers"] = 2

    write_artifact(tmp_path / "x", results(), facts)
    found = read_artifact(tmp_path / "x")
    assert not found.masks["one"].any()
    assert found.masks["two"].all()
    assert found.facts == {"layers": 2}


def test_a_failure_on_the_way_leaves_nothing(tmp_path, results):
    def breaks():
        yield from results.items()
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        write_artifact(tmp_path / "x", breaks(), {})
    assert list(tmp_path.iterdir()) == []


def test_equal_results_give_equal_files(tmp_path, path, results):
    write_artifact(tmp_path / "again", list(results.items()), dict(reversed(FACTS.items())))
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_no_matrix_at_all(tmp_path):
    write_artifact(tmp_path / "x", [], FACTS)
    assert read_artifact(tmp_path / "x").masks == {}


def test_settings_are_compared_if_given(path):
    assert read_artifact(path, settings_fingerprint="abc").facts == FACTS
    with pytest.raises(UserError, match=r"method\.safetensors .*other settings \(digest abc\).*\(xyz\).*Rebuild it"):
        read_artifact(path, settings_fingerprint="xyz")


def test_broken_files(path):
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:20], b"", b"PK\3\4 a foreign file", whole[:-1] + bytes([whole[-1] ^ 4])):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"method\.safetensors .*No run rebuilds it"):
            read_artifact(path)
    path.unlink()
    with pytest.raises(UserError, match="does not exist, where a file of compressed weights"):
        read_artifact(path)


def test_masks_that_do_not_fit_their_shapes(path):
    three_bytes = {"mask:w": torch.zeros(3, dtype=torch.uint8)}
    for tensors, shapes in ((three_bytes, {"w": [5, 5]}), (three_bytes, {}), ({}, {"w": [4, 6]})):
        write_tensors(path, KIND, tensors, {"shapes": shapes, "facts": {}})
        with pytest.raises(UserError, match="do not match the stored shapes"):
            read_artifact(path)


def test_a_duplicate_matrix_fails_an_assertion(tmp_path, results):
    with pytest.raises(AssertionError, match=r"b\.weight occurs twice"):
        write_artifact(tmp_path / "x", [*results.items(), ("b.weight", results["b.weight"])], {})
