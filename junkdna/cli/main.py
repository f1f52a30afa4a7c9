"""The `junkdna` command: commands for people (plan, status, doctor, fetch) and the jobs that rules run."""

import argparse
import gc
import logging
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from junkdna.cli import archive_command, compare_command, grade_command
from junkdna.cli.parser import Parser
from junkdna.errors import UserError
from junkdna.run import job_log

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
    _add_person_commands(commands)
    job_commands.add(commands)
    reference = commands.add_parser("reference", description="write the generated pages of docs/reference")
    reference.add_argument("folder", type=Path, help="folder of the pages")
    reference.set_defaults(run=_reference)
    return top


def _command(commands: argparse._SubParsersAction, name: str, text: str, run: Callable) -> argparse.ArgumentParser:
    """Add a command that `junkdna --help` lists."""
    command = commands.add_parser(name, help=text, description=text)
    command.set_defaults(run=run)
    return command


def _add_person_commands(commands: argparse._SubParsersAction) -> None:
    plan = _command(commands, "plan", "show what a run would do: cells, finished work, time and disk space", _plan)
    plan.add_argument("--list", action="store_true", help="print the path of every cell")
    plan.add_argument("--commands", action="store_true", help="print commands that run each unfinished cell")
    plan.add_argument("--cell", metavar="PATTERN", help="with --commands: only cells whose path matches (* allowed)")
    status = _command(
        commands, "status", "count cells by state; name failed, stale, broken and collapsed ones", _status
    )
    status.add_argument("--stale", action="store_true", help="print only the paths of stale and broken cells")
    status.add_argument(
        "--watch", type=_seconds, nargs="?", const=10.0, metavar="SECONDS",
        help="repeat every SECONDS (default 10) until the study is done",
    )  # fmt: skip
    doctor = _command(commands, "doctor", "check whether this machine can run the study, and print fixes", _doctor)
    doctor.add_argument("--model", help="instead list the weights of this model that compression changes")
    doctor.add_argument("--prune-head", action="store_true", help="with --model: include the task head")
    doctor.add_argument("--embeddings", action="store_true", help="with --model: include the embedding tables")
    fetch = _command(commands, "fetch", "download everything that the study reads; jobs then run offline", _print_study)
    partial = _command(commands, "partial", "write tables, figures and report of the finished cells", _print_study)
    where = _command(commands, "where", "print the paths of the study's figures, tables and report", _print_study)
    claims = _command(commands, "claims", "print the verdict on every claim of a finished study", _print_tables)
    published = _command(
        commands, "published", "print how far a finished study is from the paper's published curves", _print_tables
    )
    drops = _command(commands, "drops", "print the scores and drops of a finished study, with intervals", _print_tables)
    drops.add_argument("--experiment", metavar="NAME", help="only this experiment")
    export = _command(commands, "export", "write compressed models as folders that transformers loads", _export)
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
    for name, what, markdown in (
        ("tasks", "tasks", "print the page docs/tasks.md"),
        ("formats", "answer formats", "print the table of docs/scoring.md"),
        ("methods", "compression methods", "print the tables of docs/compression.md"),
    ):
        listed = _command(commands, name, f"list the {what} of the package", _print_list)
        listed.add_argument("--markdown", action="store_true", help=markdown)
    grade_command.add(commands, _print_lines)
    compare_command.add(commands, _print_lines)
    archive_command.add(commands, _print_lines)
    schema = _command(commands, "schema", "write the JSON Schema of study or task files, for editors", _schema)
    schema.add_argument("kind", choices=("study", "task"), help="kind of file: study or task")
    schema.add_argument("file", type=Path, nargs="?", help="file to write; without it, the schema is printed")
    show = _add_task_show(commands)
    for command in (plan, status, doctor, where, fetch, partial, claims, published, drops, export, show):
        folder = ", or a folder with results or an archive" if command in (claims, published, drops) else ""
        command.add_argument("--study", type=Path, default=Path("config.yaml"), help=f"study file{folder}")
    for command in (plan, status, fetch, partial):
        command.add_argument(
            "--experiments", nargs="+", metavar="NAME", help="only these experiments, including optional ones"
        )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0
    if not 0.1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"{text} must be a number of seconds from 0.1 to 86400")
    return seconds


def _add_task_show(commands: argparse._SubParsersAction) -> argparse.ArgumentParser:
    text = "show examples of a task as a model reads them: `junkdna task show NAME --model MODEL`"
    task = commands.add_parser("task", help=text, description=text)
    actions = task.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = _command(actions, "show", "show examples as a model reads them: text, tokens, and scored tokens", _task_show)
    show.add_argument("name", help="task of the study or of the package (`junkdna tasks`)")
    show.add_argument("--model", required=True, help="model of the study")
    show.add_argument("--n", type=int, default=3, help="number of examples")
    show.add_argument("--knobs", default="", help='for example "context=32,options=3"; empty for the defaults')
    show.add_argument("--protocol", default="default", help="protocol of the study")
    return show


def _resolved(args: argparse.Namespace):
    from junkdna.study.load import load_study

    selected = {"experiments": args.experiments} if getattr(args, "experiments", None) else None
    return load_study(args.study, selected, "--experiments")


def _plan(args: argparse.Namespace) -> int:
    from junkdna.cli import plan as cli_plan
    from junkdna.run.failure_causes import some
    from junkdna.study.grid import all_cells

    resolved = _resolved(args)
    if args.cell and not args.commands:
        command = resolved.commands.junkdna("plan", "--commands", "--cell", args.cell)
        raise UserError(f"--cell {args.cell!r} needs --commands. Run: {command}")
    if args.list:
        _print_lines(cell.path for cell in all_cells(resolved))
    elif args.commands:
        cells = cli_plan.cells_like(resolved, args.cell) if args.cell else None
        if missing := cli_plan.missing_inputs(cells or [], resolved):
            command = resolved.commands.snakemake("--cores", "1", targets=missing)
            log.warning("missing, or built with other settings: %s. First run: %s", some(missing, 4), command)
        _print_lines(cli_plan.commands(resolved, cells))
    else:
        lines, can_run = cli_plan.plan(resolved)
        _print_lines(lines)
        return 0 if can_run else 1
    return 0


def _status(args: argparse.Namespace) -> int:
    from junkdna.cli import status

    resolved = _resolved(args)
    if args.watch:
        return status.watch(resolved, args.watch)
    _print_lines(status.stale_files(resolved) if args.stale else status.status(resolved))
    return 0


def _print_study(args: argparse.Namespace) -> None:
    """Print the lines that the function of the command yields (where, partial or fetch)."""
    if args.command == "where":
        from junkdna.dag.results import where as lines
    elif args.command == "fetch":
        from junkdna.cli.fetch import fetch as lines
    else:
        from junkdna.cli.partial import partial as lines
    _print_lines(lines(_resolved(args)))


def _print_tables(args: argparse.Namespace) -> None:
    """Print tables of results (claims, published or drops), of a study or of a folder with results."""
    from junkdna.cli.published import published
    from junkdna.cli.tables import claims, drops
    from junkdna.study.results_folder import stored_study

    folder = args.study if args.study.is_dir() else None
    args.study = stored_study(folder) if folder else args.study
    resolved = _resolved(args)
    if args.command == "drops":
        _print_lines(drops(resolved, args.experiment, folder))
    else:
        _print_lines({"claims": claims, "published": published}[args.command](resolved, folder))


def _export(args: argparse.Namespace) -> None:
    from junkdna.cli.export import export

    _print_lines(export(_resolved(args), args.model, args.compression, args.out, args.seed, args.pack))


def _doctor(args: argparse.Namespace) -> int:
    if args.model:
        return _doctor_model(args)
    from junkdna.cli.doctor import doctor

    lines, healthy = doctor(args.study)
    _print_lines(lines)
    return 0 if healthy else 1


def _doctor_model(args: argparse.Namespace) -> int:
    from junkdna.cli.scope import scope_text
    from junkdna.dag.build import build_targets
    from junkdna.errors import unknown_name
    from junkdna.models.empty_model import empty_model
    from junkdna.study.paths import MODELS

    resolved = _resolved(args)
    if args.model not in resolved.study.models:
        raise unknown_name("model", args.model, resolved.study.models, "--model")
    folder = Path(MODELS) / args.model
    build_targets(resolved, [folder / "model.json"])
    kind = "classifier" if args.prune_head else resolved.study.models[args.model].kind
    _print_lines([scope_text(empty_model(folder, kind), args.model, args.prune_head, args.embeddings)])
    return 0


def _print_list(args: argparse.Namespace) -> None:
    """Print the tasks, formats or methods of the package."""
    if args.command == "tasks":
        from junkdna.cli.show import tasks as lines
    elif args.command == "formats":
        from junkdna.report.format_docs import format_lines as lines
    else:
        from junkdna.cli.methods import methods as lines
    _print_lines(lines(args.markdown))


def _schema(args: argparse.Namespace) -> None:
    from junkdna.cli.schema import schema_text, write_schema

    if args.file is None:
        print(schema_text(args.kind), end="")
    else:
        write_schema(args.kind, args.file)


def _reference(args: argparse.Namespace) -> None:
    from junkdna.cli import job_commands
    from junkdna.cli.reference import write

    _print_lines(map(str, write(args.folder, parser(), (*job_commands.HELP, "reference"))))


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
    _print_lines(show(resolved, args.name, args.model, args.n, tuple(sorted(knobs)), args.protocol))


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
