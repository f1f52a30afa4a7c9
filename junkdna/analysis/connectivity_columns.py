"""The columns of the table `connectivity` and of the files of connections that it is made from."""

from junkdna.analysis.columns import CONDITION, COUNT, FLAG, METRIC, NUMBER, SHARE, TEXT, Column, Table, with_interval

NUMBERS = "list of numbers"
_BARRIER = "Largest excess over the straight line between the ends"
CONNECTIVITY = Table(
    "results/studies/NAME/tables/connectivity.parquet and connectivity.csv",
    "one per experiment, condition, compression, protocol and point of the line between two trained models, over all "
    "seeds ([what it says](../connectivity.md)). A study without the key `connectivity` has no row",
    (
        Column("experiment", TEXT, "", "Name of the experiment."),
        *CONDITION,
        Column("metric", TEXT, "", "Metric of the task: the unit of scores."),
        Column("loss_unit", TEXT, "", "Unit of the loss: `nats` (cross-entropy), `squared error` or `bits per byte`."),
        Column("method", TEXT, "", "Name of the method at the end of the line; `dense` for the control."),
        Column("compression", TEXT, "", "Method, level and options at the end of the line."),
        Column("sparsity", NUMBER, SHARE, "Target sparsity of the level."),
        Column("transfer", TEXT, "", "Transfer mode at the end of the line: `sparse`, or `dense` for the control "
               "between two seeds. It starts at dense transfer."),
        Column("protocol", TEXT, "", "Name of the protocol."),
        Column("title", TEXT, "", "Title of the task."),
        Column("label", TEXT, "", "Label of the condition in figures."),
        Column("hub", TEXT, "", "Repository of the model on the Hugging Face Hub; empty for other models."),
        Column("seeds", TEXT, "", "Seeds of the start and of the end of each line, such as `0-0 1-1`."),
        Column("n_seeds", COUNT, "lines", "Lines over which the row is averaged, one per seed of the start."),
        Column("n_examples", COUNT, "examples", "Evaluated examples, the same for every line."),
        Column("alpha", NUMBER, SHARE, "Point a: the weights are (1 - a) start + a end."),
        *with_interval("score", METRIC, "Mean score over the lines."),
        *with_interval("loss", "`loss_unit`", "Mean loss over the evaluated examples and the lines."),
        Column("score_seeds", NUMBERS, METRIC, "Score of each line; in the CSV, separated by spaces."),
        Column("loss_seeds", NUMBERS, "`loss_unit`", "Loss of each line; in the CSV, separated by spaces."),
        Column("collapsed", COUNT, "lines", "Lines whose model at this point gives one answer to all examples."),
        *with_interval("score_barrier", METRIC, f"{_BARRIER}, of the mean score: how far it falls below. At least 0; "
                        "the same in all rows of a line."),
        Column("score_barrier_at", NUMBER, SHARE, "The point with this barrier."),
        *with_interval("loss_barrier", "`loss_unit`", f"{_BARRIER}, of the mean loss. At least 0."),
        Column("loss_barrier_at", NUMBER, SHARE, "The point with this barrier."),
        Column("score_barrier_seeds", NUMBERS, METRIC, "Barrier of the score of each line, wherever it is."),
        Column("loss_barrier_seeds", NUMBERS, "`loss_unit`", "Barrier of the loss of each line, wherever it is."),
        Column("published_score", NUMBER, METRIC, "Score in the paper's figure ([published curves](../published.md)); "
               "null if it has none of this line and point."),
        Column("published_loss", NUMBER, "nats", "Loss in the paper's figure; null like `published_score`."),
    ),
)  # fmt: skip

_LIST = "list of structs"
CONNECTION_FILE = Table(
    "results/connectivity/MODEL/TASK/KNOBS/COMPRESSION/TRANSFER/PROTOCOL/seed-S-to-T/points-N.parquet",
    "one per point of the line from the dense-transfer weights of seed S to the weights of the cell in the path with "
    "seed T. The footer has the key `junkdna`, like that of a cell file",
    (
        Column("alpha", NUMBER, SHARE, "Point a: the weights are (1 - a) start + a end."),
        Column("score", NUMBER, METRIC, "Score of the model at this point."),
        Column("loss", NUMBER, "", "Mean loss over the evaluated examples; its unit is in the table `connectivity`."),
        Column("collapsed", FLAG, "", "Whether the model gives one answer to all examples."),
        Column("examples", _LIST, "", "One for each evaluated example: `id`, `cluster`, `gold`, `prediction`, "
               "`correct` (null for kinds `regress` and `likelihood`) and `loss`."),
    ),
)  # fmt: skip
