"""How many texts go through a model for a row of a task, by the answer format. Imports nothing heavy.

Encoders read every option of a choice. A language model reads the prompt once for all its options
(`models.prefix_tree`; the few architectures that cannot read it again for each), and trains on the right one alone.
"""

import re
from contextlib import suppress
from functools import cache
from pathlib import Path

from junkdna.study.cell import Cell
from junkdna.study.columns import Columns
from junkdna.study.formats import format_of
from junkdna.study.paths import EXAMPLES
from junkdna.study.study import Resolved

OPTIONS = 4  # assumed for a choice among the items of a column before its examples exist


class RowTexts:
    """Numbers of texts of the rows of a study; what cells have in common is read once."""

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved
        self._options = cache(lambda task, role: mean_options(task, role, resolved))
        self._format = cache(self._find_format)

    def format_of(self, cell: Cell) -> str | None:
        """The answer format of a cell."""
        return self._format(cell.model, cell.task, cell.protocol, cell.transfer != "none")

    def _find_format(self, model: str, task: str, protocol: str, trained: bool) -> str | None:
        spec, kind = self._resolved.tasks[task], self._resolved.study.models[model].kind
        return format_of(spec.kind, kind, self._resolved.study.protocol(protocol, spec).picked(kind), trained)

    def of(self, cell: Cell, role: str) -> float:
        """Mean number of texts of a row in a role, train or evaluate."""
        task, name = self._resolved.tasks[cell.task], self.format_of(cell)
        if name == "cross_encoder":
            return self.options(cell, role) or OPTIONS
        if name == "bi_encoder":
            embedded_once = role == "evaluate" and _equal_options(task.columns_of(self._resolved.source_of(cell.task)))
            return 1 if embedded_once else 1 + (self.options(cell, role) or OPTIONS)
        # the answer is scored a second time without its question
        return 2 if name == "likelihood" and role == "evaluate" and not task.reads_texts_alone else 1

    def options(self, cell: Cell, role: str) -> float | None:
        """Mean number of options of a choice: its knob, else that of the examples, else that of the task file; None if
        only the examples will tell."""
        knobs = {**self._resolved.tasks[cell.task].knob_defaults(), **dict(cell.knobs)}
        return knobs.get("options") or self._options(cell.task, role)

    def gaps(self, cell: Cell) -> str:
        """What the numbers of a cell leave out or assume, in words; "" if nothing."""
        if self._resolved.tasks[cell.task].reads_texts_alone:
            return "long texts, which are read in several windows, count as one window each"
        encoded = self.format_of(cell) in ("bi_encoder", "cross_encoder")
        if encoded and not all(self.options(cell, role) for role in cell.roles):
            return f"the number of options is not known before the examples exist: assumed to be {OPTIONS}"
        return ""


def mean_options(task: str, role: str, resolved: Resolved) -> float | None:
    """Mean number of options of the rows of a choice task: of its examples if they exist, else the number of its
    templates, of which empty ones do not count later; None if it is not known yet."""
    columns = resolved.tasks[task].columns_of(resolved.source_of(task))
    return _mean_items(Path(f"{EXAMPLES}/{task}/{role}.parquet")) or (
        len(columns.choices) if isinstance(columns.choices, list) else None
    )


def _mean_items(examples: Path) -> float | None:
    """Items of the column `choices` per row, from the metadata of the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with suppress(OSError, pa.ArrowException):
        metadata = pq.read_metadata(examples)
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        columns = [group.column(number) for group in groups for number in range(group.num_columns)]
        items = sum(each.num_values for each in columns if each.path_in_schema.startswith("choices."))
        return items / metadata.num_rows if metadata.num_rows and items else None
    return None


def _equal_options(columns: Columns) -> bool:
    """Whether all rows have the same options, such as no and yes: an encoder embeds them once for all rows."""
    same = isinstance(columns.choices, list) and not any(re.search(r"[{}]", choice) for choice in columns.choices)
    return same and columns.suffix is None
