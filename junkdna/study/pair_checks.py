"""Checks of the pairs of conditions that a study's claims compare."""

from junkdna.errors import UserError, unknown_name
from junkdna.study.claim_settings import PairedCondition
from junkdna.study.experiment_checks import check_knobs
from junkdna.study.study import Resolved


def check_pairs(resolved: Resolved, where: str) -> None:
    """Raise UserError, prefixed with `where`, for a pair with an unknown task or with a knob value that its task does
    not support or has by default. Whether an experiment has the conditions is left to the table of claims."""
    for number, pair in enumerate(resolved.study.claims.pairs):
        _check_side(f"{where}: claims.pairs.{number}.easy", pair.easy, resolved)
        _check_side(f"{where}: claims.pairs.{number}.hard", pair.hard, resolved)


def _check_side(place: str, side: PairedCondition, resolved: Resolved) -> None:
    if side.task not in resolved.study.tasks:
        raise unknown_name("task", side.task, resolved.study.tasks, place)
    task = resolved.tasks[side.task]
    check_knobs(place, task, {knob: [value] for knob, value in side.knobs.items()})
    for knob, value in side.knobs.items():
        if value == task.knob_defaults()[knob]:
            raise UserError(f"{place}: task {task.name}: {value} is the default of knob {knob}. Leave it out.")
