"""The tables of a comparison."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby

import polars as pl

from junkdna.analysis.columns import COUNT, FLAG, NUMBER, TEXT
from junkdna.analysis.compared_columns import COMPARED, PARTS
from junkdna.analysis.scores import Scores
from junkdna.compare.answers import AnswersOfBoth
from junkdna.compare.conditions import Both, Half, LeftOut, both
from junkdna.compare.differences import difference_columns
from junkdna.compare.flips import flips
from junkdna.compare.keys import Matching, Pair, Run, nearest
from junkdna.compare.settings import settings_that_differ
from junkdna.compare.side import Side
from junkdna.compare.verdicts import verdict_rows
from junkdna.errors import UserError

TYPES = {TEXT: pl.String, NUMBER: pl.Float64, COUNT: pl.Int64, FLAG: pl.Boolean}
NEAR = 20  # cells of a study for which the nearest key is looked up: the time grows with cells x cells
REPLICATES = 10_000


@dataclass(frozen=True)
class Comparison:
    """Two studies, how their cells were matched, the pairs that are left out, and the tables by name."""

    a: Side
    b: Side
    matching: Matching
    left_out: list[LeftOut]
    tables: dict[str, pl.DataFrame]

    @property
    def sides(self) -> tuple[Side, Side]:
        """A, then B."""
        return self.a, self.b

    @property
    def differences(self) -> pl.DataFrame:
        """The table of differences."""
        return self.tables["differences"]

    @property
    def compressed(self) -> pl.DataFrame:
        """The rows of differences that have a drop."""
        return self.differences.filter(pl.col("drop_difference").is_not_null())


def compared(a: Side, b: Side, matched: Matching, unpaired: bool) -> Comparison:
    """Compare all matched cells. With `unpaired`, cells with other examples are compared as independent samples.

    Raises UserError if none of the matched cells can be compared, and for corrupt cell files.
    """
    answers = AnswersOfBoth()
    rows, left_out, kept = [], [], []
    for _, group in groupby(sorted(matched.pairs, key=_place), key=lambda pair: (pair.a[0].task, pair.a[0].knobs)):
        scores = Scores(answers, max(_replicates(a), _replicates(b)))
        found = [both(a, b, pair, answers, unpaired) for pair in group]
        ready = [each for each in found if isinstance(each, Both)]
        left_out += [each for each in found if isinstance(each, LeftOut)]
        rows += [_row(pair, scores, answers) for pair in ready]
        kept += ready
        answers.forget()
    if not any(not pair.pair.dense for pair in kept):
        raise _none_left(left_out)
    tables = {
        "differences": rows,
        "verdicts": verdict_rows(a, b, matched.ignored),
        "not_compared": list(_not_compared(matched, left_out)),
        "settings": [_setting(each) for each in settings_that_differ(a, b, kept)],
    }
    return Comparison(a, b, matched, left_out, {name: _frame(name, some) for name, some in tables.items()})


def _replicates(side: Side) -> int:
    given = side.inputs.study.get("bootstrap")
    return given if isinstance(given, int) else REPLICATES


def _place(pair: Pair) -> tuple:
    return pair.a[0].task, pair.a[0].knobs


def _frame(name: str, rows: Sequence[dict]) -> pl.DataFrame:
    schema = {column.name: TYPES[column.type] for column in COMPARED[name].columns}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _row(pair: Both, scores: Scores, answers: AnswersOfBoth) -> dict:
    a = pair.a
    parts = {
        f"{name}_{part}": half.facts[name] for name, _ in PARTS for part, half in zip("ab", pair.halves, strict=True)
    }
    own = {}
    for part, half in zip("ab", pair.halves, strict=True):
        own |= {
            f"n_examples_{part}": half.facts["n_examples"],
            f"seeds_{part}": " ".join(str(run.seed) for run in half.runs),
            f"dense_score_{part}": _dense_score(half),
            f"collapsed_{part}": sum(half.side.facts[run.cell]["collapsed"] for run in half.runs),
            f"truncated_{part}": half.facts["truncated"],
        }
    return {
        "task": a.facts["task"], **parts, "label": a.drop["label"], "metric": a.metric,
        "interval": "paired" if pair.paired else "unpaired", **own, **difference_columns(pair, scores),
        **flips(pair, answers), "note": "; ".join(_notes(pair)),
    }  # fmt: skip


def _dense_score(half: Half) -> float:
    scores = [half.side.facts[run.cell]["score"] for run in half.dense]
    return sum(scores) / len(scores)


def _notes(pair: Both) -> Iterator[str]:
    """What limits a comparison."""
    a, b = pair.halves
    for half in pair.halves:
        if not half.has_files():
            yield f"{half.side.letter} has no cell files, so examples cannot be paired"
        if not pair.paired and not half.complete:
            yield f"{half.side.letter} is taken over all its seeds"
    if not pair.pair.same_seeds:
        yield "other seeds"
    trained = a.runs[0].transfer != "none"
    if trained and min(len(half.runs) for half in pair.halves) == 1:
        yield "one seed: the interval covers examples only"
    if a.drop["baseline"] != b.drop["baseline"]:
        yield f"other baselines of the share lost: {a.drop['baseline']} against {b.drop['baseline']}"


def _setting(each: object) -> dict:
    values = asdict(each)
    return {"setting": values.pop("name"), **values}


def _not_compared(matched: Matching, left_out: Iterable[LeftOut]) -> Iterator[dict]:
    """A row for each cell that is not compared: first those without a counterpart, then those that do not fit."""
    alone = {"A": matched.alone_a, "B": matched.alone_b}
    for letter, runs in alone.items():
        others = [*(alone["B" if letter == "A" else "A"]), *_matched_of(matched, letter)]
        for at, run in enumerate(runs):
            yield {
                "study": letter,
                "cell": run.cell,
                "reason": _alone(run, others if at < NEAR else (), matched.ignored),
            }
    for each in left_out:
        for letter, runs in (("A", each.pair.a), ("B", each.pair.b)):
            yield from ({"study": letter, "cell": run.cell, "reason": each.reason} for run in runs)


def _matched_of(matched: Matching, letter: str) -> list[Run]:
    """The matched runs of the other study."""
    return [run for pair in matched.pairs for run in (pair.b if letter == "A" else pair.a)]


def _alone(run: Run, others: Collection[Run], ignored: Collection[str]) -> str:
    near = nearest(run, others, ignored)
    if near is None:
        return "no cell with this key in the other study"
    other, differ = near
    values = ", ".join(f"{name} {other.shown(name)}" for name in differ)
    return f"no cell with this key in the other study; the nearest has {values}"


def _none_left(left_out: Sequence[LeftOut]) -> UserError:
    reasons = "; ".join(dict.fromkeys(each.reason for each in left_out if not each.pair.dense))
    hint = " Add --unpaired to compare them as independent samples." if "other examples" in reasons else ""
    return UserError(f"none of the matched cells can be compared: {reasons}.{hint}")
