"""Published curves of the Junk DNA Hypothesis paper (arXiv 2310.02277, first version) and the conditions they show.

The tables are in `published/`; docs/published.md describes their source, conventions and oddities. A curve is one line
of one panel of one figure. Nothing here is absolute: a point is a percentage of a dense score (see `published_scale`).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import polars as pl

from junkdna.errors import unknown_name
from junkdna.study.cell import Compression
from junkdna.study.levels import LEVEL_KINDS

FOLDER = Path(__file__).parent / "published"
CURVE = ("figure", "panel", "series")
POINT_LISTS = ("x", "value")  # columns with one entry per point, separated by spaces

LARGE, BASE, VICUNA = "FacebookAI/roberta-large", "FacebookAI/roberta-base", "lmsys/vicuna-7b-v1.3"
GLUE = {"SST-2": "sst2", "CoLA": "cola", "QQP": "qqp", "STS-B": "stsb", "QNLI": "qnli", "RTE": "rte", "MNLI": "mnli"}
COMMONSENSE = {"WinoGrande": "winogrande", "CSQA": "csqa"}
ARITHMETIC = {"MAWPS": "mawps", "SVAMP": "svamp"}
TASKS = GLUE | COMMONSENSE | ARITHMETIC
TRANSFER = {
    "Sparse Transfer": "sparse",
    "Sparse to Dense Transfer": "sparse_to_dense",
    "Dense Transfer with Freezing": "dense_freeze",
}
FAMILIES = {"unstructured": "unstructured", "n:m": "nm"}
PRUNERS = {
    ("Magnitude", "unstructured"): "magnitude_layer",
    ("Magnitude", "nm"): "nm",
    ("SparseGPT", "unstructured"): "sparsegpt",
    ("SparseGPT", "nm"): "sparsegpt",
    ("Wanda", "unstructured"): "wanda",
    ("Wanda", "nm"): "wanda",
}
BOOK = {"Closed Book": "", "Open Book": "context=passage"}


@dataclass(frozen=True)
class Condition:
    """The condition of a study that a published curve shows.

    `model` is a repository of the Hugging Face Hub, or None if the source names none and none can be inferred;
    `model_inferred` says that the source does not state it for this figure. `knobs` has the form of the column of
    drops: knobs with other values than the default. `family` is unstructured or nm.
    """

    model: str | None
    model_inferred: bool
    task: str
    knobs: str
    family: str
    method: str
    transfer: str


def read_points() -> pl.DataFrame:
    """All published points, one row each, in the order of the source.

    Columns: figure, panel, series, difficulty_label, model and sparsity_kind ("" if the source has none), unit, x
    (text: percent pruned, N:M with N kept, or the interpolation coefficient), value, and doubt (why the point may be
    wrong; "" for none). Curves with no condition of a study (translation, interpolation) are included.
    """
    curves = _read("curves").with_columns(pl.col(POINT_LISTS).str.split(" ")).explode(POINT_LISTS)
    return curves.with_columns(pl.col("value").cast(pl.Float64), doubt=_doubt())


@cache
def _read(name: str) -> pl.DataFrame:
    """A table of the folder with every column as text, "" for an empty entry."""
    return pl.read_csv(FOLDER / f"{name}.csv", infer_schema=False).with_columns(pl.all().fill_null(""))


def _doubt() -> pl.Expr:
    """The reasons of all rows of doubts.csv that select a point. An empty panel, series or x selects every one."""
    reasons = []
    for row in _read("doubts").iter_rows(named=True):
        chosen = pl.col("figure") == row["figure"]
        for name in ("panel", "series"):
            chosen &= (pl.col(name) == row[name]) | (row[name] == "")
        chosen &= pl.col("x").is_in(row["x"].split()) | (row["x"] == "")
        reasons.append(pl.when(chosen).then(pl.lit(row["doubt"])))
    return pl.concat_str(reasons, separator="; ", ignore_nulls=True)


# ---- conditions ------------------------------------------------------------------------------------------------------


def condition(figure: str, panel: str, series: str, kind: str) -> Condition | None:
    """The condition of a study that a curve shows, None if no study can have it (translation, interpolation).

    `kind` is the `sparsity_kind` of the source: unstructured or n:m. Raises UserError for an unknown figure.
    """
    figures = _read("curves")["figure"].unique(maintain_order=True).to_list()
    if figure not in figures:
        raise unknown_name("published figure", figure, figures)
    reader = _READERS.get(figure.removesuffix("_unstructured").removesuffix("_nm"))
    return reader(panel, series, FAMILIES[kind]) if reader else None


def _across_tasks(_: str, series: str, family: str) -> Condition:
    return _finetuned(series, "sparse", family)


def _transfer_modes_tasks(panel: str, series: str, family: str) -> Condition:
    return _finetuned(panel, TRANSFER[series], family)


def _finetuned(title: str, transfer: str, family: str) -> Condition:
    """A task on roberta-large. The source names it for GLUE without MNLI. It is inferred for MNLI and, from the code of
    SMC-Bench, for the commonsense tasks; the model of the arithmetic tasks is unknown."""
    model = None if title in ARITHMETIC else LARGE
    inferred = title in COMMONSENSE or title == "MNLI"
    return Condition(model, inferred, TASKS[title], "", family, _magnitude(family), transfer)


def _data_fraction(panel: str, series: str, family: str) -> Condition:
    percent = series.removesuffix("% data")
    return Condition(BASE, False, TASKS[panel], _fraction(percent), family, _magnitude(family), "sparse")


def _transfer_modes_data(panel: str, series: str, family: str) -> Condition:
    """Panels are named such as "QNLI (10% data)". The numbers are those of roberta-base."""
    title, percent = panel.removesuffix("% data)").split(" (")
    return Condition(BASE, True, TASKS[title], _fraction(percent), family, _magnitude(family), TRANSFER[series])


def _open_closed(panel: str, series: str, family: str) -> Condition:
    return Condition(VICUNA, True, "trivia_qa", BOOK[series], family, PRUNERS[panel, family], "none")


def _fraction(percent: str) -> str:
    return "" if percent == "100" else f"data_fraction={percent}"


def _magnitude(family: str) -> str:
    return "nm" if family == "nm" else "magnitude"


_READERS = {
    "across_tasks": _across_tasks,
    "data_fraction": _data_fraction,
    "transfer_modes_tasks": _transfer_modes_tasks,
    "transfer_modes_data": _transfer_modes_data,
    "open_closed": _open_closed,
    "open_closed_fine": _open_closed,
}


# ---- points of conditions --------------------------------------------------------------------------------------------


def condition_points() -> pl.DataFrame:
    """The points of every curve that shows a condition of a study, one row each, in the order of the source.

    Columns: figure, panel, series, difficulty_label and x as in `read_points`, the fields of `Condition`, `level` (text
    as in the names of compressions; "" for dense), `compression` (name without options), `sparsity` (fraction pruned),
    `percent_of_dense` (relative score) and `doubt`. Some figures repeat lines of others: see `distinct_points`.
    """
    points = read_points()
    known = pl.DataFrame(_known_curves(points), infer_schema_length=None)
    points = points.drop("model").join(known, on=CURVE, how="inner", maintain_order="left")
    levels = [_level(x) for x in points["x"]]
    relative = pl.when(unit="relative_drop").then(100 * (1 + pl.col("value"))).otherwise("value")
    columns = {
        "level": [level for level, _ in levels],
        "sparsity": [sparsity for _, sparsity in levels],
        "compression": [
            Compression(method, level).tag if level else "dense"
            for method, (level, _) in zip(points["method"], levels, strict=True)
        ],
    }
    points = points.with_columns(*(pl.Series(name, values) for name, values in columns.items()))
    names = ("level", "compression", "sparsity", "percent_of_dense", "doubt")
    fields = Condition.__annotations__
    return points.with_columns(percent_of_dense=relative).select(*CURVE, "difficulty_label", "x", *fields, *names)


def _known_curves(points: pl.DataFrame) -> Iterator[dict]:
    for *curve, kind in points.select(*CURVE, "sparsity_kind").unique(maintain_order=True).iter_rows():
        shown = condition(*curve, kind) if kind in FAMILIES else None
        if shown:
            yield dict(zip(CURVE, curve, strict=True)) | asdict(shown)


def _level(x: str) -> tuple[str, float]:
    """(level as text, fraction pruned) of "30" or of "7:8", which keeps 7 of 8; ("", 0) for dense."""
    if ":" in x:
        keep, of = map(int, x.split(":"))
        return LEVEL_KINDS["keep_of"].write((keep, of)), 1 - keep / of
    sparsity = float(x) / 100
    return LEVEL_KINDS["sparsity"].write(sparsity) if sparsity else "", sparsity


def distinct_points() -> pl.DataFrame:
    """`condition_points` without points that an earlier figure has too: the line Sparse Transfer occurs in the figures
    of transfer modes again, and TriviaQA in steps of 10 % is part of the figure in steps of 5 %."""
    points = condition_points()
    coarse = pl.col("figure").str.starts_with("open_closed") & ~pl.col("figure").str.contains("fine|nm")
    points = pl.concat([points.filter(~coarse), points.filter(coarse)])
    same = ("model", "task", "knobs", "family", "method", "transfer", "level")
    return points.unique(same, keep="first", maintain_order=True)
