"""The table of all numbers: its columns, the cells of the first rows as text, and all rows as data for the script."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from junkdna.analysis.intervals import finite
from junkdna.analysis.series import natural, series_of, strength
from junkdna.report.page.words import condition, mode, number
from junkdna.report.plotting.series import compression_label
from junkdna.report.plotting.text import metric_label

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs

STATIC = 300
"""Most rows in the page itself; the script shows the others in pages. The CSV file next to the page has all."""
KEYS = ("experiment", "model", "task", "knobs", "compression", "transfer", "protocol")
FIELDS = (
    "experiment", "model", "task", "knobs", "label", "compression_label", "method", "compression", "transfer",
    "protocol", "metric", "baseline", "difficulty_measure", "loss", "loss_low", "loss_high", "score", "score_low",
    "score_high", "relative_score", "relative_score_low", "relative_score_high", "n_examples", "n_seeds", "chance",
    "majority", "dense_score", "difficulty", "effective_bits_per_weight", "collapsed", "truncated",
    "dense_known_share", "human", "human_gap_by_human", "human_gap_by_dense", "notes",
)  # fmt: skip
"""Values of a row, in the order of the data for the script and of the CSV that it writes."""
HUMAN = {"human": "Human", "human_gap_by_human": "Gap by human", "human_gap_by_dense": "Gap by dense"}
TEXT = (
    "experiment", "model", "task", "knobs", "label", "compression_label", "method", "compression", "transfer",
    "protocol", "metric", "baseline", "difficulty_measure", "notes",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column of the table: `field` of `FIELDS`, its heading, decimals (None for text), whether it has limits,
    and whether it is printed: paper is too narrow for all."""

    field: str
    head: str
    digits: int | None = None
    limits: bool = False
    printed: bool = True

    @property
    def text(self) -> bool:
        """Whether the column holds text."""
        return self.digits is None

    @property
    def cls(self) -> str:
        """The classes of its cells: `tx` aligns text at the left, `np` is not printed."""
        return " ".join(["tx"] * self.text + ["np"] * (not self.printed))


def columns(inputs: Inputs) -> list[Column]:
    """The columns that say something in this study."""
    drops = inputs.drops
    tuned = set(drops["transfer"]) - {"none"}
    human = not drops["human"].is_null().all()
    found = [
        Column("label", "Condition"),
        *([Column("model", "Model")] if drops["model"].n_unique() > 1 else []),
        Column("compression_label", "Compression"),
        *([Column("transfer", "Fine-tuning")] if tuned else []),
        Column("loss", "Share lost", 2, True),
        Column("score", "Score", 3, True),
        Column("relative_score", "% of dense", 1, True),
        Column("n_examples", "n", 0),
        Column("n_seeds", "Seeds", 0, printed=False),
        Column("difficulty", "Difficulty", 2),
        Column("effective_bits_per_weight", "Bits per weight", 2, printed=False),
        *(Column(name, head, 3, printed=False) for name, head in HUMAN.items() if human),
        Column("notes", "Notes"),
        *([Column("experiment", "Experiment")] if drops["experiment"].n_unique() > 1 else []),
    ]
    return found


def rows(inputs: Inputs) -> list[dict]:
    """All rows of drops with what the table shows of them, in its order; each has a `key` that stays the same as long
    as the row means the same."""
    order = {name: at for at, name in enumerate(inputs.experiments)}
    found = sorted(inputs.drops.iter_rows(named=True), key=lambda row: (order[row["experiment"]], *_order(row)))
    several = inputs.drops["protocol"].n_unique() > 1
    return [_shown(row, several) for row in found]


def _order(row: dict) -> tuple:
    """Within an experiment: conditions in natural order, dense first, then by mode, series and level."""
    where = tuple(natural(row[name]) for name in ("model", "task", "knobs", "protocol"))
    series, start = series_of(row["compression"]), (row["method"] != "dense", row["transfer"])
    level = () if series is None else (series.order, strength(row["compression"]))
    return (*where, *start, *level)


def _shown(row: dict, protocols: bool) -> dict:
    key = hashlib.sha256("\x1f".join(str(row[name]) for name in KEYS).encode()).hexdigest()[:8]
    loss = {f"loss{end}": _minus(row[f"retention{start}"]) for end, start in ENDS}
    if row["method"] == "dense":
        loss |= {"loss_low": None, "loss_high": None}
        row = row | {"relative_score_low": None, "relative_score_high": None}
    words = {
        "label": condition(row, protocols),
        "compression_label": compression_label(row["compression"]),
        "transfer": mode(row["transfer"]),
    }
    words["metric"] = metric_label(row["metric"])
    return row | loss | words | {"key": f"row-{key}", "notes": "; ".join(_notes(row))}


ENDS = (("", ""), ("_low", "_high"), ("_high", "_low"))


def _minus(value: float | None) -> float | None:
    return None if value is None else 1 - value


def _notes(row: dict) -> Iterator[str]:
    if row["metric"] != "accuracy":
        yield metric_label(row["metric"])
    if row["collapsed"]:
        yield f"{row['collapsed']} of {row['n_seeds']} collapsed"
    if (row["truncated"] or 0) > 0.005:
        yield f"{100 * row['truncated']:.0f} % cut"
    if row["retention"] is None:
        yield "dense is not above its baseline"
    elif None in (row["retention_low"], row["retention_high"]) and row["method"] != "dense":
        yield "share lost is unbounded"
    if row.get("seeds_missing"):
        yield f"{row['seeds_missing']} seeds missing"


def cell(row: dict, column: Column) -> tuple[str, str]:
    """A cell of the table: its text, and its interval in brackets or nothing."""
    value = row[column.field]
    if column.text:
        return value, ""
    if column.field in ("n_examples", "n_seeds"):
        return f"{value:,}", ""
    low, high = (row[f"{column.field}{end}"] for end in ("_low", "_high")) if column.limits else (None, None)
    known = finite(low) is not None and finite(high) is not None
    return number(
        value, column.digits
    ), f"[{number(low, column.digits)}, {number(high, column.digits)}]" if known else ""


def data(shown: list[dict], found: list[Column], fields: Sequence[str] = FIELDS, text: Sequence[str] = TEXT) -> dict:
    """The table for the script: texts once, and each row as a list in the order of `fields`, with its key in front.
    `text` are the fields that hold text."""
    texts: dict[str, int] = {}
    packed = [[row["key"], *(_packed(row[name], name in text, texts) for name in fields)] for row in shown]
    heads = [{"f": fields.index(c.field), "h": c.head, "d": c.digits, "l": c.limits, "c": c.cls} for c in found]
    return {"fields": fields, "text": [fields.index(name) for name in text], "columns": heads, "texts": list(texts),
            "rows": packed}  # fmt: skip


def _packed(value: object, is_text: bool, texts: dict[str, int]) -> object:
    if is_text:
        return texts.setdefault(value or "", len(texts))
    return float(f"{value:.6g}") if isinstance(value, float) else value
