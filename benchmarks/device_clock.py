"""Times on a device: on a GPU by events in its queue of kernels, so that taking a time waits for nothing."""

import time

import torch


class DeviceClock:
    """`now` marks a moment of the device; `seconds` is the time between two marks."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"

    def now(self) -> object:
        """A mark: the time on a CPU, an event on a GPU."""
        if not self._on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: object, end: object) -> float:
        """Seconds between two marks. Wait for the device before the call."""
        return start.elapsed_time(end) / 1000 if self._on_gpu else end - start
