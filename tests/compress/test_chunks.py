import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from junkdna.compress import chunks
from junkdna.compress.chunks import chunk_lengths, flat_chunks, rechunk


@given(st.lists(st.integers(1, 9), min_size=1, max_size=5), st.data())
def test_recut_keeps_scalars_and_order(sizes, data):
    flat = torch.arange(sum(sizes))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(flat) - 1)))) - {len(flat)})
    lengths = [high - low for low, high in zip([0, *cuts], [*cuts, len(flat)], strict=True)]
    again = list(rechunk(flat.split(sizes), lengths))
    assert [len(one) for one in again] == lengths
    assert torch.equal(torch.cat(again), flat)


def test_recut_takes_no_more_than_it_needs():
    taken = []
    source = (taken.append(size) or torch.zeros(size) for size in (3, 4, 5))
    cut = rechunk(source, [2, 1, 9])
    next(cut), next(cut)
    assert taken == [3]
    next(cut)
    assert taken == [3, 4, 5]


@pytest.mark.parametrize(("lengths", "words"), [([2, 1], "end before"), ([2], "end inside")])
def test_lengths_that_leave_scalars_fail_an_assertion(lengths, words):
    with pytest.raises(AssertionError, match=words):
        list(rechunk([torch.zeros(3), torch.zeros(3)], lengths))


def test_parts_are_views_of_a_row_major_matrix_and_copies_else(monkeypatch):
    monkeypatch.setattr(chunks, "CPU_CHUNK", 4)
    weights = {"b": torch.arange(6.0).view(2, 3), "a": torch.arange(6.0, 12.0).view(3, 2).t().contiguous().t()}
    got = list(flat_chunks(weights))
    assert [len(part) for part in got] == [4, 4, 4]
    assert torch.cat(got).tolist() == list(range(12))
    assert got[0].untyped_storage().data_ptr() == weights["b"].untyped_storage().data_ptr()


def test_dtypes_that_meet_in_a_part_are_promoted_exactly():
    weights = {"half": torch.tensor([[65504.0]]).half(), "brain": torch.tensor([[2.0**127]]).bfloat16()}
    (part,) = flat_chunks(weights)
    assert part.dtype == torch.float32
    assert part.tolist() == [65504.0, 2.0**127]


def test_lengths_by_device(monkeypatch):
    monkeypatch.setattr(chunks, "CPU_CHUNK", 3)
    monkeypatch.setattr(chunks, "DEVICE_CHUNK", 5)
    assert chunk_lengths(7, torch.device("cpu")) == [3, 3, 1]
    assert chunk_lengths(10, torch.device("cuda")) == [5, 5]
