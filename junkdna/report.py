"""The report: one static HTML page with figures, tables and definitions inside it, so that the page can be mailed."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.figures.draw import figure_names

if TYPE_CHECKING:
    import polars as pl

STYLE = """
:root { color-scheme: light; --ink: #222; --soft: #5f5f5f; --line: #ddd; --wash: #f6f6f4 }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 66rem; color: var(--ink); background: #fff;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: break-word }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; padding-top: .8rem; border-top: 2px solid var(--ink) }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .4rem }
p, dd, figcaption { max-width: 46rem }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }
a { color: #0b5394 }
.lead { color: var(--soft); margin-top: 0 }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem }
dl.facts dt { color: var(--soft) } dl.facts dd { margin: 0 }
dl.words dt { font-weight: 600; margin-top: .8rem } dl.words dd { margin: .1rem 0 0 }
figure { margin: 1rem 0 1.4rem }
figcaption { margin-top: .5rem; font-size: .93rem; color: #333 }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 4px; background: #fff }
figure .wide img { display: block; width: 100%; min-width: 40rem; height: auto }
table { border-collapse: collapse; width: 100%; font-size: .82rem; font-variant-numeric: tabular-nums }
th, td { padding: .28rem .45rem; text-align: right; vertical-align: top; white-space: nowrap }
th { font-weight: 600 } thead th { border-bottom: 1.5px solid var(--ink); background: var(--wash); white-space: normal }
th.text, td.text { text-align: left } tbody { border-bottom: 1px solid var(--line) }
tbody th { text-align: left; white-space: normal; min-width: 8rem; max-width: 15rem; font-weight: 600 }
td small { color: var(--soft); font-size: .92em } tr.dense td { background: var(--wash) } td.flag { font-weight: 700 }
details { margin: .7rem 0 } summary { cursor: pointer; font-weight: 600 }
code { font-size: .93em; background: var(--wash); padding: .05em .25em; border-radius: 3px }
pre { font-size: .8rem; line-height: 1.4; background: var(--wash); padding: .7rem; overflow-x: auto;
  white-space: pre-wrap; overflow-wrap: anywhere }
@media (max-width: 34rem) {
  dl.facts { grid-template-columns: 1fr } dl.facts dd { margin-bottom: .5rem }
  h1 { font-size: 1.4rem } }
@media print {
  @page { margin: 14mm 12mm }
  body { max-width: none; padding: 0; font-size: 10pt }
  nav, summary { display: none } a { color: inherit; text-decoration: none }
  .wide { overflow: visible; border: 0 } figure .wide img { min-width: 0 }
  figure, dl.words div, tr { break-inside: avoid } h2, h3, h2 + p { break-after: avoid }
  thead { display: table-header-group }
  table { font-size: 7.5pt } th, td { padding: .12rem .3rem } }
"""

WORDS = (
    ("Score", "the metric as it is, between 0 and 1; n is the number of examples, and every seed answers all of them."),
    ("Drop", "<code>dense − score</code>: what the compression costs, in the unit of the metric."),
    (
        "Percent of dense",
        "<code>100 × score / dense</code>. Guessing alone keeps <code>100 × chance / dense</code>, much of a hard "
        "task's score, so a hard task can look robust here. Read it beside the next one.",
    ),
    (
        "Chance-corrected share kept",
        "<code>(score − chance) / (dense − chance)</code>: 1 is as good as dense, 0 is guessing. Left empty (–) where "
        "the dense model itself is not clearly above chance, because there is nothing to keep.",
    ),
    (
        "Difficulty",
        "a number of the condition by a named measure. <code>chance_corrected_dense_error</code> is "
        "<code>1 − (dense − chance) / (1 − chance)</code>: 0 when the dense model makes no error, 1 when it guesses. "
        "It is taken from the same dense scores as the drop, so the two share their noise.",
    ),
    (
        "Dense",
        "the same model, task, knobs, protocol and seeds without compression. Without fine-tuning it is the plain "
        "model; for fine-tuned modes it is dense transfer.",
    ),
    (
        "Chance and majority",
        "the score of blind guessing, and of always giving the most frequent answer. A cell is <em>collapsed</em> when "
        "it predicts one class for every example; the tables count such seeds, the figures draw them open.",
    ),
    (
        "Intervals",
        "95 % percentile intervals from a bootstrap over seeds and, crossed with them, examples, paired with the dense "
        "cell. <strong>With one seed an interval covers the examples only</strong> and says nothing about another; "
        "with two or three that differ much it is too narrow. They are given for each number alone, without correction "
        "for how many there are.",
    ),
    (
        "Sparsity and keep n of m",
        "the fraction of the candidate weights set to zero by a mask. Masks simulate sparsity: no speed and no memory "
        "saving is claimed. <em>Keep n of m</em> counts the weights that stay in each group of m; others write n:m for "
        "the weights <em>pruned</em> of m, so that their 1:4 is keep 3 of 4 here.",
    ),
)
CAPTIONS = {
    "headline": "Each vertical group of points is one condition, named above it; to the right are harder ones. Colour "
    "is the share of weights pruned. Height is the chance-corrected drop: 0 is as good as dense, 1 is down at chance. "
    "Bars are 95 % intervals. If difficulty made no difference, points of one colour would lie level. The figure shows "
    "the numbers; it fits no line and tests nothing.",
    "sparsity": "Left: percent of the dense score, the usual view; the dotted line in a condition's colour is what "
    "guessing keeps. Right: the same cells with chance taken out, where curves of tasks with different floors can be "
    "compared. Bands are 95 % intervals; open markers are levels at which a seed predicts one class only.",
    "transfer": "One panel for each condition. The grey band is dense transfer with its interval; lines are the other "
    "transfer modes with theirs; small dots are single seeds. Dotted lines are the score of guessing and of always "
    "giving the most frequent answer.",
}
Heading = tuple[str, str]


def write_report(drops: Path, cells: Path, figures: Path, study_json: Path, destination: Path) -> None:
    """Write the page of a study to `destination`, whole or not at all.

    `drops` and `cells` are its tables, `figures` the folder that `draw_all` filled (its SVG files go into the page),
    `study_json` any JSON about the study. The page loads nothing from anywhere. Raises UserError for a missing figure.
    """
    import polars as pl

    table, joined = pl.read_parquet(drops), pl.read_parquet(cells)
    if table.is_empty():
        raise UserError(f"{drops}: nothing to report, the table has no rows. Run and collect cells first.")
    document = json.loads(Path(study_json).read_text(encoding="utf-8"))
    modes = {
        name: set(table.filter(pl.col("experiment") == name)["transfer"])
        for name in table["experiment"].unique(maintain_order=True)
    }
    images = {stem: _image(Path(figures), stem) for stem in figure_names(modes)}
    study = _study(document)
    name = next((study[k] for k in ("title", "study", "name") if isinstance(study.get(k), str)), "study")
    body = [
        f"<header><h1>{escape(name)}: what compression costs on harder tasks</h1>",
        '<p class="lead">Report of junkdna. Everything shown stands inside this page.</p></header>',
        _contents(modes),
        _asked(study, table, joined),
        f'<section id="headline"><h2>Difficulty against drop</h2>{_figure(images["headline"], "headline")}</section>',
        *(_experiment(e, modes[e], table.filter(pl.col("experiment") == e), images, study) for e in modes),
        _definitions(),
        _provenance(document),
    ]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(name)} – junkdna report</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )
    _write(Path(destination), page)


def _write(destination: Path, text: str) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    unfinished = destination.with_name(f".{destination.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, destination)
    finally:
        unfinished.unlink(missing_ok=True)


def _study(document: object) -> dict:
    """The part of the JSON that names models, tasks and experiments, wherever it stands; empty if there is none."""
    if isinstance(document, dict) and isinstance(document.get("study"), dict):
        return document["study"]
    return document if isinstance(document, dict) else {}


def _image(folder: Path, stem: str) -> str:
    """The figure as a data URI: an image can run no script and its ids meet no other figure's."""
    path = folder / f"{stem}.svg"
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(
            f"{path}: the report needs this figure and it is not there. The drops table has rows for it, so the "
            f"figures were drawn from another table or not at all: draw them again (`junkdna figures`)."
        ) from None
    return "data:image/svg+xml;base64," + base64.b64encode(content).decode("ascii")


def _figure(image: str, family: str, about: str = "") -> str:
    caption = CAPTIONS[family]
    alt = escape(f"{about} {caption}".strip())
    return (
        f'<figure><div class="wide" tabindex="0"><img src="{image}" alt="{alt}"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _contents(modes: dict[str, set[str]]) -> str:
    links = [("headline", "Difficulty against drop")]
    links += [(f"experiment-{_slug(name)}", name) for name in modes]
    links += [("words", "How to read these numbers"), ("provenance", "Provenance")]
    items = "".join(f'<li><a href="#{target}">{escape(text)}</a></li>' for target, text in links)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _slug(name: str) -> str:
    """`name` as an id: letters and digits as they are, all else by its code, so that two names stay two ids."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found.group()):x}_", name)


def _asked(study: dict, drops: pl.DataFrame, cells: pl.DataFrame) -> str:
    """What was asked, and totals of the cells that answered."""
    conditions = drops.select("task", "knobs").unique().height
    facts = [
        ("Study", study.get("study") or study.get("name") or "–"),
        ("Experiments", ", ".join(drops["experiment"].unique(maintain_order=True))),
        ("Models", ", ".join(sorted(cells["model"].unique()))),
        ("Tasks", f"{', '.join(sorted(cells['task'].unique()))} ({conditions} conditions)"),
        ("Compressions", ", ".join(sorted(set(cells["method"]) - {"dense"})) or "none"),
        ("Cells", f"{cells.height:,}"),
        ("Seeds", f"{cells['seed'].n_unique()} ({_range(drops['n_seeds'])} for each number)"),
        ("Examples", f"{_range(cells['n_examples'])} for each cell"),
        ("Collapsed", f"{int(cells['collapsed'].cast(int).sum()):,} of {cells.height:,} cells predict one class only"),
    ]
    if "truncated" in cells.columns and (cut := cells["truncated"].drop_nulls().max()):
        facts.append(("Cut texts", f"up to {100 * cut:.1f} % of a cell's texts are cut at the length limit"))
    gap = (cells["achieved_sparsity"] - cells["sparsity"]).abs().drop_nulls().max()
    if gap is not None:
        facts.append(("Sparsity", f"achieved within {100 * gap:.3f} percent points of what was asked, in every cell"))
    if "wall_s" in cells.columns and (wall := cells["wall_s"].drop_nulls()).len():
        facts.append(("Computing", f"{_duration(float(wall.sum()))} in all ({wall.len():,} cells timed)"))
    items = "".join(f"<dt>{escape(key)}</dt><dd>{escape(str(value))}</dd>" for key, value in facts)
    return (
        '<section id="asked"><h2>What was asked</h2><p>Does a harder task lose more than an easier one when small '
        "weights of a language model go? One cell is one model, task, compression, transfer mode and seed.</p>"
        f'<dl class="facts">{items}</dl></section>'
    )


def _range(values: pl.Series) -> str:
    low, high = values.min(), values.max()
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _duration(seconds: float) -> str:
    for size, unit in ((3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def _experiment(name: str, modes: set[str], rows: pl.DataFrame, images: dict[str, str], study: dict) -> str:
    experiments = study.get("experiments")
    entry = experiments.get(name) if isinstance(experiments, dict) else None
    title = entry.get("title") if isinstance(entry, dict) else None
    parts = [f'<section id="experiment-{_slug(name)}"><h2>{escape(name)}</h2>']
    parts += [f"<p>{escape(str(title))}</p>"] if title else []
    for stem in figure_names({name: modes})[1:]:
        parts.append(_figure(images[stem], stem.partition("_")[0], f"{name}:"))
    return "".join([*parts, _table(name, rows), "</section>"])


def _table(name: str, rows: pl.DataFrame) -> str:
    """The experiment's numbers; a body of rows for each condition, dense first, then by method and sparsity."""
    tuned = bool(set(rows["transfer"]) - {"none"})
    words = ["Condition", "Compression", *(["Transfer"] if tuned else [])]
    head = "".join(f'<th scope="col" class="text">{word}</th>' for word in words)
    numbers = ("Score", "Percent of dense", "Share kept", "n", "Seeds", "Collapsed seeds")
    head += "".join(f'<th scope="col">{word}</th>' for word in numbers)
    groups: dict[Heading, list[dict]] = {}
    for row in rows.iter_rows(named=True):
        groups.setdefault((_condition(row, rows), f"{row['model']}|{row['knobs']}|{row['protocol']}"), []).append(row)
    bodies = "".join(_body(condition, group, tuned) for (condition, _), group in groups.items())
    return (
        f"<details open><summary>Numbers ({rows.height} rows)</summary>"
        f'<div class="wide" tabindex="0" role="region" aria-label="Numbers of {escape(name)}"><table>'
        f"<thead><tr>{head}</tr></thead>{bodies}</table></div>"
        "<p><small>In brackets: 95 % intervals. –: not defined, see below.</small></p></details>"
    )


def _condition(row: dict, rows: pl.DataFrame) -> str:
    several = rows["model"].n_unique() > 1
    return row["label"] + (f", {row['model']}" if several and row["model"] not in row["label"] else "")


def _body(condition: str, group: list[dict], tuned: bool) -> str:
    order = sorted(group, key=lambda r: (r["method"] != "dense", r["transfer"], r["method"], r["sparsity"]))
    lines = []
    for at, row in enumerate(order):
        first = f'<th scope="rowgroup" rowspan="{len(order)}">{escape(condition)}</th>' if at == 0 else ""
        start = '<tr class="dense">' if row["method"] == "dense" else "<tr>"
        lines.append(f"{start}{first}{_cells(row, tuned)}</tr>")
    return f"<tbody>{''.join(lines)}</tbody>"


def _cells(row: dict, tuned: bool) -> str:
    text = [_compression(row), *([row["transfer"].replace("_", " ")] if tuned else [])]
    numbers = [_number(row, "score", 3), _number(row, "percent_of_dense", 1), _number(row, "kept", 2)]
    counts = [f"{row['n_examples']:,}", str(row["n_seeds"])]
    flag = f'<td class="flag">{row["collapsed"]}</td>' if row["collapsed"] else "<td>0</td>"
    left = "".join(f'<td class="text">{escape(t)}</td>' for t in text)
    return left + "".join(f"<td>{n}</td>" for n in [*numbers, *map(escape, counts)]) + flag


def _compression(row: dict) -> str:
    """Words for a compression: `magnitude 70 %`, `keep 2 of 4`, else its tag."""
    if row["method"] == "dense":
        return "dense"
    if found := re.fullmatch(r"nm-keep(\d+)of(\d+)", row["compression"]):
        return f"keep {found[1]} of {found[2]}"
    return f"{row['method']} {100 * row['sparsity']:g} %" if row["sparsity"] > 0 else row["compression"]


def _number(row: dict, name: str, digits: int) -> str:
    """Value with its interval, or a dash; the reference has no interval against itself."""
    if row[name] is None:
        return "–"
    value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None or (row["method"] == "dense" and name != "score"):
        return _digits(value, digits)
    return f"{_digits(value, digits)} <small>[{_digits(low, digits)}, {_digits(high, digits)}]</small>"


def _digits(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return (text[1:] if float(text) == 0 and text[0] == "-" else text).replace("-", "−")


def _definitions() -> str:
    items = "".join(f"<div><dt>{word}</dt><dd>{meaning}</dd></div>" for word, meaning in WORDS)
    return f'<section id="words"><h2>How to read these numbers</h2><dl class="words">{items}</dl></section>'


def _provenance(document: object) -> str:
    """Everything in the study's JSON, a folded part for each of its keys."""
    study = _study(document)
    rest = document if isinstance(document, dict) and study is not document else {}
    parts = [(key, value) for key, value in study.items()]
    parts += [(f"{key} (as resolved)" if key in study else key, value) for key, value in rest.items() if key != "study"]
    parts = parts or [("settings", document)]
    plain = [(key, value) for key, value in parts if not isinstance(value, dict | list)]
    folded = [(key, value) for key, value in parts if isinstance(value, dict | list)]
    facts = "".join(f"<dt>{escape(str(k))}</dt><dd>{escape(str(v))}</dd>" for k, v in plain)
    blocks = "".join(
        f"<details><summary>{escape(str(key))} ({len(value)})</summary><pre>{escape(_compact(value))}</pre></details>"
        for key, value in folded
    )
    return (
        '<section id="provenance"><h2>Provenance</h2><p>The settings of the study as they were checked. Each cell file '
        "holds, in its footer, its own settings and the versions, seeds and hashes it was made with.</p>"
        f'<dl class="facts">{facts}</dl>{blocks}</section>'
    )


def _compact(value: dict | list) -> str:
    """JSON with one line for each entry."""
    entries: Iterable = value.items() if isinstance(value, dict) else enumerate(value, 1)
    return "\n".join(f"{key}: {json.dumps(entry, ensure_ascii=False)}" for key, entry in entries)
