"""Steps that are captured, and those that cannot be. `CUDAGraph` itself needs a GPU; the order of calls does not."""

from contextlib import contextmanager, nullcontext
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from junkdna.models import cuda_graph
from junkdna.models.cuda_graph import RepeatedStep


class Graph:
    """Replays by calling the step, and notes it."""

    def __init__(self, step, seen):
        self.step, self.seen = step, seen

    def replay(self):
        self.seen.append("replay")
        self.step()


def on_this_machine(monkeypatch, capture):
    monkeypatch.setattr(cuda_graph, "_waits_are_errors", nullcontext)
    monkeypatch.setattr(cuda_graph, "captured", capture)


def test_every_call_runs_the_step_once_and_the_first_with_capture_captures(monkeypatch):
    seen = []
    on_this_machine(monkeypatch, lambda step: seen.append("capture") or (Graph(step, seen), None))
    step = RepeatedStep(lambda: seen.append("step"), "test")
    for capture in (False, True, True, False):
        step(capture)
    assert seen == ["step", "step", "capture", "replay", "step", "replay", "step"]


@pytest.mark.parametrize("fails", ["step", "capture"])
def test_what_cannot_be_captured_runs_as_it_is_with_one_line(monkeypatch, caplog, fails):
    caplog.set_level("INFO")
    calls = []

    def step():
        calls.append("begun")
        if fails == "step" and len(calls) == 1:
            raise RuntimeError("called a synchronizing CUDA operation\nsecond line")
        calls.append("done")

    def capture(_: object) -> None:
        raise RuntimeError("called a synchronizing CUDA operation\nsecond line")

    on_this_machine(monkeypatch, capture)
    repeated = RepeatedStep(step, "test")
    for _ in range(3):
        repeated(True)
    assert calls.count("done") == 3
    assert repeated.refused
    assert caplog.text.count("test: runs without a CUDA graph") == 1
    assert "second line" not in caplog.text


class Gpu:
    """In place of `torch.cuda`: a stream, a generator and captures that leave both changed if they fail."""

    CUDAGraph = staticmethod(lambda: "graph")

    def __init__(self) -> None:
        self.stream = SimpleNamespace(device=torch.device("cuda", 0))
        self.draws = "before"
        self.default_generators = [self]
        self.asked: dict = {}

    def clone_state(self) -> str:
        return self.draws

    def graphsafe_set_state(self, state: str) -> None:
        self.draws = state

    def current_stream(self) -> object:
        return self.stream

    def set_stream(self, stream: object) -> None:
        self.stream = stream

    @contextmanager
    def graph(self, graph: str, **asked: object):
        before, self.asked = (self.stream, self.draws), asked
        self.stream, self.draws = "side stream", "captured"
        yield
        self.stream, self.draws = before


def test_a_failed_capture_leaves_stream_and_draws_as_before(monkeypatch):
    gpu = Gpu()
    before = gpu.stream
    monkeypatch.setattr(torch, "cuda", gpu)
    for error in (RuntimeError, torch.OutOfMemoryError):
        with pytest.raises(error):
            cuda_graph.captured(partial(fail, error))
        assert (gpu.stream, gpu.draws) == (before, "before")
    assert cuda_graph.captured(lambda: 3, "pool", "global") == ("graph", 3)
    assert gpu.asked == {"pool": "pool", "capture_error_mode": "global"}


def fail(error: type[Exception]) -> None:
    raise error("cannot")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graph_repeats_the_step_on_the_same_tensors():
    state = torch.ones(3, device="cuda")
    step = RepeatedStep(lambda: state.mul_(2).add_(1), "test")
    for _ in range(5):
        step(True)
    assert not step.refused
    assert state.tolist() == [63.0] * 3
    assert torch.cuda.get_sync_debug_mode() == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_wait_is_found_before_a_capture_begins():
    state = torch.ones(3, device="cuda")
    step = RepeatedStep(lambda: state.add_(float(state.sum()) / 3), "test")
    for _ in range(3):
        step(True)
    assert step.refused
    assert state.tolist() == [8.0] * 3
    assert torch.cuda.get_sync_debug_mode() == 0
    torch.rand(3, device="cuda")  # the generator is not left in a capture
