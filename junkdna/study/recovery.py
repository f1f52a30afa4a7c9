"""Recovery lengths: the protocol of an experiment with several times the training steps, under a name of its own.

`default` at three times the steps is `default-x3`, so the keys of cells at one time the steps do not change.
"""

import re

NAME = re.compile(r"(?P<base>.+)-x(?P<multiple>[2-9]|[1-9][0-9]+)")


def recovery_protocol(protocol: str, multiple: int) -> str:
    """Name of a protocol at a multiple of its steps."""
    return protocol if multiple == 1 else f"{protocol}-x{multiple}"


def base_protocol(name: str) -> tuple[str, int]:
    """The protocol and the multiple of its steps that a name stands for."""
    found = NAME.fullmatch(name)
    return (found["base"], int(found["multiple"])) if found else (name, 1)
