"""Explain why a data file cannot be read: the cause and the fix in one or two sentences."""

from junkdna.errors import UserError, cut

FETCH_AGAIN = "Download or copy the file again"
LFS = b"version https://git-lfs.github.com/spec/"


def check_bytes(content: bytes, name: str, where: str) -> None:
    """Raises UserError if a file is empty, or if its first or last bytes do not match the file type of its name."""
    if not content:
        raise UserError(f"{where} is empty (0 bytes). {FETCH_AGAIN}.")
    if content.startswith(LFS):
        raise UserError(f"{where} is a Git LFS pointer, not the data. Fetch the data with: git lfs pull.")
    if content.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{where} is a web page (probably a login or error page), not the data. {FETCH_AGAIN}.")
    is_gzip = content.startswith(b"\x1f\x8b")
    if name.endswith(".gz") and not is_gzip:
        raise UserError(f"{where} is not compressed with gzip. Rename it to end in .jsonl, or compress it.")
    if is_gzip and not name.endswith((".gz", ".parquet", ".arrow")):
        raise UserError(f"{where} is compressed with gzip. Unpack it, or rename JSON lines to end in .jsonl.gz.")
    if name.endswith(".parquet"):
        _check_parquet(content, where)


def _check_parquet(content: bytes, where: str) -> None:
    if content.startswith(b"PARE") or content.endswith(b"PARE"):
        raise UserError(f"{where} is an encrypted Parquet file, which junkdna cannot read. Save it without encryption.")
    if not content.startswith(b"PAR1"):
        raise UserError(f"{where} is not a Parquet file (it starts with {content[:4]!r}). {FETCH_AGAIN}, or rename it.")
    if not content.endswith(b"PAR1") or len(content) < 12:
        raise UserError(f"{where} is a truncated Parquet file: its end is missing. {FETCH_AGAIN}.")


def unreadable(error: Exception, where: str) -> UserError:
    """UserError for a file that a library failed to read with `error`. Returned, not raised."""
    message = cut(" ".join(str(error).split()), 300).rstrip(".")
    if isinstance(error, EOFError):
        return UserError(f"{where} cannot be read: it is truncated ({message}). {FETCH_AGAIN}.")
    if isinstance(error, OSError) and error.strerror:
        return UserError(f"{where} cannot be read: {error.strerror}.")
    if isinstance(error, NotImplementedError) or "codec" in message.lower():
        return UserError(
            f"{where} cannot be read: it uses a feature of its format that the installed pyarrow does not support "
            f"({message}). Save it again, compressed with zstd or snappy and with plain column types."
        )
    if isinstance(error, MemoryError):
        return UserError(
            f"{where} cannot be read: it needs more memory than is available. Split it into smaller files."
        )
    return UserError(
        f"{where} cannot be read ({message}). It is corrupt, truncated, or of another type. {FETCH_AGAIN}."
    )
