"""`junkdna claims` and `junkdna drops`: the tables of a study as text, for a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.study.study import Resolved

if TYPE_CHECKING:
    import polars as pl

    from junkdna.analysis.findings import Headline

LENGTHS = ("against dense at", "still rising")  # how the details of longer recovery begin
CLAIM_COLUMNS = ("verdict", "experiment", "tested on", "setting", "effect (95 %)", "q", "seeds", "examples", "remarks")
DROP_COLUMNS = ("condition", "compression", "transfer", "score (95 %)", "drop (95 %)", "retention (95 %)", "seeds")


def claims(resolved: Resolved, folder: Path | None = None) -> Iterator[str]:
    """Lines with the verdict on every claim of a finished study, and the findings that it rests on.

    `folder` is that of its results; by default results/studies/NAME. Raises UserError if the study has no table of
    claims.
    """
    from junkdna.analysis.claim_catalog import CLAIMS
    from junkdna.analysis.claims_table import headlines, models_of

    table = read_table(resolved, "claims", folder)
    heads, models = headlines(table), len(models_of(table))
    for name, claim in CLAIMS.items():
        for model, head in heads[name].items():
            yield f"{claim.label}{f', {model}' if models > 1 else ''}: {_headline(head)}"
        yield f"  effect: {claim.effect}"
        rows = [_claim_row(row, models > 1) for row in table.filter(claim=name).iter_rows(named=True)]
        yield from (f"  {line}" for line in aligned(CLAIM_COLUMNS, rows)) if rows else ()
        yield ""
    yield from _settings(table, resolved)


def _settings(table: "pl.DataFrame", resolved: Resolved) -> Iterator[str]:
    """What the verdicts hold for, and a warning if the study has other settings by now."""
    now = resolved.study.claims.margin
    [margin] = {*table["margin"]} or {now}
    yield f"The margin is {margin:g} of retention. A verdict covers one model, and examples and runs like these."
    if margin != now:
        yield f"The study has a margin of {now:g} by now: run snakemake to test the claims with it."


def _headline(head: "Headline") -> str:
    counts = ", ".join(f"{count} {verdict}" for verdict, count in head.counts.items() if count)
    reason = f" ({head.reason})" if head.reason else ""
    return f"{head.verdict.upper()}{reason}{f'; rows: {counts}' if counts else ''}"


def _claim_row(row: dict, name_model: bool) -> tuple[str, ...]:
    return (
        row["verdict"],
        row["experiment"] or "(whole study)",
        row["unit"],
        f"{row['model']}: {row['setting']}" if name_model and row["model"] else row["setting"],
        interval(row["estimate"], row["low"], row["high"]),
        "" if row["q"] is None else f"{row['q']:.3f}",
        str(row["n_seeds"]),
        str(row["n_examples"]),
        "; ".join(_remarks(row)),
    )


def _remarks(row: dict) -> Iterator[str]:
    """Why a finding is undecided or in doubt, and how many seeds or examples it would take."""
    if row["reason"]:
        yield row["reason"]
    if row["scale_free"]:
        yield f"on d': {row['scale_free']}"
    yield from (text for text in row["details"].split("; ") if text.startswith(LENGTHS))
    if row["other_baseline"]:
        yield f"with the other baseline: {row['other_baseline']}"
    if row["verdict"] == "undecided" and row["detectable"] is not None:
        yield f"could have detected {row['detectable']:.2f}"
        if row["seeds_needed"] is not None:
            yield f"needs about {row['seeds_needed']} seeds"
        elif row["examples_needed"] is not None:
            yield f"needs about {row['examples_needed']:,} examples"


def drops(resolved: Resolved, experiment: str | None = None, folder: Path | None = None) -> Iterator[str]:
    """Lines with the rows of the table of drops, of one experiment or of all.

    `folder` is that of its results; by default results/studies/NAME. Raises UserError for an unknown
    experiment, and if the study has no table of drops.
    """
    table = read_table(resolved, "drops", folder)
    if experiment is not None and experiment not in (
        names := table["experiment"].unique(maintain_order=True).to_list()
    ):
        from junkdna.errors import unknown_name

        raise unknown_name("experiment", experiment, names, "--experiment")
    for name in [experiment] if experiment else table["experiment"].unique(maintain_order=True):
        yield name
        rows = [_drop_row(row) for row in table.filter(experiment=name).iter_rows(named=True)]
        yield from (f"  {line}" for line in aligned(DROP_COLUMNS, rows))
        yield ""


def _drop_row(row: dict) -> tuple[str, ...]:
    values = (
        interval(*(row[f"{name}{end}"] for end in ("", "_low", "_high"))) for name in ("score", "drop", "retention")
    )
    protocol = "" if row["protocol"] == "default" else f", {row['protocol']}"
    return (row["label"], row["compression"], row["transfer"] + protocol, *values, str(row["n_seeds"]))


def interval(value: float | None, low: float | None, high: float | None) -> str:
    """Such as "0.175 (0.091 to 0.254)", "(at least 0.091)" or "(unbounded)"; a value that is undefined is "-"."""
    from junkdna.analysis.interval_words import between

    return "-" if value is None else f"{value:.3f} ({between(low, high)})"


def aligned(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a text table with a header, columns padded to their widest text."""
    table = [tuple(columns), *map(tuple, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def read_table(resolved: Resolved, name: str, folder: Path | None = None) -> "pl.DataFrame":
    """A table of a finished study, from the folder of its results. Raises UserError if the study has none."""
    from junkdna.analysis.expected_columns import columns_of, with_columns
    from junkdna.storage.tables import read_frame

    folder = folder or Path("results/studies") / resolved.study.study
    path = folder / f"tables/{name}.parquet"
    if not path.is_file():
        there = f"{folder}/partial" if (folder / "partial/tables").is_dir() else ""
        hint = f" Tables of the finished cells are in {there}." if there else ""
        raise UserError(
            f"{path} does not exist: study {resolved.study.study} is not complete.{hint} "
            f"To complete it, run: {resolved.commands.snakemake('--cores', 'all')}"
        )
    return with_columns(read_frame(path, f"table of {name}"), columns_of(name), path, others=True)
