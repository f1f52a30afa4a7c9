"""The job that compresses a model once for all its cells: calibrated methods, and others that are dear to repeat."""

import gc
import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from junkdna.compress.apply import Reports, Results, chosen, one_matrix
from junkdna.compress.artifact import write_artifact
from junkdna.compress.input_stats import InputStatistics
from junkdna.compress.masks import MatrixResult
from junkdna.compress.scope import Prunable, body_name, prunable
from junkdna.compress.sequential import Batch, calibrated
from junkdna.data.calibration_file import CalibrationRows, read_calibration
from junkdna.errors import UserError
from junkdna.models.batch_isolation import row_groups
from junkdna.models.batching import length_batches, pad
from junkdna.models.load import check_finite, load_plain
from junkdna.models.manifest import MANIFEST, check_model
from junkdna.storage.checksums import sha256_file
from junkdna.storage.file_errors import check_made_from, check_same_bytes
from junkdna.storage.fingerprint import canonical_json, settings_fingerprint
from junkdna.study.cell import Compression, parse_compression
from junkdna.study.methods import METHODS, load_module

if TYPE_CHECKING:
    from junkdna.study.compress_settings import CompressedSettings

log = logging.getLogger(__name__)

BATCH_TOKENS = 4096  # of calibration rows that go through a block together: activations stay smaller than a block


def make_compressed(
    output: Path, settings: "CompressedSettings", model_folder: Path, calibration: Path | None, device: str
) -> None:
    """Compress the plain model in `model_folder` and write what came of it to `output`, whole or not at all.

    `calibration` is a file of calibration rows, where the method
    takes one. Weights are compressed in the dtype that the model is loaded in. Beside the masks and weights the file
    holds the settings and their digest, the ids of the calibration samples, and the report on every matrix. What a
    method's `prepare` keeps is in a folder of the method's name inside the model folder.
    """
    gc.enable()  # off while importing (see cli.main)
    compression = parse_compression(settings.compression)
    manifest = check_model(model_folder)
    check_made_from(model_folder / MANIFEST, manifest["settings_fingerprint"], settings.inputs["model"])
    model = load_plain(model_folder, settings.model_kind, settings.model_dtype)
    check_finite(model, model_folder)
    reports = Reports(model, compression, prunable(model))
    prunables = chosen(model, compression)
    facts: dict = {
        "settings": json.loads(canonical_json(settings)),
        "digest": settings_fingerprint(settings),
        "model_digest": manifest["digest"],
    }
    statistics = METHODS[compression.method].statistics
    if statistics:
        rows = _calibration_rows(calibration, settings.inputs["calibration"], model_folder, manifest["digest"])
        facts |= {"calibration_sha256": sha256_file(calibration), "sample_ids": rows.sample_ids}
        facts["calibration_tokens"] = sum(map(len, rows.ids))
        batches, compress = _batches(model, rows), partial(_one, compression)
        results = calibrated(model, prunables, batches, compress, statistics == "gram", device)
    else:
        results = _without_inputs(prunables, compression, model_folder / compression.method, device)

    def stored() -> Results:
        by_name = {each.name: each for each in prunables}
        for name, result in results:
            reports.add(name, by_name[name].matrix(), result)
            log.info("%s: %s", name, reports.layers[-1].facts())
            yield body_name(model, name), result
        facts["report"] = reports.report()

    write_artifact(output, stored(), facts)


def _calibration_rows(path: Path | None, made_from: str, model_folder: Path, model_digest: str) -> CalibrationRows:
    """The rows of a calibration file; UserError where it is not there, or was made from other settings than these or
    for a model folder that has changed."""
    if path is None or not path.is_file():
        raise UserError(
            f"the calibration rows {path or '(none given with --calibration)'} are not there: make them first with "
            "`junkdna calibration`: `junkdna plan --commands` prints its command (with `--study FILE` for another "
            "study than config.yaml)."
        )
    rows, facts = read_calibration(path)
    check_made_from(path, settings_fingerprint(facts["settings"]), made_from)
    check_same_bytes(path, facts.get("model_digest"), model_folder / MANIFEST, model_digest)
    return rows


def _batches(model: nn.Module, rows: CalibrationRows) -> list[Batch]:
    """The rows in batches of like lengths, right-padded, on the CPU; a row of more than BATCH_TOKENS is one alone.
    Rows that would change one another's activations (`companions`) are not put together."""
    lengths = [len(ids) for ids in rows.ids]
    groups = [
        [group[i] for i in batch]
        for group in row_groups(model, lengths)
        for batch in length_batches([lengths[r] for r in group], BATCH_TOKENS)
    ]
    return [Batch(*pad([rows.ids[i] for i in group], "cpu")) for group in groups]


def _one(compression: Compression, name: str, weight: Tensor, statistics: InputStatistics) -> MatrixResult:
    return one_matrix(name, weight, statistics, compression)


def _without_inputs(prunables: list[Prunable], compression: Compression, folder: Path, device: str) -> Results:
    prepare = getattr(load_module(compression.method), "prepare", None)
    for each in prunables:
        weight = each.matrix().to(device)
        prepared = prepare(folder, each.name, weight) if prepare else {}
        yield each.name, one_matrix(each.name, weight, None, compression, **prepared)
