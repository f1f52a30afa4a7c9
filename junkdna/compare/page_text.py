"""What a comparison found, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from junkdna.analysis.interval_words import excludes_zero
from junkdna.compare.words import MEASURES, compressions, difference, place
from junkdna.report.page.words import capitalized, count, listed, span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from junkdna.compare.side import Side
    from junkdna.compare.tables import Comparison

DROP = MEASURES[0]
BY_CHANCE = 0.05


def texts(found: Comparison) -> dict:
    """The heading, the sentences below it and those of the sections."""
    a, b = found.sides
    sides = [(name, *(function(side) for side in found.sides)) for name, function in FACTS.items()]
    return {
        "question": f"{a.name} against {b.name}: which loses more?", "done": done(found), "answer": answer(found),
        "sides": [*sides, ("Matched by", matched_by(found), matched_by(found))], "trust": list(trust(found)),
        "largest": largest(found), "tests": tests(found), "left_out_words": left_out(found), "code": code(found),
    }  # fmt: skip


def _models(side: Side) -> str:
    return listed(sorted(side.inputs.drops["model"].unique()), 6)


def _cells(side: Side) -> str:
    return f"{len(side.chosen):,} of {len(side.facts):,}" if side.wanted else f"{len(side.facts):,}"


FACTS = {"Models": _models, "Cells": _cells}


def matched_by(found: Comparison) -> str:
    """What the keys of matched cells have in common."""
    if not found.matching.ignored:
        return "the complete key of the cells"
    return f"the key of the cells without {listed(found.matching.ignored)}"


def done(found: Comparison) -> str:
    """What was compared, in one sentence."""
    rows = found.compressed
    conditions = rows.select("task", "knobs_a", "transfer_a", "protocol_a", "model_a").n_unique()
    n = span([*rows["n_examples_a"], *rows["n_examples_b"]])
    matched = (
        f"{capitalized(count(rows.height, 'pair'))} of compressed results {'match' if rows.height > 1 else 'matches'}"
    )
    return f"{matched}, in {count(conditions, 'condition')} with {n} examples each."


class Tally(NamedTuple):
    """Pairs in which B loses more, in which it loses less, with an interval, and without, because both limits are
    unbounded."""

    more: int
    less: int
    bounded: int
    unbounded: int


def tally(found: Comparison) -> Tally:
    """The pairs counted by the intervals of the difference of their drops: it differs where the interval excludes 0."""
    limits = found.compressed.select("drop_difference_low", "drop_difference_high").rows()
    apart = [row for row, ends in zip(found.compressed["drop_difference"], limits, strict=True) if excludes_zero(*ends)]
    unbounded = sum(ends == (None, None) for ends in limits)
    return Tally(sum(each > 0 for each in apart), sum(each < 0 for each in apart), len(limits) - unbounded, unbounded)


def answer(found: Comparison) -> str:
    """The answer in one sentence."""
    more, less, total, unbounded = tally(found)
    if all(value == 0 for value in found.compressed["drop_difference"]):
        return "Every drop is exactly the same."
    if not total:
        return f"Whether A and B differ is open: {_no_limits(unbounded)}."
    without = f" {capitalized(_no_limits(unbounded))}." if unbounded else ""
    if not more and not less:
        which = f"none of the {total} intervals of B − A excludes" if total > 1 else "the interval of B − A includes"
        return f"No difference was found: {which} 0.{without}"
    if total == 1:
        return f"B loses {'more' if more else 'less'}: the interval of B − A excludes 0.{without}"
    by_chance = f"about {BY_CHANCE * total:.0f}" if BY_CHANCE * total >= 1 else "less than one"
    words = f"B loses more in {more or 'none'} and less in {less or 'none'} of {total} pairs"
    return f"{words}; if nothing differed, {by_chance} of the intervals would exclude 0.{without}"


def _no_limits(pairs: int) -> str:
    return f"the interval{'s' * (pairs > 1)} of {count(pairs, 'pair')} {'are' if pairs > 1 else 'is'} unbounded"


def trust(found: Comparison) -> Iterator[str]:
    """Sentences on what limits the comparison."""
    rows = found.compressed
    counts = {kind: int((rows["interval"] == kind).sum()) for kind in ("paired", "unpaired")}
    if counts["paired"]:
        yield f"{_of(counts['paired'], rows.height)} paired: both answered the same examples, which are drawn together."
    if counts["unpaired"]:
        yield f"{_of(counts['unpaired'], rows.height)} unpaired: A and B count as independent samples."
    yield "Intervals are 95 % intervals of single pairs, without correction for their number."
    for note, n in _notes(found):
        yield f"{capitalized(note)} ({count(n, 'pair')})."
    if found.left_out:
        yield f"{capitalized(count(len(found.left_out), 'matched pair'))} cannot be compared (see Not compared)."
    margins = [side.inputs.claims["margin"].unique().to_list() for side in found.sides]
    if margins[0] != margins[1]:
        yield f"The claims use different margins: {margins[0]} in A, {margins[1]} in B."


def _of(some: int, total: int) -> str:
    if some < total:
        return f"{some} of {total} pairs {'is' if some == 1 else 'are'}"
    return {1: "The pair is", 2: "Both pairs are"}.get(total, f"All {total} pairs are")


def _notes(found: Comparison) -> list[tuple[str, int]]:
    counts: dict[str, int] = {}
    for text in found.compressed["note"]:
        for note in filter(None, text.split("; ")):
            counts[note] = counts.get(note, 0) + 1
    return sorted(counts.items(), key=lambda item: -item[1])[:4]


def largest(found: Comparison) -> str:
    """The largest difference, in one sentence."""
    rows = found.compressed.to_dicts()
    row = max(rows, key=lambda row: abs(row["drop_difference"]))
    if row["drop_difference"] == 0:
        return "All drops are exactly the same."
    return f"The largest difference: {place(row, False)}, {compressions(row)}, B − A {difference(row, DROP)}."


def tests(found: Comparison) -> str:
    """How many tests of claims agree, in one sentence."""
    table = found.tables["verdicts"]
    both = table.filter(table["same"].is_not_null())
    same, lone = int(both["same"].sum()), table.height - both.height
    alone = f" {capitalized(count(lone, 'test'))} {'is' if lone == 1 else 'are'} in one study only." if lone else ""
    if not both.height:
        return f"No test is in both studies.{alone}"
    if found.a.folder.resolve() == found.b.folder.resolve():
        return "A and B are parts of one study, so their verdicts are the same."
    return f"{same} of {count(both.height, 'test')} in both studies have the same verdict.{alone}"


def left_out(found: Comparison) -> str:
    """How many cells are not compared, in one sentence."""
    table = found.tables["not_compared"]
    lacking = [(side, int((table["study"] == side.letter).sum())) for side in found.sides]
    counts = [f"{n:,} of {len(side.chosen):,} cells of {side.letter}" for side, n in lacking if n]
    return f"{capitalized(listed(counts))} are not compared." if counts else "Nothing is left out."


def code(found: Comparison) -> str:
    """Whether the matched cells ran the same code."""
    table = found.tables["settings"]
    row = table.filter(table["setting"] == "code fingerprint")
    if row.height:
        pairs = capitalized(count(row["pairs"][0], "pair"))
        return f"{pairs} of matched cells ran different code (another method is different code, too)."
    return "All matched cells ran the same code, as far as they recorded it."
