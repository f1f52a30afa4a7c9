"""The columns of the tables that `junkdna compare` writes. They are their schema: tables are checked when written."""

from junkdna.analysis.columns import COUNT, FLAG, METRIC, NUMBER, SHARE, TEXT, Column, Table

FOLDER = "results/compare/A-vs-B/tables"
PARTS = (
    ("model", "Name of the model"), ("knobs", "Knobs with other values than the default"),
    ("compression", "Method, level and options"), ("transfer", "Transfer mode"), ("protocol", "Name of the protocol"),
)  # fmt: skip
_OF = {
    "score": (METRIC, "Mean score"),
    "drop": (METRIC, "Dense score - score"),
    "share_lost": ("1 - retention", "Share of skill lost: (dense score - score) / (dense score - baseline)"),
}
_PARTS = {"a": "in A", "b": "in B", "difference": "B - A"}


def _measures() -> tuple[Column, ...]:
    return tuple(
        Column(f"{name}_{part}{end}", NUMBER, unit, f"{meaning}, {where}." if not end else _limit(name, part, end))
        for name, (unit, meaning) in _OF.items()
        for part, where in _PARTS.items()
        for end in ("", "_low", "_high")
    )


def _limit(name: str, part: str, end: str) -> str:
    return f"{'Lower' if end == '_low' else 'Upper'} 95 % limit of `{name}_{part}`. Null if there is none."


DIFFERENCES = Table(
    f"{FOLDER}/differences.parquet and differences.csv",
    "one per matched condition and compression, over the matched seeds. Drops and shares lost of dense rows are null",
    (
        Column("task", TEXT, "", "Name of the task."),
        *(Column(f"{name}_{part}", TEXT, "", f"{text}, {_PARTS[part]}.") for name, text in PARTS for part in "ab"),
        Column("label", TEXT, "", "Label of the condition in figures, that of A."),
        Column("metric", TEXT, "", "Metric of the task: the unit of scores and drops."),
        Column("interval", TEXT, "", "`paired`: both answered the same examples, which are drawn together. `unpaired`: "
               "independent samples."),
        Column("n_examples_a", COUNT, "examples", "Evaluated examples, in A."),
        Column("n_examples_b", COUNT, "examples", "Evaluated examples, in B."),
        Column("seeds_a", TEXT, "", "Seeds that are compared, in A, separated by spaces."),
        Column("seeds_b", TEXT, "", "Seeds that are compared, in B, separated by spaces."),
        Column("dense_score_a", NUMBER, METRIC, "Mean score of the dense references, in A."),
        Column("dense_score_b", NUMBER, METRIC, "Mean score of the dense references, in B."),
        *_measures(),
        Column("broken", NUMBER, SHARE, "Examples right in A and wrong in B. Null if unpaired or with partial credit."),
        Column("fixed", NUMBER, SHARE, "Examples wrong in A and right in B. Null as `broken`."),
        Column("mcnemar_p", NUMBER, "", "p-value of McNemar's exact test that as many break as are fixed."),
        Column("collapsed_a", COUNT, "cells", "Cells that give one answer to everything, in A."),
        Column("collapsed_b", COUNT, "cells", "Cells that give one answer to everything, in B."),
        Column("truncated_a", NUMBER, SHARE, "Examples whose text was cut, in A."),
        Column("truncated_b", NUMBER, SHARE, "Examples whose text was cut, in B."),
        Column("note", TEXT, "", "What limits the comparison; empty if nothing does."),
    ),
)  # fmt: skip
VERDICTS = Table(
    f"{FOLDER}/verdicts.parquet and verdicts.csv",
    "one per test of a claim, in A, in B or in both; values of a study that does not have the test are null",
    (
        Column("claim", TEXT, "", "Name of the claim."),
        Column("experiment", TEXT, "", "Name of the experiment; empty for the whole study."),
        Column("unit", TEXT, "", "What the claim was tested on."),
        Column("setting", TEXT, "", "Method, transfer mode and protocol."),
        *(
            Column(f"{name}_{part}", kind, "", f"`{name}` of the table of claims, {_PARTS[part]}.")
            for part in "ab"
            for name, kind in (("model", TEXT), ("verdict", TEXT), ("estimate", NUMBER), ("low", NUMBER),
                               ("high", NUMBER), ("q", NUMBER), ("margin", NUMBER), ("n_seeds", COUNT),
                               ("n_examples", COUNT))
        ),
        Column("same", FLAG, "", "Whether both have the same verdict. Null if only one has the test."),
    ),
)  # fmt: skip
NOT_COMPARED = Table(
    f"{FOLDER}/not_compared.parquet and not_compared.csv",
    "one per cell that is not compared",
    (
        Column("study", TEXT, "", "`A` or `B`."),
        Column("cell", TEXT, "", "Key of the cell."),
        Column("reason", TEXT, "", "Why it is not compared."),
    ),
)
SETTINGS = Table(
    f"{FOLDER}/settings.parquet and settings.csv",
    "one per setting with other values in A and in B: keys of the studies, then footers of matched cells",
    (
        Column("setting", TEXT, "", "Key of the study (`study.…`), or entry of the footers of the cells."),
        Column("a", TEXT, "", "Value in A; of several the most frequent one."),
        Column("b", TEXT, "", "Value in B; of several the most frequent one."),
        Column(
            "pairs", COUNT, "pairs of cells", "Matched pairs of cells that differ in it; 0 for keys of the studies."
        ),
    ),
)
COMPARED: dict[str, Table] = {
    "differences": DIFFERENCES, "verdicts": VERDICTS, "not_compared": NOT_COMPARED, "settings": SETTINGS,
}  # fmt: skip
