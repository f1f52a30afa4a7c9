"""The likely meaning of a level that is written differently: "50%", "1/2", "4bit", "2:4", "nf4". Imports nothing
heavy.
"""

import re

from junkdna.study.levels import BITS
from junkdna.study.number_formats import NUMBER_FORMATS

FRACTIONS = ("sparsity", "rank", "band")
_NUMBER = r"([0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)"
_N_OF_M = re.compile(r"(?:keep)?\s*([0-9]{1,4})\s*(?::|/|of|in)\s*([0-9]{1,4})")


def level_hint(key: str, value: object) -> str:
    """How to write the level that the text `value` under the key `key` of a study probably means; "" if that is
    unclear.

    Ignores numbers that are written as numbers, which `LevelKind.error` checks.
    """
    if not isinstance(value, str):
        return ""
    text = value.strip().lower()
    n_of_m = _N_OF_M.fullmatch(text)
    if key in ("keep", "of") and n_of_m:
        return f"write keep: {n_of_m[1]}, of: {n_of_m[2]} ({n_of_m[1]} of every {n_of_m[2]} consecutive inputs kept)"
    if key in FRACTIONS:
        return _fraction_hint(key, text, n_of_m)
    return _bits_hint(text) if key == "bits" else ""


def _bits_hint(text: str) -> str:
    bits = re.fullmatch(r"(?:int|w|q)?\s*([0-9]+)\s*-?\s*(?:bits?)?", text)
    if bits and int(bits[1]) in BITS:
        return f"write bits: {bits[1]}"
    formats = [name for name in NUMBER_FORMATS if name.endswith(text)]
    return f"write format: {' or format: '.join(formats)}" if formats and len(text) > 1 else ""


def _fraction_hint(key: str, text: str, n_of_m: re.Match | None) -> str:
    rule = "it is a fraction between 0 and 1"
    pair = re.fullmatch(rf"{_NUMBER}\s*(?:-|to|:|\.\.)\s*{_NUMBER}", text) if key == "band" else None
    if pair:
        return f"a band is a pair of quantiles: write band: [{_number(pair[1]):g}, {_number(pair[2]):g}]"
    if key == "sparsity" and n_of_m and ":" in text:
        return f"{rule}; for {text} use method nm (or wanda, sparsegpt) with keep: {n_of_m[1]}, of: {n_of_m[2]}"
    percent = re.fullmatch(rf"{_NUMBER}\s*(?:%|percent|pct)", text)
    if percent:
        value = _number(percent[1]) / 100
    elif n_of_m and "/" in text and int(n_of_m[2]):
        value = int(n_of_m[1]) / int(n_of_m[2])
    elif re.fullmatch(_NUMBER, text):
        value = _number(text)
    else:
        return rule
    return f"{rule}: did you mean {value:.6g}?" if value <= 1 else rule


def _number(text: str) -> float:
    return float(text.replace(",", "."))
