"""What differs in how the matched cells of two studies were computed: code, versions, settings, inputs, machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from junkdna.compare.conditions import Both
from junkdna.compare.side import Side
from junkdna.study.paths import FOOTER_KEY

READ = ("settings", "versions", "device", "torch_threads", "training_engine", "graded_from", "metric")
LEFT_OUT = ("settings.cell", "versions.torch_build")  # the key itself, and a version that is there already
WORDS = {"settings.code": "code fingerprint", "model.digest": "weights and tokenizer (SHA-256)"}
NONE = "(not set)"


@dataclass(frozen=True)
class Setting:
    """A setting that differs: where it is written, its values in A and in B, and in how many pairs of cells (0: it is
    a key of the studies)."""

    name: str
    a: str
    b: str
    pairs: int


def settings_that_differ(a: Side, b: Side, pairs: Iterable[Both]) -> list[Setting]:
    """Keys of the two studies with other values, then what the footers of matched cells say differently.

    Of pairs of cells that differ in other ways, the most frequent values are shown.
    """
    studies = [_flat({"study": _study(side)}) for side in (a, b)]
    found = [Setting(name, one, two, 0) for name, one, two in _differing(*studies)]
    seen: dict[str, Counter] = {}
    for one, two in _footers(pairs):
        for name, *values in _differing(one, two):
            seen.setdefault(name, Counter())[tuple(values)] += 1
    for name in sorted(seen, key=lambda name: (name != "settings.code", name)):
        (one, two), _ = seen[name].most_common(1)[0]
        found.append(Setting(WORDS.get(name, name), one, two, seen[name].total()))
    return found


def _study(side: Side) -> dict:
    study = {name: value for name, value in side.inputs.study.items() if name != "study"}
    return study | ({"task files": side.inputs.tasks} if side.inputs.tasks else {})


def _footers(pairs: Iterable[Both]) -> Iterator[tuple[dict, dict]]:
    for pair in pairs:
        for one, two in zip(pair.a.runs, pair.b.runs, strict=False):
            files = pair.a.side.file(one), pair.b.side.file(two)
            if all(file.is_file() for file in files):
                yield tuple(_facts(file) for file in files)


def _facts(file: Path) -> dict[str, str]:
    import polars as pl

    try:
        footer = json.loads(pl.read_parquet_metadata(file)[FOOTER_KEY.decode()])
    except (pl.exceptions.PolarsError, KeyError, ValueError):
        return {}
    kept = {name: footer[name] for name in READ if name in footer}
    digest = (footer.get("model") or {}).get("digest")
    return _flat(kept | ({"model": {"digest": digest}} if digest else {}))


def _flat(value: object, name: str = "") -> dict[str, str]:
    """The leaves of nested mappings by their path."""
    if not isinstance(value, Mapping):
        return {} if name in LEFT_OUT else {name: value if isinstance(value, str) else json.dumps(value)}
    parts = (_flat(each, f"{name}.{key}" if name else str(key)) for key, each in value.items())
    return {path: text for part in parts for path, text in part.items()}


def _differing(one: Mapping[str, str], two: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name in dict.fromkeys((*one, *two)):
        values = one.get(name, NONE), two.get(name, NONE)
        if values[0] != values[1]:
            yield (name, *values)
