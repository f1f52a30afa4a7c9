"""Jobs of cells that train as stacks on the CPU, which product code does on GPUs alone.

`run` runs a job, which may kill itself with SIGKILL before an item: call it in a fork. As `sitecustomize`
(`site_folder`) it makes every process of a run stack on the CPU.
"""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from killed_jobs import die

SIZE = 4
SITE = """
import sys
if any(word in " ".join(sys.orig_argv) for word in ("junkdna", "snakemake")):
    sys.path.append({support!r})
    import stack_run
    from junkdna.run import batches
    stack_run.on_the_cpu()
    write = batches.write_queue
    batches.write_queue = lambda resolved, gpus, outputs: write(resolved, True, outputs)
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

    own = CellSettings.read(settings, "the test")
    jobs.cell(Path(parse_cell_path(own.cell).path), own, gpus=0, threads=1, bar=bar)
