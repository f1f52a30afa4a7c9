"""A task's examples from its source: reads raw rows, names labels, builds examples and checks their answers."""

from typing import TYPE_CHECKING

import pyarrow as pa

from junkdna.data.class_names import apply_class_names
from junkdna.data.examples import make_examples
from junkdna.data.label_checks import check_labels
from junkdna.data.rows import load_raw
from junkdna.data.usable_rows import add_notes
from junkdna.data.wheel_download import wheel_file

if TYPE_CHECKING:
    from junkdna.study.source_settings import ExampleSettings


def load_examples(settings: "ExampleSettings", raw: dict[str, dict] | None = None) -> pa.Table:
    """The examples that `settings` describe, with notes on excluded rows and warnings about answers in the metadata
    (`usable_rows.read_notes`). A source's wheel must be downloaded already.

    If `raw` is given, each raw split adds its number of rows and the SHA-256 of its files to it. Raises UserError if a
    constant answer would be right in every row to train on or to evaluate.
    """
    file = wheel_file(settings.source)

    def read(split: str) -> pa.Table:
        rows = load_raw(settings.source, settings.splits[split], file)
        if raw is not None:
            raw[split] = {"rows": rows.table.num_rows, "files": rows.files}
        return apply_class_names(rows.table, rows.label_names, settings)

    table = make_examples(settings, settings.role, read)
    labeled = settings.role in ("train", "evaluate")
    return add_notes(table, warnings=check_labels(settings, settings.role, table) if labeled else [])
