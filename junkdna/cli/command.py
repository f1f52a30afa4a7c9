"""What commands for people share: arguments, reading their study, printing lines. Imports nothing heavy."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from junkdna.study.study import Resolved


def command(commands: argparse._SubParsersAction, name: str, text: str, run: Callable) -> argparse.ArgumentParser:
    """Add a command that `junkdna --help` lists; `run` gets the parsed arguments and may return the exit status."""
    added = commands.add_parser(name, help=text, description=text)
    added.set_defaults(run=run)
    return added


def add_study(parser: argparse.ArgumentParser, others: str = "", experiments: bool = False) -> None:
    """Add the argument `--study`, whose file may also be what `others` names, and perhaps `--experiments`."""
    parser.add_argument("--study", type=Path, default=Path("config.yaml"), help=f"study file{others}")
    if experiments:
        parser.add_argument(
            "--experiments", nargs="+", metavar="NAME", help="only these experiments, including optional ones"
        )


def resolved_study(args: argparse.Namespace) -> "Resolved":
    """The study that `--study` names, with the experiments that `--experiments` selects."""
    from junkdna.study.load import load_study

    selected = {"experiments": args.experiments} if getattr(args, "experiments", None) else None
    return load_study(args.study, selected, "--experiments")


def print_lines(lines: Iterable[str]) -> object:
    """Print each line as soon as it is known. Returns what a generator of lines returns."""
    left = iter(lines)
    while True:
        try:
            line = next(left)
        except StopIteration as end:
            return end.value
        print(line)
