"""What is known about a test of a claim besides its effect, as sentences for readers of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby

from junkdna.analysis.findings import AGAINST, SUPPORTED
from junkdna.analysis.series import PRUNING, series_of
from junkdna.report.page.words import MODES, capitalized, count, listed, mode, number
from junkdna.report.plotting import series
from junkdna.study.methods import METHODS

MOST_LEVELS = 6  # that are listed; of more, the first and the last
HYPHEN = re.compile(r"(?<![\w.])-(?=\d)")
LONG = re.compile(r"(?<![\w.])\d+\.\d{3}(?!\d)")
IN_D = "d' "  # the beginning of details on the scale d'


def notes(row: dict, usual: str = "") -> list[str]:
    """The sentences of a row of the table of claims. Its setting is named if it differs from the `usual` one."""
    found = ["" if row["setting"] == usual else setting(row["setting"]), plain(row["reason"], []), *_details(row)]
    if row["scale_free"] == AGAINST and not row["details"].startswith(IN_D):
        found.append(scale_words(row))
    if row["other_baseline"]:
        found.append(f"With the other baseline: {row['other_baseline']}")
    if row["levels"]:
        found.append(f"Levels: {levels(row['levels'].split())}")
    if row["collapsed"]:
        found.append(f"{count(row['collapsed'], 'cell')} collapsed")
    return [f"{capitalized(note)}." for note in found if note]


def setting(text: str) -> str:
    """A setting of a row with its transfer mode in words."""
    what, comma, last = text.rpartition(", ")
    return f"{what}, {mode(last)}" if comma and last in MODES else text


def scale(row: dict) -> str:
    """What the check on the scale d' found: `in d′ the order is reversed: −0.18 (−0.32 to −0.04)`; empty without it."""
    words = row["details"].partition("; ")[0]
    if not words.startswith(IN_D):
        return ""
    return f"{scale_words(row)}: {plain(words.removeprefix(IN_D), [])}"


def scale_words(row: dict) -> str:
    """What d' says of a row without its numbers: that the order of a supported one is reversed, or that the effect is
    against the claim."""
    if is_reversed(row):
        return "in d′ the order is reversed"
    return "in d′ the effect is against the claim" if row["scale_free"] == AGAINST else "in d′"


def is_reversed(row: dict) -> bool:
    """Whether a row supports its claim, and d' is against it."""
    return row["verdict"] == SUPPORTED and row["scale_free"] == AGAINST


def levels(tags: Sequence[str]) -> str:
    """Compressions in words, the method once: `magnitude 50 %, 70 % and 90 %`; many as `magnitude 10 % to 90 %`."""
    return "; ".join(_of_series(list(group)) for _, group in groupby(tags, series_of))


def _of_series(tags: list[str]) -> str:
    first, last = tags[0], tags[-1]
    labels = [series.compression_label(tag) for tag in tags]
    plain = series_of(first) is not None and all(
        label == f"{METHODS[series_of(first).method].label} {series.level_label(tag)}"
        for label, tag in zip(labels, tags, strict=True)
    )
    if not plain:
        return listed(labels, MOST_LEVELS)
    if len(tags) > MOST_LEVELS and series_of(first).kind in PRUNING:
        return f"{labels[0]} to {series.level_label(last)} ({count(len(tags), 'level')})"
    return listed([labels[0], *map(series.level_label, tags[1:])], MOST_LEVELS)


def _details(row: dict) -> list[str]:
    """The details of a row as one sentence each, for readers: compressions in words, two decimals."""
    if "nan" in row["details"]:
        return []
    parts = [part for part in row["details"].split("; ") if part and not part.startswith(IN_D)]
    return [scale(row), *(plain(part, row["levels"].split()) for part in parts)]


def plain(text: str, tags: Sequence[str]) -> str:
    """A text with the `tags` of compressions in words, true minus signs and two decimals."""
    for tag in sorted(tags, key=len, reverse=True):
        text = re.sub(rf"(?<![\w-]){re.escape(tag)}(?![\w.-])", series.compression_label(tag), text)
    text = LONG.sub(lambda match: number(float(match[0])), text)
    return HYPHEN.sub("−", text).replace("d' ", "d′ ")
