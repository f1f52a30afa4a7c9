"""The files of the package that the page contains: templates, style sheet, script and font."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.report.page.words import number
from junkdna.storage.fingerprint import digest

if TYPE_CHECKING:
    from jinja2 import Environment

FOLDER = Path(__file__).parent
ASSETS, TEMPLATES = FOLDER / "assets", FOLDER / "templates"
FONT = "source-sans-3.woff2"
"""Source Sans 3, SIL Open Font License 1.1; OFL.txt beside it is the license, and the page's footer names both."""


def style() -> str:
    """The style sheet with the font in it."""
    font = base64.b64encode((ASSETS / FONT).read_bytes()).decode("ascii")
    face = (
        '@font-face{font-family:"Report Sans";font-weight:200 900;font-display:block;'
        f'src:url(data:font/woff2;base64,{font}) format("woff2")}}\n'
    )
    return face + (ASSETS / "style.css").read_text(encoding="utf-8")


def script() -> str:
    """The script of the page."""
    return (ASSETS / "report.js").read_text(encoding="utf-8")


def environment() -> Environment:
    """The environment of the templates: every value is escaped, and an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_unbroken,
    )  # fmt: skip
    found.globals["margin"] = _margin
    return found


def _margin(thousandths: int) -> str:
    """A margin as the script writes it."""
    return number(thousandths / 1000, 3, sign=True)


def _unbroken(value: object) -> object:
    """A number and its percent sign stay on one line, and so does `n = 650`."""
    return value.replace(" %", "\u00a0%").replace("n = ", "n\u00a0=\u00a0") if type(value) is str else value


@cache
def assets_digest() -> str:
    """Fingerprint of all these files, which the fingerprint of the code does not cover."""
    files = sorted(path for folder in (ASSETS, TEMPLATES) for path in folder.iterdir() if path.is_file())
    return digest("\n".join(f"{path.name} {path.read_bytes().hex()}" for path in files))
