"""Markdown tables, inline code and sentences."""

from collections.abc import Iterable, Iterator, Sequence


def code(text: object) -> str:
    """`text` as inline code, with line breaks written as \\n."""
    return f"`{str(text).replace(chr(10), chr(92) + 'n').replace('|', chr(92) + '|')}`"


def sentence(text: str) -> str:
    """A phrase as a sentence: capitalized, with a period."""
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
