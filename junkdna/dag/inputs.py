"""What the rules need from a study: the study itself, input files of jobs, and the settings text of each job."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from junkdna.dag.source_checks import check_sources
from junkdna.errors import UserError, short_repr
from junkdna.report.catalog import Outline, figure_names
from junkdna.storage.fingerprint import canonical_json, digest
from junkdna.storage.study_commands import DEFAULT_STUDY
from junkdna.study import grid, settings_from_study
from junkdna.study.cell import (
    Cell,
    calibration_path,
    has_shots,
    knob_text,
    parse_cell_path,
    parse_compression,
    parse_knobs,
)
from junkdna.study.compress_settings import calibration_file_settings, calibration_of, compressed_settings
from junkdna.study.connections import all_connections, connect_settings, connection_at
from junkdna.study.file_kinds import check_kind
from junkdna.study.grid import all_cells
from junkdna.study.load import load_study, resolve, study_document
from junkdna.study.paths import EXAMPLES, wheel_path
from junkdna.study.settings_from_study import tokens_file_settings
from junkdna.study.source_settings import example_settings, model_settings, wheel_settings
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    from snakemake.io import Wildcards

FORMATS = ("pdf", "png", "svg", "csv")


def load_for_workflow(config: dict, files: Sequence = (), options: Mapping = MappingProxyType({})) -> Resolved:
    """The study of a Snakemake run: config.yaml, the file of `--config study_file=FILE`, or the `--configfile`.

    `config` is everything that Snakemake has read; `files` are the `--configfile` paths and `options` the keys of
    `--config`, which replace top-level keys of the file. A single `--configfile` is read again with
    `yaml_reader.read_yaml`, because Snakemake reads 010 as 8 and keeps the last of two equal keys. Snakemake has
    already executed the Python in a `--configfile` with `__use_yte__`; a study_file is never executed.
    """
    if "study" in config and "models" in config:
        if len(files) == 1 and _is_plain_yaml(Path(files[0])):
            resolved = load_study(from_here(Path(files[0])), {key: config[key] for key in options})
        else:
            resolved = resolve(config, "the study of --configfile")
    else:
        if files:
            check_kind(config, " ".join(str(from_here(Path(file))) for file in files), "study")
        overrides = dict(config)
        file = overrides.pop("study_file", DEFAULT_STUDY)
        if not isinstance(file, str):
            raise UserError(f"--config study_file={short_repr(file)}: name a YAML file.")
        resolved = load_study(Path(file), overrides, "--configfile" if files else "--config")
    check_sources(resolved)
    return resolved


def _is_plain_yaml(file: Path) -> bool:
    """Whether a file is YAML, and neither JSON nor a template."""
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return "__use_yte__" not in file.read_text(encoding="utf-8", errors="replace")
    return False


def one_of(names: Iterable[str]) -> str:
    """A regular expression that matches exactly the `names`."""
    return "|".join(map(re.escape, names)) or "(?!)"


def from_here(file: Path) -> Path:
    """A path relative to the working directory: Snakemake makes those of `--configfile` absolute."""
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def figure_files(resolved: Resolved, folder: str) -> list[str]:
    """Paths of all figures of the study's active experiments."""
    published = _published_experiments(resolved)
    outlines = {
        name: Outline(
            set(exp.transfer),
            len({*grid.conditions(exp, resolved.tasks)}),
            {compression.tag for compression in grid.levels(exp.compressions)},
            name in published,
            len(set(exp.recovery)) if set(exp.transfer) - {"none"} else 1,
            any(resolved.tasks[task].difficulty for task, _ in grid.conditions(exp, resolved.tasks)),
            exp.connectivity is not None,
        )
        for name, exp in resolved.study.active().items()
    }
    return [f"{folder}/figures/{stem}.{extension}" for stem in figure_names(outlines) for extension in FORMATS]


def _published_experiments(resolved: Resolved) -> set[str]:
    """The experiments with a curve that a published curve covers. Imports polars only for models of the Hub."""
    hubs = {name: model.hub for name, model in resolved.study.models.items() if model.hub}
    if not hubs:
        return set()
    from junkdna.analysis.published_overlay import is_covered

    def shown(cell: Cell) -> tuple[str, ...]:
        knobs = knob_text(cell.knobs) if cell.knobs else ""
        return (hubs.get(cell.model, ""), cell.task, knobs, cell.compression.tag, cell.transfer)

    return {name for name, cells in grid.expand(resolved).items() if is_covered(map(shown, cells))}


def study_text(resolved: Resolved) -> str:
    """The checked study with its task files as canonical JSON."""
    return canonical_json(study_document(resolved))


def study_file(resolved: Resolved, folder: str) -> str:
    """Path of the checked study. Its name contains a digest of the study and of the settings and code of every cell.

    Because of the digest, a changed study is a missing file even if Snakemake's records are lost. The join then runs
    again and checks every cell.
    """
    settings = [_cell_text(cell, resolved) for cell in all_cells(resolved)]
    settings += [canonical_json(connect_settings(each, resolved)) for each in all_connections(resolved)]
    return f"{folder}/study-{digest(study_text(resolved) + ''.join(settings))}.json"


def wheel_of_model(resolved: Resolved, model: str) -> list[str]:
    """The wheel that the job of a model reads, if any. Local files are not inputs of rules: their digests are settings
    of the job, so their contents count and their dates do not."""
    return _wheel_files(resolved.study.models[model].wheel)


def wheel_of_task(resolved: Resolved, task: str, role: str) -> list[str]:
    """The wheel that contains the examples of a role, if any."""
    return _wheel_files(example_settings(task, role, resolved).source.wheel)


def shots_file(wildcards: "Wildcards") -> list[str]:
    """The file with the in-context examples of a tokens file; empty for 0 shots."""
    return [f"{EXAMPLES}/{wildcards.task}/shots.parquet"] if has_shots(parse_knobs(wildcards.knobs)) else []


def inputs_of_cell(wildcards: "Wildcards") -> dict[str, str | list[str]]:
    """The files that a cell reads, by their names in the rule; with its stored compression, if it reads one."""
    return _inputs_of(_cell(wildcards))


def _inputs_of(cell: Cell) -> dict[str, str | list[str]]:
    files = {"model": f"{cell.model_folder}/model.json", "tokens": [cell.tokens_path(role) for role in cell.roles]}
    return files | ({"compressed": cell.compressed_path} if cell.compressed_path else {})


def inputs_of_connection(output: str, resolved: Resolved) -> dict[str, str | list[str]]:
    """The files that the job of a connection reads: those of both cells, and what they read, as it may train them
    again."""
    connection = connection_at(output, resolved)
    return {"cells": [cell.path for cell in connection.cells]} | _inputs_of(connection.end)


def connection_text(output: str, resolved: Resolved) -> str:
    """The settings of a connection as canonical JSON."""
    return canonical_json(connect_settings(connection_at(output, resolved), resolved))


def connection_minutes(output: str, resolved: Resolved, gpus: int) -> int:
    """The minutes of a scheduler that the job of a connection asks for, with or without GPUs (`line_times`)."""
    from junkdna.dag.line_times import line_minutes

    return line_minutes(connection_at(output, resolved), "gpu" if gpus else "cpu", resolved)


def calibration_of_compressed(wildcards: "Wildcards") -> list[str]:
    """The calibration file of a stored compression; empty for methods that need none."""
    compression = parse_compression(wildcards.compression)
    if not compression.calibrated:
        return []
    return [calibration_path(wildcards.model, calibration_of(compression), wildcards.seed)]


def texts_of_calibration(resolved: Resolved, name: str) -> list[str]:
    """The files with the texts of a calibration: the examples of a task or a wheel."""
    calibration = resolved.study.calibrations[name]
    if calibration.task is not None:
        return [f"{EXAMPLES}/{calibration.task}/{calibration.role}.parquet"]
    return _wheel_files(calibration.wheel)


def _wheel_files(wheel: str | None) -> list[str]:
    return [wheel_path(wheel)] if wheel else []


def settings_text(resolved: Resolved, job: str, wildcards: "Wildcards") -> str:
    """The settings of a job as canonical JSON; `job` is the name of its rule. Snakemake tracks this parameter."""
    w = wildcards
    if job == "cell":
        return _cell_text(_cell(w), resolved)
    settings = {
        "wheel": lambda: wheel_settings(w.wheel, resolved),
        "model": lambda: model_settings(w.model, resolved),
        "examples": lambda: example_settings(w.task, w.role, resolved),
        "tokenize": lambda: tokens_file_settings(w.model, w.task, parse_knobs(w.knobs), w.protocol, w.role, resolved),
        "calibration": lambda: calibration_file_settings(w.model, w.calibration, int(w.seed), resolved),
        "compress": lambda: compressed_settings(w.model, parse_compression(w.compression), int(w.seed), resolved),
    }
    return canonical_json(settings[job]())


def _cell(w: "Wildcards") -> Cell:
    return _parsed("/".join((w.model, w.task, w.knobs, w.compression, w.transfer, w.protocol, f"seed-{w.seed}")))


_parsed = lru_cache(64)(parse_cell_path)  # Snakemake calls several functions for a cell in a row


_cell_text = cache(settings_from_study.settings_text)
