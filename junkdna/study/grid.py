"""The cells of a study, and the files that they read."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from junkdna.study.cell import Cell, Compression, Knobs, calibration_path, has_shots
from junkdna.study.compress_settings import calibration_of
from junkdna.study.compression import CompressionGrid
from junkdna.study.paths import EXAMPLES, MODELS, wheel_path
from junkdna.study.recovery import recovery_protocol
from junkdna.study.source_settings import example_settings
from junkdna.study.study import Experiment, Resolved
from junkdna.study.task import Task


def conditions(exp: Experiment, tasks: dict[str, Task]) -> Iterator[tuple[str, Knobs]]:
    """(task, knobs) pairs of an experiment. Knobs at the task's default are omitted, so equal conditions are equal."""
    for use in exp.tasks:
        defaults = tasks[use.task].knob_defaults()
        choices = {**exp.knobs, **{k: [v] for k, v in use.fixed().items()}}
        names = sorted(choices)
        for values in product(*(choices[name] for name in names)):
            pairs = dict(zip(names, values, strict=True))
            if pairs.get("context", defaults.get("context")) == "none":
                pairs.pop("answer_span", None)  # without a passage, there is no answer to mask in it
            yield use.task, tuple((name, value) for name, value in pairs.items() if value != defaults[name])


def levels(grids: list[CompressionGrid]) -> list[Compression]:
    """Every compression of an experiment once, dense first; sparsity 0 is dense."""
    return list(dict.fromkeys([Compression(), *(each for grid in grids for each in grid.compressions())]))


def canonical(cell: Cell) -> Cell:
    """The cell, with seed 0 if nothing depends on the seed (no training, no random mask, no calibration)."""
    return cell if cell.transfer != "none" or cell.compression.seeded else replace(cell, seed=0)


def reference(cell: Cell) -> Cell:
    """The dense cell to which a cell is compared: same model, task, knobs, protocol and seed."""
    transfer = "none" if cell.transfer == "none" else "dense"
    return canonical(replace(cell, compression=Compression(), transfer=transfer))


def expand(resolved: Resolved) -> dict[str, list[Cell]]:
    """Experiment -> its cells with their references, each once, for every active experiment."""
    expanded = {}
    for name, exp in resolved.study.active().items():
        cells: dict[Cell, None] = {}
        lengths = product(exp.recovery, exp.transfer)
        trained = [(mode, recovery_protocol(exp.protocol, by)) for by, mode in lengths if mode != "none" or by == 1]
        grid = product(exp.models, conditions(exp, resolved.tasks), levels(exp.compressions), trained, exp.seeds)
        for model, (task, knobs), compression, (transfer, protocol), seed in grid:
            if transfer == "none" or (transfer == "dense") == (compression.method == "dense"):
                cell = canonical(Cell(model, task, knobs, compression, transfer, protocol, seed))
                cells |= dict.fromkeys([reference(cell), cell])
        expanded[name] = list(cells)
    return expanded


def all_cells(resolved: Resolved) -> list[Cell]:
    """Every cell of the study's active experiments once, in a fixed order."""
    return list(dict.fromkeys(cell for cells in expand(resolved).values() for cell in cells))


def stored(cells: Iterable[Cell]) -> list[Cell]:
    """One cell for each file of compressed weights that these cells read."""
    return list({cell.compressed_path: cell for cell in cells if cell.compressed_path is not None}.values())


def calibrations(cells: Iterable[Cell]) -> list[str]:
    """Names of the calibrations on which these cells depend."""
    return sorted({value for cell in cells for name, value in cell.compression.options if name == "calibration"})


def used_examples(cells: list[Cell], resolved: Resolved) -> list[tuple[str, str]]:
    """Every (task, role) whose examples are read by a cell or by a calibration on which a cell depends, and the
    published difficulty of the tasks of these cells that have one, which the analysis reads."""
    uses = [
        (cell.task, role) for cell in cells for role in (*cell.roles, *(["shots"] if has_shots(cell.knobs) else []))
    ]
    drawn = [resolved.study.calibrations[name] for name in calibrations(cells)]
    rated = [(task, "difficulty") for task in rated_tasks(cells, resolved)]
    return list(dict.fromkeys([*uses, *((each.task, each.role) for each in drawn if each.task is not None), *rated]))


def protocol_names(cells: Iterable[Cell], resolved: Resolved) -> list[str]:
    """Names of the study's protocols and of the recovery lengths of its cells."""
    return list(dict.fromkeys(["default", *resolved.study.protocols, *(cell.protocol for cell in cells)]))


def rated_tasks(cells: Iterable[Cell], resolved: Resolved) -> list[str]:
    """Tasks of these cells with a published difficulty of their questions."""
    return [task for task in dict.fromkeys(cell.task for cell in cells) if resolved.tasks[task].difficulty]


def rating_files(resolved: Resolved) -> dict[str, Path]:
    """Task -> its file of difficulties, for each task of the study that has a published difficulty."""
    tasks = rated_tasks(all_cells(resolved), resolved)
    return {task: Path(f"{EXAMPLES}/{task}/difficulty.parquet") for task in tasks}


def files_before(cells: list[Cell], resolved: Resolved) -> dict[str, list[str]]:
    """Kind (wheels, models, examples, tokens, calibrations, compressions) -> files on which these cells depend.

    A model is represented by its manifest, model.json.
    """
    tokens = dict.fromkeys(cell.tokens_path(role) for cell in cells for role in cell.roles)
    compressed = stored(cells)
    calibrated = [cell for cell in compressed if cell.compression.calibrated]
    drawn = [calibration_path(cell.model, calibration_of(cell.compression), cell.seed) for cell in calibrated]
    return {
        "wheels": [wheel_path(wheel) for wheel in used_wheels(cells, resolved)],
        "models": [f"{MODELS}/{name}/model.json" for name in dict.fromkeys(cell.model for cell in cells)],
        "examples": [f"{EXAMPLES}/{task}/{role}.parquet" for task, role in used_examples(cells, resolved)],
        "tokens": list(tokens),
        "calibrations": list(dict.fromkeys(drawn)),
        "compressions": [cell.compressed_path for cell in compressed],
    }


def used_wheels(cells: list[Cell], resolved: Resolved) -> list[str]:
    """Names of the wheels with models, examples and calibration texts of these cells."""
    wheels = {resolved.study.models[name].wheel for name in {cell.model for cell in cells}}
    wheels |= {example_settings(*use, resolved).source.wheel for use in used_examples(cells, resolved)}
    wheels |= {resolved.study.calibrations[name].wheel for name in calibrations(cells)}
    return sorted(wheels - {None})


def present(files: Iterable[str]) -> int:
    """How many of the files exist."""
    return sum(Path(file).is_file() for file in files)
