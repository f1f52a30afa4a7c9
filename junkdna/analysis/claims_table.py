"""The table of claims: every finding of a study with its verdict, and one headline for each claim."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import compress

import polars as pl

from junkdna.analysis.bins import bin_curves
from junkdna.analysis.cell_answers import Bins
from junkdna.analysis.claim_catalog import CLAIMS, load
from junkdna.analysis.curves import Curve, curves, facts_of
from junkdna.analysis.drops import as_people_saw_it, condition_label
from junkdna.analysis.evidence import Evidence
from junkdna.analysis.findings import Decided, Finding, Headline, decide, distinct, headline
from junkdna.analysis.intervals import finite
from junkdna.analysis.scores import Scores
from junkdna.study.cell import Cell
from junkdna.study.grid import expand
from junkdna.study.methods import METHODS
from junkdna.study.study import Resolved

WHOLE_STUDY = ""  # experiment of a finding that rests on several experiments
SCHEMA: dict[str, pl.DataType] = {
    "claim": pl.String, "experiment": pl.String, "model": pl.String, "unit": pl.String, "setting": pl.String,
    "verdict": pl.String, "estimate": pl.Float64, "low": pl.Float64, "high": pl.Float64, "p": pl.Float64,
    "q": pl.Float64, "margin": pl.Float64, "reason": pl.String, "scale_free": pl.String, "other_baseline": pl.String,
    "details": pl.String, "levels": pl.String, "losses": pl.String, "primary": pl.Boolean, "n_seeds": pl.Int64,
    "n_examples": pl.Int64, "n_tasks": pl.Int64, "collapsed": pl.Int64, "detectable": pl.Float64,
    "seeds_needed": pl.Int64, "examples_needed": pl.Int64,
}  # fmt: skip


def claims(resolved: Resolved, cells: pl.DataFrame, scores: Scores, bins: Mapping[str, Bins]) -> pl.DataFrame:
    """One row per claim, experiment and unit (docs/reference/columns.md), in the order of the claims.

    `cells` may be incomplete: curves lack what is missing. Verdicts hold for one model, for examples like those
    evaluated and for runs like those trained; only findings across tasks or pairs speak of other tasks. Every finding
    is computed with the other baseline too; `other_baseline` is its verdict there where it differs. Raises UserError if
    a cell is in the table twice.
    """
    every = list(_evidence(resolved, cells, scores, bins))
    found = _found(every, "auto")
    kept = _distinct(found)
    decided = decide(finding for *_, finding in compress(found, kept))
    others = decide(finding for *_, finding in compress(_found(every, "other"), kept))
    rows = []
    for (claim, experiment, _), one, other in zip(compress(found, kept), decided, others, strict=True):
        different = other.verdict if other.verdict != one.verdict else ""
        rows.append(_row(claim, experiment, one, different, resolved.study.claims.margin))
    return pl.DataFrame(rows, schema=SCHEMA, orient="row")


def headlines(table: pl.DataFrame) -> dict[str, dict[str, Headline]]:
    """Claim -> model -> headline, for every declared claim and every model of the table ("" if it has none)."""
    models = models_of(table) or [""]
    return {
        claim: {model: headline(_read_rows(table.filter(claim=claim, model=model))) for model in models}
        for claim in CLAIMS
    }


def models_of(table: pl.DataFrame) -> list[str]:
    """The models of a table of claims, by name. Rows of pairs that the study does not have name none."""
    return sorted({*table["model"]} - {""})


def _evidence(resolved: Resolved, cells: pl.DataFrame, scores: Scores, bins: Mapping[str, Bins]) -> Iterator[Evidence]:
    """The evidence of each experiment, then that of the whole study."""
    facts = facts_of(cells)
    shared = {
        "scores": scores,
        "settings": resolved.study.claims,
        "baseline": resolved.study.claims.baseline,
        "setting_label": setting_label,
    }
    found = {name: curves(members, facts, resolved.tasks) for name, members in expand(resolved).items()}
    widest: dict[tuple, Curve] = {}
    for curve in (curve for some in found.values() for curve in some):
        widest[curve.name] = curve.joined(widest.get(curve.name, curve))
    widest = {name: curve.repeated() for name, curve in widest.items()}
    for experiment, some in found.items():
        binned = bin_curves(some, bins, scores.answers_of)
        more = {"widest": widest, "rated": frozenset(bins)}
        yield _of_experiment(experiment, (*some, *binned), resolved, facts, {**shared, **more})
    yield Evidence(WHOLE_STUDY, tuple(widest.values()), collapsed=_collapsed(widest.values(), facts), **shared)


def _of_experiment(
    experiment: str, found: Sequence[Curve], resolved: Resolved, facts: Mapping, shared: dict
) -> Evidence:
    firsts = {(curve.model, curve.condition): curve.dense.first for curve in found}
    varied = {(cell.task, name) for cell in firsts.values() for name, _ in cell.knobs}
    labels = {key: condition_label(cell, resolved.tasks[cell.task], varied, resolved) for key, cell in firsts.items()}
    human = {condition: _human(resolved, cell) for (_, condition), cell in firsts.items()}
    return Evidence(
        experiment,
        tuple(found),
        collapsed=_collapsed(found, facts),
        human={condition: value for condition, value in human.items() if value is not None},
        condition_label={key: f"{label} · bin {key[1].bin}" if key[1].bin else label for key, label in labels.items()},
        **shared,
    )


def _collapsed(found: Iterable[Curve], facts: Mapping) -> frozenset[Cell]:
    cells = {cell for curve in found for group in curve.groups for cell in group.cells}
    return frozenset(cell for cell in cells if facts[cell.key]["collapsed"])


def _human(resolved: Resolved, cell: Cell) -> float | None:
    task = resolved.tasks[cell.task]
    return task.human.value if task.human and as_people_saw_it(cell, task) else None


def setting_label(curve: Curve) -> str:
    """Compression, transfer mode and protocol of a curve in words, such as "magnitude pruning, sparse"."""
    parts = [METHODS[curve.series.method].caption, *([f"N of {curve.series.of} kept"] if curve.series.of else [])]
    parts += [curve.series.name] if curve.series.name else []
    parts += [f"{name} {value}" for name, value in curve.series.options]
    parts += [curve.transfer] if curve.transfer != "none" else []
    return ", ".join(parts + ([f"protocol {curve.protocol}"] if curve.protocol != "default" else []))


def _found(every: list[Evidence], baseline: str) -> list[tuple[str, str, Finding]]:
    """(claim, experiment, finding) of a study, in order of the claims, under one kind of baseline."""
    return [
        (claim, evidence.experiment, finding)
        for claim in CLAIMS
        for evidence in every
        for finding in _findings(claim, replace(evidence, baseline=_other(evidence.baseline, baseline)))
    ]


def _distinct(found: list[tuple[str, str, Finding]]) -> list[bool]:
    """Which findings to keep: those that no other of the same claim contains (`findings.distinct`)."""
    return [keep for claim in CLAIMS for keep in distinct([finding for name, _, finding in found if name == claim])]


def _other(baseline: str, which: str) -> str:
    return baseline if which == "auto" else {"auto": "other", "chance": "majority", "majority": "chance"}[baseline]


def _findings(claim: str, evidence: Evidence) -> Iterator[Finding]:
    module = load(claim)
    if evidence.experiment != WHOLE_STUDY:
        yield from module.findings(evidence)
    elif hasattr(module, "study_findings"):
        yield from module.study_findings(evidence)


def _row(claim: str, experiment: str, decided: Decided, other_baseline: str, margin: float) -> tuple:
    finding = decided.finding
    given = {
        "claim": claim,
        "experiment": experiment,
        "verdict": decided.verdict,
        "q": decided.q,
        "p": finding.p if finding.testable else None,
        "levels": " ".join(finding.levels),
        "other_baseline": other_baseline,
        "margin": margin,
        **{name: finite(getattr(finding, name)) for name in ("estimate", "low", "high", "detectable")},
    }
    return tuple(given[name] if name in given else getattr(finding, name) for name in SCHEMA)


def _read_rows(table: pl.DataFrame) -> Iterator[Decided]:
    """The findings of a table of claims, with the fields that a headline needs."""
    for row in table.iter_rows(named=True):
        names = ("unit", "setting", "model", "estimate", "reason", "scale_free", "primary")
        yield Decided(Finding(**{name: row[name] for name in names}), row["q"], row["verdict"])
