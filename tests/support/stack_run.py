"""Jobs of cells that train as stacks on the CPU, which product code does on GPUs alone.

`python stack_run.py < jobs.json` in the folder of a study runs jobs as `checkpoint_run` does: forks that kill
themselves with SIGKILL before an item. As `sitecustomize` (`site_folder`) it makes every process of a run do so.
"""

import json
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from killed_jobs import die, run_forked

SIZE = 4
SITE = """
import sys
if any(word in " ".join(sys.orig_argv) for word in ("junkdna", "snakemake")):
    sys.path.append({support!r})
    import stack_run
    from junkdna.run import batches
    stack_run.on_the_cpu()
    write = batches.write_queue
    batches.write_queue = lambda resolved, gpus: write(resolved, True)
"""


def on_the_cpu(size: int = SIZE) -> None:
    """From now on, trained cells of this process train in stacks of `size`, whatever the device."""
    from junkdna.run import stack_jobs

    stack_jobs.size_on = lambda settings, device: (1, "") if settings.training is None else (size, "")


def site_folder(folder: Path) -> Path:
    """A folder for PYTHONPATH: in every process started with it, trained cells stack on the CPU. The queue is written
    as on a machine with GPUs."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(SITE.format(support=str(Path(__file__).parent)))
    return folder


def run(settings: dict, kill: int | None) -> None:
    """Run the job of a cell; die before the item of number `kill` (from 0)."""
    from junkdna.cli import jobs
    from junkdna.study.cell import parse_cell_path
    from junkdna.study.cell_settings import CellSettings

    items = count()

    def bar(batches: list) -> Iterator:
        for batch in batches:
            if next(items) == kill:
                die()
            yield batch

    own = CellSettings.read(settings, "stdin")
    jobs.cell(Path(parse_cell_path(own.cell).path), own, gpus=0, threads=1, bar=bar)


def main() -> None:
    on_the_cpu()
    run_forked(run, json.load(sys.stdin))


if __name__ == "__main__":
    main()
