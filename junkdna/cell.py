"""Runs one cell: model, compression, training or scoring, metrics, one Parquet file.

The file holds one row: the metric columns and `examples`, a list of (id, gold, prediction, margin). Its footer
holds, under the key "junkdna", the settings and their digest, versions, device, hashes and wall times.
"""

import gc
import json
import logging
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from junkdna import metrics
from junkdna.compress import masks as masking
from junkdna.compress import registry
from junkdna.compress.scope import matrices, prunable
from junkdna.encode import read_tokens
from junkdna.errors import UserError
from junkdna.files import replacing, sha256_file
from junkdna.keys import FOOTER_KEY, Cell, knob_text, parse_cell_path
from junkdna.models import check_finite, load_classifier, load_plain
from junkdna.provenance import canonical_json, digest
from junkdna.score import class_logits, loglikelihood, similarity
from junkdna.seeds import seed_for

log = logging.getLogger(__name__)

EXAMPLES = pa.list_(
    pa.struct([("id", pa.string()), ("gold", pa.int32()), ("prediction", pa.int32()), ("margin", pa.float32())])
)


@dataclass
class Stopwatch:
    """Wall seconds of named stages, one after the other."""

    wall_s: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        """Book the time since the last lap under `stage`."""
        now = time.perf_counter()
        self.wall_s[stage] = round(now - self._last, 3)
        self._last = now


def run_cell(settings: dict, device: str, bar: Callable = iter) -> pa.Table:
    """The finished one-row table of a cell, footer included. Writes nothing.

    `settings` is `grid.cell_settings`; `bar` wraps the batches of long loops for progress. Raises UserError for a
    broken checkpoint or encoded file, RuntimeError when a mask does not hold.
    """
    watch = Stopwatch()
    key = parse_cell_path(settings["cell"])
    model_folder, tokens = Path(key.model_folder), Path(key.tokens_path)
    rows = _read_rows(tokens, ["evaluate"] if key.transfer == "none" else ["train", "evaluate"])
    model, head = _load(settings, key, model_folder)
    check_finite(model, model_folder)
    model.to(device)
    gc.enable()  # off while importing (see cli.main); a long training must not keep its garbage
    watch.lap("load")
    prune_head = settings["protocol"].get("prune_head", False)
    prunables = prunable(model, prune_head=prune_head, head_names=head if prune_head else ())
    masks = _masks(key, prunables)
    watch.lap("compress")
    trained = None
    if key.transfer == "none":
        masking.apply(prunables, masks)
    else:
        trained = _train(settings, key, model, prunables, masks, rows["train"], bar)
    watch.lap("train")
    scores = _scores(settings, model, rows["evaluate"], device, bar)
    watch.lap("score")
    row = _metrics_row(settings, key, rows["evaluate"], scores, trained)
    total, per_layer = masking.achieved(masks)
    row |= {"achieved_sparsity": total}
    footer = {
        "settings": settings,
        "settings_digest": digest(canonical_json(settings)),
        "tokens_sha256": sha256_file(tokens),
        "model": json.loads((model_folder / "model.json").read_text()),
        "achieved_sparsity_per_layer": per_layer,
        "device": torch.cuda.get_device_name(0) if device != "cpu" else f"cpu {platform.machine()}",
        "torch_threads": torch.get_num_threads(),
        "versions": {**versions(), "torch_build": torch.__version__},
        "wall_s": watch.wall_s,
    }
    log.info("%s: %s %.4f (%s)", settings["cell"], settings["metric"], row["score"], watch.wall_s)
    return _table(row).replace_schema_metadata({FOOTER_KEY: canonical_json(footer).encode()})


def _read_rows(tokens: Path, roles: list[str]) -> dict[str, dict[str, list]]:
    """{role: {column: values}} of an encoded file; UserError where it cannot be read or a role has no rows."""
    try:
        table = read_tokens(tokens)
        rows = {role: _rows(table, role) for role in roles}
    except (OSError, pa.ArrowException, KeyError) as error:
        raise UserError(f"{tokens} is not a whole encoded file ({error}); delete it and run again.") from None
    for role in roles:
        if not rows[role]["id"]:
            raise UserError(f"{tokens} holds no rows to {role}; delete it and run again.")
    return rows


def _rows(table: pa.Table, role: str) -> dict[str, list]:
    part = table.filter(pc.equal(table["split"], role))
    return {name: part[name].to_pylist() for name in part.column_names if name != "split"}


def _load(settings: dict, key: Cell, folder: Path) -> tuple[torch.nn.Module, list[str]]:
    if settings["kind"] == "classify":
        return load_classifier(folder, len(settings["classes"]), (key.model, key.task, key.seed))
    return load_plain(folder, settings["model_kind"]), []


def _masks(key: Cell, prunables: list) -> dict[str, torch.Tensor]:
    """Keep-masks of the cell's compression; all-true for dense, so that achieved sparsity is reported alike."""
    weights = matrices(prunables)
    if key.compression.method == "dense":
        return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    method = registry.METHODS[key.compression.method]
    generator = torch.Generator().manual_seed(seed_for("random_mask", key.model, key.seed)) if method.random else None
    return registry.load(key.compression.method)(weights, key.compression.level, generator)


def _train(settings: dict, key: Cell, model: torch.nn.Module, prunables: list, masks: dict, rows: dict, bar: Callable):
    transfer = import_module("junkdna.transfer")  # by name: its code must not count in cells that do not train
    data = transfer.Training(rows["query"], rows["second_start"], rows["answer"])
    return transfer.fine_tune(
        model, prunables, masks, key.transfer, data, settings["protocol"], (key.task, key.seed), bar
    )


def _scores(settings: dict, model: torch.nn.Module, rows: dict, device: str, bar: Callable) -> list[np.ndarray]:
    if settings["kind"] == "classify":
        return list(class_logits(model, rows["query"], rows["second_start"], device, bar))
    if settings["model_kind"] == "encoder":
        return similarity(model, rows["query"], rows["options"], device, bar)
    scores = loglikelihood(model, rows["query"], rows["options"], device, bar)
    if settings["protocol"]["normalise"] == "characters":
        scores = [s / np.array(n) for s, n in zip(scores, rows["option_characters"], strict=True)]
    return scores


def _metrics_row(settings: dict, key: Cell, rows: dict, scores: list[np.ndarray], trained: object) -> dict:
    gold = np.array(rows["answer"])
    result = metrics.outcome(scores, gold)
    fields = zip(rows["id"], result.gold.tolist(), result.prediction.tolist(), result.margin.tolist(), strict=True)
    return {
        "cell": key.key,
        "model": key.model,
        "task": key.task,
        "knobs": knob_text(key.knobs) if key.knobs else "",
        "compression": key.compression.tag,
        "method": key.compression.method,
        "sparsity": key.compression.nominal_sparsity,
        "transfer": key.transfer,
        "protocol": key.protocol,
        "seed": key.seed,
        "metric": settings["metric"],
        "kind": settings["kind"],
        "score": metrics.accuracy(result),
        "chance": metrics.chance_floor(np.array([len(row) for row in scores])),
        "majority": metrics.majority_floor(gold),
        "collapsed": metrics.collapsed(result),
        "n_examples": len(gold),
        "truncated": float(np.mean(rows["truncated"])),
        "steps": trained.steps if trained else 0,
        "first_loss": trained.first_loss if trained else None,
        "last_loss": trained.last_loss if trained else None,
        "examples": [dict(zip(("id", "gold", "prediction", "margin"), values, strict=True)) for values in fields],
    }


FLOATS = ("sparsity", "score", "chance", "majority", "truncated", "achieved_sparsity", "first_loss", "last_loss")
INTEGERS = ("seed", "n_examples", "steps")


def _table(row: dict) -> pa.Table:
    kinds = dict.fromkeys(FLOATS, pa.float64()) | dict.fromkeys(INTEGERS, pa.int64())
    kinds |= {"collapsed": pa.bool_(), "examples": EXAMPLES}
    return pa.table({name: pa.array([value], kinds.get(name, pa.string())) for name, value in row.items()})


def write_cell(table: pa.Table, destination: Path) -> None:
    """Write a cell's table under a temporary name in the same folder, then rename: whole or not at all."""
    with replacing(destination) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def versions() -> dict[str, str]:
    """Versions of everything whose change could move a number."""
    found = {"python": platform.python_version()}
    for name in ("junkdna", "torch", "transformers", "tokenizers", "numpy", "pyarrow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed as a package"
    return found
