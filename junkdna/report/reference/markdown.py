"""Markdown tables and code marks."""

from collections.abc import Iterable, Iterator, Sequence


def code(text: object) -> str:
    """`text` as code in a line of Markdown, line breaks written as \\n."""
    return f"`{str(text).replace(chr(10), chr(92) + 'n').replace('|', chr(92) + '|')}`"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
