"""The model card (README.md) of an exported model: how it was made and what it scored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.analysis.interval_words import between
from junkdna.report.plotting.series import compression_label
from junkdna.report.reference.markdown import code, table
from junkdna.storage.globs import local_folder
from junkdna.study.methods import METHODS
from junkdna.study.options import settings_options

if TYPE_CHECKING:
    from junkdna.run.export import Exported
    from junkdna.study.cell import Cell
    from junkdna.study.study import Resolved

LOADERS = {"encoder": "AutoModel", "decoder": "AutoModelForCausalLM"}
UNKNOWN_LICENSE = "not known here; see the source"
SCORES = ("task", "metric", "questions", "score", "dense", "drop", "retention")


def model_card(
    resolved: Resolved, cell: Cell, written: Exported, rows: Sequence[Mapping], no_rows: str
) -> Iterator[str]:
    """The lines of the card of a cell's compressed model.

    `rows` are rows of the table of drops; without any, `no_rows` is the reason.
    """
    spec, method = resolved.study.models[cell.model], METHODS[cell.compression.method]
    yield from ("---", "library_name: transformers", *([f"base_model: {spec.hub}"] if spec.hub else []))
    yield from (f"tags: [compression, {method.name}]", "---", "")
    yield from (f"# {cell.model}, {compression_label(cell.compression.tag)}", "")
    yield f"The model `{cell.model}` after one-shot compression, without any training, written by `junkdna export`."
    yield f"Its weights are stored dense, in {written.facts['dtype']}: the folder loads as any other checkpoint, and is"
    yield "neither smaller nor faster by itself."
    yield from ("", "## How it was made", "", *table(("", ""), _made(resolved, cell, written)))
    yield from ("", "## What it scored", "", *_scored(resolved, rows, no_rows))
    yield from ("", "## Files", "", *table(("file", "what it holds"), _files(written)))
    loader = LOADERS[spec.kind]
    yield from ("", "## Use", "", "```python", f"from transformers import {loader}, AutoTokenizer", "")
    yield from (f"model = {loader}.from_pretrained(folder)", "tokenizer = AutoTokenizer.from_pretrained(folder)", "```")


def _made(resolved: Resolved, cell: Cell, written: Exported) -> Iterator[tuple[str, str]]:
    method, facts, report = METHODS[cell.compression.method], written.facts, written.report
    layers = report["layers"]
    weights = sum(layer["rows"] * layer["inputs"] for layer in layers.values())
    yield "compression", code(cell.compression.tag)
    yield "method", f"{method.meaning}{f' ({method.source})' if method.source else ''}".replace("|", "\\|")
    options = settings_options(cell.compression)
    yield "options", ", ".join(f"{name} {code(_option(value))}" for name, value in options.items()) or "none"
    yield from _calibration(resolved, options.get("calibration"), facts)
    yield from [("seed", str(cell.seed))] if cell.compression.seeded else []
    yield "source model", _source(resolved, cell.model, facts)
    yield "license of the source", license_of(resolved, cell.model)
    left = len(report["left_dense"])
    yield (
        "compressed matrices",
        f"{len(layers)} with {weights:,} weights{f'; {left} matrices left dense' if left else ''}",
    )
    if written.masks:
        yield "sparsity", f"{100 * report['achieved_sparsity']:.4f} % of the weights in scope are 0"
    yield "effective bits", f"{report['effective_bits_per_weight']:.4g} per weight in scope (dense: 16), calculated"
    if written.keeps_2_of_4:
        yield "2 of 4", "every 4 consecutive inputs of each compressed matrix have at most two values that are not 0"
    yield "versions", ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    yield "digest of the source files", code(facts["source_digest"])


def _option(value: object) -> str:
    """The value of an option as a study writes it; a list without brackets."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_option, value))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _source(resolved: Resolved, model: str, facts: Mapping) -> str:
    """The source of a model, with the version of a wheel or the commit of a repository."""
    parts = [f"{key} {code(value)}" for key, value in facts["source"].items()]
    wheel = resolved.study.models[model].wheel
    parts += [f"version {resolved.study.pins()[wheel].version}"] if wheel else []
    parts += [f"commit {code(facts['revision'])}"] if facts.get("revision") else []
    return ", ".join([*parts, *(["expanded from a .gguf file"] if facts.get("converted_from") else [])])


def _calibration(resolved: Resolved, name: object, facts: Mapping) -> Iterator[tuple[str, str]]:
    if not name:
        return
    spec = resolved.study.calibrations[name].model_dump(exclude_none=True)
    texts = ", ".join(f"{key} {code(value)}" for key, value in spec.items())
    yield "calibration", f"{code(name)}: {texts}; {facts['calibration_tokens']:,} tokens"


def license_of(resolved: Resolved, model: str) -> str:
    """The license of a model's source as its wheel's pin or the model card of its local folder states it."""
    spec = resolved.study.models[model]
    if spec.wheel is not None:
        return resolved.study.pins()[spec.wheel].license or UNKNOWN_LICENSE
    card = local_folder(spec.local) / "README.md" if spec.local is not None else Path()
    if not card.is_file():
        return UNKNOWN_LICENSE
    found = re.match(r"---\n(?:.*\n)*?license: *(\S+)", card.read_text(encoding="utf-8", errors="replace"))
    return found[1] if found else UNKNOWN_LICENSE


def _scored(resolved: Resolved, rows: Sequence[Mapping], no_rows: str) -> Iterator[str]:
    if not rows:
        yield f"Nothing is known: {no_rows}."
        return
    yield f"From the finished cells of the study `{resolved.study.study}`, with 95 % intervals over questions."
    yield "Retention is (score - baseline) / (dense score - baseline)."
    yield ""
    yield from table(SCORES, map(_score_row, rows))


def _score_row(row: Mapping) -> tuple[str, ...]:
    protocol = "" if row["protocol"] == "default" else f", protocol {row['protocol']}"
    values = (_interval(row, name) for name in ("score", "dense_score", "drop", "retention"))
    return (f"{row['label']} ({row['task']}{protocol})", row["metric"], str(row["n_examples"]), *values)


def _interval(row: Mapping, name: str) -> str:
    """Such as "0.812 (0.790 to 0.833)"; "-" for an undefined value, "unbounded" where there are no limits, and the
    value alone if the table has no interval of it."""
    value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return "-"
    return f"{value:.3f}" + (f" ({between(low, high)})" if f"{name}_low" in row else "")


def _files(written: Exported) -> Iterator[tuple[str, str]]:
    yield "`config.json`, `*.safetensors`, tokenizer files", "the compressed model"
    if written.masks:
        yield "`junkdna/masks.safetensors`", "which weights are kept, one bit per weight"
    if written.packed:
        yield "`junkdna/sparse24.safetensors`", f"the 2-of-4 layout of sparse tensor cores, in {written.packed}"
    yield "`junkdna/export.json`", "settings, versions, and the result for each matrix"
