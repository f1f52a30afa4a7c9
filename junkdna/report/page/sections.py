"""One section per experiment: what it compares, what it found, its tests and its figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.analysis.series import series_of, strength
from junkdna.report.catalog import experiment_figures, named
from junkdna.report.page.words import capitalized, compression, condition, count, interval, listed, mode, number, span
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.catalog import Outline
    from junkdna.report.page.inputs import Inputs
    from junkdna.report.page.verdicts import Test, Verdict


@dataclass(frozen=True)
class Section:
    """An experiment: its id in the page, title, the finding in a sentence, what was compared, tests and figures."""

    name: str
    id: str
    title: str
    finding: str
    compared: str
    tests: list[tuple[str, Test]]
    figures: list[str]
    rows: int


def slug(name: str) -> str:
    """A unique id for `name`: letters and digits are kept, other characters are replaced by their code points."""
    return re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match.group()):x}_", name)


def sections(
    inputs: Inputs, outlines: dict[str, Outline], found: list[Verdict], inside: dict[str, str]
) -> list[Section]:
    """The sections of a study in the order of its experiments, without those `inside` another (`contained`)."""
    parts = {name: [part for part, whole in inside.items() if whole == name] for name in inputs.experiments}
    return [
        Section(
            name, f"experiment-{slug(name)}", inputs.title(name) or capitalized(name.replace("_", " ")),
            f"{_finding(rows)}{_by_method(rows)}", _compared(rows, parts[name]), _tests(name, found),
            experiment_figures(name, outlines[name]), rows.height,
        )
        for name, rows in inputs.experiments.items()
        if name not in inside
    ]  # fmt: skip


def contained(inputs: Inputs, outlines: dict[str, Outline], found: list[Verdict]) -> dict[str, str]:
    """Experiments that show nothing of their own, with the experiment that contains each.

    All their rows are in the other one, with at least as many seeds and some with more; it has the same kinds of
    figures, and no test rests on them. A study that grew from one seed to three has such an experiment.
    """
    seeds = {name: _seeds(rows) for name, rows in inputs.experiments.items()}
    figures = {name: {named(stem).figure.name for stem in experiment_figures(name, outlines[name])} for name in seeds}
    tested = {test.row["experiment"] for verdict in found for test in verdict.tests if test.row["primary"]}
    return {
        part: whole
        for part in seeds
        for whole in seeds
        if part not in tested and figures[part] <= figures[whole] and _grew(seeds[part], seeds[whole])
    }


def _seeds(rows: pl.DataFrame) -> dict[tuple, int]:
    """The number of seeds of each row."""
    return {tuple(row[:-1]): row[-1] for row in rows.select(*ROW, "n_seeds").iter_rows()}


ROW = ("model", "task", "knobs", "compression", "transfer", "protocol")


def _grew(part: dict[tuple, int], whole: dict[tuple, int]) -> bool:
    return all(whole.get(row, 0) >= n for row, n in part.items()) and any(whole[row] > n for row, n in part.items())


def _tests(experiment: str, found: list[Verdict]) -> list[tuple[str, Test]]:
    """The tests of the claims that rest on an experiment, each with the label of its claim."""
    return [
        (verdict.claim.label, test)
        for verdict in found
        for test in verdict.tests
        if test.row["experiment"] == experiment and test.row["primary"]
    ]


def _compared(rows: pl.DataFrame, parts: list[str]) -> str:
    """Conditions, compressions, modes and seeds of an experiment, in one sentence, and the experiments (`parts`) that
    it contains, in another."""
    methods = [METHODS[name].label for name in rows["method"].unique(maintain_order=True) if name != "dense"]
    modes = [mode(name) for name in rows["transfer"].unique(maintain_order=True) if name not in ("none", "dense")]
    conditions = count(rows.select("model", "task", "knobs", "protocol").n_unique(), "condition")
    tags = rows["compression"].unique()
    levels = sum(series_of(tag) is not None for tag in tags)
    words = [conditions, f"{count(levels, 'compression')} ({listed(methods)})" if methods else "no compression"]
    words += [f"fine-tuned: {listed(modes)}"] if modes else []
    words += [f"{span(list(rows['n_examples']))} examples", count(int(rows["n_seeds"].max()), "seed")]
    inside = f" It contains {listed(name.replace('_', ' ') for name in parts)}, with fewer seeds." if parts else ""
    return f"{capitalized('; '.join(words))}.{inside}"


def _finding(rows: pl.DataFrame) -> str:
    """How much the conditions lose at the strongest level that all of them have, least and most first."""
    import polars as pl

    compressed = rows.filter((pl.col("method") != "dense") & pl.col("retention").is_not_null())
    if compressed.is_empty():
        return NOTHING_LOST if (rows["method"] != "dense").any() else "Nothing of it is compressed."
    telling = _telling(compressed)
    if telling.height == 1:
        row = telling.row(0, named=True)
        return f"At {compression(row)}, {condition(row, False)} {_change(row)} of its skill."
    if telling["transfer"].n_unique() > 1:
        return _by_mode(telling)
    several = rows["protocol"].n_unique() > 1
    ordered = telling.sort("retention", descending=True)
    least, most = ordered.row(0, named=True), ordered.row(-1, named=True)
    start = f"At {compression(most)}, {condition(least, several)} {_change(least)} of its skill"
    if ordered.height == 2:
        return f"{start} and {condition(most, several)} {_change(most, after=_verb(least))}."
    if _verb(least) == _verb(most) == LOSES:
        least_of = f"the least of {count(ordered.height, 'condition')}"
        return f"{start}, {least_of}, and {condition(most, several)} the most, {_amount(most)}."
    other = f"at the other end of {count(ordered.height, 'condition')}, {condition(most, several)}"
    return f"{start} and, {other} {_change(most)}."


NOTHING_LOST = "A share of skill lost is undefined: the dense model is nowhere above its baseline."


def _telling(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of one compression: of the first series, the strongest level that the most conditions have. Of several
    modes, those of the condition with the most rows."""
    series = min({series_of(tag) for tag in rows["compression"]}, key=lambda each: each.order)
    counts: dict[str, int] = {}
    for tag in rows["compression"]:
        counts[tag] = counts.get(tag, 0) + (series_of(tag) == series)
    tag = max(counts, key=lambda tag: (counts[tag], strength(tag) if counts[tag] else 0))
    chosen = rows.filter(rows["compression"] == tag)
    if chosen["transfer"].n_unique() == 1:
        return chosen
    parts = chosen.partition_by("model", "task", "knobs", "protocol", maintain_order=True)
    return max(parts, key=lambda part: part.height)


def _by_mode(rows: pl.DataFrame) -> str:
    words = _shares(rows.iter_rows(named=True), lambda row: mode(row["transfer"]))
    first = rows.row(0, named=True) | {"transfer": "none"}
    return f"At {compression(first)}, {condition(first, False)} loses these shares of its skill: {words}."


def _by_method(rows: pl.DataFrame) -> str:
    """The losses of the hardest condition under several methods at the same level, the strongest that the most methods
    share, without fine-tuning; empty if none do."""
    import polars as pl

    plain = rows.filter((pl.col("transfer") == "none") & (pl.col("method") != "dense"))
    found: dict[tuple, list[dict]] = {}
    for row in plain.drop_nulls(["retention", "difficulty"]).iter_rows(named=True):
        kind, where = series_of(row["compression"]).kind, (row["model"], row["task"], row["knobs"], row["protocol"])
        found.setdefault((kind, strength(row["compression"]), row["difficulty"], where), []).append(row)
    methods = {key: len({row["method"] for row in group}) for key, group in found.items() if key[0] != "band"}
    if max(methods.values(), default=0) < 2:
        return ""
    group = found[max(methods, key=lambda key: (methods[key], *key[1:]))]
    group.sort(key=lambda row: series_of(row["compression"]).order)
    several = rows["protocol"].n_unique() > 1
    return f" At equal levels, {condition(group[0], several)} loses {_shares(group, compression)}."


LOSES, GAINS = "loses", "gains"


def _verb(row: dict) -> str:
    return LOSES if row["retention"] <= 1 else GAINS


def _change(row: dict, after: str = "") -> str:
    """`loses 0.40 (0.30 to 0.50)`, or gains; the verb is left out `after` the same one."""
    return _amount(row) if _verb(row) == after else f"{_verb(row)} {_amount(row)}"


def _amount(row: dict) -> str:
    """The share of its skill that a condition loses, or gains, with its interval."""
    sign = 1 if _verb(row) == LOSES else -1
    limits = [None if row[name] is None else sign * (1 - row[name]) for name in ("retention_high", "retention_low")]
    return f"{number(sign * (1 - row['retention']))} ({interval(*limits[::sign])})"


def _shares(rows: Iterable[dict], name: Callable[[dict], str]) -> str:
    """The shares lost of several rows; a remark says that a negative one is a gain."""
    rows = list(rows)
    words = listed((f"{number(1 - row['retention'])} with {name(row)}" for row in rows), 5)
    return words if all(_verb(row) == LOSES for row in rows) else f"{words} (below 0: a gain)"
