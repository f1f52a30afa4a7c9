"""Weights of trained cells that connections need, kept from the training until the last connection is scored.

The folder of a cell in `results/cache/trained` is named after the fingerprint of its settings. An empty file
`FINGERPRINT.wanted` stands for each connection that is still to be scored and needs the weights; a cell with such a
file writes `weights.safetensors` before its own file, whichever engine trained it. Who removes the last `.wanted` file
removes the folder. The whole of it may be deleted whenever no job is running: the weights are then trained again.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.storage.fingerprint import settings_fingerprint
from junkdna.storage.tensor_header import recorded_facts
from junkdna.study.cell_settings import CellSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

TRAINED = Path("results/cache/trained")
KIND = "trained weights 1"
AGAIN = "trained_again"  # fact of weights that no job of their cell wrote
_AGAIN: ContextVar[bool] = ContextVar(AGAIN, default=False)
log = logging.getLogger(__name__)


def folder_of(settings: CellSettings) -> Path:
    """The folder of a cell's weights."""
    return TRAINED / settings_fingerprint(settings)


def _file_of(settings: CellSettings) -> Path:
    return folder_of(settings) / "weights.safetensors"


def want(cells: Iterable[CellSettings], by: str) -> None:
    """Keep the weights of some cells until `release` is called for the connection `by` (its settings' fingerprint)."""
    for settings in cells:
        _mark(folder_of(settings), by)


def _mark(folder: Path, by: str) -> None:
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            (folder / f"{by}.wanted").touch()
        except FileNotFoundError:  # another job removed the folder in between
            continue
        return


def release(cells: Iterable[CellSettings], by: str) -> None:
    """The connection `by` needs the weights of these cells no longer; remove those that no other one needs."""
    for settings in cells:
        (folder_of(settings) / f"{by}.wanted").unlink(missing_ok=True)
        _remove_unwanted(folder_of(settings))


def clear_wanted() -> None:
    """Forget what the connections of earlier runs needed. Call it, and `remove_unwanted` later, before any job runs."""
    for file in TRAINED.glob("*/*.wanted"):
        file.unlink(missing_ok=True)


def remove_unwanted() -> None:
    """Remove the weights that no connection needs."""
    for folder in TRAINED.glob("*/"):
        _remove_unwanted(folder)


def _remove_unwanted(folder: Path) -> None:
    if not any(folder.glob("*.wanted")):
        for file in folder.glob("*"):
            if file.suffix != ".wanted":
                file.unlink(missing_ok=True)
        with suppress(OSError):  # another job wants the weights again: its mark stays, and it trains them
            folder.rmdir()


def keep_if_wanted(settings: CellSettings, model: "nn.Module") -> None:
    """Write the weights of a trained cell if a connection needs them. If they cannot be written, a warning is logged:
    the job of the connection then trains them again."""
    if not any(folder_of(settings).glob("*.wanted")):
        return
    from safetensors import SafetensorError

    from junkdna.storage.tensors import write_tensors

    facts = {"settings_fingerprint": settings_fingerprint(settings), "cell": settings.cell, AGAIN: _AGAIN.get()}
    file = _file_of(settings)
    try:
        write_tensors(file, KIND, dict(model.named_parameters()), facts)
    except (OSError, UserError, SafetensorError, RuntimeError) as error:
        log.warning("the weights %s cannot be written: %s", file, error)
    else:
        log.info("%s: weights kept in %s", settings.cell, file)


@contextmanager
def training_again() -> Iterator[None]:
    """Mark the weights that are kept in the block as those of another training than that of the cell's file."""
    token = _AGAIN.set(True)
    try:
        yield
    finally:
        _AGAIN.reset(token)


def are_of_another_training(settings: CellSettings) -> bool:
    """Whether the kept weights of a cell were written within `training_again`."""
    try:
        return bool(recorded_facts(_file_of(settings)).get(AGAIN))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def are_kept(settings: CellSettings) -> bool:
    """Whether there is a file with the weights of a cell. Reads nothing, so it may be corrupt."""
    return _file_of(settings).is_file()


def kept_weights(settings: CellSettings) -> "Mapping[str, Tensor] | None":
    """The weights of a cell by the name of the parameter; None if they are not kept, or their file is corrupt."""
    from junkdna.storage.tensors import read_tensors

    file = _file_of(settings)
    if not file.is_file():
        return None
    try:
        return read_tensors(file, KIND)[0]
    except UserError as error:
        log.warning("%s", error)
        file.unlink(missing_ok=True)
        return None
