"""A paragraph on methods with its references, made from what a study used, ready to paste into a paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from junkdna.analysis.series import series_of
from junkdna.report.page.words import listed, mode, span
from junkdna.report.plotting.conditions import plain_label
from junkdna.study.methods import METHODS

if TYPE_CHECKING:
    import polars as pl

    from junkdna.report.page.inputs import Inputs

CONDITIONS = 6  # of a task that the paragraph names
HYPOTHESIS = "Yin et al. 2024, ICML, arXiv 2310.02277"
INTERVALS = "Zou and Donner 2008, doi 10.1002/sim.3095"
CORRECTION = "Benjamini and Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x"
CITED = re.compile(
    r"[A-Z][\w’'-]+(?:(?:,| and| et al\.) ?[\w’'.-]*)* (?:19|20)\d\d, (?:arXiv \d{4}\.\d{4,5}|doi \S+[\w)])"
)


class References:
    """Sources in the order in which they are cited."""

    def __init__(self) -> None:
        self.sources: list[str] = []

    def cite(self, source: str) -> str:
        """` [2]`, a new number for a new source; empty for no source."""
        if not source:
            return ""
        names = [_identifier(each) for each in self.sources]
        if _identifier(source) not in names:
            self.sources.append(source)
            names.append(_identifier(source))
        return f" [{names.index(_identifier(source)) + 1}]"


def _identifier(source: str) -> str:
    """What tells one source from another: its number at arXiv or its doi, else the whole text."""
    found = re.findall(r"arXiv \d{4}\.\d+|doi \S+", source)
    return found[0] if len(found) == 1 else source


def methods_text(inputs: Inputs) -> tuple[list[str], list[str]]:
    """The sentences of the paragraph, and its references in order."""
    refs = References()
    sentences = [_question(refs), _models(inputs), _compressions(inputs, refs), _tasks(inputs, refs)]
    sentences += [_scoring(inputs), _training(inputs), *_statistics(inputs, refs)]
    return [each for each in sentences if each], refs.sources


def _question(refs: References) -> str:
    return f"The question follows the Junk DNA Hypothesis{refs.cite(HYPOTHESIS)}."


def _models(inputs: Inputs) -> str:
    settings = inputs.study.get("models")
    settings = settings if isinstance(settings, dict) else {}
    used = sorted(inputs.drops["model"].unique())
    return f"We compressed {listed(_model(name, settings.get(name)) for name in used)}."


def _model(name: str, entry: object) -> str:
    """A model with its source: a repository, a wheel or a folder."""
    entry = entry if isinstance(entry, dict) else {}
    source = entry.get("hub") or entry.get("wheel") or entry.get("local")
    revision = f", revision {entry['revision']}" if entry.get("revision") else ""
    where = f" ({entry.get('kind', 'model')}, {source}{revision})" if source else ""
    return f"{name}{where}"


def _compressions(inputs: Inputs, refs: References) -> str:
    by_method: dict[str, list[str]] = {}
    for tag in inputs.drops["compression"].unique(maintain_order=True):
        if series := series_of(tag):
            by_method.setdefault(series.method, []).append(tag)
    words = [_method(name, tags, refs) for name, tags in by_method.items()]
    return f"Weights of its linear layers were compressed by {listed(words)}." if words else ""


def _method(name: str, tags: list[str], refs: References) -> str:
    from junkdna.report.plotting.series import level_label

    method = METHODS[name]
    levels = listed(dict.fromkeys(level_label(tag) for tag in tags), 10)
    return f"{method.label} ({method.meaning.rstrip('.')}{refs.cite(method.source)}; {levels})"


def _tasks(inputs: Inputs, refs: References) -> str:
    words = []
    for task in sorted(inputs.drops["task"].unique()):
        rows = inputs.drops.filter(inputs.drops["task"] == task)
        n = span(list(rows["n_examples"]))
        words.append(f"{rows['title'][0]}{refs.cite(_source(inputs, task))}{_conditions(rows)}, {n} examples")
    return f"The tasks were {'; '.join(words)}."


def _conditions(rows: pl.DataFrame) -> str:
    """The conditions of a task in brackets, without title and model; with slashes, because their names have commas."""
    title = rows["title"][0]
    labels = dict.fromkeys(plain_label(row) for row in rows.iter_rows(named=True))
    names = [name for label in labels if (name := label.removeprefix(f"{title} · ")) != title]
    more = [f"{len(names) - CONDITIONS} more"] if len(names) > CONDITIONS else []
    return f" ({' / '.join([*names[:CONDITIONS], *more])})" if names else ""


def _source(inputs: Inputs, task: str) -> str:
    """The first paper that the notes of a task cite; empty if there is none."""
    document = inputs.tasks.get(task)
    notes = f"{document.get('notes', '')} {document.get('description', '')}" if isinstance(document, dict) else ""
    found = CITED.search(" ".join(notes.split()))
    return found.group(0) if found else ""


def _scoring(inputs: Inputs) -> str:
    baselines = {"chance": "uniform guessing (chance)", "majority": "the most frequent answer (majority)"}
    used = [baselines.get(kind, kind) for kind in inputs.drops["baseline"].unique(maintain_order=True)]
    metrics = listed(sorted({name.replace("_", " ") for name in inputs.drops["metric"]}))
    return (
        f"Scores are {metrics}. The share of skill lost is 1 − (s − b) / (d − b) for the score s, the dense score d "
        f"and the baseline b, which is {' or '.join(used)}."
    )


def _training(inputs: Inputs) -> str:
    modes = [each for each in ("sparse", "sparse_to_dense", "dense_freeze") if each in set(inputs.drops["transfer"])]
    if not modes:
        return "" if "dense" in set(inputs.drops["transfer"]) else "Nothing was fine-tuned."
    steps = inputs.cells.filter(inputs.cells["steps"] > 0)
    seeds = inputs.drops.filter(inputs.drops["transfer"] != "none")["n_seeds"]
    length = f"{span(list(steps['steps']))} steps of AdamW, " if steps.height else ""
    several = "s" * (seeds.max() > 1)
    trained = f"Fine-tuning ({listed(map(mode, modes))}; dense as the reference)"
    return f"{trained} took {length}with {span(list(seeds))} seed{several}."


def _statistics(inputs: Inputs, refs: References) -> list[str]:
    draws = inputs.study.get("bootstrap", 10_000)
    draws = f"{draws:,}" if isinstance(draws, int) else str(draws)
    seeds = inputs.drops["n_seeds"].max() > 1
    join = (
        f", joined with a jackknife over seeds and Student’s t by the MOVER method{refs.cite(INTERVALS)}"
        if seeds
        else ""
    )
    found = [f"Intervals are 95 %: {draws} bootstrap draws over examples, shared by all cells that use them{join}."]
    q = inputs.claims["q"].drop_nulls().len()
    if q:
        margin = inputs.claims["margin"][0]
        found.append(
            f"An effect supports a claim if it is beyond the margin of {margin:g} at a false discovery rate of 5 % "
            f"over {q} tests{refs.cite(CORRECTION)}."
        )
    return found
