"""`python -m junkdna` is the `junkdna` command."""

from junkdna.cli import main

main()
