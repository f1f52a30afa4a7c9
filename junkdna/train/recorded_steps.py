"""Optimizer steps as CUDA graphs: the kernels of a step are recorded once for each shape of a batch, then replayed.

A step of a small model consists of thousands of small kernels, and starting them one by one from Python takes longer
than running them. A replay runs the same kernels on the same memory, so it gives the same numbers. Random draws go on:
each replay advances the GPU's generator as the step itself would.
"""

import logging
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from junkdna.models.cuda_graph import captured

log = logging.getLogger(__name__)

Tensors = Mapping[str, Tensor]
Step = Callable[[Hashable, Tensors], Tensor]
WARM_UPS = 2  # before recording: libraries allocate their workspaces and choose kernels when first used


class RecordedSteps:
    """Runs `step(shape, tensors)` on a GPU, as a replay if `prepare` has recorded the shape.

    `step` changes the state of a training in place and returns a tensor. `warm_up` computes the same gradients and
    changes nothing else; `clear` drops the gradients. A step that cannot be recorded, because it copies from the CPU or
    waits for it, runs as it is, after one warning.
    """

    def __init__(self, step: Step, warm_up: Step, clear: Callable[[], None], device: torch.device) -> None:
        self._step, self._warm_up, self._clear, self._device = step, warm_up, clear, device
        self._recorded: dict[Hashable, tuple[torch.cuda.CUDAGraph, Tensors, Tensor]] = {}
        self._pool = None
        self._refused = False
        self.preparing_s = 0.0  # seconds for warming up and recording

    def prepare(self, shapes: Mapping[Hashable, Tensors]) -> None:
        """Record the steps of some shapes, each with an example of its tensors on the CPU, the largest first.

        All of them warm up before the first is recorded: the memory of recorded steps, which they share, serves nothing
        else.
        """
        begun = time.perf_counter()
        side = torch.cuda.Stream(self._device)  # one for all: each stream keeps the memory that it has freed to itself
        for shape, tensors in shapes.items():
            self._warm(shape, self._sent(tensors), side)
        torch.cuda.empty_cache()
        for shape, tensors in shapes.items():
            if not self._refused:
                self._record(shape, self._sent(tensors))
        torch.cuda.synchronize(self._device)
        self.preparing_s = time.perf_counter() - begun

    def __call__(self, shape: Hashable, tensors: Tensors) -> Tensor:
        """Take a step with tensors of the CPU."""
        if shape not in self._recorded:
            self._clear()
            with _ScalarsOnDevice():
                return self._step(shape, self._sent(tensors))
        graph, inputs, result = self._recorded[shape]
        for name, tensor in tensors.items():
            inputs[name].copy_(tensor.pin_memory(), non_blocking=True)
        graph.replay()
        return result.clone()

    def _sent(self, tensors: Tensors) -> Tensors:
        return {name: each.pin_memory().to(self._device, non_blocking=True) for name, each in tensors.items()}

    def _record(self, shape: Hashable, inputs: Tensors) -> None:
        self._clear()
        try:
            with _ScalarsOnDevice():
                graph, result = captured(lambda: self._step(shape, inputs), self._pool, "global")
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._refused = True
            log.warning("the step cannot be recorded as a CUDA graph, so every kernel starts from Python: %s", error)
        else:
            self._pool = graph.pool()
            self._recorded[shape] = (graph, inputs, result)
        self._clear()

    def _warm(self, shape: Hashable, inputs: Tensors, stream: torch.cuda.Stream) -> None:
        """Warm up on a side stream, as recording requires; random draws start again where they were."""
        with _same_draws(self._device):
            stream.wait_stream(torch.cuda.current_stream(self._device))
            with torch.cuda.stream(stream), _ScalarsOnDevice():
                for _ in range(WARM_UPS):
                    self._clear()
                    self._warm_up(shape, inputs)
            torch.cuda.current_stream(self._device).wait_stream(stream)
        self._clear()


@contextmanager
def _same_draws(device: torch.device) -> Iterator[None]:
    """Restore the GPU's random state afterwards."""
    before = torch.cuda.get_rng_state(device)
    try:
        yield
    finally:
        torch.cuda.set_rng_state(before, device)


class _ScalarsOnDevice(TorchFunctionMode):
    """`torch.tensor(0.0, device=...)` without a copy from the CPU, which cannot be recorded: transformers writes
    attention masks so."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.tensor and isinstance(args[0], bool | int | float) and "device" in kwargs:
            return torch.full((), args[0], **kwargs)
        return func(*args, **kwargs)
