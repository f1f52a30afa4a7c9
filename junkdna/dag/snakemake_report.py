"""What Snakemake's own report (`snakemake --report`) shows: the page, two tables, every figure in its first view."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from junkdna.report.catalog import named
from junkdna.report.page.captions import PAGE, TABLES, caption_file
from junkdna.study.study import Resolved

WHOLE = "The whole study"


def entries(resolved: Resolved, folder: str, figures: Iterable[str]) -> dict[str, dict]:
    """The arguments of Snakemake's `report` flag for each file that is shown; `figures` are the figures of the study.

    The captions depend on the results. So they are files too, which the page is written with (`caption_files`).
    """
    found = {f"{folder}/{PAGE}": {"category": "Report page", "labels": {"page": "Verdicts, figures and numbers"}}}
    found |= {f"{folder}/tables/{name}.csv": {"category": "Tables", "labels": {"table": name}} for name in TABLES}
    found |= {file: _figure(Path(file).stem, resolved) for file in figures if _is_shown(Path(file))}
    captions = Path(folder, "captions").absolute()  # Snakemake resolves relative ones against the rule file
    return {file: entry | {"caption": str(caption_file(captions, Path(file).name))} for file, entry in found.items()}


def _is_shown(file: Path) -> bool:
    figure, view, _ = named(file.stem)
    return file.suffix == ".svg" and view == next(iter(figure.views), "")


def _figure(stem: str, resolved: Resolved) -> dict:
    figure, _, experiment = named(stem)
    title = resolved.study.experiments[experiment].title if experiment else WHOLE
    without_wildcards = title.replace("{", "(").replace("}", ")")
    return {"category": "Figures", "subcategory": without_wildcards, "labels": {"figure": figure.label}}


def caption_files(folder: str, shown: Iterable[str]) -> list[str]:
    """The files of the captions of the files that are shown."""
    return [str(caption_file(Path(folder, "captions"), Path(file).name)) for file in shown]


def flagged(files: Iterable[str], shown: Mapping[str, dict], report: Callable) -> list:
    """The files, with Snakemake's flag `report` on those that are shown."""
    return [report(file, **shown[file]) if file in shown else file for file in files]
