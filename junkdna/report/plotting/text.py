"""Text in figures: metric labels, formulas, and the facts of captions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from junkdna.analysis.series import natural, series_of
from junkdna.report.plotting.theme import INTERVAL
from junkdna.study.cell import parse_compression

if TYPE_CHECKING:
    import polars as pl

FEW_SEEDS = 2  # an interval over so many seeds says nothing: they are drawn as dots instead
METRIC_LABELS = {
    "matthews": "Matthews correlation",
    "f1": "F1",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "token_f1": "token F1",
    "log2_likelihood_per_byte": "log2-likelihood per byte",
}
FORMULAS = {
    "chance_corrected_dense_error": "1 − (dense − chance) / (1 − chance)",
    "human_gap_by_human": "(human − dense) / human",
    "human_gap_by_dense": "(human − dense) / dense",
    "data_fraction": "1 − fraction of the training data",
    "options": "1 − 1 / number of options",
    "context": "tokens of context",
    "shots": "−number of shots",
}


def spaced(name: str) -> str:
    """A name of the study in a title: `transfer modes`."""
    return name.replace("_", " ")


def metric_label(name: str) -> str:
    """Label of a metric: `Matthews correlation`, `exact match`."""
    return METRIC_LABELS.get(name, name.replace("_", " "))


def metric_labels(rows: pl.DataFrame) -> str:
    """The metrics of `rows`: the most frequent one first, the others with the titles of their tasks."""
    pairs = rows.select("metric", "title").unique().sort("title")
    titles = {name: list(group["title"]) for (name,), group in pairs.partition_by("metric", as_dict=True).items()}
    first, *others = sorted(titles, key=lambda name: (-len(titles[name]), name))
    return "; ".join([metric_label(first), *(f"{metric_label(name)} for {listed(titles[name])}" for name in others)])


def listed(titles: Iterable[str]) -> str:
    """Unique task titles in natural order, separated by slashes because titles may contain commas."""
    return " / ".join(sorted(set(titles), key=natural))


def measure_label(name: str) -> str:
    """Label of a measure of difficulty, such as `chance-corrected dense error`."""
    return name.replace("chance_corrected", "chance-corrected").replace("_", " ")


def human_figures(rows: pl.DataFrame) -> str:
    """Human performance on each task of `rows`, with sources; empty if none is known."""
    known = rows.drop_nulls("human").unique(["title", "human", "human_source"])
    by_source: dict[str, list[str]] = {}
    for row in sorted(known.iter_rows(named=True), key=lambda row: natural(row["title"])):
        by_source.setdefault(row["human_source"], []).append(f"{row['title']} {row['human']:.3f}")
    return "; ".join(f"{' / '.join(tasks)} from {source}" for source, tasks in by_source.items())


def span(values: Iterable[float | int], form: str = "{:,}") -> str:
    """`1,000` or `500 to 1,000`."""
    low, high = min(values := list(values)), max(values)
    return form.format(low) if low == high else f"{form.format(low)} to {form.format(high)}"


def facts(rows: pl.DataFrame, mark: str) -> str:
    """Caption sentences: models, metrics, baseline, examples, seeds, intervals that `mark` ("Bars") shows, levels."""
    seeds = rows["n_seeds"]
    models = ", ".join(sorted(rows["model"].unique()))
    text = (
        f"{'Model' if rows['model'].n_unique() == 1 else 'Models'}: {models}. "
        f"Metric{'s' if rows['metric'].n_unique() > 1 else ''}: {metric_labels(rows)}. "
        f"{baseline(rows)} "
        f"n = {span(rows['n_examples'])} examples; {span(seeds)} {'seed' if seeds.max() == 1 else 'seeds'}. "
        f"{_spread(rows, mark)}"
    )
    text += "".join(f" {sentence}" for sentence in amounts(rows))
    cut = rows["truncated"].drop_nulls()
    if len(cut) and cut.max() > 0:
        text += f" Texts truncated at the length limit: up to {share(cut.max())} per condition."
    return text


def baseline(rows: pl.DataFrame) -> str:
    """Caption sentence: the baseline of retention."""
    names = [name for name in ("chance", "majority") if name in set(rows["baseline"])]
    return f"Baseline: {BASELINES[' and '.join(names)]}."


def share(value: float) -> str:
    """A share in percent without false precision: `68 %`, `0.2 %`."""
    return f"{100 * value:.0f} %" if value >= 0.01 else f"{max(100 * value, 0.1):.1f} %"


def amounts(rows: pl.DataFrame) -> list[str]:
    """Caption sentences: the ranges of sparsities, bits and ranks."""
    pruned = 100 * rows["sparsity"].filter(rows["sparsity"] > 0)
    found = [f"Sparsity: {span(pruned, '{:g}')} %."] if len(pruned) else []
    kinds = {tag: item.kind for tag in rows["compression"].unique() if (item := series_of(tag))}
    for kind, name in (("bits", "Bits"), ("rank", "Rank, share of the full one")):
        levels = [parse_compression(tag).value for tag in kinds if kinds[tag] == kind]
        found += [f"{name}: {span(levels, '{:g}')}."] if levels else []
    return found


BASELINES = {
    "chance": "chance",
    "majority": "the most frequent answer (majority)",
    "chance and majority": "chance; for models trained on class labels the most frequent answer (majority)",
    "": "unknown",
}


def _spread(rows: pl.DataFrame, mark: str) -> str:
    """What the intervals are over, or why there are none."""
    seeds = rows["n_seeds"]
    if seeds.min() == seeds.max() == FEW_SEEDS:
        return "Points: means; dots: the two seeds, over which an interval would say nothing."
    over = "examples only (one seed)" if seeds.max() == 1 else "seeds and examples"
    dots = " Two seeds are drawn as dots without an interval." if FEW_SEEDS in set(seeds) else ""
    return f"{mark}: {INTERVAL} over {over}; comparisons with dense are paired.{dots}"
