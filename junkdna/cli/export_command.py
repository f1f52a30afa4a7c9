"""The arguments of `junkdna export`. Imports nothing heavy."""

import argparse
from pathlib import Path

from junkdna.cli.command import add_study, command, print_lines, resolved_study


def add(commands: argparse._SubParsersAction) -> None:
    """Add the command to the parser."""
    export = command(commands, "export", "write compressed models as folders that transformers loads", _export)
    export.add_argument("--model", required=True, help="model of the study")
    export.add_argument(
        "--compression", required=True, metavar="NAMES", help="names of its compressions, separated by commas"
    )
    export.add_argument(
        "--out", required=True, type=Path, help="new folder; of several compressions, one in it for each"
    )
    export.add_argument("--seed", type=int, help="seed of a random or calibrated compression (default: its lowest)")
    export.add_argument(
        "--pack", choices=("float16", "bfloat16"), default="", help="also write the 2-of-4 layout, rounded to this type"
    )
    add_study(export)


def _export(args: argparse.Namespace) -> None:
    from junkdna.cli.export import export

    print_lines(export(resolved_study(args), args.model, args.compression, args.out, args.seed, args.pack))
