"""The arguments of `junkdna compare`. Imports nothing heavy."""

import argparse
from pathlib import Path

from junkdna.cli.command import print_lines

HELP = "compare two studies (two models, methods or versions) cell by cell: drops, flips, verdicts, page"


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command."""
    command = commands.add_parser("compare", help=HELP, description=f"{HELP} (docs/compare.md). Runs no model.")
    command.set_defaults(run=_run)
    results = "results/studies/NAME, its tables/ or partial/, an archive, or the folder that `junkdna grade` wrote"
    command.add_argument("one", metavar="A", type=Path, help=results)
    command.add_argument("two", metavar="B", type=Path, help="folder of the results to compare with A; may be A itself")
    command.add_argument(
        "--ignore", nargs="+", default=[], metavar="PART",
        help="parts of the key of a cell that need not be the same: model, knobs, method, options, level, transfer, "
        "protocol or seed",
    )  # fmt: skip
    for letter in "ab":
        command.add_argument(
            f"--{letter}", nargs="+", default=[], metavar="PART=VALUE",
            help=f"only these cells of {letter.upper()}, such as method=wanda or model=NAME",
        )  # fmt: skip
    command.add_argument(
        "--unpaired", action="store_true", help="compare cells with other examples, too, as independent samples"
    )
    command.add_argument("--out", type=Path, metavar="FOLDER", help="folder to write (default: results/compare/A-vs-B)")


def _run(args: argparse.Namespace) -> None:
    from junkdna.cli.compare import Options, compare

    a, b = (dict(_pair(text, option) for text in given) for given, option in ((args.a, "--a"), (args.b, "--b")))
    print_lines(compare(args.one, args.two, Options(args.out, tuple(args.ignore), a, b, args.unpaired)))


def _pair(text: str, option: str) -> tuple[str, str]:
    from junkdna.errors import UserError

    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UserError(f"{option} {text!r} must be PART=VALUE, such as model=minilm.")
    return name, value
