"""Rows and model that the cells of one job share: read and loaded once, with the weights restored for each cell.

Only cells without training and without a new head share a model: their weights before compression are the same bytes.
A model is kept if a second copy of its weights needs at most half of the free memory. No number depends on it.
"""

import os

import torch

from junkdna.models.batch_isolation import forget_rule
from junkdna.run.cell import Prepared
from junkdna.study import formats
from junkdna.study.cell_settings import CellSettings

Loaded = tuple[torch.nn.Module, list[str]]


class SharedInputs:
    """What the last cell of a job has read, for the next one."""

    def __init__(self) -> None:
        self._last: Prepared | None = None
        self._of: tuple | None = None  # what the kept model was loaded from
        self._loaded: Loaded | None = None
        self._start: dict[str, torch.Tensor] = {}

    def prepared(self, settings: CellSettings) -> Prepared:
        """The cell with its rows, those of the cell before where it reads the same."""
        self._last = Prepared(settings, self._last)
        return self._last

    def load(self, cell: Prepared, device: str) -> Loaded:
        """`Prepared.load`, or the kept model with its weights as they were loaded."""
        of = _loaded_from(cell)
        if of is not None and of == self._of:
            self._restore()
            return self._loaded
        self._of, self._loaded, self._start = None, None, {}  # frees the memory first
        loaded = cell.load(device)
        if of is not None and _fits_twice(loaded[0]):
            self._of, self._loaded = of, loaded
            self._start = {name: weight.detach().clone() for name, weight in loaded[0].named_parameters()}
        return loaded

    def _restore(self) -> None:
        model, _ = self._loaded
        for name, weight in model.named_parameters():
            weight.data = self._start[name].clone()  # scoring may have cast it
        forget_rule(model)


def _loaded_from(cell: Prepared) -> tuple | None:
    """What determines the weights of a cell before compression; None if it trains or has a new head."""
    settings = cell.settings
    if cell.data is not None or formats.FORMATS[settings.format].head:
        return None
    return cell.key.model_folder, cell.inputs.manifest["digest"], settings.model_kind, settings.model_dtype


def _fits_twice(model: torch.nn.Module) -> bool:
    weights = [*model.parameters()]
    size = sum(weight.numel() * weight.element_size() for weight in weights)
    if weights[0].device.type == "cuda":
        return size <= torch.cuda.mem_get_info(weights[0].device)[0] / 2
    try:
        return size <= os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2
    except (ValueError, OSError):  # macOS does not say
        return False
