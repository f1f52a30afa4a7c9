"""Files that hold no text are named for what they are, whatever their names say."""

import bz2
import gzip
import io
import lzma
import pickle
import random
import sqlite3
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from junkdna.data.binary_files import binary_kind
from junkdna.data.rows import load_raw
from junkdna.errors import UserError
from junkdna.grade.answers import Reading
from junkdna.grade.read import read_log
from junkdna.study.sources import PinnedSource

TEXT = b"id,gold,prediction\n1,A,A\n"


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.csv", TEXT)
    return file.getvalue()


def picture() -> bytes:
    from matplotlib.figure import Figure

    file = io.BytesIO()
    Figure().savefig(file, format="png")
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO())
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3))
    return file.getvalue()


def database() -> bytes:
    made = sqlite3.connect(":memory:")
    made.execute("create table t (id)")
    return made.serialize()


def tensors() -> bytes:
    from safetensors.numpy import save

    return save({"a": np.zeros(3, np.float32)})


WRITTEN = {  # by the programs that write such files
    "a program (ELF)": lambda: Path(sys.executable).read_bytes(),
    "a zip archive": zipped,
    "a PNG picture": picture,
    "compressed with gzip": lambda: gzip.compress(TEXT),
    "compressed with bzip2": lambda: bz2.compress(TEXT),
    "compressed with xz": lambda: lzma.compress(TEXT),
    "a tar archive": tarred,
    "a NumPy array": array,
    "a Python pickle": lambda: pickle.dumps([1]),
    "an SQLite database": database,
    "a safetensors file": tensors,
}


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.txt", "t.json"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_they_are_refused_by_their_kind(kind: str, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(WRITTEN[kind]())
    with pytest.raises(UserError) as raised:
        load_raw(PinnedSource(local=str(tmp_path)), name)
    assert kind in str(raised.value)
    assert "UTF" not in str(raised.value).replace("CSV UTF-8", "")


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
@pytest.mark.parametrize("kind", WRITTEN)
def test_grade_refuses_them_too(kind: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(WRITTEN[kind]())
    with pytest.raises(UserError) as raised:
        read_log(path, Reading())
    assert str(raised.value).startswith(f"{path} is not text. It looks like ")
    assert kind in str(raised.value)


def test_of_an_unknown_kind(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(bytes(range(8)) + bytes(400))
    with pytest.raises(UserError, match=r"is not text\. It looks like a binary file of an unknown kind; name the file"):
        read_log(path, Reading())


@pytest.mark.parametrize("text", ["id,gold\n1,A\n", "é", "", "{}", "PK", "日本,語\n", "BZh"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be"])
def test_texts_are_not_taken_for_others(text: str, encoding: str) -> None:
    assert binary_kind(text.encode(encoding)) == ""


def test_random_bytes_name_no_kind_by_chance() -> None:
    """Most random bytes have no mark and few zeros: they are reported as no UTF-8."""
    draw = random.Random(0).randbytes
    assert sum(binary_kind(draw(400)) != "" for _ in range(2000)) < 3
