"""The tables of graded logs: those of a study, with null for what logs do not say and reasons for untested claims."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import polars as pl

from junkdna.analysis.cell_answers import CellAnswers, Group
from junkdna.analysis.claim_catalog import CLAIMS
from junkdna.analysis.claims_table import SCHEMA as CLAIMS_SCHEMA
from junkdna.analysis.claims_table import models_of
from junkdna.analysis.findings import UNTESTABLE
from junkdna.analysis.series import PRUNING, series_of
from junkdna.analysis.study_tables import tables_from_files, tables_of
from junkdna.evaluate.metrics import METRICS
from junkdna.grade.bins import Graded
from junkdna.grade.study import EXPERIMENT
from junkdna.run.cell_file import FLOATS, INTEGERS
from junkdna.study.methods import METHODS
from junkdna.study.study import Resolved

BITS, SPARSITY = "effective_bits_per_weight", "achieved_sparsity"
NO_SPARSITY = "no log names a sparsity (such as wanda-0.5=PATH): how much was pruned is unknown"
NEEDS = {  # claim -> what it needs; the first is about a sparsity where none is named
    "monotone": NO_SPARSITY,
    "steeper_when_harder": "the log names no difficulty of its questions (--difficulty), and there is one task",
    "irreversible": "a log does not say whether its model was trained after pruning",
    "not_in_quantization": "it needs pruning and quantization with named levels, and a difficulty of the questions",
    "small_weights_specific": "it needs magnitude and random or largest pruning with named levels, and a difficulty of "
    "the questions",
}


class GradedAnswers(CellAnswers):
    """Answers of logs. `options` maps a task whose answers were picked to the number of options of each question, which
    the log may know without scores of the options."""

    def __init__(
        self, resolved: Resolved, bins: Mapping[str, Graded], options: Mapping[str, Mapping[str, int]]
    ) -> None:
        super().__init__(resolved, {task: graded.bins for task, graded in bins.items()})
        self.options = options

    def baselines(self, group: Group) -> tuple[float, float]:
        """Chance and majority baseline on the questions that count."""
        answers, task = self(group), group.first.task
        metric = METRICS[answers.metric]
        if task not in self.options:
            return metric.chance(None, None), metric.chance(None, None)
        gold = answers.gold[answers.kept]
        counts = np.array([self.options[task][key] for key in answers.ids])[answers.kept]
        return metric.chance(gold, counts), metric.majority(gold)


def cells_table(rows: Iterable[Mapping[str, object]], notes: Mapping[str, str]) -> pl.DataFrame:
    """The table of cells from the rows of `cells.write_answers`; `notes` maps a task to a note for readers."""
    rows = [{**row, "wall_s": None, "rows_note": notes.get(row["task"], "")} for row in rows]
    types = dict.fromkeys((*FLOATS, "wall_s"), pl.Float64) | dict.fromkeys(INTEGERS, pl.Int64)
    return pl.DataFrame(rows, schema_overrides=types, infer_schema_length=None)


def graded_tables(
    resolved: Resolved, cells: pl.DataFrame, bins: Mapping[str, Graded], options: Mapping[str, Mapping[str, int]]
) -> dict[str, pl.DataFrame]:
    """Name -> table, as `study_tables` has them. Reads the cell files below the working directory.

    Claims are tested on a published difficulty only: bins by the dense model's confidence share the noise of its
    scores.
    """
    answers = GradedAnswers(resolved, bins, options)
    rated = {task: graded.bins for task, graded in bins.items() if graded.published}
    tables = tables_of(resolved, cells, answers, rated, partial=True)
    tables |= tables_from_files(resolved, cells, tables["drops"], partial=True)
    tables["drops"] = without_unknown(tables["drops"])
    tables["claims"] = _with_reasons(tables["claims"], tables["drops"], resolved.study.claims.margin)
    return tables


def without_unknown(table: pl.DataFrame) -> pl.DataFrame:
    """The table with null for the sparsity and the bits per weight that no log states."""
    compressed = pl.col("method") != "dense"
    return table.with_columns(
        pl.when(compressed).then(None).otherwise(pl.col(SPARSITY)).alias(SPARSITY), pl.col(BITS).fill_nan(None)
    )


def _with_reasons(claims: pl.DataFrame, drops: pl.DataFrame, margin: float) -> pl.DataFrame:
    """The table of claims with a row for each claim that has none: untestable, and why."""
    kinds = {tag_series.kind for tag in {*drops["compression"]} if (tag_series := series_of(tag))}
    model = next(iter(models_of(claims)), drops["model"][0])
    rows = []
    for claim in CLAIMS:
        found = claims.filter(claim=claim)
        rows += [found] if found.height else [pl.DataFrame(_untestable(claim, model, kinds, margin), CLAIMS_SCHEMA)]
    return pl.concat(rows)


def _untestable(claim: str, model: str, kinds: set[str], margin: float) -> list[dict]:
    reason = NEEDS.get(claim, "no log tests it")
    if not kinds & {*PRUNING} and claim != "irreversible":
        reason = NO_SPARSITY
    empty = dict.fromkeys(("unit", "setting", "scale_free", "other_baseline", "details", "levels", "losses"), "")
    counts = dict.fromkeys(("n_seeds", "n_examples", "n_tasks", "collapsed"), 0)
    known = {"claim": claim, "experiment": EXPERIMENT, "model": model, "verdict": UNTESTABLE, "reason": reason}
    return [{**dict.fromkeys(CLAIMS_SCHEMA), **empty, **counts, **known, "margin": margin, "primary": True}]


def unknown(drops: pl.DataFrame) -> Iterator[str]:
    """Sentences on what these logs cannot say."""
    tags = [tag for tag in dict.fromkeys(drops["compression"]) if tag != "dense"]
    kinds = {tag: series_of(tag).kind for tag in tags}
    if names := [tag.partition("from-")[2] for tag, kind in kinds.items() if kind == "external"]:
        yield f"how much {', '.join(names)} is compressed: name a log METHOD-LEVEL=PATH (such as awq-4bit) to say it"
    if names := [*drops.filter(pl.col(BITS).is_null())["compression"].unique(maintain_order=True)]:
        named = [tag for tag in names if kinds[tag] != "external"]
        yield from [f"bits per weight of {', '.join(named)}: --bits NAME=BITS, scales included"] if named else []
    once = drops.filter(pl.col("n_seeds") == 1)["method"].unique(maintain_order=True)
    if names := [name for name in once if name != "dense" and METHODS[name].random]:
        yield (
            f"the spread between runs of {', '.join(names)}: of a level there is one log, so its intervals are over "
            "questions only"
        )
    yield "whether a model was trained after compression, and which weights were compressed"
