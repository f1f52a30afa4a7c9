"""The texts of examples, as the page may show them: question, passage and options as the model got them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.study.paths import EXAMPLES

if TYPE_CHECKING:
    from junkdna.study.cell import Cell

LONGEST = 1500  # characters of a text; longer ones are cut and say so


class Texts:
    """The texts of the examples of tasks, from their files of examples; each file is read once."""

    def __init__(self, tasks: dict) -> None:
        self._tasks, self._read = tasks, {}

    def of(self, cell: Cell) -> dict[str, dict]:
        """Texts by id: `q` the question, `b` a second text, `p` the passage where the model saw all of it, `o` the
        options in its order. Empty if the file of examples does not exist.

        Raises UserError if the file is corrupt.
        """
        rows = self._rows(cell.task)
        knobs = dict(cell.knobs)
        return {row["id"]: self._text(row, rank, cell.task, knobs) for row, rank in rows}

    def _rows(self, task: str) -> list[tuple[dict, int]]:
        from junkdna.data.examples_file import read_examples_file
        from junkdna.data.knobs import ranks

        if task not in self._read:
            path = Path(EXAMPLES) / task / "evaluate.parquet"
            rows = read_examples_file(path).to_pylist() if path.is_file() else []
            self._read[task] = list(zip(rows, ranks([row["id"] for row in rows]), strict=True)) if rows else []
        return self._read[task]

    def _text(self, row: dict, rank: int, task: str, knobs: dict) -> dict:
        from junkdna.data.knobs import keep_options

        document = self._tasks.get(task, {})
        defaults = {name: knob.get("default") for name, knob in (document.get("knobs") or {}).items()}
        values = {**{n: v for n, v in defaults.items() if v is not None}, **knobs}
        if "options" in values and row["choices"]:
            row = keep_options(row, int(values["options"]), rank)
        whole = row["passage"] and values.get("context", "passage") == "passage" and "answer_span" not in knobs
        found = {"q": row["text"], "b": row["text_b"], "p": row["passage"] if whole else None}
        found = {name: _cut(text) for name, text in found.items() if text}
        options = row["choices"] or document.get("verbalizers") or document.get("labels")
        return found | ({"o": [_cut(text) for text in options]} if options else {})


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … (cut here)"
