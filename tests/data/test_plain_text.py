"""Plain text files become rows that are the file again when joined."""

import random
from pathlib import Path

import pytest

from junkdna.data.plain_text import PIECE, pieces
from junkdna.data.rows import load_raw
from junkdna.errors import UserError
from junkdna.study.sources import PinnedSource


def read(folder: Path, content: bytes) -> list[str]:
    (folder / "book.txt").write_bytes(content)
    return load_raw(PinnedSource(local="."), "book.txt", folder).table["text"].to_pylist()


@pytest.mark.parametrize("mark", ["\n\n", "\n", " ", ""])
def test_pieces_are_the_text_and_end_at_the_best_place(mark):
    draw = random.Random(len(mark))
    text = "".join("ab東é"[draw.randrange(4)] * draw.randrange(1, 40) + mark for _ in range(2000))
    found = list(pieces(text))
    assert "".join(found) == text
    assert len(found) > 5
    assert all(PIECE / 2 < len(piece) <= PIECE for piece in found[:-1])
    assert all(piece.endswith(mark.strip(" ")) for piece in found[:-1])
    assert mark != " " or all(piece.startswith(mark) for piece in found[1:])


def test_an_empty_line_is_a_better_end_than_a_later_space():
    text = "a" * (PIECE - 1000) + "\n\n" + "b c " * 1000
    assert next(pieces(text)) == "a" * (PIECE - 1000) + "\n\n"


def test_short_and_exact_lengths():
    assert [len(piece) for size in (0, 1, PIECE, PIECE + 1) for piece in pieces("x" * size)] == [1, PIECE, PIECE, 1]


def test_a_file_is_read_with_any_line_ends_and_a_byte_order_mark(tmp_path):
    assert read(tmp_path, b"\xef\xbb\xbfone\r\ntwo\rthree \xe6\x9d\xb1") == ["one\ntwo\nthree 東"]


def test_blank_pieces_are_no_rows(tmp_path):
    assert read(tmp_path, b"word" + b" " * 3 * PIECE) == [
        "word" + " " * (PIECE - 5)
    ]  # the last space opens the next piece
    with pytest.raises(UserError, match="has no rows"):
        read(tmp_path, b" \n")


def test_other_encodings_are_named(tmp_path):
    with pytest.raises(UserError, match="line 2 is not UTF-8"):
        read(tmp_path, "one\ncafé".encode("cp1252"))
