"""Whether the compressions of a study fit its calibrations, protocols and transfer modes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.compress.registry import METHODS
from junkdna.errors import UserError, unknown_name

if TYPE_CHECKING:
    from junkdna.compression_grid import CompressionGrid
    from junkdna.study import Experiment, Resolved

WITHOUT_MASK = ("none", "dense", "sparse_to_dense")  # transfer modes that need no mask to hold


def check_compressions(place: str, exp: Experiment, resolved: Resolved) -> None:
    """UserError, `place` in front, for a compression that names no calibration of the study, or that the experiment's
    transfer modes or protocol cannot take."""
    for number, grid in enumerate(exp.compressions):
        where = f"{place}.compressions.{number}: method {grid.method}"
        calibrations = resolved.study.calibrations
        if grid.calibration is not None and grid.calibration not in calibrations:
            if not calibrations:
                raise UserError(
                    f"{where}: calibration {grid.calibration!r}, but the study has no calibrations. Add one, such as "
                    f"`calibrations: {{{grid.calibration}: {{task: {exp.tasks[0].task}, samples: 64, "
                    f"context_tokens: 512}}}}`."
                )
            raise unknown_name("calibration", grid.calibration, calibrations, where)
        _check_modes(where, grid, exp)
        _check_head(where, grid, exp, resolved)


def _check_modes(where: str, grid: CompressionGrid, exp: Experiment) -> None:
    held = [mode for mode in exp.transfer if mode not in WITHOUT_MASK]
    if METHODS[grid.method].gives == "weight" and held:
        raise UserError(
            f"{where} prunes nothing, so there is no mask that transfer {', '.join(held)} could hold. Use transfer "
            f"none, or sparse_to_dense (compressed at the start, then everything trains)."
        )


def _check_head(where: str, grid: CompressionGrid, exp: Experiment, resolved: Resolved) -> None:
    if not METHODS[grid.method].stored or set(exp.transfer) == {"none"}:
        return
    for use in exp.tasks:
        if resolved.study.protocol(exp.protocol, resolved.tasks[use.task]).prune_head:
            raise UserError(
                f"{where} is worked out once on the pre-trained model, which has no head of task {use.task}; "
                f"prune_head cannot be on. Switch it off, or use magnitude."
            )
