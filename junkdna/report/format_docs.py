"""The table of answer formats (`junkdna formats`), from their declarations; as Markdown it is in docs/scoring.md."""

from collections.abc import Iterator
from typing import get_args

from junkdna.study.formats import FORMATS, Format, Kind

HEAD = ("format", "meaning", "models", "tasks", "training", "chosen by")


def format_lines(markdown: bool) -> Iterator[str]:
    """One line for each format, or the lines of a Markdown table."""
    if markdown:
        rows = ((f"`{name}`", *_facts(each)) for name, each in FORMATS.items())
        yield from (f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows))
        return
    for name, each in FORMATS.items():
        meaning, *facts = _facts(each)
        yield f"{name:<14} {meaning}  [{'; '.join(facts)}]"


def _facts(each: Format) -> tuple[str, ...]:
    kinds = [kind for kind in get_args(Kind) if kind in (*each.picked_for, *each.default_for)]
    chosen = [f"`{model}_choice`" for model in each.models if each.picked_for]
    chosen += [f"default for {', '.join(each.default_for)}"] if each.default_for else []
    return each.meaning, ", ".join(each.models), ", ".join(kinds), each.training, ", ".join(chosen)
