"""Commands on a study: what a run would do, its progress, this machine, downloads, finished cells, paths."""

import argparse
import logging
from pathlib import Path

from junkdna.cli.command import add_study, command, print_lines, resolved_study
from junkdna.errors import UserError

log = logging.getLogger("junkdna")


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    plan = command(commands, "plan", "show what a run would do: cells, finished work, time and disk space", _plan)
    plan.add_argument("--list", action="store_true", help="print the path of every cell")
    plan.add_argument(
        "--not-in", nargs="+", type=Path, default=[], metavar="FOLDER",
        help="with --list: only cells that none of these results or archives of the study has",
    )  # fmt: skip
    plan.add_argument("--commands", action="store_true", help="print commands that run each unfinished cell")
    plan.add_argument("--cell", metavar="PATTERN", help="with --commands: only cells whose path matches (* allowed)")
    status = command(commands, "status", "count cells by state; name failed, stale, broken and collapsed ones", _status)
    status.add_argument("--stale", action="store_true", help="print only the paths of stale and broken cells")
    status.add_argument(
        "--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS",
        help="repeat every SECONDS (default 10) until the study is done",
    )  # fmt: skip
    doctor = command(commands, "doctor", "check whether this machine can run the study, and print fixes", _doctor)
    doctor.add_argument("--model", help="instead list the weights of this model that compression changes")
    doctor.add_argument("--prune-head", action="store_true", help="with --model: include the task head")
    doctor.add_argument("--embeddings", action="store_true", help="with --model: include the embedding tables")
    fetch = command(commands, "fetch", "download everything that the study reads; jobs then run offline", _print_study)
    partial = command(commands, "partial", "write tables, figures and report of the finished cells", _print_study)
    where = command(commands, "where", "print the paths of the study's figures, tables and report", _print_study)
    for each in (plan, status, doctor, where, fetch, partial):
        add_study(each, experiments=each not in (doctor, where))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} must be a number of seconds from 0.1 to 86400")
    return seconds


def _plan(args: argparse.Namespace) -> int:
    from junkdna.cli import plan as cli_plan
    from junkdna.cli.cells_left import cells_not_in
    from junkdna.run.failure_causes import some
    from junkdna.study.grid import all_cells

    resolved = resolved_study(args)
    if args.cell and not args.commands:
        command = resolved.commands.junkdna("plan", "--commands", "--cell", args.cell)
        raise UserError(f"--cell {args.cell!r} needs --commands. Run: {command}")
    if args.not_in and not args.list:
        command = resolved.commands.junkdna("plan", "--list", "--not-in", *map(str, args.not_in))
        raise UserError(f"--not-in {args.not_in[0]} needs --list. Run: {command}")
    if args.list:
        cells = cells_not_in(resolved, args.not_in) if args.not_in else (cell.path for cell in all_cells(resolved))
        print_lines(cells)
    elif args.commands:
        cells = cli_plan.cells_like(resolved, args.cell) if args.cell else None
        if missing := cli_plan.missing_inputs(cells or [], resolved):
            command = resolved.commands.snakemake("--cores", "1", targets=missing)
            log.warning("missing, or built with other settings: %s. First run: %s", some(missing, 4), command)
        print_lines(cli_plan.commands(resolved, cells))
    else:
        lines, can_run = cli_plan.plan(resolved)
        print_lines(lines)
        return 0 if can_run else 1
    return 0


def _status(args: argparse.Namespace) -> int:
    from junkdna.cli import status

    resolved = resolved_study(args)
    if args.watch:
        return status.watch(resolved, args.watch)
    print_lines(status.stale_files(resolved) if args.stale else status.status(resolved))
    return 0


def _print_study(args: argparse.Namespace) -> None:
    """Print the lines that the function of the command yields (where, partial or fetch)."""
    if args.command == "where":
        from junkdna.dag.results import where as lines
    elif args.command == "fetch":
        from junkdna.cli.fetch import fetch as lines
    else:
        from junkdna.cli.partial import partial as lines
    print_lines(lines(resolved_study(args)))


def _doctor(args: argparse.Namespace) -> int:
    if args.model:
        return _doctor_model(args)
    from junkdna.cli.doctor import doctor

    lines, healthy = doctor(args.study)
    print_lines(lines)
    return 0 if healthy else 1


def _doctor_model(args: argparse.Namespace) -> int:
    from junkdna.cli.scope import scope_text
    from junkdna.dag.build import build_targets
    from junkdna.errors import unknown_name
    from junkdna.models.empty_model import empty_model
    from junkdna.study.paths import MODELS

    resolved = resolved_study(args)
    if args.model not in resolved.study.models:
        raise unknown_name("model", args.model, resolved.study.models, "--model")
    folder = Path(MODELS) / args.model
    build_targets(resolved, [folder / "model.json"])
    kind = "classifier" if args.prune_head else resolved.study.models[args.model].kind
    print_lines([scope_text(empty_model(folder, kind), args.model, args.prune_head, args.embeddings)])
    return 0
