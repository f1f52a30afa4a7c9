"""What a reader of results should know of the rows behind them, and whether these are still those of the data."""

from collections.abc import Collection
from pathlib import Path

from junkdna.data.examples_file import examples_record, read_examples_file
from junkdna.data.usable_rows import counted
from junkdna.errors import UserError
from junkdna.study.difficulty import Difficulty
from junkdna.study.grid import all_cells, used_examples
from junkdna.study.paths import EXAMPLES
from junkdna.study.study import Resolved


def check_data(resolved: Resolved, unrated: Collection[str] = ()) -> dict[str, str]:
    """Notes on the rows of each task for readers of results: counts of skipped rows, rows in no bin of a published
    difficulty, and warnings. "" for none. The files of difficulties of the tasks `unrated` are not read.

    Raises UserError if examples of the study are corrupt, if their local data has changed, or if the same raw split
    changed between building the examples of two roles.
    """
    notes: dict[str, list[str]] = {}
    seen: dict[tuple[str, str], tuple[dict, Path]] = {}
    for task, role in used_examples(all_cells(resolved), resolved):
        path = Path(f"{EXAMPLES}/{task}/{role}.parquet")
        if not path.exists() or (role == "difficulty" and task in unrated):
            continue
        table = read_examples_file(path)
        told = examples_record(table)
        if role == "difficulty":
            notes.setdefault(task, []).extend(
                _outside(resolved.tasks[task].difficulty, table["difficulty"].to_pylist())
            )
        elif role != "shots":
            notes.setdefault(task, []).extend(_sentences(role, told.get("rows", {})))
        for split, facts in told["raw"].items():
            first, other = seen.setdefault((task, split), (facts, path))
            if first != facts:
                raise UserError(
                    f"{other} and {path} were built from the same split ({split}) of task {task}, which changed in "
                    f"between ({first['rows']} rows, then {facts['rows']}). Delete the folder {path.parent} and rerun "
                    "to rebuild examples and cells."
                )
    return {task: "; ".join(sentences) for task, sentences in notes.items()}


def _outside(difficulty: Difficulty, values: list[str | None]) -> list[str]:
    without = sum(value is None for value in values)
    other = sum(value is not None and difficulty.bin_of(value) is None for value in values)
    parts = [f"{number:,} {why}" for number, why in ((without, "without one"), (other, "with another")) if number]
    return [f"in no bin of {difficulty.title}: {', '.join(parts)}, of {len(values):,} rows"] if parts else []


def _sentences(role: str, notes: dict) -> list[str]:
    left_out = notes.get("left_out")
    return [*([f"left out of the rows to {role}: {counted(left_out)}"] if left_out else []), *notes.get("warnings", [])]
