"""What the page of an archive says at its top: that it is one, and how much of the study it has."""


def notice(missing: int, total: int) -> str:
    """The start of the title of an incomplete archive; empty if it has all cells."""
    return f"INCOMPLETE: {total - missing:,} of {total:,} cells" if missing else ""


def banner(missing: int, total: int) -> str:
    """HTML section on what an archive has, and what it lacks."""
    part = f"{total - missing:,} of {total:,} cells are in it; rows without them are left out. " if missing else ""
    return (
        f'<section{" class=incomplete" if missing else ""} id="archive">'
        f"<h2>{notice(missing, total) or 'From an archive'}</h2>"
        f"<p>Computed again from archived answers, without a model. {part}The archive has the answers, not the scores "
        "of all options: divergences, agreement and temperatures are those computed when it was written, and single "
        "examples cannot be browsed here.</p></section>"
    )
