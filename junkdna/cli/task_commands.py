"""Commands on task and study files: their schemas, and the examples of a task as a model reads them."""

import argparse
from pathlib import Path

from junkdna.cli.command import add_study, command, print_lines
from junkdna.errors import UserError


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    schema = command(commands, "schema", "write the JSON Schema of study or task files, for editors", _schema)
    schema.add_argument("kind", choices=("study", "task"), help="kind of file: study or task")
    schema.add_argument("file", type=Path, nargs="?", help="file to write; without it, the schema is printed")
    _add_task_show(commands)


def _add_task_show(commands: argparse._SubParsersAction) -> None:
    text = "show examples of a task as a model reads them: `junkdna task show NAME --model MODEL`"
    task = commands.add_parser("task", help=text, description=text)
    actions = task.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = command(actions, "show", "show examples as a model reads them: text, tokens, and scored tokens", _task_show)
    show.add_argument("name", help="task of the study or of the package (`junkdna tasks`)")
    show.add_argument("--model", required=True, help="model of the study")
    show.add_argument("--n", type=int, default=3, help="number of examples")
    show.add_argument("--knobs", default="", help='for example "context=32,options=3"; empty for the defaults')
    show.add_argument("--protocol", default="default", help="protocol of the study")
    add_study(show)


def _schema(args: argparse.Namespace) -> None:
    from junkdna.cli.schema import schema_text, write_schema

    if args.file is None:
        print(schema_text(args.kind), end="")
    else:
        write_schema(args.kind, args.file)


def _task_show(args: argparse.Namespace) -> None:
    from junkdna.cli.show import show, study_with
    from junkdna.study.cell import parse_knobs

    try:
        knobs = parse_knobs(args.knobs or "plain")
    except ValueError:
        raise UserError(
            f"--knobs {args.knobs!r}: write name=value pairs separated by commas, such as context=32,options=3."
        ) from None
    resolved = study_with(args.study, args.name)
    print_lines(show(resolved, args.name, args.model, args.n, tuple(sorted(knobs)), args.protocol))
