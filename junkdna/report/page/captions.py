"""The captions of the page as files, for Snakemake's own report (`snakemake --report`), made after a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from junkdna.analysis.result_columns import RESULTS
from junkdna.storage.atomic import atomic_write

TABLES = ("claims", "drops")  # those that a reader of the report wants as files
PAGE = "report.html"
LINK = r" \(\[[^]]*\]\([^)]*\)\)"  # of Markdown, in brackets


def caption_file(folder: Path, file: str) -> Path:
    """Where the caption of a file is."""
    return folder / f"{file}.rst"


def without_marks(text: str) -> str:
    """A declared text without Markdown's marks."""
    return text.replace("`", "").replace(" - ", " − ")


def of_table(name: str) -> str:
    """The caption of a table: what its rows are, as its schema says."""
    return f"Rows: {re.sub(LINK, '', RESULTS[name].rows)}."


def captions(context: Mapping) -> dict[str, list[str]]:
    """The paragraphs of each caption, by the name of the file it belongs to, from what the templates of the page show.

    Of a figure with several views, only the first has one: the page has the others.
    """
    first = [(each.views[0], each) for each in context["figures"].values()]
    found = {f"{view.stem}.svg": [view.facts, each.how_to_read] for view, each in first}
    found |= {f"{name}.csv": [of_table(name)] for name in TABLES}
    return found | {PAGE: [context["question"], " ".join(filter(None, [context["done"], *context["answer"]]))]}


def write_captions(folder: Path, found: Mapping[str, Iterable[str]]) -> None:
    """Write each caption atomically as reStructuredText, which Snakemake also reads as a Jinja template."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, paragraphs in found.items():
        with atomic_write(caption_file(folder, file)) as unfinished:
            unfinished.write_text("\n\n".join(map(_escaped, filter(None, paragraphs))) + "\n", encoding="utf-8")


def _escaped(text: str) -> str:
    """The text as one paragraph: nothing in it, such as the title of a task, is markup or a template."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))
