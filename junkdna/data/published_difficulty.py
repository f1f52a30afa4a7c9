"""The published difficulty of a raw row, as text (`study.difficulty.Difficulty`)."""

import re

from junkdna.data.templates import render


def published_difficulty(where: str, columns: dict, raw: dict) -> str | None:
    """The text that a task's key `difficulty` finds in a row, extracted or counted; None if there is none.

    `columns["difficulty"]` has the `template` over raw columns and the optional patterns `pattern` and `count`. Raises
    UserError, starting with `where`, for a column with several values.
    """
    wanted = columns["difficulty"]
    text = render(where, wanted["template"], raw)
    if not text:
        return None
    if "count" in wanted:
        return str(sum(1 for _ in re.finditer(wanted["count"], text)))
    if "pattern" not in wanted:
        return text
    found = re.search(wanted["pattern"], text)
    return found and found.group(1)
