"""What earlier runs of this folder left behind: locks, processes, checkpoints, cells made ahead, half-written files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from junkdna.ahead import AHEAD
from junkdna.disk import size_of
from junkdna.files import is_half
from junkdna.given import Given
from junkdna.machine import Check
from junkdna.sizes import bytes_text
from junkdna.snakemake_runs import is_locked, live_runs, processes_here
from junkdna.walk import CHECKPOINTS

RESULTS = Path("results")


def leftovers(given: Given) -> Iterator[Check]:
    """One check a kind of thing that may be left; nothing for those that are not."""
    live = live_runs()
    orphans = processes_here(_is_job) if not live else []
    if live:
        yield True, f"a run is going on here (process {', '.join(map(str, live))})"
    if orphans:
        numbers = " ".join(map(str, orphans))
        yield False, f"jobs of a run that was killed still go on: wait for them, or `kill {numbers}`"
    if is_locked() and live == []:
        yield (
            False,
            (
                f"the lock of a killed run is there, and no Snakemake runs here: `{given.snakemake('--unlock')}` "
                "(first see that none runs in this folder from another machine)"
            ),
        )
    yield from _files(idle=not live and not orphans)


def _is_job(words: list[bytes]) -> bool:
    return b"junkdna" in words and any(word in words for word in (b"cell", b"compress", b"encode", b"model"))


def _files(idle: bool) -> Iterator[Check]:
    kept, ahead, halves = [], [], []
    for folder, _, names in os.walk(RESULTS):
        paths = [Path(folder) / name for name in names]
        halves += filter(is_half, paths)
        if Path(folder).is_relative_to(CHECKPOINTS):
            kept += [path for path in paths if path.suffix == ".safetensors"]
        elif Path(folder).is_relative_to(AHEAD):
            ahead += [path for path in paths if path.suffix == ".parquet"]
    if kept:
        yield True, f"{len(kept)} checkpoints of unfinished cells ({_size(kept)}): the next run goes on from them"
    if ahead:
        yield True, f"{len(ahead)} cells made ahead of their jobs ({_size(ahead)}): the next run takes them over"
    if halves and idle:
        yield (
            True,
            (
                f"{len(halves)} half-written files of killed jobs ({_size(halves)}), in nobody's way: "
                "find results -name '.*.tmp*' -prune -exec rm -r {} +"
            ),
        )


def _size(files: Iterable[Path]) -> str:
    return bytes_text(sum(size_of(file) or 0 for file in files))
