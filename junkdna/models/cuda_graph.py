"""Repeat a step as one CUDA graph, so that all its kernels cost one launch.

A captured step runs the same kernels on the same tensors as before, so it gives the same bits.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

T = TypeVar("T")
log = logging.getLogger(__name__)


class RepeatedStep:
    """A function without arguments that works on tensors which stay where they are. Every call runs it exactly once.

    The first call with `capture` runs it as it is, which loads its kernels, and then captures it; later calls replay
    the graph. A step that waits for the device or otherwise cannot be captured keeps running as it is, with one line in
    the log that calls it `name`.

    The step writes everything that it also reads at its end, so that one that failed halfway can be run again. Its
    other tensors live in the graph's own memory as long as this object.
    """

    def __init__(self, step: Callable[[], None], name: str) -> None:
        self._step, self._name = step, name
        self._graph: torch.cuda.CUDAGraph | None = None
        self.refused = False  # whether a capture failed

    def __call__(self, capture: bool) -> None:
        if self._graph is not None:
            self._graph.replay()
        elif capture and not self.refused:
            self._run_and_capture()
        else:
            self._step()

    def _run_and_capture(self) -> None:
        try:
            with _waits_are_errors():
                self._step()
        except RuntimeError as error:
            self._report(error)
            self._step()
            return
        try:
            self._graph, _ = captured(self._step)
        except RuntimeError as error:
            self._report(error)

    def _report(self, error: RuntimeError) -> None:
        self.refused = True
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.info("%s: runs without a CUDA graph, which is slower (%s)", self._name, reason)


def captured(
    step: Callable[[], T], pool: object = None, error_mode: str = "thread_local"
) -> tuple[torch.cuda.CUDAGraph, T]:
    """Capture the kernels of a step on the current GPU without running them: the graph, and what `step` returned. Each
    replay writes the tensors of that result again.

    `pool` is the memory of an earlier graph, which the new one shares. With `error_mode` "thread_local" other threads
    may go on using CUDA; with "global" what they do can fail the capture. Raises RuntimeError if the step cannot be
    captured; the current stream and the GPU's random draws are then as before.
    """
    stream = torch.cuda.current_stream()
    generator = torch.cuda.default_generators[stream.device.index]
    draws, graph = generator.clone_state(), torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, pool=pool, capture_error_mode=error_mode):
            result = step()
    except BaseException:  # a failed capture leaves its own stream, and a generator that refuses draws
        torch.cuda.set_stream(stream)
        generator.graphsafe_set_state(draws)
        raise
    return graph, result


@contextmanager
def _waits_are_errors() -> Iterator[None]:
    """A wait for the device raises RuntimeError here; during a capture it would also break the capture's state."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)
