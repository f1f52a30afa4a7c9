"""What a level that is written in some other way probably means: "50%", "1/2", "4bit", "2:4". Imports nothing heavy."""

import re

from junkdna.study.levels import BITS

SHARES = ("sparsity", "rank", "band")
_NUMBER = r"([0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)"
_PARTS = re.compile(r"(?:keep)?\s*([0-9]{1,4})\s*(?::|/|of|in)\s*([0-9]{1,4})")


def level_hint(key: str, given: object) -> str:
    """How to write the level that the text `given` under the key of a study seems to mean; "" where that is not plain.

    Says nothing of numbers that are written as numbers: `levels.level_error` does.
    """
    if not isinstance(given, str):
        return ""
    text = given.strip().lower()
    parts = _PARTS.fullmatch(text)
    if key in ("keep", "of") and parts:
        return f"write keep: {parts[1]}, of: {parts[2]} (of every {parts[2]} consecutive inputs {parts[1]} are kept)"
    if key in SHARES:
        return _share_hint(key, text, parts)
    bits = re.fullmatch(r"(?:int|fp|nf|w|q)?\s*([0-9]+)\s*-?\s*(?:bits?)?", text)
    return f"write bits: {bits[1]}" if key == "bits" and bits and int(bits[1]) in BITS else ""


def _share_hint(key: str, text: str, parts: re.Match | None) -> str:
    rule = "it is a share between 0 and 1"
    pair = re.fullmatch(rf"{_NUMBER}\s*(?:-|to|:|\.\.)\s*{_NUMBER}", text) if key == "band" else None
    if pair:
        return f"a band is a pair of quantiles: write band: [{_number(pair[1]):g}, {_number(pair[2]):g}]"
    if key == "sparsity" and parts and ":" in text:
        return f"{rule}; for {text} take method nm (or wanda, sparsegpt) with keep: {parts[1]}, of: {parts[2]}"
    percent = re.fullmatch(rf"{_NUMBER}\s*(?:%|percent|pct)", text)
    if percent:
        value = _number(percent[1]) / 100
    elif parts and "/" in text and int(parts[2]):
        value = int(parts[1]) / int(parts[2])
    elif re.fullmatch(_NUMBER, text):
        value = _number(text)
    else:
        return rule
    return f"{rule}: did you mean {value:.6g}?" if value <= 1 else rule


def _number(text: str) -> float:
    return float(text.replace(",", "."))
