"""CSV and TSV files as tables of text: every field keeps its exact characters."""

import csv
import io
from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from junkdna.data.text_files import check_utf8
from junkdna.errors import UserError, short_repr

ROWS_AT_ONCE = 20_000
LARGEST_FIELD = 2**31 - 1  # characters; the csv module's own limit is 131,072
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def delimited_table(content: bytes, delimiter: str, where: str) -> pa.Table:
    """The rows below the header line; all columns are text ("007", "1.0", "NA" and "" are not converted).

    Fields between commas may be in double quotes, with line breaks inside and quotes doubled. Fields between tabs have
    no quoting (as in GLUE). Blank lines and columns without a name are skipped. Raises UserError for an empty file, two
    columns of the same name, another delimiter, a row with more or fewer fields than the header, an unclosed quote, and
    text that is not UTF-8.
    """
    check_utf8(content, where)
    rows = _rows(content, delimiter, where)
    header = next(rows, None)
    if header is None:
        raise UserError(f"{where} is empty. Its first line must name the columns; save the data again.")
    _check_header(header, delimiter, where)
    schema = pa.schema([(name, pa.string()) for name in header if name])
    tables = [schema.empty_table()]
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        columns = [column for name, column in zip(header, zip(*chunk, strict=True), strict=True) if name]
        tables.append(pa.table(columns, schema=schema))
    return pa.concat_tables(tables)


def _rows(content: bytes, delimiter: str, where: str) -> Iterator[list[str]]:
    """The header and the rows that are not blank. Raises UserError for an unclosed quote, for text after a closing
    quote, and for a row of another length than the header."""
    csv.field_size_limit(LARGEST_FIELD)
    quoting = {"strict": True} if delimiter == "," else {"quoting": csv.QUOTE_NONE}
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    reader = csv.reader(lines, delimiter=delimiter, **quoting)
    first_line, length = 1, 0
    try:
        for row in reader:
            length = length or len(row)
            if row and len(row) != length:
                fields = "1 field" if len(row) == 1 else f"{len(row)} fields"
                raise UserError(
                    f"{where}: the row that ends in line {reader.line_num} has {fields}, but the header names {length} "
                    f"columns (the row starts with {short_repr(row[0], 40)}). Put a text that contains the delimiter "
                    "or a line break in quotes in a .csv; a .tsv cannot contain one."
                )
            if row:
                yield row
            first_line = reader.line_num + 1
    except csv.Error as error:
        if first_line == 1:  # another delimiter is the more likely cause
            _check_delimiter(content.split(b"\n", 1)[0].decode("utf-8-sig"), delimiter, where)
        raise UserError(
            f"{where}: the row that starts in line {first_line} cannot be read as CSV ({error}). Double a quote "
            'that belongs to a text ("") and put the field in quotes.'
        ) from None


def _check_delimiter(header: str, delimiter: str, where: str) -> None:
    """Raises UserError if the header contains another delimiter."""
    if other := next((sign for sign in NAMES if sign != delimiter and sign in header), None):
        fix = "rename the file to end in .tsv" if other == "\t" else f"save it with {NAMES[delimiter]}"
        fix = "rename the file to end in .csv" if other == "," else fix
        raise UserError(
            f"{where}: the header has one column, {short_repr(header.strip())}; its fields are probably separated by "
            f"{NAMES[other]}, not {NAMES[delimiter]}. If so, {fix}."
        )


def _check_header(header: list[str], delimiter: str, where: str) -> None:
    if len(header) == 1:
        _check_delimiter(header[0], delimiter, where)
    if repeated := sorted({name for name in header if name and header.count(name) > 1}):
        raise UserError(
            f"{where}: the header names column {', '.join(map(repr, repeated))} more than once; rename one."
        )
    if not any(header):
        raise UserError(f"{where}: the first line names no columns. Add a header line.")
