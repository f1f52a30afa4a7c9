"""Rounds of a small study that is killed at a random moment and run again: nothing half-written, the same numbers.

    python tests/support/kill_rounds.py --rounds 50 --seed 0 --folder /tmp/kills

Each round copies a toy world whose sources are prepared (every fifth: one where nothing is), starts Snakemake, sends
a signal to Snakemake alone, to its whole process group, or to a process that runs a cell. Then it does what a person is
told to do: it waits for jobs of the old run that go on (or ends them), runs `snakemake --unlock` where Snakemake asks
for it, and runs the same command again. Some rounds do not wait. From the first start on, every file of results that
appears is opened. One line of JSON a round goes to `rounds.jsonl`; the exit code is 1 when any went wrong.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import toy
import toy_run
from project import ROOT, python_path
from watcher import Watcher

from junkdna.cli import table_jobs
from junkdna.study import grid

TABLE = Path("results/studies/toy/tables/cells.parquet")
CELLS = "results/cells"
TIMES = {"wall_s"}
STUDY = {
    **toy.STUDY,
    "models": toy.SETTINGS["models"],
    "tasks": {**toy.STUDY["tasks"], "mood": {"file": "tasks/mood.yaml", "protocol": {"epochs": 30}}},  # to be hit in it
    "experiments": {
        "still": {"title": "Without training", "models": ["llm"], "tasks": ["colours"],
                  "compressions": [{"method": "magnitude", "sparsity": 0.5}, {"method": "svd", "rank": 0.5}]},
        "modes": {"title": "Transfer modes", "models": ["tiny"], "tasks": ["mood"], "compressions": toy.HALF,
                  "transfer": ["dense", "sparse", "sparse_to_dense"]},
    },
}  # fmt: skip

# (whom, signal): Snakemake's own process, its whole group (Ctrl-C, systemd, a lost terminal), or the process of a cell.
KILLS = [
    ("snakemake", "SIGTERM"), ("snakemake", "SIGINT"), ("snakemake", "SIGKILL"), ("snakemake", "SIGHUP"),
    ("group", "SIGTERM"), ("group", "SIGINT"), ("group", "SIGKILL"), ("group", "SIGHUP"),
    ("cell", "SIGTERM"), ("cell", "SIGINT"), ("cell", "SIGKILL"),
]  # fmt: skip


@dataclass
class Round:
    """What was done to one run, what was found, and everything that was wrong."""

    number: int
    whom: str
    signal: str
    cells_per_job: int
    bare: bool
    orphans: str  # what is done about jobs that go on: wait, end, or nothing
    when: str = ""
    done_at_kill: int = 0
    orphans_found: int = 0
    unlocked: bool = False
    made_again: int = 0
    temporary_after_kill: int = 0
    checkpoints_after_kill: int = 0
    files_opened: int = 0
    wall_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


# --- worlds -----------------------------------------------------------------------------------------------------------


@dataclass
class Worlds:
    """A world in which nothing has run, one with everything that cells read, and the cells as they should be."""

    bare: Path
    prepared: Path
    cells: dict[str, pa.Table]
    table: pl.DataFrame


def make_worlds(folder: Path) -> Worlds:
    """Both worlds below `folder`, and the study run in one process that nobody disturbs."""
    bare = toy.make_world(folder / "bare")
    toy.write_yaml(bare / "config.yaml", STUDY)
    prepared = Path(shutil.copytree(bare, folder / "prepared"))
    here = Path.cwd()
    try:
        os.chdir(prepared)
        resolved = toy_run.read()
        toy_run.prepare(resolved)
        shutil.copytree(prepared, folder / "whole")
        os.chdir(folder / "whole")
        toy_run.run_all(resolved)
        table_jobs.collect(TABLE, toy_run.document(resolved))
        cells = {cell.path: columns(Path(cell.path)) for cell in grid.all_cells(resolved)}
        table = pl.read_parquet(TABLE)
    finally:
        os.chdir(here)
    shutil.rmtree(prepared / "results/compressed")  # made by jobs, which are killed too
    return Worlds(bare, prepared, cells, table)


def columns(file: Path) -> pa.Table:
    """A cell's metric columns and examples, without its footer."""
    return pq.read_table(file).replace_schema_metadata()


# --- what runs --------------------------------------------------------------------------------------------------------


def start(folder: Path, *arguments: str) -> subprocess.Popen:
    """Snakemake on the project's workflow, in a session of its own; what it says goes to `said.txt`."""
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "workflow/Snakefile"), "--directory", str(folder)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # rules call `python`: this one
    env["PYTHONPATH"] = python_path(ROOT)
    env |= {"CUDA_VISIBLE_DEVICES": "", "JUNKDNA_CHECKPOINT_S": "0"}  # every batch leaves a checkpoint
    with (folder / "said.txt").open("a") as said:
        return subprocess.Popen(
            [*command, "--cores", "2", *arguments], cwd=ROOT, env=env, stdout=said, stderr=said,
            start_new_session=True, preexec_fn=hear_signals,
        )  # fmt: skip


def hear_signals() -> None:
    """What runs in the background, or under nohup, has these ignored, and so would all that it starts."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def processes(folder: Path, *words: str) -> list[int]:
    """Processes that work in `folder` and have these words among their arguments."""
    found = []
    for each in Path("/proc").iterdir():
        try:
            if each.name.isdigit() and os.readlink(each / "cwd") == str(folder):
                arguments = (each / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if {*words} <= {*arguments}:
                    found.append(int(each.name))
        except OSError:  # gone by now, or another user's
            continue
    return found


def jobs(folder: Path) -> list[int]:
    """Processes of the package's jobs, without the shells around them."""
    return processes(folder, "-m", "junkdna")


def wait_until(true: Callable[[], object], limit_s: float) -> bool:
    end = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


# --- one round --------------------------------------------------------------------------------------------------------


def run_round(worlds: Worlds, folder: Path, one: Round, draw: random.Random) -> Round:
    """Kill, clear up, run again, compare; what was wrong stands in the result."""
    begun = time.monotonic()
    shutil.copytree(worlds.bare if one.bare else worlds.prepared, folder)
    arguments = ["--config", f"cells_per_job={one.cells_per_job}", "--", str(TABLE)]
    watcher = Watcher(folder)
    watcher.start()
    kill(folder, start(folder, *arguments), one, draw)
    after_kill(folder, one)
    run_again(folder, arguments, one)
    watcher.stop()
    one.files_opened = len(watcher.seen)
    one.wrong += watcher.wrong
    one.wrong += differences(worlds, folder)
    one.wrong += leftovers(folder)
    one.wall_s = round(time.monotonic() - begun, 1)
    return one


def kill(folder: Path, running: subprocess.Popen, one: Round, draw: random.Random) -> None:
    """Send the round's signal at a random moment: before or amid the first jobs, in a later one, in a training."""
    moment = draw.choices(["start", "jobs", "training"], [1, 4, 3])[0]
    wanted, more_s = draw.randrange(5), draw.uniform(0, 0.5 if moment == "training" else 5)
    if moment != "start":
        wait_until(lambda: running.poll() is not None or (count(folder) >= wanted and jobs(folder)), 300)
    if moment == "training":
        wait_until(lambda: running.poll() is not None or checkpoints(folder), 300)
    time.sleep(more_s)
    pid = running.pid
    if one.whom == "cell":
        wait_until(lambda: running.poll() is not None or processes(folder, "-m", "junkdna", "cell"), 300)
        pid = draw.choice(processes(folder, "-m", "junkdna", "cell") or [pid])
    one.done_at_kill = count(folder)
    one.when = f"{moment}, {wanted} cells, {more_s:.1f} s; {len(jobs(folder))} jobs running"
    if running.poll() is None:
        with suppress(ProcessLookupError):
            (os.killpg if one.whom == "group" else os.kill)(pid, signal.Signals[one.signal])
    else:
        one.when += "; too late"
    running.wait(timeout=600)


def files(folder: Path, ending: str = "") -> list[Path]:
    """Files below a folder; other processes may remove folders meanwhile, which Path.glob does not bear."""
    return [Path(parent, name) for parent, _, names in os.walk(folder) for name in names if name.endswith(ending)]


def checkpoints(folder: Path) -> list[Path]:
    return files(folder / "results/checkpoints", "safetensors")


def cells(folder: Path) -> list[Path]:
    return [file for file in files(folder / CELLS, ".parquet") if file.name[0] != "."]


def count(folder: Path) -> int:
    return len(cells(folder))


def after_kill(folder: Path, one: Round) -> None:
    """Wait for the jobs that go on, or end them, or do nothing about them."""
    orphans = jobs(folder)
    one.orphans_found = len(orphans)
    if one.orphans == "end":
        for each in orphans:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
    if one.orphans != "nothing" and not wait_until(lambda: not jobs(folder), 300):
        one.wrong.append("jobs of the killed run did not end")
    one.temporary_after_kill = len(temporary(folder))
    one.checkpoints_after_kill = len(checkpoints(folder))


def run_again(folder: Path, arguments: list[str], one: Round) -> None:
    """The same command; `--unlock` before it only where the message says so."""
    before = {file: file.stat().st_ino for file in cells(folder)}
    (folder / "said.txt").write_text("")
    code = start(folder, *arguments).wait(timeout=900)
    said = (folder / "said.txt").read_text()
    if code and "cannot be locked" in said:
        one.unlocked = True
        if "--unlock" not in said:
            one.wrong.append("the message about the lock does not say --unlock")
        if start(folder, "--unlock").wait(timeout=300):
            one.wrong.append("--unlock failed")
        code = start(folder, *arguments).wait(timeout=900)
    if code:
        one.wrong.append(f"the second run failed: {(folder / 'said.txt').read_text()[-3000:]}")
    wait_until(lambda: not jobs(folder), 300)  # the impatient: orphans may outlast the second run
    one.made_again = sum(file.exists() and file.stat().st_ino != inode for file, inode in before.items())


def differences(worlds: Worlds, folder: Path) -> list[str]:
    """Cells and columns of the joined table that are not those of the undisturbed run."""
    wrong = []
    for name, expected in worlds.cells.items():
        try:
            if not columns(folder / name).equals(expected):
                wrong.append(f"other numbers: {name}")
        except (OSError, pa.ArrowException) as error:
            wrong.append(f"no cell {name}: {error}")
    try:
        table = pl.read_parquet(folder / TABLE)
        if not table.drop(TIMES).equals(worlds.table.drop(TIMES)):
            wrong.append("the joined table differs")
    except (OSError, pl.exceptions.PolarsError) as error:
        wrong.append(f"no joined table: {error}")
    return wrong


def temporary(folder: Path) -> list[str]:
    found = files(folder / "results")
    return [str(file.relative_to(folder)) for file in found if file.suffix == ".tmp" or file.parent.suffix == ".parts"]


def leftovers(folder: Path) -> list[str]:
    """What should be gone after the second run: temporary files, checkpoints, batched cells, Snakemake's marks."""
    found = temporary(folder)
    places = {
        "results/checkpoints": "",
        "results/batches": ".parquet",
        ".snakemake/incomplete": "",
        ".snakemake/locks": "",
    }
    for place, ending in places.items():
        found += [str(file.relative_to(folder)) for file in files(folder / place, ending)]
    return [f"left behind: {name}" for name in found]


# --- all rounds -------------------------------------------------------------------------------------------------------


def plan(rounds: int, seed: int) -> list[Round]:
    """Every kind of kill in turn, in an order drawn from the seed, with jobs of one cell and of four in turn."""
    draw = random.Random(seed)
    kills = [kill for _ in range(rounds // len(KILLS) + 1) for kill in draw.sample(KILLS, len(KILLS))][:rounds]
    return [
        Round(
            number=k,
            whom=whom,
            signal=name,
            cells_per_job=(1, 4)[k % 2],
            bare=k % 5 == 4,
            orphans=draw.choices(["wait", "end", "nothing"], [3, 3, 2])[0],
        )
        for k, (whom, name) in enumerate(kills)
    ]


def run_rounds(folder: Path, rounds: list[Round], seed: int) -> list[Round]:
    """Run the rounds below `folder`, which must be empty; worlds of good rounds are removed."""
    worlds = make_worlds(folder)
    done = []
    for one in rounds:
        place = folder / f"round-{one.number}"
        done.append(run_round(worlds, place, one, random.Random(f"{seed} {one.number}")))
        with (folder / "rounds.jsonl").open("a") as file:
            file.write(json.dumps(asdict(one)) + "\n")
        if not one.wrong:
            shutil.rmtree(place)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, required=True, help="an empty folder to work in")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    done = run_rounds(args.folder.resolve(), plan(args.rounds, args.seed), args.seed)
    sys.exit(any(one.wrong for one in done))


if __name__ == "__main__":
    main()
