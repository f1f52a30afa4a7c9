"""The report: one self-contained HTML page with the verdicts, figures, flipped answers and all numbers of a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.report.catalog import figure_names, named, outlines
from junkdna.report.draw import drawing_of, with_labels
from junkdna.report.glossary import HUMAN, WORDS
from junkdna.report.page import browser, numbers
from junkdna.report.page import captions as caption_files
from junkdna.report.page.flips import flips
from junkdna.report.page.inputs import Inputs, read_inputs
from junkdna.report.page.methods_text import methods_text
from junkdna.report.page.package_files import environment, script, style
from junkdna.report.page.page_figures import color_rules, page_figures
from junkdna.report.page.provenance import provenance
from junkdna.report.page.question import answer, done, question
from junkdna.report.page.sections import contained, sections
from junkdna.report.page.trust import trust
from junkdna.report.page.verdicts import verdicts
from junkdna.report.page.words import MODES
from junkdna.report.plotting.text import human_figures
from junkdna.storage.atomic import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from junkdna.report.page.page_figures import PageFigure
    from junkdna.report.plotting.drawing import Drawing


def write_report(
    tables: Path,
    study_file: Path,
    destination: Path,
    *,
    texts: bool = False,
    notice: str = "",
    banner: str = "",
    captions: Path | None = None,
) -> None:
    """Write the page of a study to `destination` atomically.

    `tables` is the folder of the study's tables, `study_file` the checked study. Figures are drawn from the tables; the
    page links to their files in `figures/`, next to it.
    Cell files and, if `texts` are allowed, examples are read below the working directory. For an incomplete study,
    `notice` is added to the title and heading, and `banner`, as HTML, to the top of the page (`gaps_banner.banner`).
    The captions are also written to the folder `captions`, if given, for Snakemake's own report.
    The page loads no external files. Raises UserError if the table of drops is empty, or if a table is missing
    or corrupt.
    """
    inputs = read_inputs(tables, study_file, texts)
    context = _context(inputs, notice, banner)
    page = environment().get_template("page.html.j2").render(context)
    if captions:
        caption_files.write_captions(captions, caption_files.captions(context))
    with atomic_write(Path(destination)) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def _context(inputs: Inputs, notice: str, banner: str) -> Mapping[str, object]:
    """Everything that the templates show."""
    found, axis = verdicts(inputs)
    outline = outlines(inputs.drops, *(set(each["experiment"]) for each in (inputs.difficulty, inputs.connectivity)))
    inside = contained(inputs, outline, found)
    drawn = {name: each for name, each in outline.items() if name not in inside}
    figures = page_figures(figure_names(drawn), lambda stem: _drawing(inputs, stem))
    head = {"name": inputs.name, "notice": notice, "banner": banner, "script": script(), "texts": inputs.texts}
    parts = sections(inputs, outline, found, inside)
    answered = answer(inputs, found, [part.finding for part in parts])
    head |= {"question": question(inputs), "done": done(inputs), "answer": answered, "trust": trust(inputs)}
    head |= {"verdicts": found, "axis": axis, "margin": inputs.claims["margin"][0] if inputs.claims.height else None}
    head |= {
        "style": style() + color_rules(figures.values()),
        "words": _words(inputs),
        "provenance": provenance(inputs),
        "of_table": caption_files.of_table,
    }
    body = {"sections": parts, "files": _files(inputs.tables)}
    return head | body | _figures(figures, inputs) | _answers_and_numbers(inputs)


def _words(inputs: Inputs) -> list[tuple[str, str]]:
    """The definitions; those of human scores only if the study has some."""
    human = inputs.drops["human"].drop_nulls().len() > 0
    return [(word, meaning) for word, meaning in WORDS if human or word != HUMAN]


def _figures(figures: dict[str, PageFigure], inputs: Inputs) -> dict:
    """All figures by stem, the headline, that of margins, and the others of the whole study that have something to
    show."""
    overall = {stem: figure for stem, figure in figures.items() if named(stem).figure.per == "study"}
    headline = overall.pop("headline")
    overall.pop("claims", None)  # the page has these tests as a table, with the same axis
    overall = {stem: figure for stem, figure in overall.items() if not figure.empty}
    margins = overall.pop("margins", None)
    return {"figures": figures, "headline": headline, "margins": margins, "overall": list(overall.values())}


def _answers_and_numbers(inputs: Inputs) -> dict:
    """Flipped answers, the table of all numbers, the data of both for the script, and methods."""
    shown, columns = numbers.rows(inputs), numbers.columns(inputs)
    browsed, more_conditions = browser.conditions(inputs)
    bars, more_bars = flips(inputs)
    sentences, references = methods_text(inputs)
    return {
        "columns": columns, "rows": shown[: numbers.STATIC], "n_rows": len(shown), "cell": numbers.cell, "bars": bars,
        "more_bars": more_bars, "most_flips": _most(bars), "browsed": browsed, "more_conditions": more_conditions,
        "browser_rows": browser.ROWS, "humans": human_figures(inputs.drops), "methods": sentences,
        "references": references,
        "data": _data(inputs, numbers.data(shown, columns), browsed),
    }  # fmt: skip


def _drawing(inputs: Inputs, stem: str) -> Drawing:
    """What a figure shows, from the tables that are read already."""
    return drawing_of(with_labels(_table(inputs, stem), inputs.drops), stem)


def _table(inputs: Inputs, stem: str) -> pl.DataFrame:
    """The table that a figure is drawn from."""
    return getattr(inputs, named(stem).figure.table)


def _most(bars: list) -> float:
    return max([10.0, *(max(bar.broken, bar.fixed) for bar in bars)])


def _files(tables: Path) -> list[str]:
    """The CSV files of the tables, as named next to the page."""
    return sorted(f"tables/{path.name}" for path in tables.glob("*.csv"))


def _data(inputs: Inputs, table: dict, browsed: list) -> str:
    """The data for the script as JSON that cannot end its element."""
    conditions = [
        {
            "label": c.label,
            "n": c.n,
            "seed": c.seed,
            "comps": c.labels,
            "total": c.total,
            "rows": c.rows,
            "texts": c.texts,
        }
        for c in browsed
    ]
    data = {"study": inputs.name, "table": table, "browse": conditions, "modes": MODES}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")
