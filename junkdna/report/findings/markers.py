"""Blocks between marks in a Markdown page: filled from a study, so that no number of it is typed by hand.

    <!-- findings: NAME KEY=VALUE ... -->TEXT<!-- end findings -->

A block whose first mark ends its line has its text on lines of its own; any other is part of a sentence.
"""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from junkdna.errors import UserError

MARKED = re.compile(r"<!-- findings: (?P<words>[^\n]*?) -->(?P<text>.*?)<!-- end findings -->", re.DOTALL)
START = re.compile(r"<!-- findings:")
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Block:
    """One block: the words of its mark, and whether it has lines of its own."""

    words: str
    own_lines: bool

    @property
    def name(self) -> str:
        """Its name."""
        return self._split()[0]

    @property
    def options(self) -> dict[str, list[str]]:
        """Its keys with their values. Raises UserError for a word that is not KEY=VALUE."""
        found: dict[str, list[str]] = {}
        for word in self._split()[1:]:
            key, sign, value = word.partition("=")
            if not sign or not key:
                raise UserError(f"block {self.words!r}: {word!r} must be KEY=VALUE, such as task=stsb.")
            found.setdefault(key, []).append(value)
        return found

    def _split(self) -> list[str]:
        try:
            words = shlex.split(self.words)
        except ValueError as error:
            raise UserError(f"block {self.words!r}: {error}. Quote values with spaces: task='a b'.") from None
        if not words:
            raise UserError("a block has no name: write <!-- findings: NAME -->.")
        return words


def filled(page: str, text_of: Callable[[Block], str]) -> str:
    """The page with the text of every block replaced. Raises UserError for a block without an end."""
    _check_ends(page)

    def replaced(found: re.Match) -> str:
        block = _block(found)
        text = text_of(block)
        inside = f"\n{text}\n" if block.own_lines else " ".join(text.split())
        return f"<!-- findings: {found['words']} -->{inside}<!-- end findings -->"

    return MARKED.sub(replaced, page)


def differing(page: str, text_of: Callable[[Block], str]) -> list[tuple[str, str, str]]:
    """(Words, text in the page, text of the study) of every block that is not that of the study (`same`)."""
    pairs = zip(_texts(page), _texts(filled(page, text_of)), strict=True)
    return [(words, given, made) for (words, given), (_, made) in pairs if not same(given, made)]


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, except that numbers with decimals may differ by one in the last decimal shown.

    Processors round the last bits of a result differently, which can turn a number at the edge of two roundings. Words
    and whole numbers must be equal, and so must the number of decimals.
    """
    if NUMBER.split(one) != NUMBER.split(other):
        return False
    return all(map(_close, NUMBER.findall(one), NUMBER.findall(other)))


def typed_numbers(page: str) -> list[str]:
    """Numbers with decimals or a percent sign outside of blocks, comments, code and links: typed by hand."""
    rest = re.sub(r"<!--.*?-->|```.*?```|`[^`\n]*`|\]\([^)]*\)", "", MARKED.sub("", page), flags=re.DOTALL)
    return re.findall(r"\d+\.\d+|\d+ ?%", rest)


def _close(one: str, other: str) -> bool:
    decimals = [len(text.partition(".")[2]) for text in (one, other)]
    if decimals[0] != decimals[1] or not decimals[0]:
        return one == other
    return abs(float(one.replace(",", "")) - float(other.replace(",", ""))) < 1.5 * 10 ** -decimals[0]


def _block(found: re.Match) -> Block:
    return Block(found["words"], found["text"].startswith("\n"))


def _texts(page: str) -> Iterator[tuple[str, str]]:
    for found in MARKED.finditer(page):
        yield found["words"], found["text"].strip()


def _check_ends(page: str) -> None:
    for found in MARKED.finditer(page):
        if START.search(found["text"]):
            raise UserError(f"block {found['words']!r} has no end: write <!-- end findings --> after it.")
    if len(START.findall(page)) != len(MARKED.findall(page)):
        raise UserError("a block has no end: every <!-- findings: ... --> needs an <!-- end findings -->.")
