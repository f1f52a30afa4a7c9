"""The arguments of `junkdna archive` and `junkdna findings`. Imports nothing heavy."""

import argparse
from pathlib import Path

from junkdna.cli.command import print_lines
from junkdna.errors import UserError

ARCHIVE = "pack the results of a study into a small folder, from which they can be computed again"
FINDINGS = "compute tables, figures, report and pages again from an archive, without models, GPU or network"
OUT = Path("results/findings")


def add(commands: argparse._SubParsersAction) -> None:
    """Add both commands."""
    archive = commands.add_parser("archive", help=ARCHIVE, description=f"{ARCHIVE} (docs/sharing.md)")
    archive.set_defaults(run=_archive)
    archive.add_argument(
        "folders", nargs="+", type=Path, metavar="FOLDER",
        help="results/studies/NAME, its partial/ while some is missing, or an archive; several are pieces of one study",
    )  # fmt: skip
    archive.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER",
        help="new folder, or that of an earlier archive of the study, which is replaced",
    )  # fmt: skip
    findings = commands.add_parser("findings", help=FINDINGS, description=f"{FINDINGS} (docs/sharing.md)")
    findings.set_defaults(run=_findings)
    findings.add_argument("archive", type=Path, metavar="ARCHIVE", help="folder that `junkdna archive` wrote")
    findings.add_argument(
        "--out", type=Path, default=OUT, metavar="FOLDER",
        help=f"folder to write, new or that of earlier findings, which are replaced (default: {OUT})",
    )  # fmt: skip
    findings.add_argument(
        "--page", type=Path, nargs="+", default=[], metavar="FILE",
        help="Markdown pages whose blocks are filled; a new one is made from the skeleton",
    )  # fmt: skip
    findings.add_argument("--tables-only", action="store_true", help="draw no figures and write no report")
    findings.add_argument(
        "--check",
        action="store_true",
        help="write nothing; fail if a block of a page is not what the archive says, or a figure does not exist",
    )


def _archive(args: argparse.Namespace) -> None:
    from junkdna.cli.archive import archive

    print_lines(archive(args.folders, args.out))


def _findings(args: argparse.Namespace) -> int:
    from junkdna.cli.findings import check, findings

    if args.check and not args.page:
        raise UserError("--check compares the blocks of pages: name them with --page, such as --page page.md.")
    if args.check:
        wrong = list(check(args.archive, args.page))
        print_lines(wrong or ["every block is what the archive says"])
        return 1 if wrong else 0
    same = print_lines(findings(args.archive, args.out, args.page, not args.tables_only))
    return 0 if same else 1
