"""The job that compresses a model once for all its cells, for calibrated and other expensive methods."""

import gc
import json
import logging
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from junkdna.compress.apply import Levels, Reports, Results, compress_matrix, select_prunables
from junkdna.compress.artifact import write_artifact
from junkdna.compress.block_levels import allocation_of, matrix_levels
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.log_lines import matrix_line, method_line, model_line
from junkdna.compress.masks import MatrixResult
from junkdna.compress.outliers import outlier_ratios
from junkdna.compress.scope import Prunable, body_name, prunable
from junkdna.compress.sequential import Batch, calibrated
from junkdna.data.calibration_file import CalibrationRows, read_calibration
from junkdna.errors import UserError
from junkdna.models.batch_isolation import isolated_batches
from junkdna.models.batching import pad
from junkdna.models.load import check_finite, load_plain
from junkdna.models.manifest import MANIFEST, check_model
from junkdna.storage.checksums import sha256_file
from junkdna.storage.file_errors import check_made_from, check_same_bytes
from junkdna.storage.fingerprint import canonical_json, settings_fingerprint
from junkdna.study.cell import Compression, parse_compression
from junkdna.study.methods import METHODS, load_module
from junkdna.study.options import compression_options

if TYPE_CHECKING:
    from junkdna.study.compress_settings import CompressedSettings

log = logging.getLogger(__name__)
Prepare = Callable[[str, Tensor], dict]

BATCH_TOKENS = 4096  # of calibration rows that run through a block together; keeps activations smaller than a block


def make_compressed(
    output: Path, settings: "CompressedSettings", model_folder: Path, calibration: Path | None, device: str
) -> None:
    """Compress the plain model in `model_folder` and write the compressed weights to `output` atomically.

    `calibration` is a file of calibration rows, for compressions that need one. Weights are compressed in the dtype in
    which the model is loaded. In addition to masks and weights, the file contains the settings and their fingerprint,
    the ids of the calibration samples, and the report on every matrix. A method's `prepare` caches its results in a
    folder named after the method inside the model folder. For allocation owl, the dense model first runs once on the
    calibration rows.
    """
    gc.enable()  # off while importing (see cli.main)
    compression = parse_compression(settings.compression)
    log.info("%s", method_line(compression))
    model, manifest = _load(model_folder, settings)
    prunables = select_prunables(model, compression)
    facts: dict = {
        "settings": json.loads(canonical_json(settings)),
        "digest": settings_fingerprint(settings),
        "model_digest": manifest["digest"],
    }
    batches: list[Batch] = []
    if compression.calibrated:
        rows = _calibration_rows(calibration, settings.inputs["calibration"], model_folder, manifest["digest"])
        facts |= _calibration_facts(calibration, rows)
        batches = _batches(model, rows)
    ratios = _outlier_ratios(model, prunables, compression, batches, device)
    levels = matrix_levels(prunables, compression, ratios)
    reports = Reports(model, compression, prunable(model), levels, ratios)
    compress = partial(_compress_and_report, compression=compression, levels=levels, reports=reports)
    if statistics := METHODS[compression.method].statistics:
        results = calibrated(model, prunables, batches, compress, statistics == "gram", device)
    else:
        prepare = _preparation(settings, compression, model, prunables, model_folder)
        results = _without_statistics(prunables, compress, prepare, device)

    def named_results() -> Results:
        for name, result in results:
            log.info("%s", matrix_line(reports.layers[-1]))
            yield body_name(model, name), result
        facts["report"] = reports.report()
        log.info("%s", model_line(facts["report"]))

    write_artifact(output, named_results(), facts)


def _load(folder: Path, settings: "CompressedSettings") -> tuple[nn.Module, dict]:
    """The dense model and its manifest."""
    manifest = check_model(folder)
    check_made_from(folder / MANIFEST, manifest["settings_fingerprint"], settings.inputs["model"])
    model = load_plain(folder, settings.model_kind, settings.model_dtype)
    check_finite(model, folder)
    return model, manifest


def _calibration_rows(
    path: Path | None, expected_fingerprint: str, model_folder: Path, model_digest: str
) -> CalibrationRows:
    """The rows of a calibration file.

    Raises UserError if it does not exist, or was built from other settings or from other contents of the model folder.
    """
    if path is None or not path.is_file():
        raise UserError(
            f"the calibration rows {path or '(no --calibration option)'} do not exist. Write them with `junkdna "
            "calibration`; `junkdna plan --commands` prints the complete command (add `--study FILE` for a study other "
            "than config.yaml)."
        )
    rows, facts = read_calibration(path)
    check_made_from(path, settings_fingerprint(facts["settings"]), expected_fingerprint)
    check_same_bytes(path, facts.get("model_digest"), model_folder / MANIFEST, model_digest)
    return rows


def _calibration_facts(path: Path, rows: CalibrationRows) -> dict:
    tokens = sum(map(len, rows.ids))
    return {"calibration_sha256": sha256_file(path), "sample_ids": rows.sample_ids, "calibration_tokens": tokens}


def _batches(model: nn.Module, rows: CalibrationRows) -> list[Batch]:
    """The rows in batches of similar lengths, right-padded, on the CPU. A row of more than BATCH_TOKENS is a separate
    batch.

    Rows that would change one another's activations (`models.batch_isolation`) are never in one batch.
    """
    batches = isolated_batches(model, [len(ids) for ids in rows.ids], BATCH_TOKENS)
    return [Batch(*pad([rows.ids[i] for i in batch], "cpu")) for batch in batches]


def _outlier_ratios(
    model: nn.Module, prunables: list[Prunable], compression: Compression, batches: list[Batch], device: str
) -> dict[str, Fraction] | None:
    """The outlier ratio of each block of the dense model for allocation owl; None for other allocations."""
    if allocation_of(compression) != "owl":
        return None
    threshold = compression_options(compression)["owl_threshold"]
    return outlier_ratios(model, prunables, batches, threshold, device)


def _preparation(
    settings: "CompressedSettings", compression: Compression, model: nn.Module, prunables: list[Prunable], folder: Path
) -> Prepare:
    """What gives the additional arguments of a method for a matrix, by its name and weight (`study.methods`)."""
    module = load_module(compression.method)
    if hasattr(module, "prepare_all"):
        return module.prepare_all(settings, model, prunables)
    prepare = getattr(module, "prepare", None)
    return partial(prepare, folder / compression.method) if prepare else lambda name, weight: {}


def _compress_and_report(
    name: str,
    weight: Tensor,
    statistics: InputStatistics | None,
    compression: Compression,
    levels: Levels,
    reports: Reports,
    **prepared: object,
) -> MatrixResult:
    """The result for one matrix, which is reported while its weight and the sums over its inputs are there."""
    result = compress_matrix(name, weight, statistics, compression, levels, **prepared)
    reports.add(name, weight, result, statistics.gram if statistics else None)
    return result


def _without_statistics(
    prunables: list[Prunable], compress: Callable[..., MatrixResult], prepare: Prepare, device: str
) -> Results:
    for target in prunables:
        weight = target.matrix().to(device)
        yield target.name, compress(target.name, weight, None, **prepare(target.name, weight))
