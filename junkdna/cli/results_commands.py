"""Commands that print tables of results: claims, published and drops."""

import argparse
import logging
from pathlib import Path

from junkdna.cli.command import add_study, command, print_lines, resolved_study

log = logging.getLogger(__name__)


def add(commands: argparse._SubParsersAction) -> None:
    """Add the commands to the parser."""
    claims = command(commands, "claims", "print the verdict on every claim of a finished study", _print_tables)
    published = command(
        commands, "published", "print how far a finished study is from the paper's published curves", _print_tables
    )
    drops = command(commands, "drops", "print the scores and drops of a finished study, with intervals", _print_tables)
    drops.add_argument("--experiment", metavar="NAME", help="only this experiment")
    for each in (claims, published, drops):
        add_study(each, ", or a folder with results or an archive")


def _print_tables(args: argparse.Namespace) -> None:
    """Print tables of results (claims, published or drops), of a study or of a folder with results."""
    from junkdna.cli.other_version import other_version
    from junkdna.cli.published import published
    from junkdna.cli.tables import claims, drops
    from junkdna.study.results_folder import stored_study

    folder = _results(args.study) if args.study.is_dir() else None
    args.study = stored_study(folder) if folder else args.study
    resolved = resolved_study(args)
    if folder is None and (warning := other_version(resolved, Path("results/studies") / resolved.study.study)):
        log.warning("%s", warning)
    if args.command == "drops":
        print_lines(drops(resolved, args.experiment, folder))
    else:
        print_lines({"claims": claims, "published": published}[args.command](resolved, folder))


def _results(path: Path) -> Path:
    """The folder of results that a path names. Raises UserError if it is a damaged archive."""
    from junkdna.analysis.archive_files import is_archive, read_archive
    from junkdna.study.results_folder import results_folder

    folder = results_folder(path)
    if is_archive(folder):
        read_archive(folder)
    return folder
