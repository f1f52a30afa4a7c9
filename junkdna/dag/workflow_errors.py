"""User errors while Snakemake reads the rules: one message without a traceback."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from junkdna.errors import UserError


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Within this block of a Snakefile, a `UserError` ends Snakemake with its text on stderr and exit status 1.

    Snakemake 9.27 adds a traceback to every exception of a Snakefile, even to its own `WorkflowError`; only
    `SystemExit` avoids it. Nothing is locked or running yet.
    """
    try:
        yield
    except UserError as error:
        sys.exit(f"{error}\nNothing was run.")
