"""A warning if the tables of a study were made from another version of its file."""

import json
from collections.abc import Iterator
from pathlib import Path

from junkdna.errors import UserError
from junkdna.storage.fingerprint import differing
from junkdna.study.load import study_document
from junkdna.study.results_folder import stored_study
from junkdna.study.study import Resolved


def other_version(resolved: Resolved, folder: Path) -> str:
    """What differs between the study and the one that the tables in a folder were made from; "" if nothing does, or if
    the folder does not say. Experiments that were selected for the run do not count."""
    try:
        made_from = stored_study(folder)
        before = json.loads(made_from.read_text(encoding="utf-8"))
    except (UserError, OSError, ValueError):
        return ""
    changed = list(_changed(before, study_document(resolved)))
    if not changed:
        return ""
    return (
        f"The tables in {folder} are those of another version of this study, {made_from.name} (it differs in "
        f"{', '.join(changed)}). To compute those of the present version, run: "
        f"{resolved.commands.snakemake('--cores', 'all')}"
    )


def _changed(before: dict, now: dict) -> Iterator[str]:
    """The entries that differ, such as "experiments.context" and "tasks.sciq"."""
    for key in differing(before["study"], now["study"]):
        one, other = before["study"].get(key), now["study"].get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            yield from (f"{key}.{name}" for name in differing(one, other))
        elif key != "run":
            yield key
    yield from (f"the file of task {name}" for name in differing(before["tasks"], now["tasks"]))
