"""The meaning of every column of every file, for docs/reference/columns.md. A test compares it with the files.

`result_columns.py` has the tables that a study is analyzed into.
"""

from typing import NamedTuple


class Column(NamedTuple):
    """One column: type and unit in words ("" for a name or a plain count), and meaning."""

    name: str
    type: str
    unit: str
    meaning: str


class Table(NamedTuple):
    """One kind of table: path of its files, meaning of a row, and columns in file order."""

    file: str
    rows: str
    columns: tuple[Column, ...]


def with_interval(name: str, unit: str, meaning: str) -> tuple[Column, ...]:
    """The columns of a value and of the ends of its interval."""
    return (
        Column(name, NUMBER, unit, meaning),
        Column(f"{name}_low", NUMBER, unit, f"Lower 95 % limit of `{name}`. Null if there is none."),
        Column(f"{name}_high", NUMBER, unit, f"Upper 95 % limit of `{name}`. Null if there is none."),
    )


TEXT, NUMBER, COUNT, FLAG = "text", "number", "whole number", "true or false"
METRIC, SHARE, BITS = "metric", "fraction, 0 to 1", "bits per weight"

CONDITION = (
    Column("model", TEXT, "", "Name of the model in the study."),
    Column("task", TEXT, "", "Name of the task."),
    Column(
        "knobs",
        TEXT,
        "",
        "Knobs with other values than the default, such as `context=passage,options=3`; empty if none.",
    ),
)
BASELINES = (
    Column("chance", NUMBER, METRIC, "Expected score of uniform guessing: mean of 1 / options for accuracy, 0 for "
           "correlations and generated text; score of the input-blind model for likelihoods."),
    Column("majority", NUMBER, METRIC, "Score of the best constant answer on these examples; as `chance` for "
           "likelihoods."),
)  # fmt: skip
ACHIEVED = (
    Column("achieved_sparsity", NUMBER, SHARE, "Pruned weights / weights in scope. Null for graded logs."),
    Column("effective_bits_per_weight", NUMBER, BITS, "Nominal storage, mean over the weights in scope; 16 for "
           "dense; null for graded logs that do not tell. [Formulas](../compression.md#effective-bits)."),
)  # fmt: skip

_CELL = (
    Column("cell", TEXT, "", "Key of the cell. Its file is `results/cells/KEY.parquet`."),
    *CONDITION,
    Column("compression", TEXT, "", "Method, level and options, such as `gptq-4bit,calibration=questions,group=64`."),
    Column("method", TEXT, "", "Name of the method; `dense` if nothing is compressed."),
    Column("sparsity", NUMBER, SHARE, "Target sparsity of the level; 0 if dense, quantized, low-rank or external."),
    Column("transfer", TEXT, "", "Transfer mode; `none` means no training."),
    Column("protocol", TEXT, "", "Name of the protocol."),
    Column("seed", COUNT, "", "Seed of the cell."),
    Column("metric", TEXT, "", "Metric of the task: the unit of `score`, `chance` and `majority`."),
    Column("kind", TEXT, "", "Kind of the task."),
    Column("score", NUMBER, METRIC, "Score on the evaluated examples. Higher is better."),
    *BASELINES,
    Column("collapsed", FLAG, "", "Whether the model gave the same answer for every example, or gave all options of "
           "every example equal scores."),
    Column("n_examples", COUNT, "examples", "Evaluated examples."),
    Column("n_train", COUNT, "examples", "Training rows; 0 without training."),
    Column("truncated", NUMBER, SHARE, "Truncated examples (longer than `max_length`) / evaluated examples."),
    Column("steps", COUNT, "steps", "Optimizer steps; 0 without training."),
    Column("first_loss", NUMBER, "loss", "Mean training loss of the first tenth of the steps; null without training."),
    Column("last_loss", NUMBER, "loss", "Mean training loss of the last tenth of the steps; null without training."),
    Column("metrics", "list of {name, value}", METRIC, "Every metric of the kind, by name; `answer_shown` is the "
           "fraction of examples whose passage contains the gold answer."),
)  # fmt: skip

CELL_FILE = Table(
    "results/cells/MODEL/TASK/KNOBS/COMPRESSION/TRANSFER/PROTOCOL/seed-N.parquet",
    "one row: the cell",
    (
        *_CELL,
        *ACHIEVED,
        Column("compression_report", TEXT, "", "JSON: `rows`, `inputs`, `effective_bits`, `weight_error`, and "
               "`sparsity`, `rank`, `bits` or `output_error` where they apply, of each compressed matrix (table "
               "`layers`); the matrices left dense; totals."),
        Column("examples", "list of rows", "", "Per-example rows (see below)."),
    ),
)  # fmt: skip

EXAMPLE = Table(
    "column `examples` of a cell file",
    "one per evaluated example, in the order of the tokens file",
    (
        Column("id", TEXT, "", "Identifier of the example, the same in all cells of a task."),
        Column("gold", NUMBER, "", "Correct answer: class number, position of the option (from 0), or number "
               "(`regress`). Null for generated and given texts."),
        Column("prediction", NUMBER, "", "Answer of the model, in the form of `gold`. Kind `likelihood`: "
               "log2-likelihood per byte of the given text. Null for generated text."),
        Column("margin", NUMBER, "as `scores`", "Deciding score of the correct answer minus the highest other score; "
               "above 0 if and only if the answer is correct without a tie. Null for numbers and generated text."),
        Column("correct", NUMBER, SHARE, "1 if correct, else 0; for generated text, the credit under the task's "
               "metric. Null for `regress`."),
        Column("scores", "list of numbers", "logits, cosine or nats", "Score of every option or class: cosine "
               "similarity, logit of a trained head, or log-likelihood summed over tokens."),
        Column("scores_per_token", "list of numbers", "nats per token", "Log-likelihood / scored tokens of the option. "
               "Null unless options are compared by log-likelihood."),
        Column("scores_per_character", "list of numbers", "nats per character", "Log-likelihood / scored characters of "
               "the option. Null unless options are compared by log-likelihood."),
        Column("option_bytes", "list of whole numbers", "bytes", "Bytes (UTF-8) of the scored text of each option. "
               "Null unless options are compared by log-likelihood."),
        Column("blind", NUMBER, "bits per byte", "Kind `likelihood`: `prediction` without the question, -8 for a text "
               "alone. Null for other kinds. [Formulas](../scoring.md#likelihood-of-a-given-text)."),
        Column("bytes", COUNT, "bytes", "Size of the scored text in UTF-8. Kind `likelihood`."),
        Column("tokens", COUNT, "tokens", "Scored tokens. Kind `likelihood`."),
        Column("text", TEXT, "", "Generated text. Null for other kinds."),
        Column("reference", TEXT, "", "First accepted answer. Null except for kind `generate`."),
        Column("truncated", FLAG, "", "Whether the input was truncated to `max_length`."),
        Column("cluster", TEXT, "", "The passage of the example: the first 16 hex digits of the SHA-256 of its text, "
               "whether it is shown or not. Examples of one passage are drawn together. Null without a passage."),
    ),
)  # fmt: skip

CELLS = Table(
    "results/studies/NAME/tables/cells.parquet",
    "one per cell of the study",
    (
        *_CELL,
        *ACHIEVED,
        Column("wall_s", NUMBER, "seconds", "Time for starting, loading, compressing, compiling, training and scoring, "
               "over all attempts. Work lost when a job is killed is not counted."),
        Column("rows_note", TEXT, "", "Excluded rows of the task, by reason, and warnings; empty if none."),
    ),
)  # fmt: skip


MISSING = Table(
    "results/studies/NAME/partial/tables/missing.csv",
    "one per cell that is missing in the partial tables, and one per file of difficulties that cannot be used",
    (
        Column("cell", TEXT, "", "Path of the file: the cell's, or `results/examples/TASK/difficulty.parquet`."),
        Column("state", TEXT, "", "`missing`, `failed`, `running`, `stale`, `broken`, `no dense cell` (the cell is "
               "done, but its dense reference is not), or `no difficulty` (a file of difficulties that is missing, "
               "made from other settings or corrupt)."),
        Column("experiments", TEXT, "", "Experiments with this cell or task, separated by spaces."),
        Column("reason", TEXT, "", "Reason, from the log of the file or of a job that it depends on."),
    ),
)  # fmt: skip

EXAMPLES = Table(
    "results/examples/TASK/ROLE.parquet",
    "one per example; ROLE is train, evaluate or shots",
    (
        Column("id", TEXT, "", "Identifier: `columns.id`, or the row number."),
        Column("split", TEXT, "", "The role."),
        Column("position", COUNT, "", "Row number in the raw split, from 0."),
        Column("text", TEXT, "", "Question or text."),
        Column("text_b", TEXT, "", "Second text; null if none."),
        Column("passage", TEXT, "", "Passage; null if none."),
        Column("suffix", TEXT, "", "What follows every option; null if nothing."),
        Column("group", TEXT, "", "Group whose examples share in-context examples; null if none."),
        Column("shown", TEXT, "", "Answer as shown in an in-context example; null if not set."),
        Column("choices", "list of texts", "", "Options in the order of the prompt. Kind `choice`."),
        Column("answer", COUNT, "", "Position of the correct option, or class number; null for other kinds."),
        Column("target", NUMBER, "", "Number to predict. Kind `regress`."),
        Column("references", "list of texts", "", "Accepted answers (`generate`) or the scored text (`likelihood`)."),
    ),
)

RATED = Table(
    "results/examples/TASK/difficulty.parquet",
    "one per evaluated example, in their order; only for tasks with the key `difficulty`",
    (
        Column("id", TEXT, "", "Identifier of the example."),
        Column("difficulty", TEXT, "", "Published difficulty, extracted or counted; null if the row has none."),
    ),
)

TOKENS = Table(
    "results/tokens/MODEL/TASK/KNOBS/PROTOCOL/ROLE.arrow",
    "one per example",
    (
        Column("id", TEXT, "", "Identifier of the example."),
        Column("split", TEXT, "", "The role."),
        Column("position", COUNT, "", "Row number in the raw split, from 0."),
        Column("answer", COUNT, "", "Position of the correct option after the knob `options`, or class number."),
        Column("target", NUMBER, "", "Number to predict. Kind `regress`."),
        Column("references", "list of texts", "", "Accepted answers (`generate`) or the scored text (`likelihood`)."),
        Column("cluster", TEXT, "", "First 16 hex digits of the SHA-256 of the passage, shown or not; null if none."),
        Column("query", "list of whole numbers", "token ids", "Question or prompt, truncated to `max_length`."),
        Column("second_start", COUNT, "tokens", "Start of the second segment of `query`; its length if there is none."),
        Column("options", "list of lists of whole numbers", "token ids", "Tokens of every option, including "
               "preceding tokens that are read with it."),
        Column("option_starts", "list of whole numbers", "tokens", "First scored token of every option."),
        Column("option_characters", "list of whole numbers", "characters", "Scored characters of every option."),
        Column("option_bytes", "list of whole numbers", "bytes", "Bytes (UTF-8) of the scored text of every option; "
               "null for encoders."),
        Column("blind", "list of lists of whole numbers", "token ids", "Kind `likelihood`: two lists, the prompt "
               "without the question and the answer after it. Null for other kinds and for texts alone."),
        Column("answer_shown", FLAG, "", "Whether the passage window contains the gold answer; null if none."),
        Column("truncated", FLAG, "", "Whether anything was truncated to `max_length`."),
    ),
)  # fmt: skip

CALIBRATION = Table(
    "results/calibration/MODEL/NAME/seed-N.parquet",
    "one per calibration sample",
    (
        Column(
            "sample_id", TEXT, "", "`ID` of a full text, or `ID@K` for a window that starts at token K of the text."
        ),
        Column("ids", "list of whole numbers", "token ids", "Tokens of the sample, special tokens included."),
    ),
)

FOOTER = {
    "settings": "Everything that the numbers depend on: the cell's part of the study, its inputs and the code.",
    "settings_fingerprint": "Fingerprint of `settings`, which `status` and the join compare with the study.",
    "tokens_sha256": "SHA-256 of the tokens file of each role.",
    "model": "Manifest of the model folder.",
    "compressed_digest": "Checksum of the compressed weights; null if none are stored.",
    "device": "GPU model, or CPU and its instruction set.",
    "torch_threads": "CPU threads.",
    "versions": "Versions of Python and of the packages that could change a number.",
    "training_engine": "`engine` (`stack` or `plain loop`); with a stack its `size` and `cells`, with the plain loop "
    "`why` it was used. Null without training.",
    "wall_s": "Seconds by stage: `start` (of the process, up to the import of torch), `load`, `compress`, `compile` "
    "(stacks, also recording steps), `train`, `score`. Cells of a stack, and those after the first in a job, have no "
    "start of their own; a stack divides shared time among its cells.",
    "resumed": "Number of times that the cell was resumed from a checkpoint.",
}
"""Keys of the JSON object in the footer of a cell file."""
