"""Raw rows of a data set, from a wheel, a local folder or the Hub, as one Arrow table."""

import gzip
import hashlib
import io
import json
import logging
import zlib
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
from pyarrow import parquet

from junkdna.data.class_names import feature_names, label_names
from junkdna.data.delimited import delimited_table
from junkdna.data.json_rows import json_lines, json_rows, json_table
from junkdna.data.olmes import REQUESTS_NAME, documents
from junkdna.data.plain_text import text_table
from junkdna.data.table_parts import join_tables
from junkdna.data.unreadable import check_bytes, unreadable
from junkdna.data.wheels import OpenWheel, open_wheel
from junkdna.errors import UserError, unknown_name
from junkdna.storage.globs import NoMatch, glob, local_folder, names_in_folder

if TYPE_CHECKING:
    from datasets import DatasetBuilder

    from junkdna.study.sources import PinnedSource

log = logging.getLogger(__name__)

SUFFIXES = (".arrow", ".parquet", ".json", ".jsonl", ".jsonl.gz", ".csv", ".tsv", ".txt")
CHANGED_TEXT = "%s: its text files are read by `datasets`, which may change the text of numbers, dates and NA"
HARMLESS = ("name", "version", "data_dir", "data_files", "description", "features")  # options of `datasets`
JSON_SUFFIXES = (".json", ".jsonl", ".jsonl.gz")  # files in which each row names its own columns


class RawRows(NamedTuple):
    """Rows as stored; class names in class order, by path of the column; hex SHA-256 of each file that was read.

    `files` is empty for the Hub, because the `datasets` library reads its files.
    """

    table: pa.Table
    label_names: dict[str, list[str]]
    files: dict[str, str]


@dataclass(frozen=True)
class _Folder:
    """A local folder that is read like an open wheel: paths with forward slashes, SHA-256 of the files read."""

    path: Path
    used: dict[str, str] = field(default_factory=dict)

    def matches(self, pattern: str) -> list[str]:
        """Files and folders that match `pattern`, sorted. Raises UserError if nothing matches."""
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
            raise UserError(f"{self.path}: the split path {pattern!r} must be relative, without '..'.")
        try:
            return glob(pattern, names_in_folder(self.path))
        except NoMatch as error:
            if error.names:
                raise unknown_name("file or folder", error.part, error.names, f"{self.path}: {pattern!r}") from None
            inside = self.path / error.inside
            problem = "is an empty folder" if inside.is_dir() else "is a file, not a folder"
            raise UserError(f"{self.path}: {pattern!r} matches nothing: {inside} {problem}.") from None

    def below(self, name: str) -> list[str]:
        """The paths of all files below a folder, sorted."""
        inside = (self.path / name).rglob("*")
        return sorted(path.relative_to(self.path).as_posix() for path in inside if path.is_file())

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        content = (self.path / name).read_bytes()
        self.used[name] = hashlib.sha256(content).hexdigest()
        return content


def load_raw(source: "PinnedSource", split_path: str, root: Path | None = None) -> RawRows:
    """All rows of a split, in stored order, as a pyarrow table with class names and file hashes.

    `split_path` is the split's name for a Hub source. Otherwise it is a file (.arrow, .parquet, .json, .jsonl,
    .jsonl.gz, .csv, .tsv, .txt) or a folder written by `save_to_disk`, in the wheel or the local folder. `*` matches
    characters of one name; several matches are concatenated in sorted order. `root` is the wheel file for a wheel, or
    the folder at which a relative local folder starts (default: the working directory). The latter also applies to a
    folder given as `hub` that has the layout of a Hub repository.

    `data.delimited` reads .csv and .tsv, `data.plain_text` .txt, `data.json_rows` .json and .jsonl, `data.olmes` OLMES
    requests (names that end in requests.jsonl.gz) as one row per document; `data.table_parts` concatenates. Values stay
    as stored (`data.values` reads them) and class labels stay integers. Nothing is shuffled, filtered, renamed or
    written.
    Raises UserError for paths that match nothing, unreadable files, duplicate columns, parts that differ in meaning,
    and for a Hub that cannot be reached.
    """
    assert root is not None or source.wheel is None, "a wheel source needs the path of the wheel"
    root = root or Path()
    if source.hub is not None:
        return _from_hub(source, split_path, root)
    if source.wheel is not None:
        with open_wheel(root) as wheel:
            return _from_files(wheel, root.name, split_path)
    folder = local_folder(source.local, root).absolute()
    if not folder.is_dir():
        raise UserError(
            f"local: {source.local!r} is not a folder ({folder}). Relative paths start at {root.absolute()}."
        )
    return _from_files(_Folder(folder), str(folder), split_path)


def _from_files(files: OpenWheel | _Folder, where: str, split_path: str) -> RawRows:
    parts = [(match, _read_one(files, match, f"{where}: {match}")) for match in files.matches(split_path)]
    return _joined(parts, f"{where}: {split_path}", files.used)


# --- one folder or file -----------------------------------------------------------------------------------------------


def _read_one(files: OpenWheel | _Folder, match: str, where: str) -> pa.Table:
    names = files.below(match)
    try:
        if not names or names == [match]:
            return _parse(files.read(match), match.lower(), where)
        return _read_saved(files, match, set(names), where)
    except UserError:
        raise
    except (pa.ArrowException, ValueError, KeyError, TypeError, EOFError, OSError, MemoryError, zlib.error) as error:
        raise unreadable(error, where) from None


def _read_saved(files: OpenWheel | _Folder, folder: str, names: set[str], where: str) -> pa.Table:
    """Rows of a folder that `datasets` wrote with save_to_disk: IPC streams, in the order of state.json."""
    if f"{folder}/state.json" not in names:
        inner = sorted({name[len(folder) + 1 :].split("/")[0] for name in names})
        rule = f"A split is a folder written by save_to_disk (with state.json) or a file ({', '.join(SUFFIXES)})"
        raise UserError(
            f"{where} is not a split. {rule}. This folder contains {', '.join(inner[:20])}; name one of them."
        )
    state = json.loads(files.read(f"{folder}/state.json"))
    entries = state.get("_data_files") if isinstance(state, dict) else None
    if not isinstance(entries, list) or not all(isinstance(one, dict) and "filename" in one for one in entries):
        raise UserError(
            f"{where}: state.json does not list the files of the folder (_data_files). Save the data again."
        )
    if state.get("_indices_data_files"):
        raise UserError(
            f"{where} was saved by an old version of `datasets` with separate indices. Save it again with save_to_disk."
        )
    paths = [f"{folder}/{entry['filename']}" for entry in entries]
    return pa.concat_tables([pa.ipc.open_stream(files.read(path)).read_all() for path in paths])


def _parse(content: bytes, name: str, where: str) -> pa.Table:
    if not name.endswith(SUFFIXES):
        raise UserError(f"{where}: unsupported file type. Valid: {', '.join(SUFFIXES)}.")
    check_bytes(content, name, where)
    if name.endswith(".parquet"):
        return parquet.ParquetFile(pa.BufferReader(content)).read()
    if name.endswith(".arrow"):
        is_file = content.startswith(b"ARROW1")
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(content).read_all()
    if name.endswith(".json"):
        return json_table(json_rows(content, where), where)
    if name.endswith(".txt"):
        return text_table(content, where)
    if name.endswith((".csv", ".tsv")):
        return delimited_table(content, "\t" if name.endswith(".tsv") else ",", where)
    with io.BytesIO(content) as plain, gzip.open(plain) if name.endswith(".gz") else plain as lines:
        rows = json_lines(lines, where)
        if name.endswith(REQUESTS_NAME):
            docs = documents((row for _, row in rows), where)
            rows = ((f"document {number}", doc) for number, doc in enumerate(docs))
        return json_table(rows, where)


# --- all parts --------------------------------------------------------------------------------------------------------


def _joined(parts: list[tuple[str, pa.Table]], where: str, hashes: dict[str, str]) -> RawRows:
    for name, part in parts:
        if twice := sorted({column for column in part.schema.names if part.schema.names.count(column) > 1}):
            raise UserError(f"{where}: {name} has the column {', '.join(twice)} more than once. Rename one.")
    names = _shared_names(parts, where)
    may_lack = all(name.lower().endswith(JSON_SUFFIXES) for name, _ in parts)
    try:
        table = join_tables([(name, part.replace_schema_metadata(None)) for name, part in parts], may_lack)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
    if table.num_rows == 0:
        raise UserError(f"{where} has no rows.")
    return RawRows(table, names, dict(sorted(hashes.items())))


def _shared_names(parts: list[tuple[str, pa.Table]], where: str) -> dict[str, list[str]]:
    """Class names by column. Raises UserError, with both files, if parts differ in the class names of a column."""
    by_path: dict[str, tuple[str, list[str]]] = {}
    named = [(name, part, label_names(part.schema, f"{where}: {name}")) for name, part in parts]
    for name, _, names in named:
        by_path = {path: (name, classes) for path, classes in names.items()} | by_path
    for path, (first, classes) in by_path.items():
        for name, part, names in named:
            if path.split(".")[0] in part.schema.names and names.get(path) != classes:
                has = ", ".join(names[path]) if path in names else "no names"
                raise UserError(
                    f"{where}: the labels of the {len(parts)} parts differ in meaning: column {path} has the class "
                    f"names {', '.join(classes)} in {first}, but {has} in {name}."
                )
    return {path: classes for path, (_, classes) in by_path.items()}


# --- the Hub ----------------------------------------------------------------------------------------------------------


def _from_hub(source: "PinnedSource", split: str, root: Path) -> RawRows:
    """Rows of a Hub data set. Its .csv, .json and .jsonl files are read by this module if possible, because `datasets`
    would turn 007 into 7, NA into null, 3 into 3.0 next to 2.5, and a text such as 2017-01-01 into a time."""
    import datasets

    folder = local_folder(source.hub, root).absolute()
    location = {"path": str(folder)} if folder.is_dir() else {"path": source.hub, "revision": source.revision}
    where = f"hub {source.hub}"
    try:
        builder = datasets.load_dataset_builder(name=source.config, **location)
        files = _text_files(builder, split)
        if files:
            parts = [(name, _parse(Path(file).read_bytes(), name.lower(), f"{where}: {name}")) for name, file in files]
            labels = feature_names((builder.info.features or datasets.Features()).to_dict())
        else:
            rows = datasets.load_dataset(name=source.config, split=split, **location)
            parts = [(split, rows.with_format("arrow")[:].replace_schema_metadata(None))]
            labels = feature_names(rows.features.to_dict())
            if rows.info.builder_name in ("csv", "json"):
                log.warning(CHANGED_TEXT, where)
    except UserError:
        raise
    except Exception as error:
        raise _hub_error(source, split, folder, error) from error
    return _joined(parts, where, {})._replace(label_names=labels)


def _text_files(builder: "DatasetBuilder", split: str) -> list[tuple[str, str]]:
    """(name, local path) of the files of the splits ("train", "train+test"), if all are text files that `_parse` reads
    and the data set sets no reading options (delimiters, fields); otherwise an empty list.

    Raises UserError if such a data set lacks the split.
    """
    import datasets

    config, known = builder.config, getattr(builder.config, "data_files", None) or {}
    splits = [name.strip() for name in split.split("+")]
    if not all(name.isidentifier() for name in splits) or builder.__module__.split(".")[-1] not in ("csv", "json"):
        return []  # as for "train[:10%]"
    if unknown := [name for name in splits if name not in known]:
        raise unknown_name("split", unknown[0], map(str, known), f"hub {builder.base_path or builder.dataset_name}")
    paths = [str(path) for name in splits for path in known[name]]
    options = {field.name for field in fields(config)} - {*HARMLESS}
    changed = any(getattr(config, name) != getattr(type(config)(), name) for name in options)
    if changed or not all(path.lower().endswith((".csv", ".json", ".jsonl")) for path in paths):
        return []
    return [(PurePosixPath(path).name, datasets.DownloadManager().download(path)) for path in paths]


def _hub_error(source: "PinnedSource", split: str, folder: Path, error: Exception) -> UserError:
    data_set = f"data set {source.hub!r} (config {source.config!r}, split {split!r}, revision {source.revision!r})"
    message = " ".join(str(error).split())[:500]
    if folder.is_dir():
        return UserError(f"{data_set}: the folder {folder} cannot be read as a Hub repository: {message}")
    if isinstance(error, ValueError) and "find cache" not in message:
        return UserError(f"{data_set}: {message}")
    return UserError(
        f"{data_set} cannot be loaded: {message}. Without a network, either call"
        f" datasets.load_dataset({source.hub!r}, {source.config!r}) on a machine that has one and copy its HF_HOME"
        " folder, or copy the repository's data files into a folder and name that as `hub:` (same layout as the"
        " repository) or as `local:` (file by file)."
    )
