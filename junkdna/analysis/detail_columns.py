"""The columns of the tables of details: matrices, pairs of conditions at one level, and margins of single examples."""

from junkdna.analysis.columns import (
    BITS,
    CONDITION,
    COUNT,
    FLAG,
    NUMBER,
    SHARE,
    TEXT,
    Column,
    Table,
)  # fmt: skip

LAYERS = Table(
    "results/studies/NAME/tables/layers.parquet and layers.csv",
    "one per model, compression, seed and matrix in its scope, in the order of the model. Cells of one compressed "
    "model share their rows",
    (
        Column("model", TEXT, "", "Name of the model in the study."),
        Column("method", TEXT, "", "Name of the method."),
        Column("compression", TEXT, "", "Method, level and options."),
        Column("seed", COUNT, "", "Seed of the random masks, of the calibration samples, or of the head. Null if the "
               "compression depends on none."),
        Column("head", TEXT, "", "Task whose head is compressed too (`prune_head`); else empty."),
        Column("matrix", TEXT, "", "Name of the weight in the plain model."),
        Column("position", COUNT, "", "Position in the order of the model, from 0."),
        Column("block", COUNT, "", "Number of the transformer block, from 0. Null outside the blocks."),
        Column("kind", TEXT, "", "Path of the layer in its block, the same in every block; outside the blocks, in the "
               "model."),
        Column("left_dense", FLAG, "", "Whether the compression leaves the matrix unchanged by design (`layers`)."),
        Column("rows", COUNT, "outputs", "Rows of the matrix. Null if `left_dense`."),
        Column("inputs", COUNT, "inputs", "Columns of the matrix. Null if `left_dense`."),
        Column("sparsity", NUMBER, SHARE, "Pruned weights / weights of the matrix. Null if nothing is pruned but all "
               "weights change, as in quantization."),
        Column("rank", COUNT, "", "Singular values kept. Null except for low rank."),
        Column("bits", COUNT, "bits", "Bits of a weight's code. Null except for quantization."),
        Column("effective_bits", NUMBER, BITS, "Nominal storage; 16 if `left_dense`. "
               "[Formulas](../compression.md#effective-bits)."),
        Column("weight_error", NUMBER, "", "||W - W'|| / ||W|| of the matrix W and the compressed W', Frobenius norms: "
               "0 if nothing changed, 1 if everything is 0. [What it means](../layers.md)."),
        Column("output_error", NUMBER, "", "||(W - W') X|| / ||W X|| over the inputs X of the calibration tokens. Null "
               "for methods that collect no gram matrix of their inputs."),
    ),
)  # fmt: skip

_LIMITS = "Null if there is none."
MATCHED = Table(
    "results/studies/NAME/tables/matched.parquet and matched.csv",
    "one per experiment, model and compression without fine-tuning: the hardest and the easiest condition by measured "
    "difficulty, among those with a retention. Limits are paired: both conditions and their dense models share seeds "
    "and, where they ask the same questions, the draws of examples",
    (
        Column("experiment", TEXT, "", "Name of the experiment."),
        Column("model", TEXT, "", "Name of the model in the study."),
        Column("method", TEXT, "", "Name of the method."),
        Column("compression", TEXT, "", "Method, level and options."),
        Column("sparsity", NUMBER, SHARE, "Target sparsity of the level; 0 if quantized, low-rank or external."),
        Column("easy_task", TEXT, "", "Task of the easiest condition."),
        Column("easy_knobs", TEXT, "", "Its knobs with other values than the default."),
        Column("easy_protocol", TEXT, "", "Its protocol."),
        Column("easy_label", TEXT, "", "Its label in figures."),
        Column("hard_task", TEXT, "", "Task of the hardest condition."),
        Column("hard_knobs", TEXT, "", "Its knobs with other values than the default."),
        Column("hard_protocol", TEXT, "", "Its protocol."),
        Column("hard_label", TEXT, "", "Its label in figures."),
        Column("n_seeds", COUNT, "seeds", "Seeds over which the row is averaged: the fewer of both conditions."),
        Column("n_examples", COUNT, "examples", "Evaluated examples: the fewer of both conditions."),
        Column("collapsed", NUMBER, SHARE, "Cells that are `collapsed` / cells of both conditions."),
        Column("effective_bits_per_weight", NUMBER, BITS, "As in `drops`, mean of both conditions."),
        Column("mean_loss", NUMBER, "retention", "Mean of 1 - `retention` over both conditions."),
        Column("mean_loss_low", NUMBER, "retention", f"Lower 95 % limit of `mean_loss`. {_LIMITS}"),
        Column("mean_loss_high", NUMBER, "retention", f"Upper 95 % limit of `mean_loss`. {_LIMITS}"),
        Column("extra_loss", NUMBER, "retention", "1 - `retention` of the hardest minus that of the easiest."),
        Column("extra_loss_low", NUMBER, "retention", f"Lower 95 % limit of `extra_loss`. {_LIMITS}"),
        Column("extra_loss_high", NUMBER, "retention", f"Upper 95 % limit of `extra_loss`. {_LIMITS}"),
    ),
)  # fmt: skip

MARGINS = Table(
    "results/studies/NAME/tables/margins.parquet and margins.csv",
    "one per condition (model, task, knobs, transfer mode, protocol), compression and example. Of each condition: its "
    "lowest seed, at most three levels of the first method, and the first 200 examples in the order of a hash of task "
    "and id, which is the same for all of them. Conditions whose answers have no margin have no rows",
    (
        *CONDITION,
        Column("transfer", TEXT, "", "Transfer mode."),
        Column("protocol", TEXT, "", "Name of the protocol."),
        Column("method", TEXT, "", "Name of the method."),
        Column("compression", TEXT, "", "Method, level and options."),
        Column("sparsity", NUMBER, SHARE, "Target sparsity of the level; 0 if quantized, low-rank or external."),
        Column("seed", COUNT, "", "Seed of the compressed cell."),
        Column("id", TEXT, "", "Identifier of the example."),
        Column("dense_margin", NUMBER, "as `scores`", "Margin of the right answer in the dense model: its deciding "
               "score minus the highest other one; above 0 if it is right."),
        Column("margin", NUMBER, "as `scores`", "The same in the compressed model."),
        Column("change", TEXT, "", "`right` (both times), `broken` (dense right, compressed wrong), `fixed` (dense "
               "wrong, compressed right) or `wrong` (both times)."),
        Column("n_change", COUNT, "examples", "All evaluated examples with this `change`."),
        Column("n_examples", COUNT, "examples", "All evaluated examples."),
        Column("label", TEXT, "", "Label of the condition in figures."),
        Column("difficulty", NUMBER, "", "As in `drops`."),
    ),
)  # fmt: skip
