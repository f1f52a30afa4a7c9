"""User errors found while Snakemake reads the rules: one message without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from junkdna.errors import UserError


@contextmanager
def told_plainly() -> Iterator[None]:
    """A block of a Snakefile in which a `UserError` ends Snakemake with its text on stderr and exit status 1.

    Snakemake 9.27 adds a traceback to every exception of a Snakefile, even to its own `WorkflowError`; only
    `SystemExit` avoids it. At that time nothing is locked or running yet.
    """
    try:
        yield
    except UserError as error:
        sys.exit(f"{error}\nNothing was run.")
