"""A parser of command lines whose errors name what is close to a word that it does not know."""

import argparse
import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import NoReturn

KINDS = {"int": "a whole number", "float": "a number"}


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser` that prints one line for a mistake, then how to ask for help; exit status 2."""

    def error(self, message: str) -> NoReturn:
        """Leave the process with what is wrong, in words of the command line."""
        choice = re.match(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)$", message)
        kind = re.match(r"argument (\S+): invalid (\w+) value: (.*)$", message)
        if choice:
            message = unknown(choice[1].lower(), choice[2], re.findall(r"[\w-]+", choice[3]))
        elif kind:
            message = f"{kind[1]} must be {KINDS.get(kind[2], kind[2])}, but is {kind[3]}"
        self.exit(2, f"{self.prog}: {message}.\nHelp: {self.prog} --help\n")

    def parse_args(self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None):
        """Like `ArgumentParser.parse_args`; the command that was given says what it does not know, with close names."""
        found, unread = self.parse_known_args(args, namespace)
        if not unread:
            return found
        command = self._of(found)
        options = sorted(option for action in command._actions for option in action.option_strings if option != "-h")
        flag = unread[0].partition("=")[0]
        if flag.startswith("-"):
            command.error(unknown("option", flag, options))
        command.error(f"{' '.join(unread)!r} is more than this command takes")

    def _of(self, found: argparse.Namespace) -> "Parser":
        """The parser of the command, or of the command inside it, that was given."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction) and getattr(found, action.dest, None):
                return action.choices[getattr(found, action.dest)]._of(found)
        return self


def unknown(what: str, given: str, valid: list[str]) -> str:
    """Such as: unknown command 'plann'; did you mean plan? (all: ...)."""
    close = get_close_matches(given[:80], valid, n=2, cutoff=0.6)
    hint = f"; did you mean {' or '.join(close)}?" if close else ";"
    return f"unknown {what} {given!r}{hint} All: {', '.join(valid)}"
