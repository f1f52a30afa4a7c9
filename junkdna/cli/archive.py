"""`junkdna archive`: pack the results of a study into a small folder (docs/sharing.md)."""

from collections.abc import Iterator, Sequence
from pathlib import Path


def archive(folders: Sequence[Path], target: Path) -> Iterator[str]:
    """Write the results or archives in `folders`, pieces of one study, as one archive; yield lines on what it has.

    An earlier archive of the study in `target` is replaced. Raises UserError if a folder has no results, if they are of
    different studies, or if `target` has anything else.
    """
    from junkdna.analysis.archive_sources import open_source
    from junkdna.report.archive import write_archive
    from junkdna.report.archive_target import check_target
    from junkdna.report.page.provenance import software

    check_target(target)
    written = write_archive([open_source(folder) for folder in folders], target, software())
    yield f"archived {written.cells:,} of {written.cells + written.missing:,} cells of the study in {target}"
    if written.shared:
        yield (
            f"{written.shared:,} cells are in several folders, {written.different:,} of them with other answers: those "
            "of the first folder are kept"
        )
    if written.undated:
        yield (
            f"the day of {written.undated:,} cells is not known: their tables are of an earlier version (`snakemake "
            "--forcerun collect` where they were computed makes them again)"
        )
    for name, size in written.sizes.items():
        yield f"  {size / 1000:9,.1f} kB  {name}"
    yield f"  {sum(written.sizes.values()) / 1000:9,.1f} kB  together"
    yield f"to compute it again: junkdna findings {target}"
