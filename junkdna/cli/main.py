"""The `junkdna` command: what a person asks (plan, status, doctor, fetch) and what each rule runs."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Iterable
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
    top = Parser(prog="junkdna", description="Does compression cost a language model more on harder tasks?")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_person_commands(commands)
    _add_stage_commands(commands)
    return top


def _add_person_commands(commands: argparse._SubParsersAction) -> None:
    plan = commands.add_parser("plan", help="before a run: cells, what is there, hours, disk")
    plan.add_argument("--list", action="store_true", help="print every cell's file")
    plan.add_argument(
        "--commands", action="store_true", help="print, for every cell not done, the command that runs it alone"
    )
    plan.add_argument("--cell", metavar="PATTERN", help="with --commands: only this cell (its file; stars are allowed)")
    plan.set_defaults(run=_plan)
    status = commands.add_parser("status", help="done, running, failed, missing, stale, broken and collapsed cells")
    status.add_argument(
        "--stale", action="store_true", help="print only the files of stale and broken cells, one a line"
    )
    status.add_argument(
        "--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS", help="again and again, until all is done"
    )
    status.set_defaults(run=_status)
    doctor = commands.add_parser("doctor", help="check this machine for the study, and say what to fix")
    doctor.add_argument("--model", help="instead: print what compression would touch in this model of the study")
    doctor.add_argument("--prune-head", action="store_true", help="with --model: the task head too")
    doctor.add_argument("--embeddings", action="store_true", help="with --model: the embedding tables too")
    doctor.set_defaults(run=_doctor)
    fetch = commands.add_parser("fetch", help="bring all that the study reads from outside; jobs then run offline")
    fetch.set_defaults(run=_fetch)
    tasks = commands.add_parser("tasks", help="tasks that come with the package")
    tasks.add_argument("--markdown", action="store_true", help="as the page docs/tasks.md")
    tasks.set_defaults(run=_tasks)
    formats = commands.add_parser("formats", help="answer formats: how tasks are asked, answered and trained")
    formats.add_argument("--markdown", action="store_true", help="as the table in docs/scoring.md")
    formats.set_defaults(run=_formats)
    _add_task_command(commands)
    where = commands.add_parser("where", help="where the figures, tables and the report of the study stand")
    where.set_defaults(run=_where)
    partial = commands.add_parser("partial", help="tables, figures and report of the cells that are done")
    partial.set_defaults(run=_partial)
    for command in (plan, status, doctor, where, fetch, partial):
        command.add_argument("--study", type=Path, default=Path("config.yaml"), help="the study (default: config.yaml)")
    for command in (plan, status, fetch, partial):
        command.add_argument("--experiments", nargs="+", help="only these, also those that are on request")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} must be a number of seconds between 0.1 and 86400")
    return seconds


def _add_task_command(commands: argparse._SubParsersAction) -> None:
    task = commands.add_parser("task", help="look at one task: `task show NAME --model M`")
    actions = task.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="examples as a model sees them, token by token, and what is scored")
    show.add_argument("name", help="a task of the study or of the package (`junkdna tasks`)")
    show.add_argument("--model", required=True, help="a model of the study")
    show.add_argument("--n", type=int, default=3, help="how many examples (default: 3)")
    show.add_argument("--knobs", default="", help='such as "context=32,options=3" (default: as the task says)')
    show.add_argument("--protocol", default="default", help="a protocol of the study")
    show.add_argument("--study", type=Path, default=Path("config.yaml"), help="the study (default: config.yaml)")
    show.set_defaults(run=_task_show)


def _add_stage_commands(commands: argparse._SubParsersAction) -> None:
    from junkdna.cli import job_commands

    job_commands.add(commands)


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
