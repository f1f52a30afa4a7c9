"""Check that text files are text and UTF-8, with or without a byte order mark; errors name the line and the fix."""

import codecs
import io
from collections.abc import Iterable, Iterator

from junkdna.data.binary_files import binary_kind, is_wide_text
from junkdna.errors import UserError

BOM = b"\xef\xbb\xbf"
WIDE = {
    b"\xff\xfe\x00\x00": "UTF-32", b"\x00\x00\xfe\xff": "UTF-32", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16",
}  # fmt: skip
SAVE = "Save it as UTF-8"
CHECKED_AT_ONCE = 2**20


def check_utf8(content: bytes, where: str) -> None:
    """Raises UserError, naming the line, for a file that is not UTF-8 text. Makes no second copy of a large file."""
    _check_start(content[:400], where)
    view = memoryview(content)
    chunks = (view[start : start + CHECKED_AT_ONCE] for start in range(0, len(view), CHECKED_AT_ONCE))
    try:
        for _ in codecs.iterdecode(chunks, "utf-8"):
            pass
    except UnicodeDecodeError:
        bad = next((number, line) for number, line in enumerate(io.BytesIO(content), start=1) if not is_utf8(line))
        raise _not_utf8(where, *bad) from None


def is_utf8(line: bytes) -> bool:
    """Whether bytes are UTF-8 text."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def text_lines(lines: Iterable[bytes], where: str) -> Iterator[tuple[int, str]]:
    """(number from 1, text) of each nonblank line. Raises UserError, naming the line, if one is not UTF-8."""
    for number, line in enumerate(lines, start=1):
        if number == 1:
            _check_start(line[:400], where)
        if not is_utf8(line):
            raise _not_utf8(where, number, line)
        if text := line.removeprefix(BOM).decode().strip():  # concatenated files have a mark in the middle
            yield number, text


def _check_start(start: bytes, where: str) -> None:
    """Raises UserError for the start of a file that is not text, or text in UTF-16 or UTF-32."""
    encoding = next((name for mark, name in WIDE.items() if start.startswith(mark)), "")
    if not encoding and (kind := binary_kind(start)):
        raise UserError(f"{where} is not text. It looks like {kind}.")
    if not encoding and is_wide_text(start):
        encoding = "UTF-16"
    if encoding:
        excel = " (in Excel: 'CSV UTF-8')" if where.endswith((".csv", ".tsv")) else ""
        raise UserError(f"{where} is in {encoding}; text files must be UTF-8. {SAVE}{excel}.")


def _not_utf8(where: str, number: int, line: bytes) -> UserError:
    text = line.decode("cp1252", errors="replace").strip()
    at = next((i for i, letter in enumerate(text) if ord(letter) > 127), 0)
    return UserError(
        f"{where}: line {number} is not UTF-8 (near {text[max(at - 20, 0) : at + 20]!r} if the file is in cp1252, the "
        f"encoding of Windows programs). {SAVE}; Python reads cp1252 with open(path, encoding='cp1252')."
    )
