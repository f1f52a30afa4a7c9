"""Runs the cells of a toy world in processes of their own that kill themselves, at a given point, with SIGKILL.

`python checkpoint_run.py < jobs.json` in the world's folder; a job is {"settings": ..., "kill": [where, number]} or
{"settings": ..., "kill": null}. Every process is a fork of this one, which imports once and computes nothing.
"""

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest
from killed_jobs import die, run_forked

from junkdna.cli import jobs
from junkdna.evaluate import greedy_packs, scores
from junkdna.models import batch_isolation, prefix_tree
from junkdna.storage import tensors as storage_tensors
from junkdna.study.cell import parse_cell_path
from junkdna.study.cell_settings import CellSettings

IMPORTED = ("junkdna.run.cell", "junkdna.run.checkpoint", "junkdna.train.finetune", "junkdna.evaluate.formats.generate",
            "transformers.models.bert.modeling_bert", "transformers.models.llama.modeling_llama")  # fmt: skip


def small_batches(patch: pytest.MonkeyPatch) -> None:
    """Batches and packs of a few rows, so that the toy cells have some to be killed between."""
    patch.setattr(scores, "isolated_batches", partial(batch_isolation.isolated_batches, tokens=128))
    patch.setitem(prefix_tree.PACK_TOKENS, "cpu", 20)
    patch.setattr(greedy_packs, "PROMPT_TOKENS", 4)


def run(settings: dict, kill: list | None) -> None:
    """Run a cell; die before the item, or in the middle of writing the checkpoint, of the number (from 0) in `kill`."""
    where, number = kill or ("", -1)
    items, writes, save = count(), count(), storage_tensors.save_file

    def bar(batches: list) -> Iterator:
        for batch in batches:
            if (where, number) == ("item", next(items)):
                die()
            yield batch

    def save_half(tensors: dict, path: Path, **options: dict) -> None:
        save(tensors, path, **options)
        if (where, number) == ("write", next(writes)):
            os.truncate(path, path.stat().st_size // 2)
            die()

    storage_tensors.save_file = save_half
    settings = CellSettings.read(settings, "stdin")
    jobs.cell(Path(parse_cell_path(settings.cell).path), settings, gpus=0, threads=1, bar=bar)


def main() -> None:
    """Run all jobs, one after the other; each must end as it was meant to."""
    small_batches(pytest.MonkeyPatch())
    for module in IMPORTED:
        import_module(module)
    run_forked(run, json.load(sys.stdin))


if __name__ == "__main__":
    main()
