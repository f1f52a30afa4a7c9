"""A written report page as its parts: tags, text and ids."""

import re
from html.parser import HTMLParser
from pathlib import Path

import figure_tables as tables
import polars as pl
from page_tables import claims_table, write_inputs

from junkdna.report.page.write import write_report

HOSTILE = "<script>alert('x')</script> & \"co\" </script>"
VOID = ("meta", "img", "link", "br", "wbr", "input")
MODES = ("none", "dense", "sparse")


class Page(HTMLParser):
    """Tags with their attributes, text outside scripts and styles, and whether every tag was closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.parts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        if self.open[-1:] not in (["script"], ["style"]):
            self.parts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.parts).replace("\u00a0", " "))

    def ids(self) -> list[str]:
        return [attrs["id"] for _, attrs in self.tags if "id" in attrs]


def write(
    folder: Path, conditions: list | pl.DataFrame, claims: pl.DataFrame | None = None, study: object = None, **options
) -> Page:
    """A page from simulated tables."""
    drops = conditions if isinstance(conditions, pl.DataFrame) else tables.drops_table(conditions)
    found, file = write_inputs(folder, drops, claims_table() if claims is None else claims, study)
    write_report(found, file, folder / "report.html", **options)
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def small(**changes) -> tables.Condition:
    """A condition of the task `a`, pruned by half, with changes."""
    return tables.Condition(
        **{
            "task": "a",
            "knobs": "",
            "label": "A",
            "chance": 0.25,
            "dense": 0.8,
            "half": 0.5,
            "experiment": "one",
            "levels": (0.5,),
        }
        | changes
    )


def hostile(folder: Path) -> tuple[Page, str, pl.DataFrame]:
    """A page whose every text is hostile, its source and its table of drops."""
    few = {"levels": (0.3, 0.6), "n_seeds": 2}
    conditions = [
        small(label=HOSTILE, transfers=MODES, **few),
        small(task="b", label="Kept", experiment="two & <b>", methods=("nm",), **few),
    ]
    study = {
        "study": {"study": "mine", "models": {"m": {"path": HOSTILE}}, "experiments": {"one": {"title": HOSTILE}}},
        "tasks": {"a": {"notes": HOSTILE, "license": HOSTILE}},
    }
    claims = claims_table({"unit": HOSTILE, "details": HOSTILE, "experiment": "one"})
    drops = tables.drops_table(conditions)
    return write(folder, drops, claims, study), (folder / "report.html").read_text(encoding="utf-8"), drops
