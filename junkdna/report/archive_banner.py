"""What the page of an archive says at its top: that it is one, and how much of the study it has."""


def notice(missing: int, total: int) -> str:
    """The start of the title of an incomplete archive; empty if it has all cells."""
    return f"INCOMPLETE: {total - missing:,} of {total:,} cells" if missing else ""


def banner(missing: int, total: int) -> str:
    """HTML section on what an archive has, and what it lacks."""
    part = f"It has {total - missing:,} of {total:,} cells of the study; rows without their cells are left out. "
    return (
        f'<section class="{"incomplete" if missing else ""}" id="archive"><h2>{notice(missing, total) or "From an archive"}'
        f"</h2><p>Computed again from archived answers, without a model. {part if missing else ''}The archive has which "
        "answers were given, not the scores of all options: divergences, agreement and temperatures are those computed "
        "when it was written, and single examples cannot be browsed here.</p></section>"
    )
