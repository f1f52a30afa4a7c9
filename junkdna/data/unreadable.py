"""What is wrong with a data file that cannot be read, in one sentence with its cause and what to do."""

from junkdna.errors import UserError, cut

AGAIN = "Download or copy it again"
KINDS = {
    b"PK\x03\x04": "a zip archive or an Excel workbook; unpack it, or save it as CSV (in Excel: 'CSV UTF-8')",
    b"PAR1": "a Parquet file; rename it to end in .parquet",
    b"ARROW1": "an Arrow file; rename it to end in .arrow",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; unpack it",
    b"\xfd7zXZ": "compressed with xz; unpack it",
    b"BZh9": "compressed with bzip2; unpack it",
}  # by the first bytes of a file that is named as text
LFS = b"version https://git-lfs.github.com/spec/"


def check_bytes(content: bytes, name: str, where: str) -> None:
    """UserError for a file that is empty, or by its first and last bytes not what its name says."""
    if not content:
        raise UserError(f"{where} is empty (0 bytes). {AGAIN}.")
    if content.startswith(LFS):
        raise UserError(f"{where} is a pointer of Git LFS, not the data. Fetch the data with: git lfs pull.")
    if content.lstrip()[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise UserError(f"{where} is a web page (a login or error page, say), not the data. {AGAIN}.")
    packed = content.startswith(b"\x1f\x8b")
    if name.endswith(".gz") and not packed:
        raise UserError(f"{where} is not compressed with gzip. Rename it to end in .jsonl, or compress it.")
    if packed and not name.endswith(".gz"):
        raise UserError(f"{where} is compressed with gzip. Unpack it, or rename JSON lines to end in .jsonl.gz.")
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), None)
    if kind and not name.endswith((".parquet", ".arrow", ".gz")):
        raise UserError(f"{where} is {kind}.")
    if name.endswith(".parquet"):
        _check_parquet(content, where)


def _check_parquet(content: bytes, where: str) -> None:
    if content.startswith(b"PARE") or content.endswith(b"PARE"):
        raise UserError(f"{where} is an encrypted Parquet file, which is not read. Save it without encryption.")
    if not content.startswith(b"PAR1"):
        raise UserError(f"{where} is no Parquet file (it begins with {content[:4]!r}). {AGAIN}, or rename it.")
    if not content.endswith(b"PAR1") or len(content) < 12:
        raise UserError(f"{where} is a Parquet file that was cut short: its end is missing. {AGAIN}.")


def unreadable(error: Exception, where: str) -> UserError:
    """The error of a library that could not read a file, as a sentence about the file."""
    said = cut(" ".join(str(error).split()), 300).rstrip(".")
    if isinstance(error, EOFError):
        return UserError(f"{where} cannot be read: it is cut short ({said}). {AGAIN}.")
    if isinstance(error, OSError) and error.strerror:
        return UserError(f"{where} cannot be read: {error.strerror}.")
    if isinstance(error, NotImplementedError) or "codec" in said.lower():
        return UserError(
            f"{where} cannot be read: it uses a part of its format that pyarrow does not read here ({said}). Save it "
            "anew, compressed with zstd or snappy and with plain column types."
        )
    if isinstance(error, MemoryError):
        return UserError(f"{where} cannot be read: it needs more memory than there is. Split it into smaller files.")
    return UserError(f"{where} cannot be read ({said}). It is damaged, cut short or not what its name says. {AGAIN}.")
