"""The browser of flipped answers: per condition, the examples whose verdict changed at some level.

An example flipped if the dense model answers right and a compressed one wrong, or the other way round. Of each
condition the first `ROWS` flipped examples in the order of a hash of task and id are taken: a random sample that nobody
picked, in the same order for every model and method of a task.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural, series_of, strength
from junkdna.report.page.question_texts import Texts
from junkdna.report.page.words import compression
from junkdna.seeds import hash_key
from junkdna.study.cell import Cell, Knobs, knob_text, parse_cell_path
from junkdna.study.grid import reference

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.page.inputs import Inputs

ROWS, CONDITIONS, COMPRESSIONS = 200, 30, 8
NEEDED = ("id", "gold", "prediction", "margin", "correct", "text", "reference")


@dataclass
class Condition:
    """The flipped examples of one condition (model, task, knobs, transfer mode and protocol), of its first seed.

    `labels` names the compressions, dense first; `total` counts its flipped examples, `n` all of them. A row is a dict:
    `i` the id, `g` the gold answer, `a` the answers, `m` the margins in thousandths, `r` the verdicts, such as "10".
    """

    label: str
    n: int
    seed: int
    labels: list[str]
    rows: list[dict] = field(default_factory=list)
    total: int = 0
    texts: dict[str, dict] = field(default_factory=dict)


def conditions(inputs: Inputs) -> tuple[list[Condition], int]:
    """At most `CONDITIONS` conditions with flipped answers, and how many more there are.

    Empty for an archive, and if the cell files are not where the tables say, as after copying only the folder of the
    study. Raises UserError for a corrupt file.
    """
    if inputs.archive:
        return [], 0
    groups = list(_groups(inputs))
    texts = Texts(inputs.tasks)
    found = [made for group in groups[:CONDITIONS] if (made := _condition(inputs, group, texts)) and made.rows]
    return found, max(0, len(groups) - CONDITIONS)


def _groups(inputs: Inputs) -> Iterator[list[Cell]]:
    """The cells of each condition at its lowest seed: dense, then weak to strong. Easy conditions come first."""
    cells: dict[tuple, list[Cell]] = {}
    for key in inputs.cells["cell"]:
        cell = parse_cell_path(key)
        if cell.compression.level:
            cells.setdefault((cell.model, cell.task, cell.knobs, cell.transfer, cell.protocol), []).append(cell)
    place = lambda key: inputs.order(*key[:2], _knobs(key[2]))  # noqa: E731
    for key in sorted(cells, key=lambda key: (place(key), *(natural(str(part)) for part in key))):
        first = min(cell.seed for cell in cells[key])
        mine = sorted((cell for cell in cells[key] if cell.seed == first), key=_order)
        mine = mine if len(mine) <= COMPRESSIONS else [mine[round(at)] for at in _spread(len(mine))]
        yield [reference(mine[0]), *mine]


def _spread(n: int) -> Iterator[float]:
    return (at * (n - 1) / (COMPRESSIONS - 1) for at in range(COMPRESSIONS))


def _order(cell: Cell) -> tuple:
    return (series_of(cell.compression.tag).order, strength(cell.compression.tag))


def _condition(inputs: Inputs, group: list[Cell], texts: Texts) -> Condition | None:
    """The flipped examples of one group; None if a file is missing or nothing counts as right or wrong."""
    if not all(Path(cell.path).is_file() for cell in group):
        return None
    tables = [_examples(cell) for cell in group]
    right = [table["correct"].to_list() for table in tables]
    if any(value not in (0, 1) for column in right for value in column) or not right[0]:
        return None
    flipped = [at for at in range(len(right[0])) if len({column[at] for column in right}) > 1]
    flipped.sort(key=lambda at: hash_key("browser", group[0].task, tables[0]["id"][at]))
    made = Condition(_label(inputs, group), len(right[0]), group[1].seed, _labels(group), total=len(flipped))
    made.rows = [_row(tables, at) for at in flipped[:ROWS]]
    if inputs.texts:
        known = texts.of(group[0])
        made.texts = {row["i"]: known[row["i"]] for row in made.rows if row["i"] in known}
        _add_generated(made, tables, flipped[:ROWS])
    return made


def _examples(cell: Cell) -> pl.DataFrame:
    from junkdna.run.cell_file import examples_of

    return examples_of(cell, NEEDED)


def _knobs(knobs: Knobs) -> str:
    """Knobs as the tables write them."""
    return knob_text(knobs) if knobs else ""


def _label(inputs: Inputs, group: list[Cell]) -> str:
    cell, knobs = group[1], _knobs(group[1].knobs)
    drops = inputs.drops
    mine = drops.filter((drops["task"] == cell.task) & (drops["knobs"] == knobs) & (drops["model"] == cell.model))
    label = mine["label"][0] if mine.height else f"{inputs.task_title(cell.task)} {knobs}".strip()
    extra = [cell.model] if drops["model"].n_unique() > 1 and cell.model not in label else []
    extra += [cell.transfer.replace("_", " ")] if cell.transfer != "none" else []
    extra += [cell.protocol] if drops["protocol"].n_unique() > 1 and cell.protocol != "default" else []
    return ", ".join([label, *extra])


def _labels(group: list[Cell]) -> list[str]:
    return [compression({"compression": cell.compression.tag, "transfer": "none"}) for cell in group]


def _row(tables: list[pl.DataFrame], at: int) -> dict:
    rows = [table.row(at, named=True) for table in tables]
    answers = [None if row["prediction"] is None else int(row["prediction"]) for row in rows]
    margins = [_thousandths(row["margin"]) for row in rows]
    gold = None if rows[0]["gold"] is None else int(rows[0]["gold"])
    verdicts = "".join(str(int(row["correct"])) for row in rows)
    return {"i": rows[0]["id"], "g": gold, "a": answers, "m": margins, "r": verdicts}


def _thousandths(margin: float | None) -> int | None:
    """A margin in thousandths; None without one, or if a score is infinite (a probability of 0 in a log)."""
    return round(1000 * margin) if margin is not None and math.isfinite(1000 * margin) else None


def _add_generated(made: Condition, tables: list[pl.DataFrame], places: list[int]) -> None:
    """Adds the generated texts `t` and the accepted answer `e` to the rows of a generating task."""
    for row, at in zip(made.rows, places, strict=True):
        written = [table["text"][at] for table in tables]
        if any(written):
            row |= {"t": [(text or "")[:400] for text in written], "e": tables[0]["reference"][at]}
