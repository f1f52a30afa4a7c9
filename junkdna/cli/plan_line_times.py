"""The lines of `junkdna plan` about the time of the lines between trained cells (`dag.line_times`)."""

from collections.abc import Iterator

from junkdna.cli.plan_times import amount, cells_on, kinds
from junkdna.dag.cell_times import CellTimes
from junkdna.dag.connection_states import connections_left
from junkdna.dag.line_times import LineTimes, measured_lines, rough_lines, without_weights
from junkdna.dag.state import Snapshot
from junkdna.run import gpus as run_gpus
from junkdna.study.study import Resolved


def line_hours(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """The time of the lines that are left, and the cells that cannot be trained again here; nothing if none is left.

    The time of a line is that of scoring its points, by finished cells, else by measured rates. It counts the cells
    that train again, but not process starts.
    """
    if not connections_left(resolved):
        return
    for on in kinds():
        current, outdated = (cells_on(on, cells) for cells in (now.finished, now.outdated))
        if current or outdated:
            times = CellTimes(resolved, current, outdated | current)
            yield from _text(on, measured_lines(resolved, now, on == "gpu", times), "")
        else:
            yield from _text(on, rough_lines(resolved, on), "rough: ")
    yield from _not_repeatable(resolved, now)


def _text(on: str, found: LineTimes, rough: str) -> Iterator[str]:
    if found.lines:
        models = sum(line.points for line in found.lines)
        lines = f"{_count(len(found.lines), 'line')} between trained cells, {models} models to score"
        yield f"time    {rough or 'about '}{amount(on, found.total_s)} for {lines}"
    if found.again:
        again = f"{_count(len(found.again), 'finished cell')} again, whose weights are not kept"
        yield f"        of it {amount(on, found.again_s)} to train {again}"
    if found.unknown:
        yield f"time    unknown for {_count(len(found.unknown), 'line')} between trained cells on a {on.upper()}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _not_repeatable(resolved: Resolved, now: Snapshot) -> Iterator[str]:
    """A note on finished cells that lines need, if another kind of processor trained them than this machine has."""
    here = bool(run_gpus.gpu_count())
    cells = without_weights(connections_left(resolved), now, resolved)
    if others := [cell for cell in cells if now.finished[cell].on_gpu != here]:
        ran, fix = ("a CPU", "without a GPU (`--resources gpu=0`)") if here else ("a GPU", "on one")
        yield (
            f"NOTE     {ran} trained {_count(len(others), 'cell')} of these lines whose weights are not kept. That can "
            f"be repeated only {fix}: run there, or delete the files so that the cells run here: {others[0].path}"
        )
