"""Settings of the jobs in rules/compress.smk: calibration rows and compressed weights, each used by many cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from junkdna.storage.fingerprint import code_fingerprint, settings_fingerprint
from junkdna.study.calibration import Calibration
from junkdna.study.cell import Compression
from junkdna.study.external import ExternalSettings, external_settings
from junkdna.study.methods import METHODS
from junkdna.study.options import option_values
from junkdna.study.settings_base import SETTINGS_VERSION, Settings
from junkdna.study.source_settings import data_files_digest, example_settings, model_settings
from junkdna.study.sources import PinnedSource, WheelPin, pinned
from junkdna.study.study import Resolved


@dataclass(frozen=True)
class CalibrationSettings(Settings):
    """Everything that a file of calibration rows depends on. The compression method is not part of it, because all
    methods get the same rows.

    The texts are the examples of `task` in `role`, or the values of `column` in `split` of `source` (a path or the name
    of a Hub split, see `data.rows.load_raw`). `inputs` are fingerprints of the settings of the model folder and of the
    examples.
    """

    version: int
    calibration: str
    seed: int
    samples: int
    context_tokens: int
    windows: Literal["texts", "joined", "long"]
    code: str
    task: str | None = None
    role: str | None = None
    source: PinnedSource | None = None
    split: str | None = None
    column: str | None = None
    inputs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CompressedSettings(Settings):
    """Everything that compressed weights (`Cell.compressed_path`) depend on. `inputs` are fingerprints of the settings
    of the model folder and, if the method calibrates, of the calibration rows. `external` is the checkpoint or mask
    file of another tool."""

    version: int
    model: str
    model_kind: str
    model_dtype: str
    compression: str
    options: dict[str, Any]
    seed: int
    inputs: dict[str, str]
    code: str
    external: ExternalSettings | None = None


def calibration_settings(
    name: str, calibration: Calibration, seed: int, pins: Mapping[str, WheelPin]
) -> CalibrationSettings:
    """The settings of calibration rows, without `inputs` and the checksum of local files."""
    source = replace(pinned(calibration, pins), path=None) if calibration.task is None else None
    return CalibrationSettings(
        version=SETTINGS_VERSION,
        calibration=name,
        seed=seed,
        code=code_fingerprint("junkdna.data.calibration", "junkdna.data.examples_file"),
        source=source,
        split=calibration.path or calibration.split,
        **calibration.model_dump(include={"samples", "context_tokens", "windows", "task", "role", "column"}),
    )


def calibration_file_settings(model: str, name: str, seed: int, resolved: Resolved) -> CalibrationSettings:
    """Everything that a file of calibration rows for a model depends on."""
    settings = calibration_settings(name, resolved.study.calibrations[name], seed, resolved.study.pins())
    inputs = {"model": settings_fingerprint(model_settings(model, resolved))}
    if settings.source is None:
        examples = example_settings(settings.task, settings.role, resolved)
        return replace(settings, inputs=inputs | {"examples": settings_fingerprint(examples)})
    digest = data_files_digest(settings.source, [settings.split])
    return replace(settings, inputs=inputs, source=replace(settings.source, files_sha256=digest))


def calibration_of(compression: Compression) -> str:
    """The name of the calibration that a compression uses."""
    return dict(compression.options)["calibration"]


def compressed_settings(model: str, compression: Compression, seed: int, resolved: Resolved) -> CompressedSettings:
    """Everything that compressed weights depend on."""
    method, spec = METHODS[compression.method], resolved.study.models[model]
    inputs = {"model": settings_fingerprint(model_settings(model, resolved))}
    if method.statistics:
        calibration = calibration_file_settings(model, calibration_of(compression), seed, resolved)
        inputs["calibration"] = settings_fingerprint(calibration)
    return CompressedSettings(
        version=SETTINGS_VERSION,
        model=model,
        model_kind=spec.kind,
        model_dtype=spec.dtype,
        compression=compression.tag,
        options=option_values(compression.method, compression.options),
        seed=seed if method.seeded else 0,
        inputs=inputs,
        code=code_fingerprint("junkdna.compress.store", method.module),
        external=external_settings(compression, resolved),
    )
