"""Conditions of one task in order of difficulty: by a knob, or by bins of an external difficulty."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from junkdna.analysis import difficulty
from junkdna.analysis.curves import Condition, Curve
from junkdna.analysis.evidence import PRUNED_MODES, Evidence, grouped


@dataclass(frozen=True)
class Ladder:
    """Curves of one task that differ in one knob or in the bin, from easy to hard, and what orders them in words."""

    unit: str
    curves: tuple[Curve, ...]

    def among(self, others: Sequence[Curve]) -> "Ladder":
        """The same conditions among other curves, which have each of them once."""
        by_condition = {curve.condition: curve for curve in others}
        return replace(self, curves=tuple(by_condition[curve.condition] for curve in self.curves))


def ladders(evidence: Evidence) -> Iterator[Ladder]:
    """Every ladder of pruning curves of an experiment, with at least two conditions.

    The order of a knob is that of its difficulty measure and the order of bins is the published one, whatever the dense
    model scores: an order by scores would share their noise with the losses.
    """
    for curves in evidence.pruned():
        yield from knob_ladders(curves)
    for curves in evidence.pruned(bins=True):
        yield from _bin_ladders(curves)


def knob_ladders(curves: Sequence[Curve]) -> Iterator[Ladder]:
    """Conditions of one task that differ in one knob; where several knobs vary, the others are fixed."""
    for knob, measure in difficulty.OF_KNOB.items():
        found: dict[tuple, list[Curve]] = defaultdict(list)
        for curve in curves:
            values = dict(curve.knobs)
            if knob in values:
                found[curve.condition.task, tuple(item for item in curve.condition.knobs if item[0] != knob)].append(
                    curve
                )
        for (task, rest), members in found.items():
            if len(members) > 1:
                members.sort(key=lambda curve: measure(dict(curve.knobs)[knob]))
                fixed = "".join(f", {name} {value}" for name, value in rest)
                yield Ladder(f"{knob.replace('_', ' ')} of {task}{fixed}", tuple(members))


def without_order(evidence: Evidence) -> Iterator[tuple[Curve, str]]:
    """Curves of tasks with a published difficulty that cannot be compared by it, and why."""
    binned = [curve for curves in evidence.pruned(bins=True) for curve in curves]
    for curve in (curve for curves in evidence.pruned() for curve in curves if curve.condition.task in evidence.rated):
        same = [
            each.condition.bin for each in binned
            if replace(each.condition, bin="") == curve.condition and each.name[2:] == curve.name[2:]
            and each.model == curve.model
        ]  # fmt: skip
        if len(same) < 2:
            where = f"all questions with a difficulty are in bin {same[0]}" if same else "no question is in a bin"
            yield curve, f"{where}; at least two bins are needed"


def _bin_ladders(curves: Sequence[Curve]) -> Iterator[Ladder]:
    """Bins of the examples of one condition."""
    found: dict[tuple, list[Curve]] = defaultdict(list)
    for curve in curves:
        found[curve.condition.task, curve.condition.knobs].append(curve)
    for (task, knobs), members in found.items():
        if len(members) > 1:
            members.sort(key=lambda curve: curve.bin_rank)
            name = Condition(task, knobs).name
            yield Ladder(f"question difficulty of {name}", tuple(members))


def paired_ladders(
    evidence: Evidence, first: Callable[[Curve], bool], second: Callable[[Curve], bool]
) -> Iterator[tuple[Ladder, Ladder]]:
    """Two ladders over the same conditions, model, transfer mode and protocol: one of a series that `first` accepts and
    one of a series that `second` accepts."""
    for bins, order in ((False, knob_ladders), (True, _bin_ladders)):
        for one, other in paired_series(evidence, first, second, bins):
            for ladder in order(one):
                yield ladder, ladder.among(other)


def paired_series(
    evidence: Evidence, first: Callable[[Curve], bool], second: Callable[[Curve], bool], bins: bool = False
) -> Iterator[tuple[list[Curve], list[Curve]]]:
    """The curves of a series that `first` accepts and of one that `second` accepts, over the conditions of both and
    with the same model, transfer mode and protocol. They are curves of all examples or, with `bins`, of bins."""
    kept = [curve for curve in evidence.curves if curve.transfer in PRUNED_MODES]
    series = list(grouped(curve for curve in kept if bool(curve.condition.bin) == bins).values())
    for one, other in product(series, series):
        if first(one[0]) and second(other[0]) and _same_training(one[0], other[0]):
            shared = {curve.condition for curve in one} & {curve.condition for curve in other}
            yield tuple([curve for curve in curves if curve.condition in shared] for curves in (one, other))


def _same_training(one: Curve, other: Curve) -> bool:
    return (one.model, one.transfer, one.protocol) == (other.model, other.transfer, other.protocol)
