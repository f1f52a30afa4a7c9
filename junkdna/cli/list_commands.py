"""Commands that list what the package has: tasks, answer formats and compression methods."""

import argparse

from junkdna.cli.command import command, print_lines


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    for name, what, markdown in (
        ("tasks", "tasks", "print the page docs/tasks.md"),
        ("formats", "answer formats", "print the table of docs/scoring.md"),
        ("methods", "compression methods", "print the tables of docs/compression.md"),
    ):
        listed = command(commands, name, f"list the {what} of the package", _print_list)
        listed.add_argument("--markdown", action="store_true", help=markdown)


def _print_list(args: argparse.Namespace) -> None:
    """Print the tasks, formats or methods of the package."""
    if args.command == "tasks":
        from junkdna.cli.show import tasks as lines
    elif args.command == "formats":
        from junkdna.report.format_docs import format_lines as lines
    else:
        from junkdna.cli.methods import methods as lines
    print_lines(lines(args.markdown))
