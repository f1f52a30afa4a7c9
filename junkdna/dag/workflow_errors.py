"""Mistakes that are found while Snakemake reads the rules: one message, without lines of Python."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from junkdna.errors import UserError


@contextmanager
def told_plainly() -> Iterator[None]:
    """A block of a Snakefile whose `UserError` ends Snakemake with its text on stderr and exit status 1.

    Snakemake 9.27 puts the lines of a traceback after every exception that a Snakefile raises, its own `WorkflowError`
    among them; only `SystemExit` passes it by. Nothing is locked or started yet at that time.
    """
    try:
        yield
    except UserError as error:
        sys.exit(f"{error}\nNothing was run.")
