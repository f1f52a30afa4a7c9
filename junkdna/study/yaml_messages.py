"""Messages about wrong values in a study or task file, in plain sentences instead of pydantic's.

Each sentence names the path, the value, the expected kind of value, and how to write it.
"""

import datetime
import re
from collections.abc import Sized
from difflib import get_close_matches

from pydantic import BaseModel

from junkdna.errors import cut, short_repr, unknown_name
from junkdna.study.level_hints import level_hint
from junkdna.study.schema_keys import KEY, in_words, keys_at, places_of_key, steps, wanted_at
from junkdna.study.strict_model import NAME_PATTERN, PLAIN, valid_name

KINDS = {  # pydantic's type of error -> the expected kind of value
    **dict.fromkeys(("string_type", "string_sub_type"), "a text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
    **dict.fromkeys(("dict_type", "model_type"), "`key: value` lines"),
}
SENTENCES = {  # pydantic's type of error -> the sentence, with the limits that pydantic names
    "greater_than": "must be more than {gt:.12g} (given: {given})",
    "greater_than_equal": "must be at least {ge:.12g} (given: {given})",
    "less_than": "must be less than {lt:.12g} (given: {given})",
    "less_than_equal": "must be at most {le:.12g} (given: {given})",
    "string_too_short": "is empty; write a text or remove the key",
    "string_too_long": "has {amount:,} characters; at most {max_length} are allowed (given: {given})",
    "too_short": "is empty; at least {min_length} entry is needed (given: {given})",
    "too_long": "has {amount} entries; at most {max_length} are allowed (given: {given})",
    "finite_number": "must be a finite number (given: {given})",
    "string_unicode": "contains half of a Unicode character; write the text again (given: {given})",
}
PATTERNS = {  # pattern or key -> its rule in words
    PLAIN: "must be one line, without control characters and characters that reverse the text after them",
    "version": "must be a version, such as 1.0.2: letters, digits and the characters . _ + ! -",
    "sha256": "must be a SHA-256: 64 digits and small letters a to f",
    "filename": "must be the file name of a wheel: letters, digits and _ . + -, then .whl",
}


def sentences(model: type[BaseModel], items: list[dict]) -> list[str]:
    """One line for each path in `items` (from `ValidationError.errors`), in their order.

    The alternatives of a union ("a whole number", "a text") are combined.
    """
    by_place: dict[tuple[str, bool], list[dict]] = {}
    for item in items:
        by_place.setdefault((in_words(steps(model, item["loc"])), item["loc"][-1:] == (KEY,)), []).append(item)
    return [line for (place, _), errors in by_place.items() for line in _of_place(model, place, errors)]


def _of_place(model: type[BaseModel], place: str, items: list[dict]) -> list[str]:
    start = cut(place, 200)
    if len(items) > 1 and all(item["type"] in KINDS for item in items):
        expected = [*dict.fromkeys(KINDS[item["type"]] for item in items)]
        return [f"{start}: {_other_kind(' or '.join(expected), items[0])}"]
    return [*dict.fromkeys(f"{start}: {_sentence(model, item)}" for item in items)]


def _sentence(model: type[BaseModel], item: dict) -> str:
    kind, given = item["type"], item.get("input")
    place, key = steps(model, item["loc"]), (item["loc"] or [""])[-1]
    if kind == "extra_forbidden":
        return _unknown_key(model, place)
    if kind == "missing":
        fix = "the second number of the pair" if isinstance(key, int) else f"write `{key}: ...`"
        return f"is missing: {fix} ({wanted_at(model, place)})"
    if kind == "literal_error":
        valid = re.findall(r"'((?:[^'\\]|\\.)*)'", item["ctx"]["expected"])
        return str(unknown_name("key" if key == KEY else "value", _spelled(given), valid))
    if key == KEY and kind in ("string_pattern_mismatch", "string_type"):
        return f"this name {_pattern(item) if isinstance(given, str) else _other_kind('a text', item)}"
    if kind in KINDS:
        return _other_kind(KINDS[kind], item, next(iter(keys_at(model, place)), ""))
    if kind == "string_pattern_mismatch":
        return _pattern(item)
    if kind in SENTENCES:
        amount = len(given) if isinstance(given, Sized) else 0
        return SENTENCES[kind].format(given=short_repr(given), amount=amount, **item.get("ctx", {}))
    if kind == "invalid_key":
        return f"key {_spelled(key)} is not a text; keys here are words (put numbers in quotes)"
    if kind == "value_error":
        message = item["msg"].removeprefix("Value error, ")
        add_value = not isinstance(given, dict | list | BaseModel) and short_repr(given) not in message
        return f"{message} (given: {_written(given)})" if add_value else message
    return f"cannot be {short_repr(given)}"


def _unknown_key(model: type[BaseModel], place: list) -> str:
    name, here = str(place[-1]), keys_at(model, place[:-1])
    others = [] if name in here else places_of_key(model, name)
    text = str(unknown_name("key", place[-1], here))
    return f"{text} {name!r} belongs in {' or '.join(others[:3])}." if others else text


def _pattern(item: dict) -> str:
    given, pattern, key = item["input"], item["ctx"]["pattern"], item["loc"][-1]
    if pattern == NAME_PATTERN:
        valid = valid_name(given)
        fix = f"; {valid!r} would do" if valid else ""
        return (
            "may contain letters a to z and A to Z, digits and the characters _ . -, and must begin with a letter or "
            f"digit, because files are named after it (given: {short_repr(given)}){fix}"
        )
    return f"{PATTERNS.get(pattern) or PATTERNS.get(key, 'contains invalid characters')} (given: {short_repr(given)})"


def _other_kind(expected: str, item: dict, first_key: str = "") -> str:
    """The expected kind of value and how to write it; `first_key` is the first valid key of an expected mapping."""
    given, key = item.get("input"), next((part for part in reversed(item["loc"]) if isinstance(part, str)), "")
    if hint := level_hint(key, given):
        return f"must be {expected} (given: {short_repr(given)}); {hint}"
    if given is None:
        return f"is empty; it must be {expected}{_fill(expected)}"
    if "a text" in expected and not isinstance(given, str | list | dict):
        return f"must be {expected}, but YAML reads {_read_as(given)}"
    return f"must be {expected} (given: {_written(given)}){_rewrite(expected, given, first_key)}"


def _fill(expected: str) -> str:
    if "lines" in expected:
        return ": write them below it, indented by two blanks, or remove the key"
    if "list" in expected:
        return ": write [one, another] or remove the key"
    if "text" in expected:
        return ': write one; put the word null or ~ in quotes: "null"'
    return ": write one or remove the key"


def _rewrite(expected: str, given: object, first_key: str) -> str:
    if "lines" in expected:
        named = given[0] if isinstance(given, list) and given and isinstance(given[0], str) else "key"
        dashes = ", without dashes or brackets" if isinstance(given, list) else ""
        return f"; write a line `{first_key or cut(named, 40)}: ...` for each key, indented by two blanks{dashes}"
    if "a list" in expected and isinstance(given, dict):
        return "; write each entry on its own line, which begins with `- `"
    if "a list" in expected:
        return f"; put it in brackets: [{cut(given, 40) if isinstance(given, str) else _written(given)}]"
    if isinstance(given, list | dict):
        return "; write one value, without brackets, braces or dashes"
    if "true or false" in expected:
        close = get_close_matches(str(given).lower(), ("true", "false"), n=1)
        return f"; did you mean {close[0]}?" if close else ""
    if "number" in expected:
        if isinstance(given, str) and re.fullmatch(r"[-+]?[0-9]+", given):
            return "; remove the quotes"
        return f"; write {'digits only, such as 3' if 'whole' in expected else 'digits with a point, such as 0.5'}"
    return ""


def _spelled(value: object) -> str:
    """A value as it is probably written in YAML."""
    return value if isinstance(value, str) else _written(value)


def _written(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, datetime.date):
        return value.isoformat()
    return short_repr(value)


def _read_as(given: object) -> str:
    """As what YAML reads a plain word that should be a text, and the word in quotes."""
    if isinstance(given, bool):
        words = '"true" or "yes"' if given else '"false" or "no"'
        return f"it as {_written(given)}, not as a word; put it in quotes, such as {words}"
    if isinstance(given, datetime.date):
        return f'{given.isoformat()} as a date; put it in quotes, such as "{given.isoformat()}"'
    if isinstance(given, int):
        return f'{short_repr(given)} as a number; put it in quotes, such as "{given}"'
    kind = "a number" if isinstance(given, float) else type(given).__name__
    example = 'exactly as you mean it, such as "1.10" or "1e3"'  # YAML read 1.10 as 1.1
    return f"{short_repr(given)} as {kind}; put it in quotes {example}"
