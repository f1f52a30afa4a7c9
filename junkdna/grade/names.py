"""The logs on the command line: `PATH` or `NAME=PATH`, and what a name says of the compression."""

import re
from pathlib import Path
from typing import NamedTuple

from junkdna.errors import UserError
from junkdna.study.cell import Compression, parse_compression
from junkdna.study.levels import parse_level
from junkdna.study.methods import METHODS, Method, add_method
from junkdna.study.strict_model import valid_name

CHECKPOINT = "checkpoint"  # method of a checkpoint that is only a name
DASHES = ((0, (6, 2)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (8, 2, 2, 2)))  # line styles of other tools' methods


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


def compressions(sources: list[Source]) -> list[tuple[Source, Compression, int]]:
    """Each log with its compression and seed.

    A given name METHOD-LEVEL (wanda-0.5, awq-4bit, nm-keep2of4, svd-rank0.25) says how the model was compressed; logs
    with the same such name are runs of one compression with different seeds. Any other name is a checkpoint of unknown
    compression. Adds methods that the package does not have to `METHODS`. Raises UserError for a name that is used
    twice although nothing depends on the seed.
    """
    found: list[tuple[Source, Compression, int]] = []
    for each in sources:
        compression = _compression(each)
        seed = sum(other == compression for _, other, _ in found)
        if seed and not METHODS[compression.method].seeded:
            raise UserError(_twice(each, compression))
        found.append((each, compression, seed))
    return found


def _twice(each: Source, compression: Compression) -> str:
    if compression.method == CHECKPOINT:
        return f"two logs are called {each.name!r}. Name them: NAME={each.path}"
    return (
        f"two logs are called {each.name!r}, but {compression.method} does not depend on a seed, so they cannot be two "
        f"runs of it. Name one of them differently: NAME={each.path}"
    )


def _compression(each: Source) -> Compression:
    if each.named and (found := _declared(each.name)):
        _check_level(each, found)
        return found
    add_method(_method(CHECKPOINT, random=False))
    return Compression(CHECKPOINT, f"from-{valid_name(each.name)}")


def _declared(name: str) -> Compression | None:
    """The compression that METHOD-LEVEL names; None for any other name."""
    head, dash, level = name.partition("-")
    try:
        return parse_compression(f"{head.lower()}{dash}{level}")
    except ValueError:
        return None


def _check_level(each: Source, compression: Compression) -> None:
    kind = parse_level(compression.level)[0]
    add_method(_method(compression.method, random=True))
    method = METHODS[compression.method]
    if kind not in method.levels or compression.method == CHECKPOINT:
        raise UserError(
            f"{each.name}={each.path}: {method.name} takes no level of this kind ({kind}; it takes "
            f"{', '.join(method.levels)}). Name the log after what was done, METHOD-LEVEL, with another name for a "
            "method of your own."
        )


def _method(name: str, random: bool) -> Method:
    """A method of another tool. Where a level is named, whether its runs differ is unknown, so they count as random."""
    levels = ("external",) if name == CHECKPOINT else ("sparsity", "keep_of", "bits", "rank")
    others = sum(method.source == _ELSEWHERE for method in METHODS.values())
    return Method(
        name=name, label=name, line_style=DASHES[others % len(DASHES)], meaning="made by another tool",
        source=_ELSEWHERE, over="matrix", levels=levels, gives="both", random=random, guarantee="model",
    )  # fmt: skip


_ELSEWHERE = "graded from a log"
