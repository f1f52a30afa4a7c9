"""Whether a constant answer would be right: such rows measure nothing, yet any model seems to keep all it can do.

The best constant answer is: kinds classify and pair, the most frequent class; regress, the most frequent number (12
digits of it); generate, the text that most rows accept (letter case and blanks aside); choice, the text that is most
often right, or the most frequent position where `columns.shuffle` is false (a hash shuffles the positions otherwise).
"""

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa

from junkdna.errors import UserError

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings

NEARLY = 0.9
"""Share of rows from which on one constant answer is worth a warning: at most a tenth of the rows can show anything."""
WHAT = {
    "classify": "class",
    "pair": "class",
    "regress": "number",
    "choice": "right text",
    "generate": "accepted answer",
}


def check_labels(settings: "ExampleSettings", role: str, examples: pa.Table) -> list[str]:
    """Warnings about the answers of the examples of one role (train or evaluate), as sentences; [] where all is well.

    `examples` is what `examples.make_examples` gives, after limits and
    hash splits. Raises UserError where one constant answer is right in every row.
    """
    kind, rows = settings.kind, examples.num_rows
    found = []
    for what, answers in _answers(settings, examples):
        answer, count = Counter(one for row in answers for one in row).most_common(1)[0]
        if count == rows:
            raise UserError(_refusal(settings, role, rows, what, answer))
        if count >= NEARLY * rows:
            found.append(
                f"{what} {answer!r} is right in {100 * count / rows:.1f} % of the {rows:,} rows to {role}: a constant "
                "answer scores that much"
            )
    if kind in ("classify", "pair"):
        names = _classes(settings)
        absent = [name for number, name in enumerate(names) if number not in {*examples["answer"].to_pylist()}]
        if absent:
            found.append(f"none of the {rows:,} rows to {role} has the class {', '.join(absent[:5])}")
    return found


def _answers(settings: "ExampleSettings", examples: pa.Table) -> list[tuple[str, list[set]]]:
    """For each way of answering alike everywhere: what is constant, and for every row the answers that are right."""
    kind, what = settings.kind, WHAT[settings.kind]
    if kind in ("classify", "pair"):
        names = _classes(settings)
        return [(what, [{names[answer]} for answer in examples["answer"].to_pylist()])]
    if kind == "regress":
        return [(what, [{float(f"{target:.12g}")} for target in examples["target"].to_pylist()])]
    if kind == "generate":
        accepted = examples["references"].to_pylist()
        return [(what, [{" ".join(text.casefold().split()) for text in row} for row in accepted])]
    answers = examples["answer"].to_pylist()
    texts = [{row[answer]} for row, answer in zip(examples["choices"].to_pylist(), answers, strict=True)]
    fixed = [] if settings.columns.get("shuffle", True) else [("position", [{answer} for answer in answers])]
    return [(what, texts), *fixed]


def _classes(settings: "ExampleSettings") -> list[str]:
    return sorted(settings.label_groups) if settings.label_groups else settings.labels


def _refusal(settings: "ExampleSettings", role: str, rows: int, what: str, answer: object) -> str:
    same = f"all {rows:,} rows to {role} have the same {what}, {answer!r}"
    if rows == 1:
        same = f"there is only one row to {role} ({what} {answer!r})"
    causes = ["the split has one class only or is a test set with dummy labels", "columns.answer names another column"]
    if what == "position":
        causes = ["the data lists the right choice first, so that it needs `shuffle: true`"]
    if limit := settings.limits.get(role):
        causes = [f"limits.{role} ({limit}) keeps too few rows", *causes]
    return (
        f"task {settings.task}: {same}: a constant answer would be right everywhere, and every compression would "
        f"seem to lose nothing. Likely: {', or '.join(causes)}. Take other or more rows."
    )
