"""The arguments of `junkdna grade`. Imports nothing heavy."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from junkdna.cli.command import print_lines

HELP = "compare logs of a dense and of compressed models, without running one: drops, flips, verdicts, report"
NOTE = "docs/grade.md; write the logs before options that take several values"
Value = TypeVar("Value")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    command = commands.add_parser(
        "grade", help=HELP, description=f"{HELP} (docs/grade.md). Write the logs before options with several values."
    )
    command.set_defaults(run=_run)
    command.add_argument("dense", metavar="DENSE", help="log of the dense model: PATH or NAME=PATH")
    command.add_argument(
        "compressed", metavar="COMPRESSED", nargs="+",
        help="logs of compressed models: PATH, NAME=PATH or METHOD-LEVEL=PATH, such as wanda-0.5=logs/pruned",
    )  # fmt: skip
    command.add_argument("--out", type=Path, metavar="FOLDER", help="folder to write (default: results/graded/NAME)")
    command.add_argument("--tasks", nargs="+", metavar="TASK", help="only these tasks")
    command.add_argument(
        "--metric", nargs="+", metavar="[TASK=]METRIC[,FILTER]",
        help="score to compare, of one task or of all that log it (default: acc_norm, acc, exact_match, or the first "
        "from 0 to 1)",
    )  # fmt: skip
    command.add_argument("--difficulty", default="", metavar="FIELD", help="field of each question with its difficulty")
    command.add_argument(
        "--difficulty-order", default="", metavar="A,B,...", help="difficulties in words, easy to hard"
    )
    command.add_argument("--cluster", default="", metavar="FIELD", help="field that questions of one passage share")
    command.add_argument("--options", type=_options, metavar="N", help="number of options of each question of a table")
    command.add_argument(
        "--bits", nargs="+", metavar="NAME=BITS", help="bits per weight of a log's model, scales included"
    )
    command.add_argument("--common", action="store_true", help="compare only the questions that all logs have")
    command.add_argument("--margin", type=_margin, default=0.05, help="difference of retention that matters")


def _run(args: argparse.Namespace) -> None:
    from junkdna.cli.grade import Options, grade
    from junkdna.grade.answers import Reading

    metrics = dict(_pair(text) if "=" in text else ("", text) for text in args.metric or ())
    reading = Reading(metrics, tuple(args.tasks or ()), args.difficulty, args.cluster, args.options)
    order = tuple(filter(None, (word.strip() for word in args.difficulty_order.split(","))))
    bits = {name: _number(text, float, 0, 16, "--bits") for name, text in map(_pair, args.bits or ())}
    options = Options(args.out, args.common, order, bits, args.margin)
    print_lines(grade(args.dense, args.compressed, reading, options))


def _pair(text: str) -> tuple[str, str]:
    from junkdna.errors import UserError

    name, sign, value = text.rpartition("=")
    if not sign or not name or not value:
        raise UserError(f"{text!r} must be NAME=VALUE.")
    return name, value


def _number(text: str, kind: Callable[[str], Value], low: float, high: float, where: str) -> Value:
    from junkdna.errors import UserError, short_repr

    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not low < value <= high:
        raise UserError(f"{where}: {short_repr(text)} must be a number above {low:g} and at most {high:g}.")
    return value


def _options(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise argparse.ArgumentTypeError(f"{text} must be a whole number from 2")
    return int(text)


def _margin(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be above 0 and below 1, in units of retention")
    return value
