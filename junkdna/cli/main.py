"""The `junkdna` command: commands for people (plan, status, doctor, fetch) and the jobs that rules run."""

import argparse
import gc
import logging
import os
import sys
from pathlib import Path

from junkdna.cli import (
    archive_command,
    compare_command,
    export_command,
    grade_command,
    list_commands,
    results_commands,
    study_commands,
    task_commands,
)
from junkdna.cli.command import print_lines
from junkdna.cli.parser import Parser
from junkdna.errors import UserError
from junkdna.run import job_log
from junkdna.run.full_memory import explained_full_memory

COMMANDS = (  # in the order of `junkdna --help`
    study_commands, results_commands, export_command, list_commands, grade_command, compare_command, archive_command,
    task_commands,
)  # fmt: skip
log = logging.getLogger("junkdna")


def main(arguments: list[str] | None = None) -> None:
    """Run one subcommand and exit: status 0 on success, 1 if a check failed or an unexpected error occurred, 2 for
    wrong input, 130 after Ctrl-C.

    Exits without unloading torch, which would take about a second; all files are closed before. The log that `--log`
    names starts with the process that writes it and ends with the outcome (`run.job_log`).
    """
    gc.disable()  # imports create no cycles worth freeing, and torch is imported 1 s faster
    args = parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # a title may contain characters that this terminal cannot show
    _set_up_logging(args)
    try:
        with explained_full_memory(f"junkdna {args.command}"):
            code = args.run(args) or 0
    except UserError as error:
        log.error("%s", error)
        code = 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except KeyboardInterrupt:
        code = 130
    except Exception:
        log.exception("junkdna %s failed", args.command)
        code = 1
    if getattr(args, "log", None):
        log.info(job_log.closing(code))
    sys.stdout.flush()
    logging.shutdown()
    os._exit(code)


def _set_up_logging(args: argparse.Namespace) -> None:
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it logs every glyph of a PDF
    file = getattr(args, "log", None)
    handler = job_log.log_file(file) if file else None
    if handler is None:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=[handler])
    logging.captureWarnings(True)
    log.info(job_log.opening())


def parser() -> argparse.ArgumentParser:
    """The parser of the command line. Imports nothing heavy."""
    from junkdna.cli import job_commands

    top = Parser(
        prog="junkdna",
        description="Does compression hurt a language model more on harder tasks?\nSnakemake runs the study; these "
        "commands show what a run would do, its progress, and its results.",
        epilog=job_commands.overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    for group in COMMANDS:
        group.add(commands)
    job_commands.add(commands)
    reference = commands.add_parser("reference", description="write the generated pages of docs/reference")
    reference.add_argument("folder", type=Path, help="folder of the pages")
    reference.set_defaults(run=_reference)
    return top


def _reference(args: argparse.Namespace) -> None:
    from junkdna.cli import job_commands
    from junkdna.cli.reference import write

    print_lines(map(str, write(args.folder, parser(), (*job_commands.HELP, "reference"))))
