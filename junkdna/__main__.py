"""`python -m junkdna` is the `junkdna` command."""

from junkdna.cli.main import main

main()
