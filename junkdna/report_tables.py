"""The report's tables: the numbers of one experiment, a body of rows for each condition."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from junkdna.figures import lines, words

if TYPE_CHECKING:
    import polars as pl

GAPS = ("human_gap_by_human", "human_gap_by_dense")


def numbers_table(name: str, rows: pl.DataFrame) -> str:
    """HTML table of an experiment's rows: a body for each condition, dense first, then by method and level.

    Metric and chance stand below the condition's name. Where a task has a human figure, human performance and both gaps
    to it stand in the dense row, and their sources below the table.
    """
    tuned, human = bool(set(rows["transfer"]) - {"none"}), not rows["human"].is_null().all()
    left = ["Condition", "Compression", *(["Transfer"] if tuned else [])]
    right = ["Bits a weight", "Score", "Percent of dense", "Share kept", "n", "Seeds", "Collapsed seeds"]
    right += ["Human", "Gap by human", "Gap by dense"] if human else []
    head = "".join(f'<th scope="col" class="text">{word}</th>' for word in left)
    head += "".join(f'<th scope="col">{word}</th>' for word in right)
    groups: dict[tuple, list[dict]] = {}
    for row in rows.iter_rows(named=True):
        key = tuple(words.natural(row[column]) for column in ("model", "task", "knobs", "protocol"))
        groups.setdefault(key, []).append(row)
    bodies = "".join(_body(_heading(groups[key][0], rows), groups[key], tuned, human) for key in sorted(groups))
    sources = f" Human performance: {escape(words.human_figures(rows))}." if human else ""
    return (
        f"<details open><summary>Numbers ({rows.height} rows)</summary>"
        f'<div class="wide" tabindex="0" role="region" aria-label="Numbers of {escape(name)}"><table>'
        f"<thead><tr>{head}</tr></thead>{bodies}</table></div>"
        f"<p><small>In brackets: 95 % intervals. –: not defined, see below.{sources}</small></p></details>"
    )


def _heading(row: dict, rows: pl.DataFrame) -> str:
    several = rows["model"].n_unique() > 1
    label = row["label"] + (f", {row['model']}" if several and row["model"] not in row["label"] else "")
    note = f"{words.metric(row['metric'])}, chance {_digits(row['chance'], 2)}"
    return f"{escape(label)}<br><small>{escape(note)}</small>"


def _body(heading: str, group: list[dict], tuned: bool, human: bool) -> str:
    order = sorted(group, key=_order)
    found = []
    for at, row in enumerate(order):
        first = f'<th scope="rowgroup" rowspan="{len(order)}">{heading}</th>' if at == 0 else ""
        start = '<tr class="dense">' if row["method"] == "dense" else "<tr>"
        found.append(f"{start}{first}{_cells(row, tuned, human)}</tr>")
    return f"<tbody>{''.join(found)}</tbody>"


def _order(row: dict) -> tuple:
    """Dense first, then transfer modes, lines (method, options), and levels from weak to strong."""
    line, start = lines.line_of(row["compression"]), (row["method"] != "dense", row["transfer"])
    return start if line is None else (*start, line.place, lines.strength(row["compression"]))


def _cells(row: dict, tuned: bool, human: bool) -> str:
    text = [lines.compression(row["compression"]), *([row["transfer"].replace("_", " ")] if tuned else [])]
    bits = _digits(row["effective_bits_per_weight"], 2)
    numbers = [bits, _number(row, "score", 3), _number(row, "percent_of_dense", 1), _number(row, "kept", 2)]
    counts = [f"{row['n_examples']:,}", str(row["n_seeds"])]
    flag = f'<td class="flag">{row["collapsed"]}</td>' if row["collapsed"] else "<td>0</td>"
    left = "".join(f'<td class="text">{escape(t)}</td>' for t in text)
    middle = "".join(f"<td>{n}</td>" for n in [*numbers, *map(escape, counts)])
    return left + middle + flag + (_human(row) if human else "")


def _human(row: dict) -> str:
    """Human performance and the gaps to it, in the dense row; empty cells in the others, where they are the same."""
    values = [None if row[name] is None else _digits(row[name], 3) for name in ("human", *GAPS)]
    return "".join(f"<td>{(value or '–') if row['method'] == 'dense' else ''}</td>" for value in values)


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
