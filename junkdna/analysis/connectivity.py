"""The table `connectivity`: metric and loss along the straight lines between trained weights, and their barriers.

The **barrier** of a line is the largest excess of its curve over the straight line between its two ends (Entezari et
al. 2022, arXiv 2110.06296, definition 1; Frankle et al. 2020, arXiv 1912.05671, take the mean of the ends instead). For
the loss the excess is loss(a) - [(1 - a) loss(0) + a loss(1)]; for the metric it is the other way round, so that a
barrier is never negative and 0 means that there is none.

Curves are means over the seeds. Intervals come from `intervals.py`, over seeds and examples; the interval of a barrier
is that of the excess at the point where it is largest, cut at 0, so it does not count how that point was found.

Shapes: p points, k columns (replicates or left-out seeds).
"""

from collections.abc import Iterator
from itertools import groupby

import numpy as np
import polars as pl

from junkdna.analysis.connection_answers import LOSS, ConnectionAnswers, Group
from junkdna.analysis.drops import condition_label
from junkdna.analysis.intervals import finite
from junkdna.analysis.published_lines import published_values
from junkdna.analysis.scores import Scores
from junkdna.study.cell import Cell, knob_text
from junkdna.study.connections import Connection, connections
from junkdna.study.grid import expand
from junkdna.study.study import Resolved

Array = np.ndarray
SCORE, ENDS = "score", ("", "_low", "_high")
SIGN = {SCORE: -1, LOSS: 1}  # of an excess that is worse
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(
        ("experiment", "model", "task", "knobs", "metric", "loss_unit", "method", "compression"), pl.String
    ),
    "sparsity": pl.Float64,
    **dict.fromkeys(("transfer", "protocol", "title", "label", "hub", "seeds"), pl.String),
    **dict.fromkeys(("n_seeds", "n_examples"), pl.Int64),
    "alpha": pl.Float64,
    **{f"{name}{end}": pl.Float64 for name in (SCORE, LOSS) for end in ENDS},
    **dict.fromkeys(("score_seeds", "loss_seeds"), pl.List(pl.Float64)),
    "collapsed": pl.Int64,
    **{f"{name}_barrier{end}": pl.Float64 for name in (SCORE, LOSS) for end in (*ENDS, "_at")},
    **dict.fromkeys(("score_barrier_seeds", "loss_barrier_seeds"), pl.List(pl.Float64)),
    **dict.fromkeys(("published_score", "published_loss"), pl.Float64),
}


def connectivity(resolved: Resolved, partial: bool = False) -> pl.DataFrame:
    """One row per experiment, condition, compression, protocol and point, aggregated over the lines of all seeds.

    A row with transfer mode `dense` belongs to the control, a line between two seeds of dense transfer. With `partial`,
    connections whose file cannot be used are left out; without it that is a UserError.
    """
    answers = ConnectionAnswers(resolved, partial)
    cells = expand(resolved)
    rows: list[dict] = []
    for experiment, some in connections(resolved).items():
        varied = {(cell.task, name) for cell in cells[experiment] for name, _ in cell.knobs}
        for group in _groups(each for each in some if answers.has(each)):
            scores = Scores(answers, resolved.study.bootstrap)
            shared = {"experiment": experiment, **_names(group[0].end, resolved, varied)}
            rows += [shared | row for row in _rows(group, answers, scores, shared)]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def _groups(some: Iterator[Connection]) -> list[tuple[Connection, ...]]:
    """Connections that differ in their seeds alone."""
    return [tuple(group) for _, group in groupby(sorted(some, key=_key), key=_key)]


def _key(each: Connection) -> tuple:
    end = each.end
    level = (end.compression.method, end.compression.nominal_sparsity, end.compression.tag)
    return end.model, end.task, knob_text(end.knobs), end.protocol, end.transfer, *level


def _names(end: Cell, resolved: Resolved, varied: set) -> dict:
    task = resolved.tasks[end.task]
    return {
        "model": end.model,
        "task": end.task,
        "knobs": knob_text(end.knobs) if end.knobs else "",
        "metric": task.metric,
        "loss_unit": LOSS_UNITS.get(task.kind, "nats"),
        "method": end.compression.method,
        "compression": end.compression.tag,
        "sparsity": end.compression.nominal_sparsity,
        "transfer": end.transfer,
        "protocol": end.protocol,
        "title": task.title,
        "label": condition_label(end, task, varied, resolved),
        "hub": resolved.study.models[end.model].hub or "",
    }


LOSS_UNITS = {"regress": "squared error", "likelihood": "bits per byte"}


def _rows(group: tuple[Connection, ...], answers: ConnectionAnswers, scores: Scores, names: dict) -> Iterator[dict]:
    alphas = answers.alphas(group[0])
    facts = {
        "seeds": " ".join(f"{each.start.seed}-{each.end.seed}" for each in group),
        "n_seeds": len(group),
        "n_examples": scores.n_examples(Group(group, 0, SCORE)),
    }
    columns = {name: _columns(name, group, scores, alphas) for name in (SCORE, LOSS)}
    barriers = {key: value for name in (SCORE, LOSS) for key, value in _barrier(name, group, scores, alphas).items()}
    published = published_values(names, alphas)
    for at, alpha in enumerate(alphas):
        row = {**facts, "alpha": alpha, "collapsed": answers.collapsed(group, at), **barriers}
        yield row | {key: values[at] for own in (*columns.values(), published) for key, values in own.items()}


def _points(name: str, group: tuple[Connection, ...], alphas: list[float]) -> list[Group]:
    return [Group(group, at, name) for at in range(len(alphas))]


def _columns(name: str, group: tuple[Connection, ...], scores: Scores, alphas: list[float]) -> dict[str, list]:
    """Values along the lines with their limits, and those of each line."""
    points = _points(name, group, alphas)
    fit = scores.panel(points).fit(lambda values: values)
    sides = zip(ENDS, (fit.estimate, *fit.limits()), strict=True)
    found: dict[str, list] = {f"{name}{end}": [*map(finite, values)] for end, values in sides}
    return found | {f"{name}_seeds": [[*map(finite, scores.by_seed(point).values())] for point in points]}


def _barrier(name: str, group: tuple[Connection, ...], scores: Scores, alphas: list[float]) -> dict:
    """The barrier of the mean curve with its limits and its place, and that of each line."""
    points = _points(name, group, alphas)
    panel, at = scores.panel(points), np.array(alphas)
    place = highest(panel.value, at, SIGN[name])
    fit = panel.fit(lambda values: excess(values, at, SIGN[name])[[place]])
    limits = zip(ENDS, (fit.estimate, *fit.limits()), strict=True)
    found: dict = {f"{name}_barrier{end}": _height(values[0]) for end, values in limits}
    curves = np.array([[*scores.by_seed(point).values()] for point in points])
    seeds = [barrier(curve, at, SIGN[name]) for curve in curves.T]
    if not np.isfinite(panel.value).all():  # the highest point may be one that is undefined
        found = dict.fromkeys(found)
    return found | {f"{name}_barrier_at": alphas[place], f"{name}_barrier_seeds": seeds}


def _height(excess_there: float) -> float | None:
    known = finite(excess_there)
    return None if known is None else max(0.0, known)


def excess(values_pk: Array, alpha_p: Array, sign: int = 1) -> Array:
    """Excess (p, k) of curves over the straight line between their ends; with `sign` -1, how far they are below it."""
    line_pk = np.outer(1 - alpha_p, values_pk[0]) + np.outer(alpha_p, values_pk[-1])
    return sign * (values_pk - line_pk)


def highest(values_p: Array, alpha_p: Array, sign: int = 1) -> int:
    """The point between the ends with the largest excess."""
    inner = excess(values_p[:, None], alpha_p, sign)[1:-1, 0]
    return 1 + int(np.argmax(np.nan_to_num(inner, nan=-np.inf)))


def barrier(values_p: Array, alpha_p: Array, sign: int = 1) -> float | None:
    """The barrier of one curve: its largest excess, at least 0. None if the curve is undefined somewhere."""
    if not np.isfinite(values_p).all():
        return None
    return max(0.0, float(excess(values_p[:, None], alpha_p, sign)[highest(values_p, alpha_p, sign), 0]))
