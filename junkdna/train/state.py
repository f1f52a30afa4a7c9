"""The state of a training between two optimizer steps, as tensors: enough to resume with the same numbers."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


class TrainingState:
    """The losses so far, with references to the model and its optimizer. Nothing is copied before `save`.

    The random state is that of the generators of the CPU and of the model's GPU, from which dropout draws. `preparing`
    returns the seconds that this attempt has spent on compiling and recording steps.
    """

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, preparing: Callable[[], float] = lambda: 0.0
    ) -> None:
        self.losses: list[float | Tensor] = []  # of each step; those of a stack (K,) may be on a GPU
        self._preparing, self._prepared_s = preparing, 0.0  # the latter by earlier attempts
        self._model = model
        self._optimizer: torch.optim.Optimizer | None = optimizer
        self._device = next(model.parameters()).device

    @property
    def preparing_s(self) -> float:
        """Seconds that all attempts together have spent on compiling and recording steps."""
        return self._prepared_s + self._preparing()

    def finish(self) -> None:
        """Drop the optimizer after the last step; only weights and losses are saved from then on."""
        self._optimizer = None

    def save(self) -> dict[str, Tensor]:
        """Weights, buffers and losses; before `finish` also the optimizer's state and the random state."""
        tensors = {f"weight/{name}": weight.detach() for name, weight in self._model.named_parameters()}
        tensors |= {f"buffer/{name}": buffer.clone() for name, buffer in self._model.named_buffers()}
        tensors["losses"] = _joined(self.losses)
        tensors["preparing_s"] = torch.tensor(self.preparing_s, dtype=torch.float64)
        if self._optimizer is not None:
            for index, values in self._optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{index}/{name}": value for name, value in values.items()}
            tensors["random/cpu"] = torch.get_rng_state()
            if self._device.type == "cuda":
                tensors["random/cuda"] = torch.cuda.get_rng_state(self._device)
        return tensors

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Restore tensors that `save` returned for the same model and optimizer; weights are written in place."""
        for name, weight in self._model.named_parameters():
            weight.copy_(tensors[f"weight/{name}"])
        for name, buffer in self._model.named_buffers():
            buffer.copy_(tensors[f"buffer/{name}"])
        losses, self._prepared_s = tensors["losses"], float(tensors["preparing_s"])
        self.losses[:] = losses.tolist() if losses.ndim == 1 else losses.to(self._device, torch.float32).unbind()
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            kind, *rest = key.split("/")
            if kind == "optimizer":
                state.setdefault(int(rest[0]), {})[rest[1]] = value
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state})
        if "random/cpu" in tensors:
            torch.set_rng_state(tensors["random/cpu"])
        if "random/cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random/cuda"], self._device)


def _joined(losses: list[float | Tensor]) -> Tensor:
    """The losses of all steps in float64, one row a step for a stack; float32 losses return unchanged."""
    if losses and isinstance(losses[0], Tensor):
        return torch.stack(losses).to("cpu", torch.float64)
    return torch.tensor(losses, dtype=torch.float64)
