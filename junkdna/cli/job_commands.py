"""The subcommands that rules run: each reads its files and a settings text, and leaves one output."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junkdna.study.settings_base import Settings

HELP = {
    "wheel": "download a pinned wheel",
    "model": "make a model folder",
    "examples": "turn raw rows into examples",
    "tokenize": "turn examples into token ids",
    "calibration": "draw the texts that compression methods are calibrated on",
    "compress": "compress a model once for all its cells",
    "cell": "run one cell",
    "study": "store the checked study with its results",
    "collect": "join the cells of a study",
    "analyze": "compute drops and intervals",
    "figures": "draw the figures",
    "report": "write the report page",
}
NEEDED = {  # keys without which a job whose settings are not typed cannot begin
    "study": ("study", "tasks"),
}
FILES = {
    "tokenize": ("model", "examples"),
    "calibration": ("model",),
    "compress": ("model",),
    "collect": ("study",),
    "analyze": ("study", "cells"),
    "figures": ("drops",),
    "report": ("study", "cells", "drops", "figures"),
}
INPUTS = {
    "model": "manifest of the model folder",
    "examples": "examples to tokenize",
    "study": "the checked study",
    "cells": "table of cells",
    "drops": "table of drops",
    "figures": "folder of figures",
}


def overview() -> str:
    """The end of `junkdna --help`: the commands that people do not need."""
    lines = [f"  {name:<13}{text}" for name, text in HELP.items()]
    return "\n".join(["commands that Snakemake's rules run (junkdna COMMAND --help):", *lines])


def add(commands: argparse._SubParsersAction) -> None:
    """Add every stage command to the parser."""
    runs: dict[str, Callable] = {
        "tokenize": _tokenize,
        "calibration": _calibration,
        "compress": _compress,
        "cell": _cell,
        "study": _study,
        "collect": _collect,
        "analyze": _analyze,
        "figures": _figures,
        "report": _report,
    }
    for name, text in HELP.items():
        command = commands.add_parser(name, description=text)
        command.add_argument(
            "output", type=Path, help="the folder to write" if name == "figures" else "the file to write"
        )
        command.add_argument("--log", type=Path, help="write messages to this file, not to the terminal")
        for file in FILES.get(name, ()):
            command.add_argument(f"--{file}", type=Path, required=True, help=INPUTS[file])
        if name not in ("collect", "analyze", "figures", "report"):
            command.add_argument("--settings", required=True, help="settings of the job: JSON or @FILE")
        if name == "tokenize":
            command.add_argument("--shots", type=Path, nargs="?", help="in-context examples, if prompts have any")
        if name == "compress":
            command.add_argument(
                "--calibration", type=Path, nargs="?", help="calibration samples, if the method needs any"
            )
        if name in ("cell", "compress"):
            command.add_argument("--gpus", type=int, default=0, help="GPUs to lease; 0 runs on the CPU")
            command.add_argument("--cells-per-gpu", type=int, default=1, help="how many jobs may share a GPU")
            command.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
        if name == "cell":
            command.add_argument("--batch", type=int, default=0, help="then run up to this many batched cells")
        command.set_defaults(run=runs.get(name, _simple))


def _settings(args: argparse.Namespace) -> "Settings | dict":
    """The settings of a job; UserError where they are those of another command, or were written by hand."""
    from junkdna.cli.jobs import settings_from
    from junkdna.errors import UserError

    settings = settings_from(args.settings)
    try:
        if kind := _settings_class(args.command):
            return kind.read(settings, "--settings")
        if lacks := [key for key in NEEDED[args.command] if key not in settings]:
            raise UserError(f"--settings: the key {lacks[0]} is missing.")
    except UserError as error:
        raise UserError(
            f"{error} These are not the settings of `junkdna {args.command}`. Copy the command from `junkdna plan "
            f"--commands`, or have Snakemake make the file: snakemake --cores 1 -- {shlex.quote(str(args.output))}"
        ) from None
    return settings


def _settings_class(command: str) -> "type[Settings] | None":
    from junkdna.study.cell_settings import CellSettings, TokenSettings
    from junkdna.study.compress_settings import CalibrationSettings, CompressedSettings
    from junkdna.study.source_settings import ExampleSettings, WheelSettings
    from junkdna.study.sources import PinnedSource

    classes = {"wheel": WheelSettings, "model": PinnedSource, "examples": ExampleSettings}
    classes |= {"calibration": CalibrationSettings, "compress": CompressedSettings}
    classes |= {"tokenize": TokenSettings, "cell": CellSettings}
    return classes.get(command)


def _simple(args: argparse.Namespace) -> None:
    from junkdna.cli import jobs

    getattr(jobs, args.command)(args.output, _settings(args))


def _tokenize(args: argparse.Namespace) -> None:
    from junkdna.cli import jobs

    jobs.tokenize(args.output, _settings(args), args.model, args.examples, args.shots)


def _calibration(args: argparse.Namespace) -> None:
    from junkdna.cli import jobs

    jobs.calibration(args.output, _settings(args), args.model)


def _compress(args: argparse.Namespace) -> None:
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # read once, when torch is imported
    from junkdna.cli import jobs

    settings = _settings(args)
    jobs.compress(args.output, settings, args.model, args.calibration, args.gpus, args.threads, args.cells_per_gpu)


def _cell(args: argparse.Namespace) -> None:
    os.environ["OMP_NUM_THREADS"] = str(args.threads)  # read once, when torch is imported
    from junkdna.cli import jobs

    settings = _settings(args)
    bar = progress_bar(settings.cell)
    jobs.cell(args.output, settings, args.gpus, args.threads, bar, args.cells_per_gpu, args.batch)


def _study(args: argparse.Namespace) -> None:
    from junkdna.cli.table_jobs import study

    study(args.output, _settings(args))


def _collect(args: argparse.Namespace) -> None:
    from junkdna.cli.table_jobs import collect

    collect(args.output, args.study)


def _analyze(args: argparse.Namespace) -> None:
    from junkdna.cli.table_jobs import analyze

    analyze(args.output, args.study, args.cells)


def _figures(args: argparse.Namespace) -> None:
    from junkdna.report.draw import draw_all

    draw_all(args.drops, args.output)


def _report(args: argparse.Namespace) -> None:
    from junkdna.dag.results import clear
    from junkdna.report.page import write_report

    write_report(args.drops, args.cells, args.figures, args.study, args.output)
    clear(args.output.parent)


def progress_bar(what: str) -> Callable[[list], Iterable]:
    """A tqdm bar over a list's items when a terminal is there, else the list itself."""
    if not sys.stderr.isatty():
        return iter
    from tqdm import tqdm

    return lambda items: tqdm(items, desc=what, leave=False)
