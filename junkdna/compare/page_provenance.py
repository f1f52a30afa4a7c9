"""The provenance of both studies side by side."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING

from junkdna.report.page.provenance import Provenance, provenance, software

if TYPE_CHECKING:
    from collections.abc import Iterable

    from junkdna.compare.side import Side
    from junkdna.compare.tables import Comparison

WRITER = re.compile(r"<dt>junkdna</dt><dd>(.*?)</dd>")


def both_provenances(found: Comparison) -> dict:
    """Facts, hashes and commands of both studies, as triples of a name, A and B; the date of the newer tables."""
    one, two = (provenance(side.inputs, side.root) for side in found.sides)
    newest = max(found.sides, key=lambda side: (side.folder / "tables/drops.parquet").stat().st_mtime)
    return {
        "facts": [("Folder", *(str(side.folder) for side in found.sides)), *_facts(found, one, two)],
        "hashes": _triples(one.hashes, two.hashes), "commands": [_run(each) for each in (one, two)],
        "software": software(), "date": (one if newest is found.a else two).date,
    }  # fmt: skip


def _facts(found: Comparison, one: Provenance, two: Provenance) -> list[tuple[str, str, str]]:
    facts = [[*(each for each in side.facts if each[0] != "junkdna")] for side in (one, two)]
    writers = ("Report of the study", *(_writer(side) for side in found.sides))
    return [*_triples(*facts), *([writers] if any(writers[1:]) else [])]


def _run(found: Provenance) -> str:
    """The command that runs a study, without the commit, which is that of this page."""
    return found.command.splitlines()[-1]


def _writer(side: Side) -> str:
    """The version and commit that wrote the report of a study, as its page says; empty without a page."""
    page = side.folder / "report.html"
    match = WRITER.search(page.read_text(encoding="utf-8", errors="replace")) if page.is_file() else None
    return unescape(match.group(1)).replace("wrote this page", "").strip().rstrip(",") if match else ""


def _triples(one: Iterable[tuple[str, str]], two: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    a, b = dict(one), dict(two)
    return [(name, a.get(name, ""), b.get(name, "")) for name in dict.fromkeys((*a, *b))]
