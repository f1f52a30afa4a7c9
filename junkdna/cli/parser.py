"""A command-line parser whose errors suggest close names for unknown words."""

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

TYPES = {"int": "a whole number", "float": "a number"}


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that prints one line for an error and one with the help command; exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Print the error in terms of the command line and exit with status 2."""
        choice = re.match(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)$", message)
        wrong_type = re.match(r"argument (\S+): invalid (\w+) value: (.*)$", message)
        if choice:
            message = unknown(choice[1].lower(), choice[2], re.findall(r"[\w-]+", choice[3]))
        elif wrong_type:
            message = f"{wrong_type[1]} must be {TYPES.get(wrong_type[2], wrong_type[2])}, but is {wrong_type[3]}"
        self.exit(2, f"{self.prog}: {message}.\nHelp: {self.prog} --help\n")

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """Like `ArgumentParser.parse_args`, but the error for unknown arguments comes from the subcommand in use."""
        parsed, extra = self.parse_known_args(args, namespace)
        if not extra:
            return parsed
        command = self._subcommand(parsed)
        options = sorted(option for action in command._actions for option in action.option_strings if option != "-h")
        flag = extra[0].partition("=")[0]
        if flag.startswith("-"):
            command.error(unknown("option", flag, options))
        command.error(f"unexpected arguments {' '.join(extra)!r}")

    def _subcommand(self, parsed: argparse.Namespace) -> "Parser":
        """The parser of the innermost subcommand in use."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and getattr(parsed, action.dest, None):
                return action.choices[getattr(parsed, action.dest)]._subcommand(parsed)
        return self


def unknown(kind: str, name: str, valid: list[str]) -> str:
    """Such as: unknown command 'plann'. Did you mean plan? Valid: plan, status, ..."""
    close = get_close_matches(name[:80], valid, n=2, cutoff=0.6)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Valid: {', '.join(valid)}"
