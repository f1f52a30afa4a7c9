"""The columns of the tables that a study is analyzed into. It is their schema: tables are checked when written."""

from typing import TYPE_CHECKING

from junkdna.analysis.columns import (
    ACHIEVED,
    BASELINES,
    CONDITION,
    COUNT,
    FLAG,
    METRIC,
    NUMBER,
    SHARE,
    TEXT,
    Column,
    Table,
)  # fmt: skip
from junkdna.analysis.columns import with_interval as _with_interval
from junkdna.analysis.connectivity_columns import CONNECTIVITY
from junkdna.analysis.detail_columns import LAYERS, MARGINS, MATCHED

if TYPE_CHECKING:
    import polars as pl

NUMBERS, RETENTION = "list of numbers", "retention"
PARTIAL = ("incomplete", "seeds_missing")  # columns that only the tables of an incomplete study have


_ROW = (
    Column("experiment", TEXT, "", "Name of the experiment."),
    *CONDITION,
    Column("metric", TEXT, "", "Metric of the task: the unit of scores and drops."),
    Column("kind", TEXT, "", "Kind of the task."),
    Column("method", TEXT, "", "Name of the method; `dense` if nothing is compressed."),
    Column("compression", TEXT, "", "Method, level and options."),
    Column("sparsity", NUMBER, SHARE, "Target sparsity of the level; 0 if dense, quantized, low-rank or external."),
    Column("transfer", TEXT, "", "Transfer mode."),
    Column("protocol", TEXT, "", "Name of the protocol."),
    Column("title", TEXT, "", "Title of the task."),
    Column("label", TEXT, "", "Label of the condition in figures."),
)  # fmt: skip

DROPS = Table(
    "results/studies/NAME/tables/drops.parquet and drops.csv",
    "one per experiment, condition (model, task, knobs), compression, transfer mode and protocol, over all seeds",
    (
        *_ROW,
        Column("hub", TEXT, "", "Repository of the model on the Hugging Face Hub; empty for other models."),
        Column("knob_values", TEXT, "", "Value of every knob of the task, defaults included."),
        Column("n_seeds", COUNT, "seeds", "Seeds over which the row is averaged."),
        Column("n_examples", COUNT, "examples", "Evaluated examples, the same for every seed."),
        *BASELINES,
        Column("baseline", TEXT, "", "The baseline of `retention`: `chance` or `majority`. By default majority for "
               "models trained on class labels, else chance."),
        Column("dense_score", NUMBER, METRIC, "Mean score of the dense cells with the same model, task, knobs, "
               "protocol and seeds."),
        *_with_interval("score", METRIC, "Mean score over the seeds."),
        *_with_interval("drop", METRIC, "`dense_score` - `score`."),
        *_with_interval("relative_score", "percent", "100 x `score` / `dense_score`. Null unless the dense score is "
                        "above 0."),
        *_with_interval("retention", "", "(`score` - b) / (`dense_score` - b) with the baseline b: 1 is as good as "
                        "dense, 0 is at the baseline. Not clipped. Null unless the dense score is above b."),
        Column("dense_known_share", NUMBER, "", "(`dense_score` - b) / (1 - b): 0 if the dense model is at the "
               "baseline, 1 if it is perfect. For likelihoods, a perfect score is 0 instead of 1. Below 0.04 the "
               "condition is shown but not tested."),
        Column("score_seeds", NUMBERS, METRIC, "Score of each seed; in the CSV, separated by spaces."),
        Column("collapsed", COUNT, "seeds", "Seeds whose cell is `collapsed`."),
        *ACHIEVED,
        Column("difficulty", NUMBER, "", "1 - (`dense_score` - `chance`) / (1 - `chance`): 0 if the dense model makes "
               "no errors, 1 if it guesses. For likelihoods, a perfect score is 0 instead of 1."),
        Column("difficulty_measure", TEXT, "", "Name of the measure in `difficulty`."),
        Column("human", NUMBER, METRIC, "Published human performance H. Null if unknown, or if these knobs change "
               "the question."),
        Column("human_source", TEXT, "", "Source of `human`."),
        Column("human_gap_by_human", NUMBER, "", "(H - `dense_score`) / H."),
        Column("human_gap_by_dense", NUMBER, "", "(H - `dense_score`) / `dense_score`."),
        Column("truncated", NUMBER, SHARE, "Truncated examples (longer than `max_length`) / evaluated examples."),
    ),
)  # fmt: skip

CLAIMS = Table(
    "results/studies/NAME/tables/claims.parquet and claims.csv",
    "one per claim, experiment and unit that the claim is tested on ([how to read them](../tables.md#claims))",
    (
        Column("claim", TEXT, "", "Name of the [claim](claims.md)."),
        Column("experiment", TEXT, "", "Name of the experiment; empty if the row rests on several."),
        Column("model", TEXT, "", "Name of the model in the study."),
        Column("unit", TEXT, "", "What is tested: a condition, the conditions of a knob, the tasks, or the pairs."),
        Column("setting", TEXT, "", "Compression, transfer mode and protocol."),
        Column("verdict", TEXT, "", "`supported`, `contradicted`, `undecided` or `untestable`."),
        Column("estimate", NUMBER, RETENTION, "The effect of the claim. Null if untestable."),
        Column("low", NUMBER, RETENTION, "Lower 95 % limit of the effect. Null if there is none."),
        Column("high", NUMBER, RETENTION, "Upper 95 % limit of the effect. Null if there is none."),
        Column("p", NUMBER, "", "The smaller of the two-sided p-values of the rules for supported and contradicted; 1 "
               "if no verdict is allowed. Null if untestable."),
        Column("q", NUMBER, "", "`p`, corrected over the testable primary rows of the study (Benjamini-Hochberg). "
               "Null for other rows."),
        Column("margin", NUMBER, RETENTION, "The `margin` with which the row was tested."),
        Column("reason", TEXT, "", "Why the row is untestable, or at most undecided; else empty."),
        Column("scale_free", TEXT, "", "The effect in d', on which guessing plays no role: `for the claim`, `against "
               "the claim` or `undecided`; empty if it is not compared."),
        Column("other_baseline", TEXT, "", "The verdict with the other baseline, if it differs; else empty."),
        Column("details", TEXT, "", "Other numbers of the row in words."),
        Column("levels", TEXT, "", "Compressions that the effect rests on, separated by spaces."),
        Column("losses", TEXT, "", "Loss (1 - retention) of each condition at these levels; `nan` where it is "
               "undefined."),
        Column("primary", FLAG, "", "Whether the row is part of the correction and of the claim's headline."),
        Column("n_seeds", COUNT, "seeds", "Seeds of the compressed models: the fewest of the conditions."),
        Column("n_examples", COUNT, "examples", "Evaluated examples: the fewest of the conditions."),
        Column("n_tasks", COUNT, "tasks", "Tasks of the row."),
        Column("collapsed", COUNT, "cells", "Cells of the row, dense ones included, that are `collapsed`."),
        Column("detectable", NUMBER, RETENTION, "Effect that about 80 % of studies like this one would find; for "
               "`irreversible`, a retention at or below which the loss would be found. Null if there is none."),
        Column("seeds_needed", COUNT, "seeds", "About how many seeds, at most 50, it takes to find an effect two "
               "margins beyond the bound in 80 % of studies. Null if more, or if nothing depends on the seed."),
        Column("examples_needed", COUNT, "examples", "About how many examples it takes with as many seeds. Null if no "
               "number suffices."),
    ),
)  # fmt: skip

_DEFINED = "the mean over the seeds in which it is defined"
BEHAVIOR = Table(
    "results/studies/NAME/tables/behavior.parquet and behavior.csv",
    "one per experiment, condition, compression, transfer mode and protocol of compressed cells, over all seeds. Each "
    "cell is compared with its dense reference of the same seed, example by example. What is undefined is null",
    (
        Column("experiment", TEXT, "", "Name of the experiment."),
        *CONDITION,
        Column("kind", TEXT, "", "Kind of the task."),
        Column("method", TEXT, "", "Name of the method."),
        Column("compression", TEXT, "", "Method, level and options."),
        Column("sparsity", NUMBER, SHARE, "Target sparsity of the level; 0 if quantized, low-rank or external."),
        Column("transfer", TEXT, "", "Transfer mode."),
        Column("protocol", TEXT, "", "Name of the protocol."),
        Column("n_seeds", COUNT, "seeds", "Seeds over which the row is averaged."),
        Column("n_examples", COUNT, "examples", "Evaluated examples, the same for every seed."),
        Column("collapsed", COUNT, "seeds", "Seeds whose compressed cell is `collapsed`."),
        *_with_interval("broken", SHARE, "Examples that the dense model answers right and the compressed one wrong / "
               "examples, mean over the seeds. Null for `regress` and for credits between 0 and 1."),
        *_with_interval("fixed", SHARE, "Examples that the dense model answers wrong and the compressed one right / "
               "examples, mean over the seeds. Null like `broken`."),
        Column("flips", NUMBER, SHARE, "`broken` + `fixed`; the drop in accuracy is `broken` - `fixed`."),
        Column("mcnemar_p", NUMBER, "", "McNemar's exact two-sided p-value that as many answers break as are fixed. "
               "Where examples share a passage, passages have random signs "
               "([formula](../behavior.md#mcnemars-test-in-passages)). Of several seeds: twice the mean of their "
               "p-values, which is valid although they share the examples."),
        Column("agreement", NUMBER, SHARE, f"Examples with equal predictions / examples; {_DEFINED}. Null for numbers "
               "and generated text."),
        Column("kappa", NUMBER, "", "Cohen's kappa of the two predictions: (`agreement` - expected) / (1 - expected), "
               "where independent predictions of the same frequencies have the agreement expected; "
               f"{_DEFINED}. Null if both models always give the same one answer."),
        *_with_interval("kl_divergence", "nats", "Mean over examples and seeds of sum p log(p / q) over the options, p "
               "of the dense and q of the compressed model: softmax of the deciding scores / `temperature`. Null if "
               "infinite."),
        Column("temperature", NUMBER, "cosine", "Divisor of cosine similarities before the softmax, for both models: "
               "fitted on the dense model by minimizing the NLL of the gold options on the same examples; "
               f"{_DEFINED}. Null for logits and log-likelihoods, which stay as they are, and if no temperature fits "
               "best (the dense model does not find the gold option better than chance, or always)."),
        Column("dense_information", NUMBER, "nats", "H - NLL of the gold answer in the dense model, mean over examples "
               "and seeds. H is the NLL without seeing the input: mean log(number of options), or the entropy of the "
               "frequencies of the gold classes."),
        *_with_interval("information_retained", "", "(H - NLL) / `dense_information`: the share of usable information "
               "(Ethayarajh et al. 2022, arXiv 2110.08420) that the compressed model keeps. Null unless the dense "
               "model has information."),
        Column("equivalence_p", NUMBER, "", "p-value of two one-sided tests that 1 - `retention` lies within the "
               "study's `margin`, above and below 0. Null if the dense model knows less than 0.04 above its baseline, "
               "and with one seed of a cell that depends on its seed."),
        Column("equivalent", FLAG, "", "Whether `equivalence_p` is below 0.05."),
        Column("bits_per_byte", NUMBER, "bits per byte", "-log2 of the likelihood of the gold option / its bytes in "
               "UTF-8, mean over examples and seeds. Null unless options are compared by log-likelihood."),
        Column("dense_bits_per_byte", NUMBER, "bits per byte", "The same of the dense model."),
    ),
)  # fmt: skip

DIFFICULTY = Table(
    "results/studies/NAME/tables/difficulty.parquet and difficulty.csv",
    "one per row of the table of drops and bin of its task's published difficulty; a bin without an example has none",
    (
        *_ROW,
        Column("difficulty_title", TEXT, "", "What the difficulty is: `difficulty.title` of the task file."),
        Column("bin", TEXT, "", "Name of the bin."),
        Column("bin_rank", COUNT, "", "Position of the bin among those of the task, from 0 for the easiest."),
        Column("n_seeds", COUNT, "seeds", "Seeds over which the row is averaged."),
        Column("n_examples", COUNT, "examples", "Evaluated examples of the bin. Examples in no bin are counted in "
               "`rows_note` of the table of cells."),
        Column("chance", NUMBER, METRIC, "Expected score of uniform guessing on the bin's examples."),
        Column("majority", NUMBER, METRIC, "Score of the best constant answer on the bin's examples."),
        Column("baseline", TEXT, "", "Which of the two `retention` uses: `chance` or `majority`."),
        Column("dense_score", NUMBER, METRIC, "Mean score of the dense cells on the bin's examples."),
        *_with_interval("score", METRIC, "Mean score on the bin's examples."),
        *_with_interval("drop", METRIC, "`dense_score` - `score`."),
        *_with_interval("relative_score", "percent", "100 x `score` / `dense_score`; null unless the dense score is "
               "above 0."),
        *_with_interval("retention", "", "(`score` - baseline) / (`dense_score` - baseline), not clipped; null unless "
               "the dense score is above the baseline."),
        Column("dense_known_share", NUMBER, "", "(`dense_score` - baseline) / (1 - baseline): 0 at the baseline, 1 if "
               "every answer is right. Null if the baseline is perfect. Claims do not test bins below 0.04."),
    ),
)  # fmt: skip

REPRODUCTION = Table(
    "results/studies/NAME/tables/reproduction.parquet and reproduction.csv",
    "one per curve of the study that a [published curve](../published.md) covers: same model, task, knobs, method, "
    "family and transfer mode. A study without one has no row",
    (
        Column("experiment", TEXT, "", "Name of the experiment."),
        Column("model", TEXT, "", "Name of the model in the study."),
        Column("hub", TEXT, "", "Repository of the model on the Hugging Face Hub."),
        *CONDITION[1:],
        Column("method", TEXT, "", "Name of the method."),
        Column("family", TEXT, "", "`unstructured` or `nm` (N:M)."),
        Column("transfer", TEXT, "", "Transfer mode."),
        Column("protocol", TEXT, "", "Name of the protocol."),
        Column("label", TEXT, "", "Label of the condition in figures."),
        Column("figure", TEXT, "", "Published figure that contains the curve; the first one if several do."),
        Column("published_levels", COUNT, "levels", "Levels of the published curve."),
        Column("levels", COUNT, "levels", "Levels that both curves have. The other columns are over these."),
        Column("doubtful", COUNT, "levels", "Levels whose published point may be wrong. They are not left out."),
        Column("rmse_relative_score", NUMBER, "percent points", "Root of the mean of (`relative_score` of the study - "
               "published percentage of dense) squared. Null if no level is common."),
        Column("rmse_retention", NUMBER, RETENTION, "The same of retention, for both curves with the published "
               "baseline b: (score - b) / (dense score - b). Null if no level is common, or if a dense score is "
               "unknown or not above b."),
        Column("share_inside", NUMBER, SHARE, "Published points inside the 95 % interval of the study's "
               "`relative_score` / levels with an interval. Null if there is none."),
    ),
)  # fmt: skip

RESULTS: dict[str, Table] = {
    "drops": DROPS,
    "claims": CLAIMS,
    "behavior": BEHAVIOR,
    "difficulty": DIFFICULTY,
    "reproduction": REPRODUCTION,
    "connectivity": CONNECTIVITY,
    "layers": LAYERS,
    "matched": MATCHED,
    "margins": MARGINS,
}


def check_columns(name: str, table: "pl.DataFrame") -> None:
    """Raise AssertionError if the columns of a table of `RESULTS` are not those of its schema, in order and type."""
    found = [(column, _words(kind)) for column, kind in table.schema.items() if column not in PARTIAL]
    schema = [(column.name, column.type) for column in RESULTS[name].columns]
    differing = [*dict.fromkeys([*(each for each in found if each not in schema), *(set(schema) - {*found})])]
    if found != schema:
        raise AssertionError(f"table {name} does not follow its schema: {differing or 'other order'}")


def _words(kind: "pl.DataType") -> str:
    """A polars type in the words of `columns.Column.type`."""
    import polars as pl

    if isinstance(kind, pl.List):
        return f"list of {_words(kind.inner)}s"
    if kind.is_numeric():
        return COUNT if kind.is_integer() else NUMBER
    return {pl.String: TEXT, pl.Boolean: FLAG}.get(kind, str(kind))
