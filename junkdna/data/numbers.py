"""Numbers in texts."""

import re

from junkdna.errors import UserError

_NUMBER = re.compile(
    r"(?:(?<![\w)%])-\$?|\$-?)?"  # a minus after a digit, letter, bracket or percent sign subtracts; it is no sign
    r"(?:(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)"
)


# ---- numbers ---------------------------------------------------------------------------------------------------------


def number(text: str) -> float | None:
    """The number that a text is, or None where it is anything else or more than that.

    Taken along: a dollar sign, commas between thousands, a percent sign (50 % is 50), a full stop or comma at the end,
    either minus sign. Fractions, powers of ten and number words are no numbers here.
    """
    plain = _plain_minus(text).strip().rstrip(".,").removesuffix("%").rstrip()
    return _value(plain) if _NUMBER.fullmatch(plain) else None


def last_number(text: str) -> float | None:
    """The last number in a text, None where there is none. "48-24" holds 48 and 24, "x = -24" holds -24."""
    found = _NUMBER.findall(_plain_minus(text))
    return _value(found[-1]) if found else None


def _plain_minus(text: str) -> str:
    return text.replace("\N{MINUS SIGN}", "-")


def _value(matched: str) -> float:
    return float(matched.replace("$", "").replace(",", ""))


def reference_number(reference: str) -> float:
    """The number that an accepted answer is; UserError where it is none."""
    value = number(reference)
    if value is None:
        raise UserError(
            f"accepted answer {reference!r} is no number, but the task matches numbers: mend the row or the template "
            f"of the answer, or set match: text."
        )
    return value
