"""The logs on the command line: `PATH` or `NAME=PATH`, and what a name says of the compression."""

import re
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from junkdna.errors import UserError
from junkdna.study.cell import Compression, parse_compression
from junkdna.study.levels import parse_level
from junkdna.study.methods import METHODS, Method
from junkdna.study.strict_model import valid_name

CHECKPOINT = "checkpoint"  # method of a checkpoint that is only a name
LEVELS = {"sparsity": "0.3", "keep_of": "keep2of4", "bits": "4bit", "rank": "rank0.25"}  # an example of each kind
DASHES = ((0, (9, 2)), (0, (1, 1, 1, 4)), (0, (8, 2, 1, 1, 1, 2)), (0, (4, 4)))  # lines of other tools' methods


class Source(NamedTuple):
    """A log, its name, and whether the user gave it."""

    path: Path
    name: str
    named: bool


def source(word: str) -> Source:
    """The log that a word of the command line names. Raises UserError if it does not exist or has no usable name."""
    match = re.fullmatch(r"([A-Za-z0-9][A-Za-z0-9_.+-]*)=(.+)", word)
    if match and not Path(word).exists():
        return Source(_existing(match[2], word), match[1], named=True)
    path = _existing(word, word)
    stem = path.absolute().name if path.is_dir() else path.name.partition(".")[0]
    if not (name := valid_name(stem)):
        raise UserError(f"{word}: the name {stem!r} has no letter or digit. Name the log: NAME={word}")
    return Source(path, name, named=False)


def _existing(text: str, word: str) -> Path:
    path = Path(text).expanduser()
    if not path.exists():
        raise UserError(
            f"{word}: {text!r} does not exist (relative to {str(Path.cwd())!r}). Give an output folder or "
            "samples_*.jsonl file of lm-eval, or a table (.csv, .tsv, .parquet, .jsonl), as PATH or NAME=PATH."
        )
    return path


class Run(NamedTuple):
    """A log with the compression that its name says, which run of it it is, and its method."""

    source: Source
    compression: Compression
    seed: int
    method: Method


def runs(sources: list[Source]) -> list[Run]:
    """Each log as a run of a compression.

    A given name METHOD-LEVEL (wanda-0.5, awq-4bit, nm-keep2of4, svd-rank0.25) says how the model was compressed; logs
    with the same such name are runs of one compression with different seeds. Any other name is a checkpoint of unknown
    compression. Raises UserError for a name that is used twice although nothing depends on the seed.
    """
    found: list[Run] = []
    for each in sources:
        compression = _declared(each) or Compression(CHECKPOINT, f"from-{valid_name(each.name)}")
        others = {run.method.name for run in found} - {*METHODS}
        method = logged_method(compression.method, len(others))
        _check_level(each, compression, method)
        same = [run for run in found if run.compression == compression]
        if any(run.source.path.resolve() == each.path.resolve() for run in same):
            raise UserError(
                f"{each.name}={each.path} is given twice. Logs with one name are runs with different seeds: name the "
                "log of each run once."
            )
        seed = len(same)
        if seed and not method.random:
            raise UserError(_twice(each, compression))
        found.append(Run(each, compression, seed, method))
    return found


def close_names(found: list[Run]) -> list[str]:
    """A note for each method that the package does not have, if its name is close to that of one that it has, and for
    each name that begins with a method of the package and goes on with no level of it."""
    notes = {}
    for run in found:
        head = run.source.name.partition("-")[0].lower()
        if run.method.name == CHECKPOINT and run.source.named and head in METHODS and head != run.source.name.lower():
            levels = " or ".join(f"{head}-{LEVELS[kind]}" for kind in METHODS[head].levels if kind in LEVELS)
            write = f"; write {levels}" if levels else ""
            notes[run.source.name] = (
                f"{run.source.name} names no level of {head}, so it counts as one checkpoint{write}, with your value"
            )
        close = get_close_matches(run.method.name, METHODS, n=1, cutoff=0.8)
        if close and run.method.name not in METHODS:
            notes[run.method.name] = f"{run.method.name} is no method of this package; did you mean {close[0]}?"
    return [*notes.values()]


def _twice(each: Source, compression: Compression) -> str:
    if compression.method == CHECKPOINT:
        return f"two logs are called {each.name!r}. Name them: NAME={each.path}"
    return (
        f"two logs are called {each.name!r}, but {compression.method} does not depend on a seed, so they cannot be two "
        f"runs of it. Name one of them differently: NAME={each.path}"
    )


def _declared(each: Source) -> Compression | None:
    """The compression that a given name METHOD-LEVEL says; None for any other name."""
    if not each.named:
        return None
    head, dash, level = each.name.partition("-")
    try:
        return parse_compression(f"{head.lower()}{dash}{level}")
    except ValueError:
        return None


def _check_level(each: Source, compression: Compression, method: Method) -> None:
    kind = parse_level(compression.level)[0]
    if kind not in method.levels or (compression.method == CHECKPOINT and _declared(each)):
        raise UserError(
            f"{each.name}={each.path}: {method.name} takes no level of this kind ({kind}; it takes "
            f"{', '.join(method.levels)}). Name the log after what was done, METHOD-LEVEL, with another name for a "
            "method of your own."
        )


def logged_method(name: str, at: int) -> Method:
    """A method as a log knows it: without options, of which a name says nothing, and without a module. `at` is its
    number among those that the package does not have, which chooses the line style.

    Whether runs of a method that the package does not have differ is unknown, so it counts as random. A checkpoint is
    one thing.
    """
    levels, random = ("sparsity", "keep_of", "bits", "format", "rank"), True
    display = {"label": name, "line_style": DASHES[at % len(DASHES)]}
    if name == CHECKPOINT:
        levels, random = ("external",), False
    elif package := METHODS.get(name):
        levels, random = package.levels, package.random or bool(package.statistics)
        display = {"label": package.label, "caption": package.caption, "line_style": package.line_style}
    return Method(
        name=name, **display, meaning="as a log names it", over="matrix", levels=levels, gives="both", random=random,
        guarantee="model",
    )  # fmt: skip
