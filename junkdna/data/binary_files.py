"""Recognize files that hold no text, whatever their name says, by their first bytes."""

SAVE_AS_CSV = "save it as CSV (in Excel: 'CSV UTF-8')"
NAME_TEXT = "name the file with the text"
KINDS = {
    b"PK\x03\x04": f"a zip archive or an Excel workbook; unpack it, or {SAVE_AS_CSV}",
    b"\xd0\xcf\x11\xe0": f"an old Excel workbook or Word document; {SAVE_AS_CSV}",
    b"PAR1": "a Parquet file; rename it to end in .parquet",
    b"ARROW1": "an Arrow file; rename it to end in .arrow",
    b"\x1f\x8b": "a file compressed with gzip; unpack it",
    b"\x28\xb5\x2f\xfd": "a file compressed with zstd; unpack it",
    b"\xfd7zXZ": "a file compressed with xz; unpack it",
    **{b"BZh%d" % level: "a file compressed with bzip2; unpack it" for level in range(1, 10)},
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it",
    b"SQLite format 3\0": f"an SQLite database; {SAVE_AS_CSV}",
    b"\x93NUMPY": f"a NumPy array; {SAVE_AS_CSV}",
    b"\x89HDF": f"an HDF5 file; {SAVE_AS_CSV}",
    b"\x80\x02": f"a Python pickle; {SAVE_AS_CSV}",
    b"\x80\x03": f"a Python pickle; {SAVE_AS_CSV}",
    b"\x80\x04": f"a Python pickle; {SAVE_AS_CSV}",
    b"\x80\x05": f"a Python pickle; {SAVE_AS_CSV}",
    b"\x89PNG": f"a PNG picture; {NAME_TEXT}",
    b"\xff\xd8\xff": f"a JPEG picture; {NAME_TEXT}",
    b"GIF8": f"a GIF picture; {NAME_TEXT}",
    b"%PDF-": f"a PDF document; {NAME_TEXT}",
    b"\x7fELF": f"a program (ELF); {NAME_TEXT}",
    b"GGUF": f"a GGUF model; {NAME_TEXT}",
}
"""The first bytes of a file -> what it is, and the fix."""


def binary_kind(start: bytes) -> str:
    """What a file looks like that starts with these bytes, and the fix; "" if nothing says that it is not text."""
    if kind := next((kind for mark, kind in KINDS.items() if start.startswith(mark)), ""):
        return kind
    if start[8:10] == b'{"' and b"\0" in start[:8]:
        return f"a safetensors file; {NAME_TEXT}"
    if start[257:262] == b"ustar":
        return "a tar archive; unpack it"
    many = start.count(0) * 3 > len(start) > 3
    return f"a binary file of an unknown kind; {NAME_TEXT}" if many and not is_wide_text(start) else ""


def is_wide_text(start: bytes) -> bool:
    """Whether every second byte, and no other, is mostly zero, as in UTF-16 of western languages."""
    zeros = [start[at::2].count(0) for at in (0, 1)]
    return min(zeros) * 10 < max(zeros) and max(zeros) * 3 > len(start) > 3
