"""The report: one static, self-contained HTML page with figures, tables and definitions."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural, series_of, strength
from junkdna.errors import UserError
from junkdna.report.catalog import FIGURES, Outline, experiment_figures, figure_names, first_view, outlines
from junkdna.report.gaps_banner import STYLE as BANNER_STYLE
from junkdna.report.glossary import STYLE, WORDS
from junkdna.report.plotting import series
from junkdna.report.plotting.text import human_figures, metric_label, span
from junkdna.storage.atomic import atomic_write
from junkdna.storage.file_errors import corrupt_file
from junkdna.storage.tables import read_frame
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import polars as pl

GAPS = ("human_gap_by_human", "human_gap_by_dense")


def numbers_table(name: str, rows: pl.DataFrame) -> str:
    """HTML table of an experiment's rows: one body per condition, dense first, then by method and level.

    The condition's name is followed by its metric and chance. If a task has a human score, the dense row shows human
    performance and both human gaps, and the sources are listed below the table.
    """
    tuned, human = bool(set(rows["transfer"]) - {"none"}), not rows["human"].is_null().all()
    left = ["Condition", "Compression", *(["Transfer"] if tuned else [])]
    right = ["Effective bits", "Score", "Relative score (%)", "Retention", "n", "Seeds", "Collapsed seeds"]
    right += ["Human", "Gap by human", "Gap by dense"] if human else []
    head = "".join(f'<th scope="col" class="text">{word}</th>' for word in left)
    head += "".join(f'<th scope="col">{word}</th>' for word in right)
    groups: dict[tuple, list[dict]] = {}
    for row in rows.iter_rows(named=True):
        key = tuple(natural(row[column]) for column in ("model", "task", "knobs", "protocol"))
        groups.setdefault(key, []).append(row)
    bodies = "".join(_body(_heading(groups[key][0], rows), groups[key], tuned, human) for key in sorted(groups))
    sources = f" Human performance: {escape(human_figures(rows))}." if human else ""
    return (
        f"<details open><summary>Numbers ({rows.height} rows)</summary>"
        f'<div class="wide" tabindex="0" role="region" aria-label="Numbers of {escape(name)}"><table>'
        f"<thead><tr>{head}</tr></thead>{bodies}</table></div>"
        "<p><small>In brackets: 95 % intervals. –: undefined or unknown (see Definitions)."
        f"{sources}</small></p>"
        "</details>"
    )


def _heading(row: dict, rows: pl.DataFrame) -> str:
    several = rows["model"].n_unique() > 1
    label = row["label"] + (f", {row['model']}" if several and row["model"] not in row["label"] else "")
    note = f"{metric_label(row['metric'])}, chance {_digits(row['chance'], 2)}"
    return f"{escape(label)}<br><small>{escape(note)}</small>"


def _body(heading: str, group: list[dict], tuned: bool, human: bool) -> str:
    order = sorted(group, key=_order)
    lines = []
    for at, row in enumerate(order):
        first = f'<th scope="rowgroup" rowspan="{len(order)}">{heading}</th>' if at == 0 else ""
        start = '<tr class="dense">' if row["method"] == "dense" else "<tr>"
        lines.append(f"{start}{first}{_cells(row, tuned, human)}</tr>")
    return f"<tbody>{''.join(lines)}</tbody>"


def _order(row: dict) -> tuple:
    """Sort key: dense first, then by transfer mode, series (method, options), and level from weak to strong."""
    tag_series, start = series_of(row["compression"]), (row["method"] != "dense", row["transfer"])
    return start if tag_series is None else (*start, tag_series.order, strength(row["compression"]))


def _cells(row: dict, tuned: bool, human: bool) -> str:
    text = [series.compression_label(row["compression"]), *([row["transfer"].replace("_", " ")] if tuned else [])]
    bits = _digits(row["effective_bits_per_weight"], 2)
    numbers = [bits, _number(row, "score", 3), _number(row, "relative_score", 1), _number(row, "retention", 2)]
    counts = [f"{row['n_examples']:,}", str(row["n_seeds"])]
    flag = f'<td class="flag">{row["collapsed"]}</td>' if row["collapsed"] else "<td>0</td>"
    left = "".join(f'<td class="text">{escape(t)}</td>' for t in text)
    middle = "".join(f"<td>{n}</td>" for n in [*numbers, *map(escape, counts)])
    return left + middle + flag + (_human(row) if human else "")


def _human(row: dict) -> str:
    """Human performance and both human gaps in the dense row; empty cells in the other rows, where they are equal."""
    values = [None if row[name] is None else _digits(row[name], 3) for name in ("human", *GAPS)]
    return "".join(f"<td>{(value or '–') if row['method'] == 'dense' else ''}</td>" for value in values)


def _number(row: dict, name: str, digits: int) -> str:
    """Value with its interval, or a dash if undefined. Dense has no interval relative to itself."""
    if row[name] is None:
        return "–"
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if row["method"] == "dense" and name != "score":
        return _digits(value, digits)
    if low is None or high is None:
        return f"{_digits(value, digits)} <small>[unbounded]</small>"
    return f"{_digits(value, digits)} <small>[{_digits(low, digits)}, {_digits(high, digits)}]</small>"


def _digits(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return (text[1:] if float(text) == 0 and text[0] == "-" else text).replace("-", "−")


def write_report(
    drops: Path, cells: Path, figures: Path, study_json: Path, destination: Path, notice: str = "", banner: str = ""
) -> None:
    """Write the page of a study to `destination` atomically.

    `drops` and `cells` are the study's tables, `figures` is the folder with the SVG files of `draw_all`, and
    `study_json` is any JSON about the study. For an incomplete study, `notice` is added to the title and heading, and
    `banner`, as HTML, to the top of the page (`gaps_banner.banner`). The page loads no external files. Raises UserError
    if the drops table is empty or a figure does not exist.
    """
    import polars as pl

    table, joined = read_frame(drops, "table of drops"), read_frame(cells, "table of cells")
    if table.is_empty():
        raise UserError(
            f"{drops}: the table has no rows, so there is nothing to report. Run and collect cells of the study first."
        )
    try:
        document = json.loads(Path(study_json).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise corrupt_file(study_json, "checked study", error) from None
    rated = Path(drops).with_name("difficulty.parquet")
    experiments = outlines(table, set(read_frame(rated, "table of difficulty")["experiment"]) if rated.exists() else ())
    images = {stem: _image(Path(figures), stem) for stem in figure_names(experiments) if first_view(stem)}
    study = _study(document)
    name = next((study[k] for k in ("title", "study", "name") if isinstance(study.get(k), str)), "study")
    heading = f"{f'{notice} – ' if notice else ''}{name}"
    overall = "".join(_figure(images[name], name) for name in images if name in FIGURES)
    definitions = "".join(f"<div><dt>{word}</dt><dd>{meaning}</dd></div>" for word, meaning in WORDS)
    body = [
        banner,
        f"<header><h1>{escape(heading)}: compression and task difficulty</h1>",
        '<p class="lead">A junkdna report. This page is self-contained.</p></header>',
        _contents(experiments),
        _overview(study, table, joined),
        f'<section id="headline"><h2>Drop vs. difficulty</h2>{overall}</section>',
        *(_experiment(e, o, table.filter(pl.col("experiment") == e), images, study) for e, o in experiments.items()),
        f'<section id="words"><h2>Definitions</h2><dl class="words">{definitions}</dl></section>',
        _provenance(document),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(heading)} – junkdna report</title>\n"
        f"<style>{STYLE}{BANNER_STYLE if banner else ''}</style>\n</head>\n<body>\n"
        + "\n".join(filter(None, body))
        + "\n</body>\n</html>\n"
    )
    with atomic_write(Path(destination)) as unfinished:
        unfinished.write_text(page, encoding="utf-8")


def _study(document: object) -> dict:
    """The study settings (models, tasks, experiments) in the JSON; empty if there are none."""
    if isinstance(document, dict) and isinstance(document.get("study"), dict):
        return document["study"]
    return document if isinstance(document, dict) else {}


def _image(folder: Path, stem: str) -> str:
    """The figure as a data URI. An image runs no scripts, and its ids cannot clash with those of other figures."""
    path = folder / f"{stem}.svg"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path}: the report needs this figure, but it does not exist. The figures were not drawn, or were drawn "
            f"from another drops table. Draw them again with `junkdna figures`."
        ) from None
    return "data:image/svg+xml;base64," + base64.b64encode(content).decode("ascii")


def _figure(image: str, name: str, about: str = "") -> str:
    caption = FIGURES[name].caption
    alt = escape(f"{about} {caption}".strip())
    return (
        f'<figure><div class="wide" tabindex="0"><img src="{image}" alt="{alt}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _contents(experiments: Iterable[str]) -> str:
    links = [("headline", "Drop vs. difficulty")]
    links += [(f"experiment-{_slug(name)}", name) for name in experiments]
    links += [("words", "Definitions"), ("provenance", "Provenance")]
    items = "".join(f'<li><a href="#{target}">{escape(text)}</a></li>' for target, text in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _slug(name: str) -> str:
    """A unique id for `name`: letters and digits are kept, other characters are replaced by their code points."""
    return re.sub(r"[^A-Za-z0-9]", lambda match: f"_{ord(match.group()):x}_", name)


def _overview(study: dict, drops: pl.DataFrame, cells: pl.DataFrame) -> str:
    """The study's question, and totals over its cells."""
    import polars as pl

    conditions = drops.select("task", "knobs").unique().height
    facts = [
        ("Study", study.get("study") or study.get("name") or "–"),
        ("Experiments", ", ".join(drops["experiment"].unique(maintain_order=True))),
        ("Models", ", ".join(sorted(cells["model"].unique()))),
        ("Tasks", f"{', '.join(sorted(cells['task'].unique()))} ({conditions} conditions)"),
        ("Compressions", ", ".join(sorted(METHODS[m].label for m in set(cells["method"]) - {"dense"})) or "none"),
        ("Cells", f"{cells.height:,}"),
        ("Seeds", f"{cells['seed'].n_unique()} ({span(drops['n_seeds'])} per number)"),
        ("Examples", f"{span(cells['n_examples'])} per cell"),
        (
            "Collapsed",
            f"{int(cells['collapsed'].cast(int).sum()):,} of {cells.height:,} cells predict a single class",
        ),
    ]
    if "truncated" in cells.columns and (cut := cells["truncated"].drop_nulls().max()):
        facts.append(("Truncated texts", f"up to {100 * cut:.1f} % of the texts of a cell, at the length limit"))
    if "rows_note" in cells.columns:
        noted = cells.filter(pl.col("rows_note") != "").select("task", "rows_note").unique().sort("task")
        facts += [(f"Rows of {task}", note) for task, note in noted.iter_rows()]
    pruned = cells.filter(cells["sparsity"] > 0)
    gap = (pruned["achieved_sparsity"] - pruned["sparsity"]).abs().drop_nulls().max()
    if gap is not None:
        facts.append(("Sparsity", f"within {100 * gap:.3f} percentage points of the target in every cell that prunes"))
    facts.append(("Effective bits", f"{span(cells['effective_bits_per_weight'].round(2))} per weight (dense: 16)"))
    if "wall_s" in cells.columns and (wall := cells["wall_s"].drop_nulls()).len():
        facts.append(("Compute time", f"{_duration(float(wall.sum()))} in total ({wall.len():,} timed cells)"))
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in facts)
    return (
        '<section id="overview"><h2>Overview</h2><p>Does compressing a language model, for example by pruning its '
        "smallest weights, cost more on harder tasks than on easier ones? A cell is one combination of model, task, "
        "knobs, compression, transfer mode, protocol and seed.</p>"
        f'<dl class="facts">{items}</dl></section>'
    )


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _experiment(name: str, outline: Outline, rows: pl.DataFrame, images: dict[str, str], study: dict) -> str:
    experiments = study.get("experiments")
    entry = experiments.get(name) if isinstance(experiments, dict) else None
    title = entry.get("title") if isinstance(entry, dict) else None
    blocks = [f'<section id="experiment-{_slug(name)}"><h2>{escape(name)}</h2>']
    blocks += [f"<p>{escape(str(title))}</p>"] if title else []
    for stem in filter(first_view, experiment_figures(name, outline)):
        blocks.append(_figure(images[stem], stem.partition("_")[0], f"{name}:"))
    return "".join([*blocks, numbers_table(name, rows), "</section>"])


def _provenance(document: object) -> str:
    """Everything in the study's JSON: lists and mappings are folded, one block per key."""
    study = _study(document)
    rest = document if isinstance(document, dict) and study is not document else {}
    entries = [*study.items()]
    entries += [(f"{key} (resolved)" if key in study else key, value) for key, value in rest.items() if key != "study"]
    entries = entries or [("settings", document)]
    plain = [(key, value) for key, value in entries if not isinstance(value, dict | list)]
    folded = [(key, value) for key, value in entries if isinstance(value, dict | list)]
    facts = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in plain)
    blocks = "".join(
        f"<details><summary>{escape(str(key))} ({len(value)})</summary><pre>{escape(_compact(value))}</pre></details>"
        for key, value in folded
    )
    return (
        '<section id="provenance"><h2>Provenance</h2><p>The validated settings of the study. The footer of each cell '
        "file contains the cell's settings and the versions, seeds and hashes that produced it.</p>"
        f'<dl class="facts">{facts}</dl>{blocks}</section>'
    )


def _compact(value: dict | list) -> str:
    """JSON with one line per entry."""
    entries: Iterable = value.items() if isinstance(value, dict) else enumerate(value, 1)
    return "\n".join(f"{key}: {json.dumps(entry, ensure_ascii=False)}" for key, entry in entries)
