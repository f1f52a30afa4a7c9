"""Which cells of two studies belong together: those with the same key, apart from the parts that are ignored."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from junkdna.errors import UserError, unknown_name
from junkdna.study.cell import parse_compression

IGNORABLE = ("model", "knobs", "method", "options", "level", "transfer", "protocol", "seed")
ONE_EACH = ("model", "method", "options")  # ignored by themselves if each study has one value, and not the same
SHOWN = 5  # cells in messages


class Run(NamedTuple):
    """The parts of a cell's key, the compression as method, level and options, and `cell`, the key as a path."""

    model: str
    task: str
    knobs: str
    method: str
    level: str
    options: str
    transfer: str
    protocol: str
    seed: int
    cell: str

    @classmethod
    def of(cls, row: Mapping) -> Run:
        """The run of a row of the table of cells."""
        compression = parse_compression(row["compression"])
        options = ",".join(f"{name}={value}" for name, value in compression.options)
        where = (row["model"], row["task"], row["knobs"], compression.method, compression.level, options)
        return cls(*where, row["transfer"], row["protocol"], row["seed"], row["cell"])

    def shown(self, part: str) -> str:
        """The value of a part of the key, for a message. Seed 0 is a value, an empty text is none."""
        return str(getattr(self, part)) or "(none)"

    def key(self, ignored: Collection[str]) -> tuple:
        """Its parts without the seed and without those that are ignored."""
        return tuple(getattr(self, name) for name in PARTS if name not in ignored)


PARTS = tuple(name for name in Run._fields if name not in ("seed", "cell"))


@dataclass(frozen=True)
class Pair:
    """The cells of one condition and compression in A and in B, by seed. `same_seeds`: cell by cell with one seed."""

    a: tuple[Run, ...]
    b: tuple[Run, ...]

    @property
    def same_seeds(self) -> bool:
        """Whether both have the same seeds."""
        return [run.seed for run in self.a] == [run.seed for run in self.b]

    @property
    def dense(self) -> bool:
        """Whether nothing is compressed."""
        return self.a[0].method == self.b[0].method == "dense"


@dataclass(frozen=True)
class Matching:
    """The pairs, the parts of keys that were ignored, and the cells of A and of B that are in no pair."""

    pairs: list[Pair]
    ignored: tuple[str, ...]
    alone_a: list[Run]
    alone_b: list[Run]


def chosen(letter: str, runs: Sequence[Run], wanted: Mapping[str, str]) -> list[Run]:
    """The runs of a study whose parts have the wanted values, and the dense ones whatever the compression.

    Raises UserError for an unknown part or value.
    """
    for name, value in wanted.items():
        if name not in (valid := (*PARTS, "seed")):
            raise unknown_name("part of a key", name, valid, f"--{letter.lower()}")
        values = {str(getattr(run, name)) for run in runs} - ({"", "dense"} if name in COMPRESSED else set())
        if value not in values:
            raise unknown_name(name, value, values, f"--{letter.lower()}")
    return [run for run in runs if all(_has(run, *each) for each in wanted.items())]


COMPRESSED = ("method", "level", "options")  # parts that dense cells do not have


def _has(run: Run, name: str, value: str) -> bool:
    return (run.method == "dense" and name in COMPRESSED) or str(getattr(run, name)) == value


def matching(a: Sequence[Run], b: Sequence[Run], ignore: Collection[str]) -> Matching:
    """Match the cells of two studies by all parts of their keys that are not ignored.

    If each study has one model, and not the same, the model is ignored too; so are methods with their options. Seeds
    that only one of the two has are left out of a pair; with `seed` ignored, all seeds are taken. Raises UserError for
    an unknown part, if a key stands for several compressions or conditions of one study, and if nothing matches.
    """
    ignored = _ignored(a, b, ignore)
    first, second = (_groups(letter, runs, ignored) for letter, runs in (("A", a), ("B", b)))
    pairs = [pair for key in first if key in second and (pair := _pair(first[key], second[key], "seed" in ignored))]
    if not any(not pair.dense for pair in pairs) and any(run.method != "dense" for run in (*a, *b)):
        raise _nothing(a, b, ignored)
    in_a, in_b = {run for pair in pairs for run in pair.a}, {run for pair in pairs for run in pair.b}
    return Matching(pairs, ignored, [run for run in a if run not in in_a], [run for run in b if run not in in_b])


def _ignored(a: Sequence[Run], b: Sequence[Run], ignore: Collection[str]) -> tuple[str, ...]:
    for name in ignore:
        if name not in IGNORABLE:
            raise unknown_name("part of a key", name, IGNORABLE, f"--ignore {name}{_hint(name)}")
    found = {*ignore}
    for name in ONE_EACH:
        one, two = (_values(name, runs) for runs in (a, b))
        if len(one) == len(two) == 1 and one != two:
            found.add(name)
    if "method" in found:  # options belong to a method
        found.add("options")
    return tuple(name for name in IGNORABLE if name in found)


def _values(name: str, runs: Iterable[Run]) -> set[str]:
    return {getattr(run, name) for run in runs if run.method != "dense" or name not in COMPRESSED}


def _hint(name: str) -> str:
    return " (keys have no version: cells of two versions match already)" if name.startswith("version") else ""


def _groups(letter: str, runs: Iterable[Run], ignored: Collection[str]) -> dict[tuple, list[Run]]:
    """The runs of each key by seed. Raises UserError if a key stands for runs that differ in more than the seed."""
    groups: dict[tuple, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.key(ignored), []).append(run)
    for group in groups.values():
        if other := next((run for run in group if run.key(()) != group[0].key(())), None):
            name = next(name for name in PARTS if getattr(other, name) != getattr(group[0], name))
            raise UserError(
                f"{letter} has several cells that match the same ones without {', '.join(ignored)}: {group[0].cell} "
                f"and {other.cell}. Choose one {name}: --{letter.lower()} {name}={getattr(group[0], name)}"
            )
        group.sort(key=lambda run: run.seed)
    return groups


def _pair(a: list[Run], b: list[Run], any_seed: bool) -> Pair | None:
    common = {run.seed for run in a} & {run.seed for run in b}
    if any_seed:
        return Pair(tuple(a), tuple(b))
    one, two = (tuple(run for run in runs if run.seed in common) for runs in (a, b))
    return Pair(one, two) if common else None


def nearest(run: Run, others: Iterable[Run], ignored: Collection[str] = ()) -> tuple[Run, list[str]] | None:
    """The run whose key differs in the fewest parts that are not ignored, and these parts; None without others.

    A compressed one is never near a dense one. Of equally near ones that with the same task, then the first one.
    """
    counted = [name for name in (*PARTS, "seed") if name not in ignored]
    found = None
    for other in others:
        differ = [name for name in counted if getattr(run, name) != getattr(other, name)]
        rank = ((run.method == "dense") != (other.method == "dense"), len(differ), "task" in differ)
        if found is None or rank < found[0]:
            found = (rank, other, differ)
    return found and found[1:]


def _nothing(a: Sequence[Run], b: Sequence[Run], ignored: Collection[str]) -> UserError:
    """What to do if no compressed cell of A has a counterpart in B."""
    some = [(run, *near) for run in _compressed(a)[:200] if (near := nearest(run, _compressed(b), ignored))]
    if not some:
        lacking = "A" if not _compressed(a) else "B"
        return UserError(f"{lacking} has no compressed cell, so there are no drops to compare.")
    run, other, differ = min(some, key=lambda each: (len(each[2]), "task" in each[2]))
    values = "; ".join(f"{name} {run.shown(name)} against {other.shown(name)}" for name in differ)
    can = [name for name in differ if name in IGNORABLE]
    fix = (
        f"To compare them all the same, add --ignore {' '.join(can)}."
        if len(can) == len(differ)
        else ("Compare studies that have a task in common.")
    )
    return UserError(
        f"no compressed cell of A matches one of B. The nearest keys are {run.cell} and {other.cell}: they differ in "
        f"{values}. {fix}"
    )


def _compressed(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.method != "dense"]
