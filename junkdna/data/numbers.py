"""Find and read numbers in texts."""

import re

from junkdna.errors import UserError

_NUMBER = re.compile(
    r"(?:(?<![\w)%])-\$?|\$-?)?"  # a minus after a digit, letter, bracket or percent sign subtracts; it is not a sign
    r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
)


def number(text: str) -> float | None:
    """The number that makes up the complete text; None for any other text.

    The number may have a dollar sign, commas between thousands, a percent sign (50 % is 50), a period or comma at the
    end, and either minus sign. Fractions, powers of ten and number words do not count as numbers.
    """
    plain = ascii_minus(text).strip().rstrip(".,").removesuffix("%").rstrip()
    return _value(plain) if _NUMBER.fullmatch(plain) else None


def last_number(text: str) -> float | None:
    """The last number in a text; None without a number. "48-24" contains 48 and 24, "x = -24" contains -24."""
    numbers = _NUMBER.findall(ascii_minus(text))
    return _value(numbers[-1]) if numbers else None


def ascii_minus(text: str) -> str:
    """The text with hyphens for Unicode minus signs."""
    return text.replace("\N{MINUS SIGN}", "-")


def _value(matched: str) -> float:
    return float(matched.replace("$", "").replace(",", ""))


def reference_number(reference: str, where: str = "") -> float:
    """The value of an accepted answer. Raises UserError, starting with `where`, if it is not a number."""
    value = number(reference)
    if value is None:
        raise UserError(
            f"{where}accepted answer {reference!r} is not a number, but the task matches numbers (match: number). Fix "
            "the row or the answer's template, or set match: text."
        )
    return value
