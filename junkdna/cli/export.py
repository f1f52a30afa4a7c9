"""`junkdna export`: compressed models as folders that transformers loads, with masks and a model card."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.dag.build import build_targets
from junkdna.dag.recorded_settings import is_current
from junkdna.errors import UserError, unknown_name
from junkdna.storage.atomic_folder import atomic_folder, check_free
from junkdna.study.cell import Cell
from junkdna.study.compress_settings import compressed_settings
from junkdna.study.grid import all_cells
from junkdna.study.levels import parse_level
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    from junkdna.run.export import Exported


def export(
    resolved: Resolved, model: str, names: str, out: Path, seed: int | None = None, packed: str = ""
) -> Iterator[str]:
    """Write the compressions `names` (separated by commas) of a model to `out`, or, if there are several, to
    `out`/NAME each. Yields one line for each folder.

    All experiments of the study count, optional ones included. Compressed weights that need no calibration are computed
    where they are missing. Raises UserError, before anything is written, for unknown names, a folder that is not
    empty, missing calibrated weights, and methods whose weights do not fit the 2-of-4 layout (`packed`).
    """
    study = with_all_experiments(resolved)
    cells = chosen_cells(study, model, names, seed)
    targets = {cell: out / cell.compression.tag if len(cells) > 1 else out for cell in cells}
    for target in targets.values():
        check_free(target, "--out")
    if packed:
        _check_packable(cells)
    _check_stored(study, cells)
    build_targets(resolved, [Path(cells[0].model_folder) / "model.json"])
    for cell, target in targets.items():
        yield _export(study, cell, target, packed)


def with_all_experiments(resolved: Resolved) -> Resolved:
    """The study with every experiment active, optional ones too."""
    study = resolved.study.model_copy(update={"run": [*resolved.study.experiments]})
    return Resolved(study, resolved.tasks, resolved.commands)


def split_names(text: str) -> list[str]:
    """The names in a list that is separated by commas, which also separate the options of a name: "a-0.5,x=1,b-0.7"."""
    names: list[str] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        if "=" in part and names:
            names[-1] += f",{part}"
        else:
            names.append(part)
    return list(dict.fromkeys(names))


def chosen_cells(resolved: Resolved, model: str, names: str, seed: int | None) -> list[Cell]:
    """One cell for each of the compressions `names` of a model, at `seed` (by default its lowest).

    A name without options stands for the compression that begins with it and has the fewest options (`wanda-0.5` for
    that with only a calibration). Raises UserError for a name that the study does not have or that stands for several,
    and for a seed that it does not have.
    """
    if model not in resolved.study.models:
        raise unknown_name("model", model, resolved.study.models, "--model")
    by_tag: dict[str, dict[int, Cell]] = {}
    for cell in all_cells(resolved):
        if cell.model == model and cell.compression.level:
            seed_of = cell.seed if cell.compression.seeded else 0
            by_tag.setdefault(cell.compression.tag, {}).setdefault(seed_of, cell)
    if not by_tag:
        raise UserError(f"--model {model}: no experiment of the study compresses this model.")
    if not (wanted := split_names(names)):
        raise UserError(f"--compression {names!r} names none. Valid: {', '.join(sorted(by_tag))}.")
    cells = list(dict.fromkeys(_at_seed(tag := _full_name(name, [*by_tag]), by_tag[tag], seed) for name in wanted))
    if seed is not None and not any(cell.compression.seeded for cell in cells):
        raise UserError(f"--seed {seed}: {names} does not depend on a seed. Leave --seed out.")
    return cells


def _full_name(name: str, tags: list[str]) -> str:
    if name in tags:
        return name
    longer = [tag for tag in tags if tag.startswith(f"{name},")]
    fewest = min((tag.count(",") for tag in longer), default=0)
    longer = [tag for tag in longer if tag.count(",") == fewest]
    if len(longer) > 1:
        raise UserError(f"--compression {name} stands for several compressions: write one of {' or '.join(longer)}.")
    if not longer:
        raise unknown_name("compression", name, tags, "--compression")
    return longer[0]


def _at_seed(tag: str, cells: dict[int, Cell], seed: int | None) -> Cell:
    first = cells[min(cells)]
    if seed is None or not first.compression.seeded:
        return first
    if seed not in cells:
        raise UserError(f"--seed {seed}: the study has {tag} with seed {', '.join(map(str, sorted(cells)))}.")
    return cells[seed]


def _check_packable(cells: list[Cell]) -> None:
    """Raises UserError for a compression that does not keep at most half of each group of inputs. What an external
    checkpoint keeps is known when it is read."""
    for cell in cells:
        kind, value = parse_level(cell.compression.level)
        if kind != "external" and not (kind == "keep_of" and 2 * value[0] <= value[1]):
            raise UserError(
                f"--pack: in {cell.compression.tag} more than 2 of 4 consecutive inputs are kept, so the 2-of-4 layout "
                "cannot store it. Leave out --pack, or export a compression with keep: 2, of: 4."
            )


def _check_stored(resolved: Resolved, cells: list[Cell]) -> None:
    """Raises UserError with the command that builds the calibrated weights that are missing or outdated."""
    missing = [cell.compressed_path for cell in cells if cell.compression.calibrated and not _is_stored(resolved, cell)]
    if missing:
        command = resolved.commands.snakemake("--cores", "all", targets=missing)
        raise UserError(f"{missing[0]} is missing, or was computed with other settings. To build it, run: {command}")


def _is_stored(resolved: Resolved, cell: Cell) -> bool:
    settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    return is_current(cell.compressed_path, settings)


def _export(resolved: Resolved, cell: Cell, target: Path, packed: str) -> str:
    from junkdna.report.model_card import model_card
    from junkdna.run.export import write_export

    spec = resolved.study.models[cell.model]
    artifact, settings = None, {}
    if cell.compressed_path is not None:
        artifact = _stored(resolved, cell)
        settings = {name: value for name, value in artifact.facts.items() if name != "report"}
    rows, no_rows = _scores(resolved, cell)
    with atomic_folder(target) as folder:
        written = write_export(folder, cell, spec.kind, spec.dtype, artifact, settings, packed)
        card = "\n".join(model_card(resolved, cell, written, rows, no_rows))
        (folder / "README.md").write_text(card + "\n", encoding="utf-8")
    return f"{target}  {cell.compression.tag}: {_described(written)}"


def _described(written: "Exported") -> str:
    report = written.report
    parts = [f"{100 * report['achieved_sparsity']:.4g} % pruned"] if written.masks else []
    parts.append(f"{report['effective_bits_per_weight']:.4g} effective bits per weight")
    parts.append(f"{written.masks} masks" if written.masks else "no masks")
    return ", ".join([*parts, *([f"2-of-4 layout in {written.packed}"] if written.packed else [])])


def _stored(resolved: Resolved, cell: Cell) -> object:
    """The compressed weights of a cell, computed first if they are missing and need no calibration."""
    from junkdna.cli import jobs
    from junkdna.compress.artifact import read_artifact
    from junkdna.storage.fingerprint import settings_fingerprint

    settings = compressed_settings(cell.model, cell.compression, cell.seed, resolved)
    path = Path(cell.compressed_path)
    if not is_current(path, settings):
        manifest = Path(cell.model_folder) / "model.json"
        jobs.compress(path, settings, manifest, None, gpus=0, threads=os.cpu_count() or 1)
    return read_artifact(path, settings_fingerprint(settings))


def _scores(resolved: Resolved, cell: Cell) -> tuple[list[dict], str]:
    """Rows of the table of drops of the finished cells of these weights; without any, the reason."""
    from junkdna.analysis.scores_of_one import scores_of_one

    try:
        rows = scores_of_one(resolved, cell)
    except UserError as error:
        return [], str(error)
    return rows, "" if rows else "no finished cell of the study has these weights and their dense reference"
