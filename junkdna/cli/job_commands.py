"""The subcommands that rules run: each reads its input files and its settings, and writes one output."""

import argparse
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError
from junkdna.run import batched_files

if TYPE_CHECKING:
    from junkdna.study.cell_settings import CellSettings
    from junkdna.study.settings_base import Settings

HELP = {
    "wheel": "download a pinned wheel",
    "model": "build a model folder",
    "examples": "convert raw rows to examples",
    "tokenize": "convert examples to token ids",
    "calibration": "draw the calibration samples of compression methods",
    "compress": "compress a model once for all its cells",
    "cell": "run one cell",
    "connect": "score the models between two trained cells",
    "study": "store the checked study with its results",
    "collect": "join the cells of a study",
    "analyze": "compute drops, intervals and verdicts",
    "figures": "draw the figures",
    "report": "write the report page",
}
TABLE_JOBS = ("study", "collect", "analyze", "figures", "report")  # in `table_jobs`, the others in `jobs`
FILES = {  # input files in the order of the job's parameters
    "tokenize": ("model", "examples", "shots"),
    "calibration": ("model",),
    "compress": ("model", "calibration"),
    "collect": ("study",),
    "analyze": ("study", "cells"),
    "figures": ("drops",),
    "report": ("study", "tables"),
}
INPUTS = {
    "model": "manifest of the model folder",
    "examples": "examples to tokenize",
    "study": "the checked study",
    "cells": "table of cells",
    "drops": "table of drops",
    "tables": "folder of tables",
    "figures": "folder of figures",
    "shots": "in-context examples, if the prompts contain any",
    "calibration": "calibration samples, if the method needs any",
}
OPTIONAL = ("shots", "calibration")
OPTIONS = ("gpus", "threads", "cells_per_gpu", "batch", "texts")


def overview() -> str:
    """The end of `junkdna --help`: the commands that only rules run."""
    lines = [f"  {name:<13}{text}" for name, text in HELP.items()]
    return "\n".join(["commands that Snakemake's rules run (junkdna COMMAND --help):", *lines])


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command of every job to the parser."""
    for name, text in HELP.items():
        command = commands.add_parser(name, description=text)
        output = "the folder to write" if name in ("analyze", "figures") else "the file to write"
        command.add_argument("output", type=Path, help=output)
        command.add_argument("--log", type=Path, help="write messages to this file instead of the terminal")
        for file in FILES.get(name, ()):
            count = {"nargs": "?"} if file in OPTIONAL else {"required": True}
            command.add_argument(f"--{file}", type=Path, help=INPUTS[file], **count)
        if name == "study" or name not in TABLE_JOBS:
            command.add_argument("--settings", required=True, help="settings of the job: JSON or @FILE")
        if name in ("cell", "compress", "connect"):
            command.add_argument("--gpus", type=int, default=0, help="GPUs to lease; 0 runs on the CPU")
            command.add_argument("--cells-per-gpu", type=int, default=1, help="how many jobs may share a GPU")
            command.add_argument("--threads", type=int, default=1, help="CPU threads of torch")
        if name == "figures":
            command.add_argument("--threads", type=int, default=1, help="figures that are drawn at a time")
        if name == "cell":
            command.add_argument("--batch", type=int, default=0, help="then run up to this many batched cells")
            keep = "fingerprints of the lines between trained cells for which the weights are kept, with commas"
            command.add_argument("--keep-weights-for", type=_fingerprints, default="", metavar="LINES", help=keep)
        if name == "report":
            command.add_argument("--texts", action="store_true", help="show texts of examples in the page")
        command.set_defaults(run=_run)


def _fingerprints(text: str) -> str:
    if not re.fullmatch("([0-9a-f]+(,[0-9a-f]+)*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} must be fingerprints, as `junkdna plan --commands` prints them")
    return text


def _run(args: argparse.Namespace) -> None:
    """Call the function of a job with its output, settings, input files and options."""
    if args.command == "cell" and batched_files.take_over_as_written(args.settings, args.output):
        return
    options = {name: getattr(args, name) for name in OPTIONS if name in args}
    if "threads" in options:
        os.environ["OMP_NUM_THREADS"] = str(args.threads)  # read once, when torch is imported
    from junkdna.cli import jobs, table_jobs
    from junkdna.cli.unused_packages import hide_unused

    hide_unused(args.command)
    job = getattr(table_jobs if args.command in TABLE_JOBS else jobs, args.command)
    settings = [_settings(args)] if "settings" in args else []
    if args.command == "cell":
        from junkdna.run.process import age_s

        _keep_weights(settings[0], args.keep_weights_for)
        options |= {"bar": progress_bar(settings[0].cell), "age_s": age_s()}
    elif args.command == "connect":
        options["bar"] = progress_bar(settings[0].end.cell)
    job(args.output, *settings, *(getattr(args, name) for name in FILES.get(args.command, ())), **options)


def _keep_weights(settings: "CellSettings", lines: str) -> None:
    """Let a cell keep its weights for connections, as a run of Snakemake does (`connection_states.want_weights`)."""
    from junkdna.run import trained_weights

    for each in filter(None, lines.split(",")):
        trained_weights.want([settings], each)


def _settings(args: argparse.Namespace) -> "Settings | dict":
    """The settings of a job. Raises UserError if they are invalid or belong to another command."""
    from junkdna.cli import jobs

    settings = jobs.settings_from(args.settings)
    try:
        if args.command in jobs.SETTINGS:
            return jobs.SETTINGS[args.command].read(settings, "--settings")
        if missing := [key for key in ("study", "tasks") if key not in settings]:
            raise UserError(f"--settings: the key {missing[0]} is missing.")
    except UserError as error:
        raise UserError(
            f"{error} These are not the settings of `junkdna {args.command}`. Copy the command from `junkdna plan "
            f"--commands`, or let Snakemake build the file: snakemake --cores 1 -- {shlex.quote(str(args.output))}"
        ) from None
    return settings


def progress_bar(title: str) -> Callable[[list], Iterable]:
    """A tqdm bar over the items of a list if stderr is a terminal, else a plain iterator."""
    if not sys.stderr.isatty():
        return iter
    from tqdm import tqdm

    return lambda items: tqdm(items, desc=title, leave=False)
