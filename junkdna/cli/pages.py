"""The Markdown pages whose blocks `junkdna findings` fills from an archive."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from junkdna.errors import UserError, cut

if TYPE_CHECKING:
    from junkdna.report.findings.blocks import Shown
    from junkdna.report.page.inputs import Inputs


def check_places(folder: Path, out: Path, pages: Sequence[Path]) -> None:
    """Raises UserError if the folder `out`, which is replaced, is the archive in `folder` or in it, or has the archive
    or a page in it."""
    archive, target = folder.resolve(), out.resolve()
    if target == archive:
        raise UserError(f"--out {out} is the archive itself, whose tables would be replaced. Name another folder.")
    if target.is_relative_to(archive):
        raise UserError(f"--out {out} is in the archive {folder}, which has only its own files. Name another folder.")
    for inside, what in ((folder, "the archive"), *((page, "the page") for page in pages)):
        if inside.resolve().is_relative_to(target):
            raise UserError(
                f"--out {out} contains {what} {inside}, which would be lost when the folder is replaced. Name another "
                "folder."
            )


def inputs_of(tables: Path, folder: Path) -> "Inputs":
    """What the blocks are made of: a folder of tables, and the study of the archive in `folder`."""
    from junkdna.report.page.inputs import read_inputs
    from junkdna.study.results_folder import STUDY

    return read_inputs(tables, folder / STUDY)


def filled(inputs: "Inputs", page: Path, folder: Path) -> str:
    """The text of a page, or of the skeleton if there is none, with filled blocks. Raises UserError for a wrong one."""
    from junkdna.report.archive_target import FIGURES
    from junkdna.report.findings import markers
    from junkdna.report.findings.blocks import text_of

    text = _read(page) if page.exists() else _skeleton()
    return markers.filled(text, text_of(inputs, page, folder / FIGURES))


def write_page(page: Path, text: str, folder: Path, tables: Path, figures: bool) -> Iterator[str]:
    """Write a page and, with `figures`, those that it shows into the archive in `folder`; without, name those that are
    not there."""
    from junkdna.report.draw import drawing, render
    from junkdna.report.plotting.layout import save_as
    from junkdna.storage.atomic import atomic_write

    for file, shown in _figures(text, folder).items():
        if figures:
            save_as(render(drawing(tables, *shown)), file)
        elif not file.is_file():
            yield f"figure   {file} is not there: without --tables-only it is drawn"
    with atomic_write(page) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    yield f"page     {page}"


def wrong(page: Path, folder: Path, inputs: "Inputs") -> Iterator[str]:
    """A line for each block of a page that is not what the study says, each figure of it that does not exist, and, in
    findings.md, each number typed by hand."""
    from junkdna.report.archive_target import FIGURES
    from junkdna.report.findings.blocks import text_of
    from junkdna.report.findings.markers import differing, typed_numbers

    text = _read(page)
    for words, given, made in differing(text, text_of(inputs, page, folder / FIGURES)):
        yield f"{page}: block {words!r} has {_first(given, made)}, but the study says {_first(made, given)}"
    for file in _figures(text, folder):
        if not file.is_file():
            yield f"{page}: {file} is shown but does not exist: `junkdna findings {folder} --page {page}` draws it"
    for typed in typed_numbers(text) if page.name == "findings.md" else ():
        yield f"{page}: {typed} is typed by hand: write it as a block, such as <!-- findings: value ... -->"


def _figures(text: str, folder: Path) -> dict[Path, "Shown"]:
    """File -> figure, for each that a page shows."""
    from junkdna.report.archive_target import FIGURES
    from junkdna.report.findings.blocks import shown_figures

    return {folder / FIGURES / shown.file: shown for shown in shown_figures(text)}


def _first(text: str, other: str) -> str:
    """The first line of a text that the other one does not have."""
    from junkdna.report.findings.markers import same

    lines = other.splitlines()
    own = (line for at, line in enumerate(text.splitlines()) if at >= len(lines) or not same(line, lines[at]))
    return repr(cut(next(own, ""), 300))


def _read(page: Path) -> str:
    try:
        return page.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"--page {page} is no text in UTF-8: name a Markdown page.") from None
    except OSError as error:
        raise UserError(f"--page {page} cannot be read: {error.strerror or error}.") from None


def _skeleton() -> str:
    import junkdna.report.findings as package

    return (Path(package.__file__).parent / "skeleton.md").read_text(encoding="utf-8")
