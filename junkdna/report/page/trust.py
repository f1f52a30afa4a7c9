"""How far to trust a study: seeds, baselines, collapse and truncated texts, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from junkdna.report.page.words import capitalized, count, listed, span

if TYPE_CHECKING:
    from junkdna.report.page.inputs import Inputs

KNOWN = 0.04  # share of what can be known from which a condition is tested


def trust(inputs: Inputs) -> list[str]:
    """Sentences on what the numbers rest on and do not cover."""
    found = [_size(inputs), _seeds(inputs), _collapsed(inputs), _truncated(inputs), _baselines(inputs)]
    found.append("Intervals speak of other examples like these, not of other models or tasks.")
    if inputs.drops["difficulty"].n_unique() > 1:
        found.append("Difficulty and loss share the dense score; the tests allow for it.")
    return [each for each in found if each]


def _size(inputs: Inputs) -> str:
    models = count(inputs.drops["model"].n_unique(), "model")
    return f"{capitalized(models)}."


def _seeds(inputs: Inputs) -> str:
    """Seeds with and without training."""
    import polars as pl

    trained = inputs.drops.filter(pl.col("transfer") != "none")
    plain = inputs.drops.filter(pl.col("transfer") == "none")
    words = []
    if plain.height and plain["n_seeds"].max() == 1:
        words.append("without training there is one seed, so intervals cover the sampling of examples only")
    elif plain.height:
        words.append(f"without training there are {span(list(plain['n_seeds']))} seeds")
    if trained.height:
        steps = inputs.cells.filter(pl.col("steps") > 0)["steps"] if "steps" in inputs.cells.columns else None
        length = f" of {span(list(steps))} steps each" if steps is not None and len(steps) else ""
        words.append(f"fine-tuned results rest on {_of_seeds(list(trained['n_seeds']))}{length}")
    return f"{capitalized('; '.join(words))}." if words else ""


def _of_seeds(counts: list[int]) -> str:
    return count(counts[0], "seed") if len({*counts}) == 1 else f"{span(counts)} seeds"


def _collapsed(inputs: Inputs) -> str:
    total = inputs.cells.height
    collapsed = int(inputs.cells["collapsed"].cast(int).sum()) if total else 0
    if not collapsed:
        return f"None of {total:,} cells predicts a single class." if total else ""
    return f"{collapsed:,} of {total:,} cells collapsed: they give one answer for everything."


def _truncated(inputs: Inputs) -> str:
    import polars as pl

    cut = inputs.drops.filter(pl.col("truncated") > 0.005).sort("truncated", descending=True)
    if cut.is_empty():
        return ""
    worst = cut.row(0, named=True)
    others = cut.select("task", "knobs").n_unique() - 1
    more = f", and fewer in {count(others, 'other condition')}" if others else ""
    return f"In {worst['label']}, {100 * worst['truncated']:.0f} % of the texts were cut at the length limit{more}."


def _baselines(inputs: Inputs) -> str:
    import polars as pl

    kinds = list(inputs.drops["baseline"].unique(maintain_order=True))
    words = f"Skill is the score above the baseline: {' or '.join(_baseline(kind) for kind in kinds)}."
    known = pl.col("dense_known_share")
    weak = inputs.drops.filter(known.is_null() | (known < KNOWN))["label"].unique(maintain_order=True)
    if len(weak):
        words += f" {capitalized(listed(weak, 5))}: the dense model is hardly above it, so nothing can be tested there."
    return words


def _baseline(kind: str) -> str:
    return {"chance": "chance", "majority": "the most frequent answer (majority)"}.get(kind, kind)
