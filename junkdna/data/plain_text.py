"""Plain text files as rows: pieces of bounded length that together are the complete text."""

from collections.abc import Iterator

import pyarrow as pa

from junkdna.data.text_files import BOM, check_utf8

PIECE = 4000  # characters: about 1,000 tokens of English
MARKS = ("\n\n", "\n", " ")  # where a piece ends, best first


def text_table(content: bytes, where: str) -> pa.Table:
    """One column, `text`, with one row for each piece of the file; blank pieces are skipped. Line breaks become "\\n".

    Raises UserError for a file that is not UTF-8.
    """
    check_utf8(content, where)
    text = content.removeprefix(BOM).decode().replace("\r\n", "\n").replace("\r", "\n")
    return pa.table({"text": pa.array([piece for piece in pieces(text) if piece.strip()], pa.string())})


def pieces(text: str) -> Iterator[str]:
    """The text in pieces of at most `PIECE` characters.

    A piece ends after the last empty line in its second half or, without one, after the last line break there, before
    the last space there (tokenizers join a space with the next word), or anywhere. The cuts depend on the text only, so
    every model is scored on the same pieces.
    """
    start = 0
    while len(text) - start > PIECE:
        ends = (text.rfind(mark, start + PIECE // 2, start + PIECE) + len(mark.strip(" ")) for mark in MARKS)
        end = next((end for end in ends if end > start + PIECE // 2), start + PIECE)
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]
