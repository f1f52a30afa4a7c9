"""Cells of the queue that a job may compute besides its own: this run wants them, their inputs exist, and no process
has computed them. Another process may hold their locks.

A cell that failed in the job of another cell gets a mark and is left to its own job, so that no further job tries it.
"""

import json
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from junkdna.run.batches import MARK, QUEUE, batched_file, cells_of_run, is_done, queue_of, queued_after, read_queue
from junkdna.storage.tensor_header import recorded_fingerprint
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings
from junkdna.study.paths import FOOTER_KEY


def free_others(settings: CellSettings, wanted: Callable[[CellSettings], bool]) -> Iterator[CellSettings]:
    """The `wanted` ones of `others_of_run` that a job may compute now."""
    for each in others_of_run(settings):
        if wanted(each) and has_tokens(each) and is_free(each):
            yield each


def others_of_run(settings: CellSettings) -> Iterator[CellSettings]:
    """The other cells that this run computes and has not written yet: first those that read the same files as this one,
    in the order of the study, then those of its model. Nothing if the queue is missing or belongs to another study."""
    if (near := queued_after(settings)) is None:
        return
    cell, (wanted, began_s) = parse_cell_path(settings.cell), cells_of_run()
    own, model = queue_of(cell), QUEUE / cell.model
    files = (file for file in QUEUE.rglob("*.jsonl") if file != own)
    files = sorted(files, key=lambda file: (not file.is_relative_to(model), file))
    for each in chain(near, chain.from_iterable(map(read_queue, files))):
        if each.cell in wanted and not _written_since(began_s, each):
            yield each


def _written_since(began_s: float, settings: CellSettings) -> bool:
    """Whether the file of a cell is not older than the queue. Reading thousands of files would take seconds."""
    try:
        return Path(parse_cell_path(settings.cell).path).stat().st_mtime >= began_s
    except OSError:
        return False


def is_free(settings: CellSettings) -> bool:
    """Whether nothing has computed the cell, its compressed weights exist, and it has failed in no other job."""
    return not _mark(settings).exists() and is_compressed(settings) and not is_done(settings)


def is_compressed(settings: CellSettings) -> bool:
    """Whether the compressed weights that a cell reads exist and were made with its settings: this run will
    replace weights from an earlier study, and a cell that failed with the old ones would be left alone."""
    stored = parse_cell_path(settings.cell).compressed_path
    try:
        return stored is None or recorded_fingerprint(stored) == settings.inputs["compressed"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def has_tokens(settings: CellSettings) -> bool:
    """Whether the tokens exist and were made with the settings of the cell."""
    cell = parse_cell_path(settings.cell)
    try:
        made = {role: _tokens_made_with(cell.tokens_path(role)) for role in cell.roles}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return all(settings.inputs[f"tokens_{role}"] == digest for role, digest in made.items())


def _tokens_made_with(path: str) -> str:
    """Fingerprint of the settings of a tokens file. Reads only its metadata; errors as in `recorded_fingerprint`."""
    import pyarrow as pa

    with pa.memory_map(path) as source:
        return json.loads(pa.ipc.open_file(source).schema.metadata[FOOTER_KEY])["settings_fingerprint"]


def leave_alone(settings: CellSettings, reason: str = "") -> None:
    """Let no further job of this run take the cell besides its own. With a `reason`, why its model cannot be stacked,
    not even by its own job."""
    _mark(settings).write_text(reason, encoding="utf-8")


def why_alone(settings: CellSettings) -> str:
    """The `reason` of `leave_alone`; "" if the cell may be trained in a stack."""
    try:
        return _mark(settings).read_text(encoding="utf-8")
    except OSError:
        return ""


def _mark(settings: CellSettings) -> Path:
    return batched_file(settings).with_suffix(MARK)
