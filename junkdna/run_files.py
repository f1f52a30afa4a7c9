"""The files that a run of a study makes on its way to the cells, by kind: what can be fetched, what is there."""

from collections.abc import Iterable
from pathlib import Path

from junkdna.compress.registry import METHODS
from junkdna.grid import calibrations, stored
from junkdna.job_settings import calibration_of, example_settings
from junkdna.keys import EXAMPLES, MODELS, Cell, calibration_path, wheel_path
from junkdna.places import used_examples
from junkdna.study import Resolved


def files_before(cells: list[Cell], resolved: Resolved) -> dict[str, list[str]]:
    """Kind (wheels, models, examples, tokens, calibrations, compressions) -> files that these cells are made from.

    A model is named by its manifest, model.json; what compression keeps beside it is not among them.
    """
    tokens = dict.fromkeys(cell.tokens_path(role) for cell in cells for role in cell.roles)
    shared = stored(cells)
    calibrated = [cell for cell in shared if METHODS[cell.compression.method].statistics]
    drawn = [calibration_path(cell.model, calibration_of(cell.compression), cell.seed) for cell in calibrated]
    return {
        "wheels": [wheel_path(wheel) for wheel in used_wheels(cells, resolved)],
        "models": [f"{MODELS}/{name}/model.json" for name in dict.fromkeys(cell.model for cell in cells)],
        "examples": [f"{EXAMPLES}/{task}/{role}.parquet" for task, role in used_examples(cells, resolved)],
        "tokens": list(tokens),
        "calibrations": list(dict.fromkeys(drawn)),
        "compressions": [cell.compressed_path for cell in shared],
    }


def used_wheels(cells: list[Cell], resolved: Resolved) -> list[str]:
    """Names of the wheels that models, examples and calibrations of these cells come from."""
    settings = [example_settings(*use, resolved)["source"] for use in used_examples(cells, resolved)]
    found = {resolved.study.models[name].wheel for name in {cell.model for cell in cells}}
    found |= {source.get("wheel") for source in settings}
    found |= {resolved.study.calibrations[name].wheel for name in calibrations(cells)}
    return sorted(found - {None})


def present(files: Iterable[str]) -> int:
    """How many of some files are there."""
    return sum(Path(file).is_file() for file in files)
