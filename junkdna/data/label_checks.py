"""Check whether a constant answer would be right in all or nearly all rows: such rows cannot measure what a model lost.

The best constant answer is the most frequent class (kinds classify and pair), the most frequent number to 12 digits
(regress), the text that most rows accept, ignoring letter case and white space (generate), and the text that is most
often right (choice). If `columns.shuffle` is false, the most frequent position is checked too for kind choice;
otherwise a hash shuffles the positions. Kind likelihood has no right answers and needs only more than one row.
"""

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa

from junkdna.errors import UserError

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings

NEARLY = 0.9
"""Share of rows that one constant answer must reach for a warning: then at most a tenth of the rows is informative."""


def check_labels(settings: "ExampleSettings", role: str, examples: pa.Table) -> list[str]:
    """Warnings about the answers of the examples of one role (train or evaluate), one sentence each.

    `examples` is the output of `examples.make_examples`, after limits and hash splits. Raises UserError if one constant
    answer is right in every row.
    """
    kind, rows = settings.kind, examples.num_rows
    if kind == "likelihood":
        _check_several(settings, role, rows)
        return []
    warnings = []
    for what, answers in _answers(settings, examples):
        answer, count = Counter(one for row in answers for one in row).most_common(1)[0]
        if count == rows:
            raise UserError(_refusal(settings, role, rows, what, answer))
        if count >= NEARLY * rows:
            warnings.append(
                f"{what} {answer!r} is right in {100 * count / rows:.1f} % of the {rows:,} rows to {role}: a constant "
                "answer reaches this score"
            )
    if kind in ("classify", "pair"):
        names = _classes(settings)
        absent = [name for number, name in enumerate(names) if number not in {*examples["answer"].to_pylist()}]
        if absent:
            warnings.append(f"none of the {rows:,} rows to {role} has the class {', '.join(absent[:5])}")
    return warnings


def _check_several(settings: "ExampleSettings", role: str, rows: int) -> None:
    if rows == 1:
        raise UserError(
            f"task {settings.task}: there is only one row to {role}, so no interval over examples could be computed. "
            "Use more texts, or cut the text into several rows."
        )


def _answers(settings: "ExampleSettings", examples: pa.Table) -> list[tuple[str, list[set]]]:
    """For each kind of constant answer: its name, and the set of right answers in every row."""
    kind, answers = settings.kind, examples["answer"].to_pylist()
    if kind in ("classify", "pair"):
        names = _classes(settings)
        return [("class", [{names[answer]} for answer in answers])]
    if kind == "regress":
        return [("number", [{float(f"{target:.12g}")} for target in examples["target"].to_pylist()])]
    if kind == "generate":
        accepted = examples["references"].to_pylist()
        return [("accepted answer", [{" ".join(text.casefold().split()) for text in row} for row in accepted])]
    texts = [{row[answer]} for row, answer in zip(examples["choices"].to_pylist(), answers, strict=True)]
    fixed = [] if settings.columns.get("shuffle", True) else [("position", [{answer} for answer in answers])]
    return [("right text", texts), *fixed]


def _classes(settings: "ExampleSettings") -> list[str]:
    return sorted(settings.label_groups) if settings.label_groups else settings.labels


def _refusal(settings: "ExampleSettings", role: str, rows: int, what: str, answer: object) -> str:
    same = f"all {rows:,} rows to {role} have the same {what}, {answer!r}"
    if rows == 1:
        same = f"there is only one row to {role} ({what} {answer!r})"
    causes = [
        "the split has only one class or is a test set with dummy labels",
        "columns.answer names the wrong column",
    ]
    if what == "position":
        causes = ["the data always lists the right choice first; set `shuffle: true`"]
    if limit := settings.limits.get(role):
        causes = [f"limits.{role} ({limit}) keeps too few rows", *causes]
    return (
        f"task {settings.task}: {same}, so a constant answer would always be right and no compression would "
        f"change the score. Likely cause: {', or '.join(causes)}. Use other rows or more of them."
    )
