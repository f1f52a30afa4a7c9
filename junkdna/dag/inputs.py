"""What the Snakefile asks of a study: the study itself, and the one settings text each job tracks."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from junkdna.dag.local_paths import check_local_paths
from junkdna.dag.model_names import check_model_names
from junkdna.errors import UserError, shown
from junkdna.report.catalog import Outline, figure_names
from junkdna.storage.fingerprint import canonical_json, digest
from junkdna.study import grid
from junkdna.study.cell import Cell, calibration_path, has_shots, parse_cell_path, parse_compression, parse_knobs
from junkdna.study.compress_settings import calibration_file_settings, calibration_of, compressed_settings
from junkdna.study.file_kinds import check_kind
from junkdna.study.grid import all_cells
from junkdna.study.load import load_study, resolve, study_document
from junkdna.study.methods import METHODS
from junkdna.study.paths import EXAMPLES, wheel_path
from junkdna.study.settings_from_study import cell_settings, tokens_file_settings
from junkdna.study.source_settings import example_settings, model_settings, wheel_settings
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    from snakemake.io import Wildcards

DEFAULT_STUDY = Path("config.yaml")
FORMATS = ("pdf", "png", "svg")


def load_for_workflow(config: dict, files: Sequence = (), options: Mapping = MappingProxyType({})) -> Resolved:
    """The study of a Snakemake run: config.yaml, the file of `--config study_file=FILE`, or what `--configfile` gives.

    `config` is all that Snakemake has read; `files` are those of `--configfile` and `options` what `--config` gives.
    The keys of `--config` replace the file's top-level keys. A single `--configfile` is read anew, as
    `yaml_reader.read_yaml` does: Snakemake takes 010 for 8, and the last of two equal keys. Before any of this is
    called, Snakemake has run the Python in a `--configfile` that says `__use_yte__`; a study_file is only read.
    """
    if "study" in config and "models" in config:
        if len(files) == 1 and _is_plain_yaml(Path(files[0])):
            resolved = load_study(_from_here(Path(files[0])), {key: config[key] for key in options})
        else:
            resolved = resolve(config, "the study given by --configfile")
    else:
        if files:
            check_kind(config, " ".join(str(_from_here(Path(file))) for file in files), "study")
        overrides = dict(config)
        file = overrides.pop("study_file", str(DEFAULT_STUDY))
        if not isinstance(file, str):
            raise UserError(f"--config study_file={shown(file)}: name a YAML file.")
        resolved = load_study(Path(file), overrides, "--configfile" if files else "--config")
    check_local_paths(resolved)
    check_model_names(resolved)
    return resolved


def _is_plain_yaml(file: Path) -> bool:
    """Whether a study that Snakemake has read is in YAML, and no template."""
    try:
        json.loads(file.read_bytes())
    except ValueError:
        return "__use_yte__" not in file.read_text(encoding="utf-8", errors="replace")
    return False


def one_of(names: Iterable[str]) -> str:
    """The regular expression of a wildcard that is one of `names`."""
    return "|".join(map(re.escape, names)) or "(?!)"


def _from_here(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def figure_files(resolved: Resolved, folder: str) -> list[str]:
    """Every figure file that the study's active experiments lead to."""
    outlines = {
        name: Outline(
            set(exp.transfer),
            len({*grid.conditions(exp, resolved.tasks)}),
            {found.tag for found in grid.levels(exp.compressions)},
        )
        for name, exp in resolved.study.active().items()
    }
    return [f"{folder}/figures/{stem}.{ending}" for stem in figure_names(outlines) for ending in FORMATS]


def study_text(resolved: Resolved) -> str:
    """The whole checked study, task files included, as canonical JSON."""
    return canonical_json(study_document(resolved))


def study_file(resolved: Resolved, folder: str) -> str:
    """Where the checked study is kept. Its name holds a digest of the study and of every cell's settings and code.

    Snakemake's own records can be lost; with the digest in the name, a changed study is a missing file all the
    same, so the join runs again and compares every cell with what it should be.
    """
    settings = [_cell_text(resolved, cell.key) for cell in all_cells(resolved)]
    return f"{folder}/study-{digest(study_text(resolved) + ''.join(settings))}.json"


def wheel_of_model(resolved: Resolved, model: str) -> list[str]:
    """The wheel that a model's job reads, if any. Local files are no inputs of rules: their digests are settings of
    the job, so that what they hold decides and not their dates."""
    return _wheel_files(resolved.study.models[model].wheel)


def wheel_of_task(resolved: Resolved, task: str, role: str) -> list[str]:
    """The wheel that a role's examples are read from, if any."""
    return _wheel_files(example_settings(task, role, resolved).source.wheel)


def shots_file(wildcards: "Wildcards") -> list[str]:
    """The file of in-context examples that a tokens file shows in its prompts; none at 0 shots."""
    return [f"{EXAMPLES}/{wildcards.task}/shots.parquet"] if has_shots(parse_knobs(wildcards.knobs)) else []


def inputs_of_cell(wildcards: "Wildcards") -> dict[str, str | list[str]]:
    """The files that a cell reads, by the names they have in its rule; a stored compression only where it reads one."""
    cell = _cell(wildcards)
    found = {"model": f"{cell.model_folder}/model.json", "tokens": [cell.tokens_path(role) for role in cell.roles]}
    return found | ({"compressed": cell.compressed_path} if cell.compressed_path else {})


def calibration_of_compressed(wildcards: "Wildcards") -> list[str]:
    """The calibration file that a stored compression is made with; none for methods without."""
    compression = parse_compression(wildcards.compression)
    if not METHODS[compression.method].statistics:
        return []
    return [calibration_path(wildcards.model, calibration_of(compression), wildcards.seed)]


def texts_of_calibration(resolved: Resolved, name: str) -> list[str]:
    """The files that a calibration's texts are read from: a task's examples or a wheel."""
    calibration = resolved.study.calibrations[name]
    if calibration.task is not None:
        return [f"{EXAMPLES}/{calibration.task}/{calibration.role}.parquet"]
    return _wheel_files(calibration.wheel)


def _wheel_files(wheel: str | None) -> list[str]:
    return [wheel_path(wheel)] if wheel else []


def settings_text(resolved: Resolved, job: str, wildcards: "Wildcards") -> str:
    """The settings of a job (by the name of its rule) as canonical JSON: the one parameter that Snakemake tracks."""
    w = wildcards
    if job == "cell":
        return _cell_text(resolved, _cell(w).key)
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
    parts = (w.model, w.task, w.knobs, w.compression, w.transfer, w.protocol, f"seed-{w.seed}")
    return _parsed("/".join(parts))


_parsed = lru_cache(64)(parse_cell_path)  # Snakemake asks for one cell with several functions, one after the other


@cache
def _cell_text(resolved: Resolved, key: str) -> str:
    return canonical_json(cell_settings(_parsed(key), resolved))
