"""Write a compressed model as a folder that transformers loads, with its masks and, on request, the 2-of-4 layout."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from junkdna.compress import apply, sparse24
from junkdna.compress.artifact import Artifact
from junkdna.compress.block_levels import matrix_levels
from junkdna.compress.masks import write_result
from junkdna.compress.scope import Prunable, prunable
from junkdna.models.external_headers import MASKS_KIND, checkpoint_shapes
from junkdna.models.load import check_finite, load_plain
from junkdna.models.manifest import check_model
from junkdna.run.cell import computed, versions
from junkdna.storage.tensors import pack, write_tensors
from junkdna.study.cell import Cell

DETAILS = "junkdna"
"""Folder inside the export for everything but the model: loaders that read every safetensors file must not meet it."""
MASKS, SPARSE24, FACTS = f"{DETAILS}/masks.safetensors", f"{DETAILS}/sparse24.safetensors", f"{DETAILS}/export.json"


class Exported(NamedTuple):
    """What was written: the report on every matrix (`report.model_report`), the facts in `FACTS`, the number of masks,
    whether every matrix keeps at most 2 of 4, and the type of the 2-of-4 layout, "" without one."""

    report: dict
    facts: dict
    masks: int
    keeps_2_of_4: bool
    packed: str


def write_export(
    folder: Path, cell: Cell, kind: str, dtype: str, artifact: Artifact | None, settings: dict, packed: str = ""
) -> Exported:
    """Writes the compressed model of a cell into `folder`; `artifact` has its stored compression, if it has one.

    The model is loaded as `kind` in `dtype`, compressed as the cell compresses it, and saved in `dtype`. The tokenizer
    and other files of the model folder are copied. `settings` are facts for people, stored in `FACTS`. `packed`
    ("float16", "bfloat16") also writes the 2-of-4 layout.

    Raises UserError for a model folder that changed, and as `sparse24.pack_2_of_4` does; RuntimeError if the folder
    does not load to the same weights.
    """
    source = Path(cell.model_folder)
    manifest = check_model(source)
    model = load_plain(source, kind, dtype)
    check_finite(model, source)
    scope = apply.select_prunables(model, cell.compression)
    report, masks = _compress(cell, model, scope, artifact)
    fits = all(sparse24.keeps_2_of_4(each.matrix()) for each in scope)
    (folder / DETAILS).mkdir()
    _write_details(folder, cell, scope, masks, packed)
    facts = {
        **settings,
        "compression": cell.compression.tag,
        "seed": cell.seed,
        "source": manifest["source"],
        **{name: manifest[name] for name in ("revision", "converted_from") if manifest.get(name)},
        "source_digest": manifest["digest"],
        "dtype": dtype,
        "versions": versions(),
        "report": report,
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _save(model, source, folder, manifest)
    _check_written(folder, kind, dtype, model)
    return Exported(report, facts, len(masks), fits, packed)


def _compress(
    cell: Cell, model: nn.Module, scope: list[Prunable], artifact: Artifact | None
) -> tuple[dict, dict[str, Tensor]]:
    """Compresses the model in place; returns the report and the masks by name, (out, in)."""
    levels = matrix_levels(scope, cell.compression) if artifact is None else None
    reports = apply.Reports(model, cell.compression, prunable(model), levels)
    by_name, masks = {each.name: each for each in scope}, {}
    results = computed(cell, scope) if artifact is None else apply.artifact_results(artifact, model, scope)
    for name, result in results:
        if artifact is None:
            reports.add(name, by_name[name].matrix(), result)
        if result.mask is not None:
            masks[name] = result.mask
        write_result(by_name[name], result)
    return (reports.report() if artifact is None else artifact.facts["report"]), masks


def _write_details(folder: Path, cell: Cell, scope: list[Prunable], masks: dict[str, Tensor], packed: str) -> None:
    facts = {"model": cell.model, "compression": cell.compression.tag, "seed": cell.seed}
    stored = {
        each.name: masks[each.name].t() if each.transposed else masks[each.name] for each in scope if each.name in masks
    }
    if stored:
        shapes = {name: list(mask.shape) for name, mask in stored.items()}
        bits = {name: pack(mask) for name, mask in stored.items()}
        write_tensors(folder / MASKS, MASKS_KIND, bits, {**facts, "shapes": shapes})
    if packed:
        tensors: dict[str, Tensor] = {}
        for each in scope:
            tensors |= sparse24.pack_2_of_4(each.name, each.matrix(), getattr(torch, packed))
        shapes = {each.name: list(each.matrix().shape) for each in scope}
        write_tensors(folder / SPARSE24, sparse24.KIND, tensors, {**facts, "dtype": packed, "shapes": shapes})


def _save(model: nn.Module, source: Path, folder: Path, manifest: dict) -> None:
    """Saves weights and configuration, and copies the other files of the model folder.

    A pooler that the source lacks was initialized at random when loading; it is not saved.
    """
    named = checkpoint_shapes(source, str(source))
    weights = model.state_dict()
    if not any("pooler" in name for name in named):
        weights = {name: weight for name, weight in weights.items() if "pooler" not in name}
    model.save_pretrained(folder, state_dict=weights)
    for name in manifest["files"]:
        if name != "config.json" and ".safetensors" not in name:
            shutil.copyfile(source / name, folder / name)


def _check_written(folder: Path, kind: str, dtype: str, model: nn.Module) -> None:
    """Raises RuntimeError if a parameter of the folder, loaded again, is not bit for bit that of the model."""
    again = dict(load_plain(folder, kind, dtype).named_parameters())
    for name, weight in model.named_parameters():
        if "pooler" not in name and not torch.equal(again[name], weight):
            raise RuntimeError(f"{folder}: {name} is not what was saved. This is a bug, or transformers renames it.")
