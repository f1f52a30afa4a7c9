import json
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

from junkdna.errors import UserError
from junkdna.storage.tensors import METADATA_KEY, read_tensors, tensors_digest, write_tensors

KIND = "numbers 1"


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(5)
    values = torch.randn(4, 6, generator=generator)
    return {
        "wide": values.double(),
        "half": values.half(),
        "brain": values.bfloat16(),
        "turned": values.t(),
        "bytes": torch.arange(7, dtype=torch.uint8),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(2.5),
    }


def test_round_trip_bit_for_bit(tmp_path, tensors):
    path = tmp_path / "new" / "file.safetensors"
    write_tensors(path, KIND, tensors, {"b": [1, None], "a": "ö"})
    found, facts = read_tensors(path, KIND)
    assert facts == {"b": [1, None], "a": "ö"}
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)
    assert list(path.parent.iterdir()) == [path]


def test_other_readers_can_read_it(tmp_path, tensors):
    write_tensors(tmp_path / "file", KIND, tensors, {})
    assert torch.equal(load_file(tmp_path / "file")["brain"], tensors["brain"])


def test_equal_contents_give_equal_bytes(tmp_path, tensors):
    facts = dict.fromkeys("zyxwv", 1)
    write_tensors(tmp_path / "one", KIND, tensors, facts)
    write_tensors(tmp_path / "two", KIND, dict(reversed(tensors.items())), dict(reversed(facts.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_digest_sees_name_dtype_shape_and_bits():
    zeros = torch.zeros(2, 3)
    negative = zeros.clone()
    negative[1, 2] = -0.0
    all_different = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.t()},
        {"a": zeros.int()},
        {"a": negative},
        {"a": zeros, "b": zeros},
        {},
    ]
    assert len({tensors_digest(each) for each in all_different}) == len(all_different)
    assert tensors_digest({"a": zeros, "b": negative}) == tensors_digest({"b": negative, "a": zeros})
    stored_otherwise = torch.arange(6.0).reshape(3, 2).t().contiguous().t()
    assert tensors_digest({"a": stored_otherwise}) == tensors_digest({"a": torch.arange(6.0).reshape(3, 2)})


def message(path, kind=KIND):
    with pytest.raises(UserError) as caught:
        read_tensors(path, kind)
    assert str(caught.value).startswith(f"{path} ")
    return str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    assert "does not exist, where a file of" in message(tmp_path / "none")


def test_every_cut_is_seen(tmp_path, tensors):
    path = tmp_path / "file"
    write_tensors(path, KIND, tensors, {})
    whole = path.read_bytes()
    for kept in (0, 3, 8, 40, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        text = message(path)
        assert "truncated" in text
        assert "No run rebuilds it: get it again" in text


def test_a_changed_byte_is_seen(tmp_path, tensors):
    path = tmp_path / "file"
    write_tensors(path, KIND, tensors, {})
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    assert "do not match their checksum" in message(path)


def test_files_of_other_programs(tmp_path, tensors):
    path = tmp_path / "file"
    write_tensors(path, "letters 1", tensors, {})
    assert "of kind 'letters 1'" in message(path)
    path.write_text("not a tensor in sight, but longer than eight bytes")
    assert "not a safetensors file" in message(path)
    alien = {"x": torch.ones(2)}
    texts = ("[1]", "{", "{}", json.dumps({"kind": KIND, "facts": {}}))
    for metadata in (None, {"format": "pt"}, *({METADATA_KEY: text} for text in texts)):
        save_file(alien, path, metadata=metadata)
        assert "junkdna did not write" in message(path)
    path.unlink()
    path.mkdir()
    assert "not a safetensors file" in message(path)


def test_what_cannot_be_written_leaves_the_old_file(tmp_path, tensors):
    path = tmp_path / "file"
    write_tensors(path, KIND, tensors, {"old": True})
    before = path.read_bytes()
    for facts in ({"x": float("nan")}, {"x": tensors}):
        with pytest.raises((ValueError, TypeError)):
            write_tensors(path, KIND, tensors, facts)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from junkdna.storage import tensors as tensor_file

def save_and_die(tensors, file, metadata):
    save_file(tensors, file, metadata)
    file.rename(file.with_name(".tmpOfSafetensors"))
    os.kill(os.getpid(), signal.SIGKILL)

tensor_file.save_file = save_and_die
tensor_file.write_tensors(Path(sys.argv[1]), "numbers 1", {"x": torch.ones(3)}, {})
"""


def test_the_next_writer_removes_all_that_a_killed_one_left(tmp_path, tensors):
    path, other = tmp_path / "file", tmp_path / "other"
    for target in (path, other):
        assert subprocess.run([sys.executable, "-c", KILLED, target], check=False).returncode == -signal.SIGKILL
    assert len([*tmp_path.rglob(".tmpOfSafetensors")]) == 2
    write_tensors(path, KIND, tensors, {})
    left = [place for place in tmp_path.iterdir() if place != path]
    assert sorted(place.suffix for place in left) == [".parts", ".tmp"]
    assert all(place.name.startswith(".other.") for place in left)
