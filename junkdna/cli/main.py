"""The `junkdna` command: what a person asks (plan, status, doctor, fetch) and what each rule runs."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from junkdna.cli.parser import Parser
from junkdna.errors import UserError
from junkdna.run import job_log

log = logging.getLogger("junkdna")


def main(arguments: list[str] | None = None) -> None:
    """Run one subcommand and leave the process: 0 done, 1 a check failed or something broke, 2 a mistake in what was
    given, 130 interrupted from the keyboard.

    The process ends without unloading torch, which would take about a second; all files are closed by then. A log that
    `--log` names begins with who writes it and ends with how it went (`run.job_log`).
    """
    gc.disable()  # nothing cyclic worth freeing is made while importing, and importing torch is 1 s faster so
    args = parser().parse_args(arguments)
    sys.stdout.reconfigure(errors="backslashreplace")  # a title may hold what this terminal cannot show
    _log_to(args)
    try:
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


def _log_to(args: argparse.Namespace) -> None:
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every glyph of a PDF
    file = getattr(args, "log", None)
    handler = job_log.log_file(file) if file else None
    if handler is None:
        logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
        return
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", handlers=[handler])
    logging.captureWarnings(True)
    log.info(job_log.opening())


def parser() -> argparse.ArgumentParser:
    """The command line. Imports nothing heavy."""
    from junkdna.cli import job_commands

    top = Parser(
        prog="junkdna",
        description="Does compression cost a language model more on harder tasks? Snakemake runs the study; these "
        "commands show what a run would do, how far it is, and what came out.",
        epilog=job_commands.overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    _add_person_commands(commands)
    job_commands.add(commands)
    _add_reference_command(commands)
    return top


def _command(commands: argparse._SubParsersAction, name: str, text: str, run: Callable) -> argparse.ArgumentParser:
    """A command that `junkdna --help` lists."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def _add_person_commands(commands: argparse._SubParsersAction) -> None:
    plan = _command(commands, "plan", "before a run: the cells, what is done already, hours and disk", _plan)
    plan.add_argument("--list", action="store_true", help="print the file of every cell")
    plan.add_argument("--commands", action="store_true", help="print the command that runs each unfinished cell alone")
    plan.add_argument("--cell", metavar="PATTERN", help="with --commands: only cells whose file matches (* is allowed)")
    status = _command(commands, "status", "cells done, running, failed, missing, stale, broken and collapsed", _status)
    status.add_argument("--stale", action="store_true", help="print only the files of stale and broken cells")
    status.add_argument(
        "--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS",
        help="repeat every SECONDS (10 if none are given) until the study is done",
    )  # fmt: skip
    doctor = _command(commands, "doctor", "check this machine for the study, and say what to fix", _doctor)
    doctor.add_argument("--model", help="instead: print the weights of this model that compression would change")
    doctor.add_argument("--prune-head", action="store_true", help="with --model: include the task head")
    doctor.add_argument("--embeddings", action="store_true", help="with --model: include the embedding tables")
    fetch = _command(commands, "fetch", "download everything the study reads; its jobs then need no network", _fetch)
    partial = _command(commands, "partial", "tables, figures and report of the finished cells", _partial)
    where = _command(commands, "where", "the folders of the study's figures, tables and report", _where)
    tasks = _command(commands, "tasks", "the tasks in the package", _tasks)
    tasks.add_argument("--markdown", action="store_true", help="print the page docs/tasks.md")
    formats = _command(commands, "formats", "the answer formats in the package", _formats)
    formats.add_argument("--markdown", action="store_true", help="print the table of docs/scoring.md")
    methods = _command(commands, "methods", "the compression methods in the package", _methods)
    methods.add_argument("--markdown", action="store_true", help="print the tables of docs/compression.md")
    _add_task_command(commands)
    for command in (plan, status, doctor, where, fetch, partial):
        command.add_argument("--study", type=Path, default=Path("config.yaml"), help="file of the study")
    for command in (plan, status, fetch, partial):
        command.add_argument("--experiments", nargs="+", metavar="NAME", help="only these, optional ones included")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} must be a number of seconds between 0.1 and 86400")
    return seconds


def _add_task_command(commands: argparse._SubParsersAction) -> None:
    text = "examples of a task as a model reads them: `junkdna task show NAME --model MODEL`"
    task = commands.add_parser("task", help=text, description=text)
    actions = task.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = _command(actions, "show", "examples as a model reads them, token by token, and what is scored", _task_show)
    show.add_argument("name", help="a task of the study or of the package (`junkdna tasks`)")
    show.add_argument("--model", required=True, help="a model of the study")
    show.add_argument("--n", type=int, default=3, help="number of examples")
    show.add_argument("--knobs", default="", help='such as "context=32,options=3"; the defaults of the task if none')
    show.add_argument("--protocol", default="default", help="a protocol of the study")
    show.add_argument("--study", type=Path, default=Path("config.yaml"), help="file of the study")


def _add_reference_command(commands: argparse._SubParsersAction) -> None:
    reference = commands.add_parser("reference", description="write the generated pages of docs/reference")
    reference.add_argument("folder", type=Path, help="the folder to write into")
    reference.set_defaults(run=_reference)


def _resolved(args: argparse.Namespace):
    from junkdna.study.load import load_study

    selected = {"experiments": args.experiments} if getattr(args, "experiments", None) else None
    return load_study(args.study, selected, "--experiments")


def _plan(args: argparse.Namespace) -> None:
    from junkdna.cli import plan as cli_plan
    from junkdna.cli import show as cli_show
    from junkdna.cli.plan import plan
    from junkdna.run.failure_causes import some

    if args.cell and not args.commands:
        again = _resolved(args).given.junkdna("plan", "--commands", "--cell", args.cell)
        raise UserError(f"--cell {args.cell!r} goes with --commands: {again}")
    resolved = _resolved(args)
    if args.list:
        _print_lines(cli_show.cell_files(resolved))
    elif args.commands:
        cells = cli_plan.cells_like(resolved, args.cell) if args.cell else None
        if missing := cli_plan.missing_inputs(cells or [], resolved):
            first = resolved.given.snakemake("--cores", "1", targets=missing)
            log.warning(
                "not there yet, or made from other settings: %s. Before the commands: %s", some(missing, 4), first
            )
        _print_lines(cli_plan.commands(resolved, cells))
    else:
        _print_lines(plan(resolved))


def _status(args: argparse.Namespace) -> int:
    from junkdna.cli import status
    from junkdna.cli.status import watch

    resolved = _resolved(args)
    if args.watch:
        return watch(resolved, args.watch)
    _print_lines(status.stale_files(resolved) if args.stale else status.status(resolved))
    return 0


def _where(args: argparse.Namespace) -> None:
    from junkdna.dag import results

    _print_lines(results.where(_resolved(args)))


def _partial(args: argparse.Namespace) -> None:
    from junkdna.cli.partial import partial

    _print_lines(partial(_resolved(args)))


def _fetch(args: argparse.Namespace) -> None:
    from junkdna.cli.fetch import fetch

    _print_lines(fetch(_resolved(args)))


def _doctor(args: argparse.Namespace) -> int:
    if args.model:
        return _doctor_model(args)
    from junkdna.cli.doctor import doctor

    lines, healthy = doctor(args.study)
    _print_lines(lines)
    return 0 if healthy else 1


def _doctor_model(args: argparse.Namespace) -> int:
    from junkdna.cli.scope import empty_model, scope_text
    from junkdna.dag.build import build_targets
    from junkdna.errors import unknown_name
    from junkdna.study.paths import MODELS

    resolved = _resolved(args)
    if args.model not in resolved.study.models:
        raise unknown_name("model", args.model, resolved.study.models, "--model")
    folder = Path(MODELS) / args.model
    build_targets(resolved, [folder / "model.json"])
    kind = "classifier" if args.prune_head else resolved.study.models[args.model].kind
    _print_lines([scope_text(empty_model(folder, kind), args.model, args.prune_head, args.embeddings)])
    return 0


def _tasks(args: argparse.Namespace) -> None:
    from junkdna.cli import show as cli_show
    from junkdna.report import task_docs

    _print_lines(task_docs.page() if args.markdown else cli_show.tasks())


def _reference(args: argparse.Namespace) -> None:
    from junkdna.cli import job_commands
    from junkdna.cli.reference import write

    _print_lines(map(str, write(args.folder, parser(), (*job_commands.HELP, "reference"))))


def _methods(args: argparse.Namespace) -> None:
    from junkdna.cli import methods

    _print_lines(methods.markdown() if args.markdown else methods.methods())


def _formats(args: argparse.Namespace) -> None:
    from junkdna.report import format_docs

    _print_lines(format_docs.format_lines(args.markdown))


def _task_show(args: argparse.Namespace) -> None:
    from junkdna.cli.show import show, study_with
    from junkdna.study.cell import parse_knobs

    try:
        knobs = parse_knobs(args.knobs or "plain")
    except ValueError:
        raise UserError(
            f"--knobs {args.knobs!r}: write name=value pairs with commas, e.g. context=32,options=3."
        ) from None
    resolved = study_with(args.study, args.name)
    _print_lines(show(resolved, args.name, args.model, args.n, tuple(sorted(knobs)), args.protocol))


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
